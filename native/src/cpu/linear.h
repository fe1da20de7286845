// Linear layers: y = x W^T + bias. Included inside an ISA's namespace.
//
// One output is one fixed reduction over k, whatever rows and ranges a call has: k in lanes, blocks of kBlockK, each summed by one tree
// over its lanes, the blocks added in order, the bias last. So a GEMV, a GEMM and a grouped GEMM give the same bits.
//
// Packed activations: groups of up to 4 rows; within a group [k / step][row][step], zero behind k. step is L floats, or 32 bf16 where the
// bf16 dot is used. The loop over rows is blocked so that the packed activations of a block stay in L2 while weights stream by.

constexpr int kGroupRows = 4;
constexpr int kBlockK = 1024;
constexpr int kBlockRows = 128;
constexpr int NR = Isa::kTileColumns;

static MLA_INLINE bool uses_bf16_dot(const mla_linear_params& p) {
  return Isa::kHasBf16Dot && p.compute == MLA_COMPUTE_BF16 && p.weight_type == MLA_TYPE_BF16;
}
static MLA_INLINE int group_rows(int rows) { return min_int(rows, kGroupRows); }
static MLA_INLINE int k_step(const mla_linear_params& p) { return uses_bf16_dot(p) ? 32 : L; }

static int64_t packed_bytes(const mla_linear_params& p) {
  const int group = group_rows(p.rows);
  if (group == 0) return 0;
  const int64_t groups = (p.rows + group - 1) / group;
  return round_up64(groups * group * (int64_t)round_up(p.k, k_step(p)) * (uses_bf16_dot(p) ? 2 : 4));
}

static void pack(const mla_linear_params& p, const float* x, const int32_t* indices, int row_begin,
                 int row_end, void* packed) {
  const int group = group_rows(p.rows), padded_k = round_up(p.k, k_step(p));
  const bool rounds = p.compute == MLA_COMPUTE_BF16;
  // the last group is padded with rows of zeros
  const int padded_end = row_end == p.rows ? round_up(row_end, group) : row_end;
  for (int i = row_begin; i < padded_end; i++) {
    const float* row = i < row_end ? x + (indices ? indices[i] : i) * p.x_stride : nullptr;
    const int64_t group_start = (int64_t)(i / group) * group * padded_k;
    const int lane_row = i % group;
    for (int k = 0; k < padded_k; k += L) {
      const int n = row ? min_int(L, p.k - k) : 0;
      const F v = n >= L ? Isa::load(row + k) : n > 0 ? Isa::load(row + k, n) : Isa::zero();
      if (uses_bf16_dot(p)) {
        uint16_t* out = (uint16_t*)packed + group_start + (int64_t)(k / 32 * group + lane_row) * 32 + k % 32;
        Isa::store_bf16(out, v, L);
      } else {
        float* out = (float*)packed + group_start + (int64_t)(k / L * group + lane_row) * L;
        Isa::store(out, rounds ? Isa::round_bf16(v) : v);
      }
    }
  }
}

// Adds the sums of MR x N lanes to y, or starts with them, and the bias at the end.
template <int MR, int N>
static MLA_INLINE void finish_tile(F (&s)[MR][N], float* y, int64_t y_stride, bool first, const float* bias) {
  float r[MR * N + 3];
  // the flat order row-major: any four sums may share a tree
#pragma GCC unroll 8
  for (int i = 0; i < MR * N; i += 4) {
    auto at = [&](int j)
                  __attribute__((always_inline)) { return j < MR * N ? s[j / N][j % N] : Isa::zero(); };
    Isa::sum4(at(i), at(i + 1), at(i + 2), at(i + 3), r + i);
  }
#pragma GCC unroll 4
  for (int i = 0; i < MR; i++) {
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) {
      float v = r[i * N + j];
      if (!first) v = y[i * y_stride + j] + v;
      if (bias) v = v + bias[j];
      y[i * y_stride + j] = v;
    }
  }
}

// MR rows x N weight rows over kc of k. w: N rows of the weight, widened in the loop; panel (not null): the same, widened before as
// [k / L][N][L].
template <int MR, int N, class R>
static MLA_INLINE void tile(const float* x, int group, const typename R::T* w, int64_t w_stride,
                            const float* panel, int kc, float* y, int64_t y_stride, bool first,
                            const float* bias) {
  F s[MR][N];
#pragma GCC unroll 4
  for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) s[i][j] = Isa::zero();
  if (panel) {
    for (int k = 0; k < kc; k += L) {
      F a[MR];
#pragma GCC unroll 4
      for (int i = 0; i < MR; i++) a[i] = Isa::load(x + (int64_t)k * group + i * L);
#pragma GCC unroll 8
      for (int j = 0; j < N; j++) {
        const F b = Isa::load(panel + (int64_t)k * N + j * L);
#pragma GCC unroll 4
        for (int i = 0; i < MR; i++) s[i][j] = Isa::fma(a[i], b, s[i][j]);
      }
    }
  } else {
    const int whole = kc / L * L;
    for (int k = 0; k < whole; k += L) {
#pragma GCC unroll 8
      for (int j = 0; j < N; j++) {
        const F b = R::read(w + j * w_stride + k);
#pragma GCC unroll 4
        for (int i = 0; i < MR; i++)
          s[i][j] = Isa::fma(Isa::load(x + (int64_t)k * group + i * L), b, s[i][j]);
      }
    }
    if (whole < kc) {
#pragma GCC unroll 8
      for (int j = 0; j < N; j++) {
        const F b = R::read(w + j * w_stride + whole, kc - whole);
#pragma GCC unroll 4
        for (int i = 0; i < MR; i++)
          s[i][j] = Isa::fma(Isa::load(x + (int64_t)whole * group + i * L), b, s[i][j]);
      }
    }
  }
  finish_tile<MR, N>(s, y, y_stride, first, bias);
}

// The rows of a block against N weight rows.
template <int N, class R>
static void row_tiles(const mla_linear_params& p, const float* x, int rows, int padded_k, int k0, int kc,
                      const typename R::T* w, const float* panel, const float* bias, float* y) {
  const int group = group_rows(p.rows);
  const bool first = k0 == 0;
  for (int m = 0; m < rows; m += kGroupRows) {
    const float* xm = x + (int64_t)m * padded_k + (int64_t)k0 * group;
    float* ym = y + m * p.y_stride;
    switch (min_int(kGroupRows, rows - m)) {
      case 4:
        tile<4, N, R>(xm, group, w, p.weight_stride, panel, kc, ym, p.y_stride, first, bias);
        break;
      case 3:
        tile<3, N, R>(xm, group, w, p.weight_stride, panel, kc, ym, p.y_stride, first, bias);
        break;
      case 2:
        tile<2, N, R>(xm, group, w, p.weight_stride, panel, kc, ym, p.y_stride, first, bias);
        break;
      default:
        tile<1, N, R>(xm, group, w, p.weight_stride, panel, kc, ym, p.y_stride, first, bias);
        break;
    }
  }
}

template <class R>
static void linear_widened(const mla_linear_params& p, const float* packed, const typename R::T* weight,
                           const float* bias, int n_begin, int n_end, float* y) {
  alignas(64) float panel[NR * kBlockK];
  const int padded_k = round_up(p.k, L);
  const bool use_panel = p.rows > 2 * kGroupRows;  // below, widening once would cost as much as it saves
  for (int m0 = 0; m0 < p.rows; m0 += kBlockRows) {
    const int rows = min_int(kBlockRows, p.rows - m0);
    for (int k0 = 0; k0 < p.k; k0 += kBlockK) {
      const int kc = min_int(kBlockK, p.k - k0);
      const bool last = k0 + kc == p.k;
      for (int n = n_begin; n < n_end;) {
        const typename R::T* w = weight + n * p.weight_stride + k0;
        const float* b = last && bias ? bias + n : nullptr;
        const float* x = packed + (int64_t)m0 * padded_k;
        float* yn = y + m0 * p.y_stride + n;
        if (n + NR <= n_end) {
          if (use_panel) {
            for (int k = 0; k < kc; k += L)
#pragma GCC unroll 8
              for (int j = 0; j < NR; j++) {
                const typename R::T* from = w + j * p.weight_stride + k;
                Isa::store(panel + k * NR + j * L, kc - k >= L ? R::read(from) : R::read(from, kc - k));
              }
          }
          row_tiles<NR, R>(p, x, rows, padded_k, k0, kc, w, use_panel ? panel : nullptr, b, yn);
          n += NR;
        } else {
          row_tiles<1, R>(p, x, rows, padded_k, k0, kc, w, nullptr, b, yn);
          n++;
        }
      }
    }
  }
}

#ifdef MLA_HAS_BF16_DOT
// The same with pairs of bf16: no widening, the weight's own memory is the operand.
template <int MR, int N>
static MLA_INLINE void pair_tile(const uint16_t* x, int group, const uint16_t* w, int64_t w_stride, int kc,
                                 float* y, int64_t y_stride, bool first, const float* bias) {
  F s[MR][N];
#pragma GCC unroll 4
  for (int i = 0; i < MR; i++)
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) s[i][j] = Isa::zero();
  const int whole = kc / 32 * 32;
  for (int k = 0; k < whole; k += 32) {
    Isa::P a[MR];
#pragma GCC unroll 4
    for (int i = 0; i < MR; i++) a[i] = Isa::load_pairs(x + (int64_t)k * group + i * 32);
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) {
      const Isa::P b = Isa::load_pairs(w + j * w_stride + k);
#pragma GCC unroll 4
      for (int i = 0; i < MR; i++) s[i][j] = Isa::dot(s[i][j], a[i], b);
    }
  }
  if (whole < kc) {
#pragma GCC unroll 8
    for (int j = 0; j < N; j++) {
      const Isa::P b = Isa::load_pairs(w + j * w_stride + whole, kc - whole);
#pragma GCC unroll 4
      for (int i = 0; i < MR; i++)
        s[i][j] = Isa::dot(s[i][j], Isa::load_pairs(x + (int64_t)whole * group + i * 32), b);
    }
  }
  finish_tile<MR, N>(s, y, y_stride, first, bias);
}

template <int N>
static MLA_INLINE void pair_row_tiles(const mla_linear_params& p, const uint16_t* x, int rows, int padded_k,
                                      int k0, int kc, const uint16_t* w, const float* bias, float* y) {
  const int group = group_rows(p.rows);
  const bool first = k0 == 0;
  for (int m = 0; m < rows; m += kGroupRows) {
    const uint16_t* xm = x + (int64_t)m * padded_k + (int64_t)k0 * group;
    float* ym = y + m * p.y_stride;
    switch (min_int(kGroupRows, rows - m)) {
      case 4:
        pair_tile<4, N>(xm, group, w, p.weight_stride, kc, ym, p.y_stride, first, bias);
        break;
      case 3:
        pair_tile<3, N>(xm, group, w, p.weight_stride, kc, ym, p.y_stride, first, bias);
        break;
      case 2:
        pair_tile<2, N>(xm, group, w, p.weight_stride, kc, ym, p.y_stride, first, bias);
        break;
      default:
        pair_tile<1, N>(xm, group, w, p.weight_stride, kc, ym, p.y_stride, first, bias);
        break;
    }
  }
}

static void linear_pairs(const mla_linear_params& p, const uint16_t* packed, const uint16_t* weight,
                         const float* bias, int n_begin, int n_end, float* y) {
  const int padded_k = round_up(p.k, 32);
  for (int m0 = 0; m0 < p.rows; m0 += kBlockRows) {
    const int rows = min_int(kBlockRows, p.rows - m0);
    for (int k0 = 0; k0 < p.k; k0 += kBlockK) {
      const int kc = min_int(kBlockK, p.k - k0);
      const bool last = k0 + kc == p.k;
      for (int n = n_begin; n < n_end;) {
        const uint16_t* w = weight + n * p.weight_stride + k0;
        const float* b = last && bias ? bias + n : nullptr;
        const uint16_t* x = packed + (int64_t)m0 * padded_k;
        float* yn = y + m0 * p.y_stride + n;
        if (n + NR <= n_end) {
          pair_row_tiles<NR>(p, x, rows, padded_k, k0, kc, w, b, yn);
          n += NR;
        } else {
          pair_row_tiles<1>(p, x, rows, padded_k, k0, kc, w, b, yn);
          n++;
        }
      }
    }
  }
}
#endif

static void linear(const mla_linear_params& p, const void* packed, const void* weight, const float* bias,
                   int n_begin, int n_end, float* y) {
#ifdef MLA_HAS_BF16_DOT
  if (uses_bf16_dot(p)) {
    linear_pairs(p, (const uint16_t*)packed, (const uint16_t*)weight, bias, n_begin, n_end, y);
    return;
  }
#endif
  const float* x = (const float*)packed;
  switch (p.weight_type) {
    case MLA_TYPE_F32:
      linear_widened<F32Reader>(p, x, (const float*)weight, bias, n_begin, n_end, y);
      break;
    case MLA_TYPE_BF16:
      linear_widened<Bf16Reader>(p, x, (const uint16_t*)weight, bias, n_begin, n_end, y);
      break;
    default:
      linear_widened<F16Reader>(p, x, (const uint16_t*)weight, bias, n_begin, n_end, y);
      break;
  }
}

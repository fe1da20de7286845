// Linear layers: y = x W^T + bias. Included inside an ISA's namespace.
//
// One output is one fixed reduction over k, whatever rows and ranges a call has: k in lanes, blocks of kBlockK, each summed by one tree
// over its lanes, the blocks added in order, the bias last. So a GEMV, a GEMM and a grouped GEMM give the same bits.
//
// Packed activations: groups of up to 4 rows; within a group [k / step][row][step], zero behind k. step is L floats, or 32 bf16 where the
// bf16 dot is used. Many rows are taken in blocks whose packed activations stay in L2 while weights stream by; few rows read each weight
// row to its end before the next, as memory likes it.

constexpr int kGroupRows = 4;
constexpr int kBlockK = 1024;
constexpr int kBlockRows = 128;
constexpr int kFewRows =
    2 * kGroupRows;  // up to here weights are widened where they are used, not once for all rows
constexpr int kVectorColumns = 6;  // outputs at a time for a single row: as many streams of weights
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

// The product of a tile, in two kinds: on weights widened to float32, of which R reads a vector,
template <class R>
struct Widened {
  typedef float X;
  typedef typename R::T W;
  static constexpr int kStep = L;
  static constexpr bool kUsesPanel = true;

  // NR rows of weights over kc of k as [k / L][NR][L], zero behind kc.
  static MLA_INLINE void fill_panel(const W* w, int64_t w_stride, int kc, float* panel) {
    for (int k = 0; k < kc; k += L)
#pragma GCC unroll 8
      for (int j = 0; j < NR; j++) {
        const W* from = w + j * w_stride + k;
        Isa::store(panel + k * NR + j * L, kc - k >= L ? R::read(from) : R::read(from, kc - k));
      }
  }

  // MR rows x N weight rows over kc of k, from `panel` or, where it is null, from the weights themselves.
  template <int MR, int N>
  static MLA_INLINE void tile(const float* x, int group, const W* w, int64_t w_stride, const float* panel,
                              int kc, float* y, int64_t y_stride, bool first, const float* bias) {
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
};

#ifdef MLA_HAS_BF16_DOT
// and on pairs of bf16: no widening, the weight's own memory is the operand.
struct Pairs {
  typedef uint16_t X;
  typedef uint16_t W;
  static constexpr int kStep = 32;
  static constexpr bool kUsesPanel = false;

  static MLA_INLINE void fill_panel(const W*, int64_t, int, float*) {}

  template <int MR, int N>
  static MLA_INLINE void tile(const uint16_t* x, int group, const W* w, int64_t w_stride, const float*,
                              int kc, float* y, int64_t y_stride, bool first, const float* bias) {
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
};
#endif

// A part of a layer: `rows` packed rows x outputs [n_begin, n_end) over kc of k.
template <class K>
struct Part {
  const typename K::X* x;  // the packed rows at the part's first k
  int rows;
  int group;               // rows in a packed group
  int64_t group_step;      // between packed groups
  const typename K::W* w;  // of output 0, at the part's first k
  int64_t w_stride;
  int kc;
  bool first;         // of the parts of k: y is written, later ones add to it
  const float* bias;  // of output 0, with the last part of k
  float* y;           // row 0, output 0
  int64_t y_stride;
};

template <int N, class K>
static MLA_INLINE void row_tiles(const Part<K>& p, int n, const float* panel) {
  const typename K::W* w = p.w + n * p.w_stride;
  const float* bias = p.bias ? p.bias + n : nullptr;
  const typename K::X* x = p.x;
  for (int m = 0; m < p.rows; m += kGroupRows, x += p.group_step) {
    float* y = p.y + m * p.y_stride + n;
    switch (min_int(kGroupRows, p.rows - m)) {
      case 4:
        K::template tile<4, N>(x, p.group, w, p.w_stride, panel, p.kc, y, p.y_stride, p.first, bias);
        break;
      case 3:
        K::template tile<3, N>(x, p.group, w, p.w_stride, panel, p.kc, y, p.y_stride, p.first, bias);
        break;
      case 2:
        K::template tile<2, N>(x, p.group, w, p.w_stride, panel, p.kc, y, p.y_stride, p.first, bias);
        break;
      default:
        K::template tile<1, N>(x, p.group, w, p.w_stride, panel, p.kc, y, p.y_stride, p.first, bias);
        break;
    }
  }
}

// panel: room for NR x kc weights, or null.
template <class K>
static void outputs(const Part<K>& p, int n_begin, int n_end, float* panel) {
  int n = n_begin;
  if (p.rows == 1) {
    const float* bias = p.bias;
    for (; n + kVectorColumns <= n_end; n += kVectorColumns)
      K::template tile<1, kVectorColumns>(p.x, p.group, p.w + n * p.w_stride, p.w_stride, nullptr, p.kc,
                                          p.y + n, p.y_stride, p.first, bias ? bias + n : nullptr);
  }
  for (; n + NR <= n_end; n += NR) {
    if (panel) K::fill_panel(p.w + n * p.w_stride, p.w_stride, p.kc, panel);
    row_tiles<NR, K>(p, n, panel);
  }
  for (; n < n_end; n++) row_tiles<1, K>(p, n, nullptr);
}

template <class K>
static void linear_of(const mla_linear_params& p, const void* packed, const void* weight, const float* bias,
                      int n_begin, int n_end, float* y) {
  alignas(64) float panel[NR * kBlockK];
  const bool few = p.rows <= kFewRows;
  const int n_step = few ? kVectorColumns : n_end - n_begin;
  const int group = group_rows(p.rows), padded_k = round_up(p.k, K::kStep);
  for (int m = 0; m < p.rows; m += kBlockRows) {
    for (int n = n_begin; n < n_end; n += n_step) {
      for (int k = 0; k < p.k; k += kBlockK) {
        const int kc = min_int(kBlockK, p.k - k);
        const Part<K> part{(const typename K::X*)packed + (int64_t)m * padded_k + (int64_t)k * group,
                           min_int(kBlockRows, p.rows - m),
                           group,
                           (int64_t)group * padded_k,
                           (const typename K::W*)weight + k,
                           p.weight_stride,
                           kc,
                           k == 0,
                           k + kc == p.k ? bias : nullptr,
                           y + m * p.y_stride,
                           p.y_stride};
        outputs<K>(part, n, n_end - n < n_step ? n_end : n + n_step, few || !K::kUsesPanel ? nullptr : panel);
      }
    }
  }
}

static void linear(const mla_linear_params& p, const void* packed, const void* weight, const float* bias,
                   int n_begin, int n_end, float* y) {
#ifdef MLA_HAS_BF16_DOT
  if (uses_bf16_dot(p)) {
    linear_of<Pairs>(p, packed, weight, bias, n_begin, n_end, y);
    return;
  }
#endif
  switch (p.weight_type) {
    case MLA_TYPE_F32:
      linear_of<Widened<F32Reader>>(p, packed, weight, bias, n_begin, n_end, y);
      break;
    case MLA_TYPE_BF16:
      linear_of<Widened<Bf16Reader>>(p, packed, weight, bias, n_begin, n_end, y);
      break;
    default:
      linear_of<Widened<F16Reader>>(p, packed, weight, bias, n_begin, n_end, y);
      break;
  }
}

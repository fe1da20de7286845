// One small linear per head: W_UK into the query (transposed), W_UV onto the attended latent (plain). Included inside an ISA's namespace.
//
// Plain: the reduction of linear.h. Transposed: outputs in lanes, inputs added in order. Tokens are taken four at a time, packed on the
// stack in blocks of kBlockK inputs; each token's sums do not notice the others.

constexpr int kTokenTile = kGroupRows;

// The packed activations of up to kTokenTile tokens; of one head, with the strides of a token.
struct HeadTile {
  mla_linear_params p;
  const float* x;
  float* y;
};

// y = x W^T for the tokens of a tile.
template <class K>
static void head_plain(HeadTile t, const typename K::W* w) {
  alignas(64) float packed[kGroupRows * kBlockK];
  const int in = t.p.k;
  for (int k = 0; k < in; k += kBlockK) {
    t.p.k = min_int(kBlockK, in - k);
    pack(t.p, t.x + k, nullptr, 0, t.p.rows, packed);
    const Part<K> part{(const typename K::X*)packed,
                       t.p.rows,
                       t.p.rows,
                       0,
                       w + k,
                       t.p.weight_stride,
                       t.p.k,
                       k == 0,
                       nullptr,
                       t.y,
                       t.p.y_stride};
    outputs<K>(part, 0, t.p.n, nullptr);
  }
}

// y = x W: TT tokens x VV vectors of outputs over inputs [0, in), added to y where it is not the first block. x: [input][TT].
template <class R, int TT, int VV>
static MLA_INLINE void transposed_tile(const float* x, int in, const typename R::T* w, int64_t w_stride,
                                       int columns, float* y, int64_t y_stride, bool first) {
  F s[TT][VV];
#pragma GCC unroll 4
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) {
      const int n = min_int(L, columns - v * L);
      s[t][v] = first ? Isa::zero() : Isa::load(y + t * y_stride + v * L, n);
    }
  if (columns == VV * L) {
    for (int i = 0; i < in; i++) {
      F b[VV];
#pragma GCC unroll 4
      for (int v = 0; v < VV; v++) b[v] = R::read(w + i * w_stride + v * L);
#pragma GCC unroll 4
      for (int t = 0; t < TT; t++) {
        const F a = Isa::set1(x[i * TT + t]);
#pragma GCC unroll 4
        for (int v = 0; v < VV; v++) s[t][v] = Isa::fma(a, b[v], s[t][v]);
      }
    }
  } else {
    for (int i = 0; i < in; i++) {
      const F b = R::read(w + i * w_stride, columns);
#pragma GCC unroll 4
      for (int t = 0; t < TT; t++) s[t][0] = Isa::fma(Isa::set1(x[i * TT + t]), b, s[t][0]);
    }
  }
#pragma GCC unroll 4
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) Isa::store(y + t * y_stride + v * L, s[t][v], min_int(L, columns - v * L));
}

template <class R, int TT>
static void head_transposed(const HeadTile& t, const typename R::T* w) {
  constexpr int VV = Isa::kValueVectors;
  float x[TT * kBlockK];
  for (int i0 = 0; i0 < t.p.k; i0 += kBlockK) {
    const int in = min_int(kBlockK, t.p.k - i0);
    for (int r = 0; r < TT; r++) {
      const float* from = t.x + r * t.p.x_stride + i0;
      for (int i = 0; i < in; i++) {
        const uint32_t bits = (uint32_t)to_bf16(from[i]) << 16;
        float rounded;
        __builtin_memcpy(&rounded, &bits, 4);
        x[i * TT + r] = t.p.compute == MLA_COMPUTE_BF16 ? rounded : from[i];
      }
    }
    const typename R::T* wi = w + i0 * t.p.weight_stride;
    int j = 0;
    for (; j + VV * L <= t.p.n; j += VV * L)
      transposed_tile<R, TT, VV>(x, in, wi + j, t.p.weight_stride, VV * L, t.y + j, t.p.y_stride, i0 == 0);
    for (; j < t.p.n; j += L)
      transposed_tile<R, TT, 1>(x, in, wi + j, t.p.weight_stride, min_int(L, t.p.n - j), t.y + j,
                                t.p.y_stride, i0 == 0);
  }
}

template <class R, class K>
static void head_linear_of(const mla_head_linear_params& p, const float* x, const typename R::T* w,
                           int head_begin, int head_end, int token_begin, int token_end, float* y) {
  HeadTile tile{};
  tile.p.compute = p.compute;
  tile.p.weight_type = p.weight_type;
  tile.p.k = p.in;
  tile.p.n = p.out;
  tile.p.x_stride = p.x_token_stride;
  tile.p.weight_stride = p.weight_stride;
  tile.p.y_stride = p.y_token_stride;
  for (int h = head_begin; h < head_end; h++) {
    const typename R::T* wh = w + h * p.weight_head_stride;
    for (int t = token_begin; t < token_end;) {
      const int left = token_end - t;
      // transposed tiles come in two sizes only
      tile.p.rows = p.transposed && left < kTokenTile ? 1 : min_int(kTokenTile, left);
      tile.x = x + t * p.x_token_stride + h * p.x_head_stride;
      tile.y = y + t * p.y_token_stride + h * p.y_head_stride;
      if (!p.transposed)
        head_plain<K>(tile, wh);
      else if (tile.p.rows == kTokenTile)
        head_transposed<R, kTokenTile>(tile, wh);
      else
        head_transposed<R, 1>(tile, wh);
      t += tile.p.rows;
    }
  }
}

static void head_linear(const mla_head_linear_params& p, const float* x, const void* weight, int head_begin,
                        int head_end, int token_begin, int token_end, float* y) {
  const uint16_t* half = (const uint16_t*)weight;
#ifdef MLA_HAS_BF16_DOT
  if (p.compute == MLA_COMPUTE_BF16 && p.weight_type == MLA_TYPE_BF16) {
    head_linear_of<Bf16Reader, Pairs>(p, x, half, head_begin, head_end, token_begin, token_end, y);
    return;
  }
#endif
  switch (p.weight_type) {
    case MLA_TYPE_F32:
      head_linear_of<F32Reader, Widened<F32Reader>>(p, x, (const float*)weight, head_begin, head_end,
                                                    token_begin, token_end, y);
      break;
    case MLA_TYPE_BF16:
      head_linear_of<Bf16Reader, Widened<Bf16Reader>>(p, x, half, head_begin, head_end, token_begin,
                                                      token_end, y);
      break;
    default:
      head_linear_of<F16Reader, Widened<F16Reader>>(p, x, half, head_begin, head_end, token_begin, token_end,
                                                    y);
      break;
  }
}

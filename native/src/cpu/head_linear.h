// One small linear per head: W_UK into the query (transposed), W_UV onto the attended latent (plain). Included inside an ISA's namespace.
//
// Plain: the reduction of linear.h. Transposed: outputs in lanes, inputs added in order, one by one or, with the bf16 dot, in pairs. Tokens
// are taken a few at a time, packed on the stack in blocks of kBlockK inputs; each token's sums do not notice the others.

constexpr int kPlainTokens = 16;
constexpr int kTransposedTokens = 4;
// Vectors of outputs of a tile: a single token reads long runs of each weight row, as memory likes it.
constexpr int kTokenVectors = Isa::kValueVectors;
constexpr int kRowVectors = 4 * Isa::kValueVectors;

// The packed activations of a few tokens; of one head, with the strides of a token.
struct HeadTile {
  mla_linear_params p;
  const float* x;
  float* y;
};

// y = x W^T for the tokens of a tile.
template <class K>
static void head_plain(HeadTile t, const typename K::W* w) {
  alignas(64) float packed[kPlainTokens * kBlockK];
  const int in = t.p.k;
  for (int k = 0; k < in; k += kBlockK) {
    t.p.k = min_int(kBlockK, in - k);
    pack(t.p, t.x + k, nullptr, 0, t.p.rows, packed);
    linear_of<K>(t.p, packed, w + k, nullptr, 0, t.p.n, k > 0, t.y);
  }
}

// Inputs as the transposed tiles take them, in two kinds: one by one, times weights widened to float32, of which R reads a vector,
template <class R>
struct OneByOne {
  typedef float X;
  typedef typename R::T W;
  static constexpr int kInputs = 1;

  static MLA_INLINE void pack(const float* x, int in, bool rounds, float* packed) {
    for (int i = 0; i < in; i += L) {
      const int n = min_int(L, in - i);
      const F v = Isa::load(x + i, n);
      Isa::store(packed + i, rounds ? Isa::round_bf16(v) : v, n);
    }
  }

  // VV vectors of outputs of the weight row at w, of which `columns` are there.
  template <int VV>
  static MLA_INLINE void read(const W* w, int64_t, bool, int columns, F (&b)[VV]) {
    if constexpr (VV == 1) {
      b[0] = columns >= L ? R::read(w) : R::read(w, columns);
    } else {
#pragma GCC unroll 16
      for (int v = 0; v < VV; v++) b[v] = R::read(w + v * L);
    }
  }
  static MLA_INLINE F broadcast(const X* x) { return Isa::set1(*x); }
  static MLA_INLINE F add_product(F a, F b, F s) { return Isa::fma(a, b, s); }
  typedef F B;
};

#ifdef MLA_HAS_BF16_DOT
// and two by two, rows of bf16 weights interleaved into pairs.
struct TwoByTwo {
  typedef uint16_t X;
  typedef uint16_t W;
  typedef Isa::P B;
  static constexpr int kInputs = 2;

  static MLA_INLINE void pack(const float* x, int in, bool, uint16_t* packed) {
    for (int i = 0; i < in; i += 32) {
      const int n = in - i;
      Isa::store_pairs(packed + i, Isa::round_to_pairs(n >= L ? Isa::load(x + i) : Isa::load(x + i, n),
                                                       n >= 32 ? Isa::load(x + i + L)
                                                       : n > L ? Isa::load(x + i + L, n - L)
                                                               : Isa::zero()));
    }
  }

  template <int VV>
  static MLA_INLINE void read(const W* w, int64_t w_stride, bool alone, int columns, B (&b)[VV]) {
    if constexpr (VV == 1) {
      const int n = min_int(L, columns);
      B rest;
      Isa::interleave(Isa::load_pairs(w, n), alone ? Isa::no_pairs() : Isa::load_pairs(w + w_stride, n),
                      &b[0], &rest);
    } else {
#pragma GCC unroll 8
      for (int v = 0; v < VV; v += 2)
        Isa::interleave(Isa::load_pairs(w + v * L),
                        alone ? Isa::no_pairs() : Isa::load_pairs(w + w_stride + v * L), &b[v], &b[v + 1]);
    }
  }
  static MLA_INLINE B broadcast(const X* x) {
    uint32_t pair;
    __builtin_memcpy(&pair, x, 4);
    return Isa::set1_pair(pair);
  }
  static MLA_INLINE F add_product(B a, B b, F s) { return Isa::dot(s, a, b); }
};
#endif

// y = x W: TT tokens x VV vectors of outputs over inputs [0, in), added to y where it is not the first block. x: [TT][kBlockK].
template <class K, int TT, int VV>
static MLA_INLINE void transposed_tile(const typename K::X* x, int in, const typename K::W* w,
                                       int64_t w_stride, int columns, float* y, int64_t y_stride,
                                       bool first) {
  F s[TT][VV];
#pragma GCC unroll 4
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 16
    for (int v = 0; v < VV; v++)
      s[t][v] = first ? Isa::zero() : Isa::load(y + t * y_stride + v * L, min_int(L, columns - v * L));
  constexpr int C = VV < kTokenVectors ? VV : kTokenVectors;  // vectors of weights in registers at a time
  auto step = [&](int i, bool alone) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v0 = 0; v0 < VV; v0 += C) {
      typename K::B b[C];
      K::template read<C>(w + i * w_stride + v0 * L, w_stride, alone, columns, b);
#pragma GCC unroll 4
      for (int t = 0; t < TT; t++) {
        const typename K::B a = K::broadcast(x + t * kBlockK + i);
#pragma GCC unroll 4
        for (int v = 0; v < C; v++) s[t][v0 + v] = K::add_product(a, b[v], s[t][v0 + v]);
      }
    }
  };
  int i = 0;
  for (; i + K::kInputs <= in; i += K::kInputs) step(i, false);
  if (i < in) step(i, true);
#pragma GCC unroll 4
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 16
    for (int v = 0; v < VV; v++) Isa::store(y + t * y_stride + v * L, s[t][v], min_int(L, columns - v * L));
}

template <class K, int TT>
static void head_transposed(const HeadTile& t, const typename K::W* w) {
  constexpr int VV = TT == 1 ? kRowVectors : kTokenVectors;
  alignas(64) typename K::X x[TT * kBlockK];
  for (int i0 = 0; i0 < t.p.k; i0 += kBlockK) {
    const int in = min_int(kBlockK, t.p.k - i0);
    for (int r = 0; r < TT; r++)
      K::pack(t.x + r * t.p.x_stride + i0, in, t.p.compute == MLA_COMPUTE_BF16, x + r * kBlockK);
    const typename K::W* wi = w + i0 * t.p.weight_stride;
    int j = 0;
    for (; j + VV * L <= t.p.n; j += VV * L)
      transposed_tile<K, TT, VV>(x, in, wi + j, t.p.weight_stride, VV * L, t.y + j, t.p.y_stride, i0 == 0);
    for (; j < t.p.n; j += L)
      transposed_tile<K, TT, 1>(x, in, wi + j, t.p.weight_stride, min_int(L, t.p.n - j), t.y + j,
                                t.p.y_stride, i0 == 0);
  }
}

// P: the kind of the plain form, T: of the transposed one.
template <class P, class T>
static void head_linear_of(const mla_head_linear_params& p, const float* x, const void* weight,
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
    const typename P::W* wh = (const typename P::W*)weight + h * p.weight_head_stride;
    for (int t = token_begin; t < token_end;) {
      const int left = token_end - t;
      // transposed tiles come in two sizes only
      tile.p.rows = !p.transposed              ? min_int(kPlainTokens, left)
                    : left < kTransposedTokens ? 1
                                               : kTransposedTokens;
      tile.x = x + t * p.x_token_stride + h * p.x_head_stride;
      tile.y = y + t * p.y_token_stride + h * p.y_head_stride;
      if (!p.transposed)
        head_plain<P>(tile, wh);
      else if (tile.p.rows == kTransposedTokens)
        head_transposed<T, kTransposedTokens>(tile, wh);
      else
        head_transposed<T, 1>(tile, wh);
      t += tile.p.rows;
    }
  }
}

static void head_linear(const mla_head_linear_params& p, const float* x, const void* weight, int head_begin,
                        int head_end, int token_begin, int token_end, float* y) {
#ifdef MLA_HAS_BF16_DOT
  if (p.compute == MLA_COMPUTE_BF16 && p.weight_type == MLA_TYPE_BF16) {
    head_linear_of<Pairs, TwoByTwo>(p, x, weight, head_begin, head_end, token_begin, token_end, y);
    return;
  }
#endif
  switch (p.weight_type) {
    case MLA_TYPE_F32:
      head_linear_of<Widened<F32Reader>, OneByOne<F32Reader>>(p, x, weight, head_begin, head_end, token_begin,
                                                              token_end, y);
      break;
    case MLA_TYPE_BF16:
      head_linear_of<Widened<Bf16Reader>, OneByOne<Bf16Reader>>(p, x, weight, head_begin, head_end,
                                                                token_begin, token_end, y);
      break;
    default:
      head_linear_of<Widened<F16Reader>, OneByOne<F16Reader>>(p, x, weight, head_begin, head_end, token_begin,
                                                              token_end, y);
      break;
  }
}

// One small linear per head: W_UK into the query (transposed), W_UV onto the attended latent (plain). Included inside an ISA's namespace.
//
// Plain: k in lanes, one tree. Transposed: outputs in lanes, inputs added in order. Tokens are taken four at a time to share a weight's
// widening; each token's sums do not notice.

constexpr int kTokenTile = 4;

template <class R, int TT>
static MLA_INLINE void head_plain(const mla_head_linear_params& p, const float* x, const typename R::T* w,
                                  float* y) {
  const bool rounds = p.compute == MLA_COMPUTE_BF16;
  const int whole = p.in / L * L;
  for (int j = 0; j < p.out; j++) {
    const typename R::T* row = w + j * p.weight_stride;
    F s[TT][2];
#pragma GCC unroll 4
    for (int t = 0; t < TT; t++) s[t][0] = s[t][1] = Isa::zero();
    int k = 0;
    // two sums for each token: a single one would wait for its own last addition
    for (; k + 2 * L <= whole; k += 2 * L) {
      const F b0 = R::read(row + k), b1 = R::read(row + k + L);
#pragma GCC unroll 4
      for (int t = 0; t < TT; t++) {
        F a0 = Isa::load(x + t * p.x_token_stride + k), a1 = Isa::load(x + t * p.x_token_stride + k + L);
        if (rounds) a0 = Isa::round_bf16(a0), a1 = Isa::round_bf16(a1);
        s[t][0] = Isa::fma(a0, b0, s[t][0]);
        s[t][1] = Isa::fma(a1, b1, s[t][1]);
      }
    }
    for (; k < p.in; k += L) {
      const int n = min_int(L, p.in - k);
      const F b = n == L ? R::read(row + k) : R::read(row + k, n);
#pragma GCC unroll 4
      for (int t = 0; t < TT; t++) {
        const float* xk = x + t * p.x_token_stride + k;
        F a = n == L ? Isa::load(xk) : Isa::load(xk, n);
        if (rounds) a = Isa::round_bf16(a);
        s[t][0] = Isa::fma(a, b, s[t][0]);
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < TT; t++) y[t * p.y_token_stride + j] = sum(Isa::add(s[t][0], s[t][1]));
  }
}

template <class R, int TT>
static MLA_INLINE void head_transposed(const mla_head_linear_params& p, const float* x,
                                       const typename R::T* w, float* y) {
  constexpr int VV = 2;  // vectors of outputs at a time
  const bool rounds = p.compute == MLA_COMPUTE_BF16;
  for (int j = 0; j < p.out; j += VV * L) {
    int n[VV];
    F s[TT][VV];
#pragma GCC unroll 2
    for (int v = 0; v < VV; v++) {
      n[v] = p.out - j - v * L;
#pragma GCC unroll 4
      for (int t = 0; t < TT; t++) s[t][v] = Isa::zero();
    }
    for (int i = 0; i < p.in; i++) {
      const typename R::T* row = w + i * p.weight_stride + j;
      F b[VV];
#pragma GCC unroll 2
      for (int v = 0; v < VV; v++)
        b[v] = n[v] >= L ? R::read(row + v * L) : n[v] > 0 ? R::read(row + v * L, n[v]) : Isa::zero();
#pragma GCC unroll 4
      for (int t = 0; t < TT; t++) {
        F a = Isa::set1(x[t * p.x_token_stride + i]);
        if (rounds) a = Isa::round_bf16(a);
#pragma GCC unroll 2
        for (int v = 0; v < VV; v++) s[t][v] = Isa::fma(a, b[v], s[t][v]);
      }
    }
#pragma GCC unroll 4
    for (int t = 0; t < TT; t++)
#pragma GCC unroll 2
      for (int v = 0; v < VV; v++)
        if (n[v] > 0) Isa::store(y + t * p.y_token_stride + j + v * L, s[t][v], min_int(L, n[v]));
  }
}

template <class R>
static void head_linear_typed(const mla_head_linear_params& p, const float* x, const typename R::T* w,
                              int head_begin, int head_end, int token_begin, int token_end, float* y) {
  for (int h = head_begin; h < head_end; h++) {
    const typename R::T* wh = w + h * p.weight_head_stride;
    for (int t = token_begin; t < token_end;) {
      const float* xt = x + t * p.x_token_stride + h * p.x_head_stride;
      float* yt = y + t * p.y_token_stride + h * p.y_head_stride;
      if (t + kTokenTile <= token_end) {
        if (p.transposed)
          head_transposed<R, kTokenTile>(p, xt, wh, yt);
        else
          head_plain<R, kTokenTile>(p, xt, wh, yt);
        t += kTokenTile;
      } else {
        if (p.transposed)
          head_transposed<R, 1>(p, xt, wh, yt);
        else
          head_plain<R, 1>(p, xt, wh, yt);
        t++;
      }
    }
  }
}

static void head_linear(const mla_head_linear_params& p, const float* x, const void* weight, int head_begin,
                        int head_end, int token_begin, int token_end, float* y) {
  switch (p.weight_type) {
    case MLA_TYPE_F32:
      head_linear_typed<F32Reader>(p, x, (const float*)weight, head_begin, head_end, token_begin, token_end,
                                   y);
      break;
    case MLA_TYPE_BF16:
      head_linear_typed<Bf16Reader>(p, x, (const uint16_t*)weight, head_begin, head_end, token_begin,
                                    token_end, y);
      break;
    default:
      head_linear_typed<F16Reader>(p, x, (const uint16_t*)weight, head_begin, head_end, token_begin,
                                   token_end, y);
      break;
  }
}

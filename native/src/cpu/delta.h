// Kimi Delta Attention: the tokens of a sequence, one after the other, through the state of each head.
//
// With r = decay the state becomes S' = r S + k u^T, u = beta (v - S^T (r k)), and the result S'^T q = S^T (r q) + (k . q) u: one pass over
// S for both products, and one that writes S'. A few columns of S at a time stay in the first cache over all tokens of a block.
#pragma once
#include "abi/checks.h"
#include "cpu/activations.h"
#include "cpu/lanes.h"
#include "cpu/limits.h"
#include "cpu/scalar_math.h"

namespace mla {
namespace {

constexpr int kDeltaTokens = 8;  // of a block: what is known of them lies on the stack
constexpr int kDeltaVectors =
    4;  // columns of S that are taken together: as many sums of each kind fit the registers

// What is known of the tokens of a block before they meet the state: channels of one head, padded with zeros to whole vectors.
struct DeltaBlock {
  float q[kDeltaTokens][kMaxDeltaWidth], k[kDeltaTokens][kMaxDeltaWidth], v[kDeltaTokens][kMaxDeltaWidth];
  float decay[kDeltaTokens][kMaxDeltaWidth];
  float decayed_q[kDeltaTokens][kMaxDeltaWidth], decayed_k[kDeltaTokens][kMaxDeltaWidth];
  float out[kDeltaTokens][kMaxDeltaWidth];
  float beta[kDeltaTokens], qk[kDeltaTokens];
};

// Inputs of a convolution: those before the first token lie in the state, or are zeros where past is NULL.
struct DeltaInputs {
  const float* x;
  int64_t stride;
  const float* past;

  const float* row(int t, int width) const {
    return t >= 0 ? x + t * stride : past ? past + (kDeltaTaps - 1 + t) * width : nullptr;
  }
};

// silu of the convolution at token t.
template <class Isa>
void convolve(const DeltaInputs& in, const float* taps, int64_t taps_stride, int t, int width, float* y) {
  for (int i = 0; i < width; i += Isa::L) {
    const int n = min_int(Isa::L, width - i);
    F<Isa> sum = Isa::zero();
    for (int j = 0; j < kDeltaTaps; j++) {
      const float* row = in.row(t - kDeltaTaps + 1 + j, width);
      if (row) sum = Isa::fma(Isa::load(taps + j * taps_stride + i, n), Isa::load(row + i, n), sum);
    }
    Isa::store(y + i, silu<Isa>(sum));
  }
}

template <class Isa>
float dot_padded(const float* x, const float* y, int width) {
  F<Isa> s = Isa::zero();
  for (int i = 0; i < width; i += Isa::L) s = Isa::fma(Isa::load(x + i), Isa::load(y + i), s);
  return sum<Isa>(s);
}

template <class Isa>
void scale_padded(float* x, float factor, int width) {
  for (int i = 0; i < width; i += Isa::L) Isa::store(x + i, Isa::mul(Isa::load(x + i), Isa::set1(factor)));
}

// The decays of the channels of a token, and query and key times them.
template <class Isa>
void decay_channels(const mla_delta_params& p, const float* x, const float* bias, float rate, int j,
                    DeltaBlock& b) {
  for (int i = 0; i < p.width; i += Isa::L) {
    const int n = min_int(Isa::L, p.width - i);
    const F<Isa> z = Isa::add(Isa::load(x + i, n), Isa::load(bias + i, n));
    const F<Isa> exponent =
        p.decay == MLA_DECAY_BOUNDED
            ? Isa::mul(Isa::set1(p.decay_bound), sigmoid<Isa>(Isa::mul(Isa::set1(rate), z)))
            : Isa::mul(Isa::set1(-rate), softplus<Isa>(z));
    const F<Isa> decay = vector_exp<Isa>(exponent);
    Isa::store(b.decay[j] + i, decay);
    Isa::store(b.decayed_q[j] + i, Isa::mul(decay, Isa::load(b.q[j] + i)));
    Isa::store(b.decayed_k[j] + i, Isa::mul(decay, Isa::load(b.k[j] + i)));
  }
}

// Several vectors, or the first n lanes of one.
template <class Isa, int V>
MLA_INLINE F<Isa> load_columns(const float* p, int n) {
  return V > 1 ? Isa::load(p) : Isa::load(p, n);
}
template <class Isa, int V>
MLA_INLINE void store_columns(float* p, F<Isa> x, int n) {
  if constexpr (V > 1)
    Isa::store(p, x);
  else
    Isa::store(p, x, n);
}

// V vectors of columns of S, or n columns, through the tokens of a block. from: S before the first of them.
template <class Isa, int V>
void delta_columns(const float* from, float* to, int width, int column, int n, int tokens, DeltaBlock& b) {
  constexpr int L = Isa::L;
  for (int j = 0; j < tokens; j++) {
    const float* s = (j == 0 ? from : to) + column;
    F<Isa> seen[V], result[V], u[V];
    for (int v = 0; v < V; v++) seen[v] = result[v] = Isa::zero();
    for (int c = 0; c < width; c++) {
      const F<Isa> k = Isa::set1(b.decayed_k[j][c]), q = Isa::set1(b.decayed_q[j][c]);
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) {
        const F<Isa> row = load_columns<Isa, V>(s + c * width + v * L, n);
        seen[v] = Isa::fma(k, row, seen[v]);
        result[v] = Isa::fma(q, row, result[v]);
      }
    }
    for (int v = 0; v < V; v++) {
      u[v] = Isa::mul(Isa::set1(b.beta[j]), Isa::sub(Isa::load(b.v[j] + column + v * L), seen[v]));
      Isa::store(b.out[j] + column + v * L, Isa::fma(Isa::set1(b.qk[j]), u[v], result[v]));
    }
    float* next = to + column;
    for (int c = 0; c < width; c++) {
      const F<Isa> k = Isa::set1(b.k[j][c]), decay = Isa::set1(b.decay[j][c]);
#pragma GCC unroll 4
      for (int v = 0; v < V; v++) {
        const int at = c * width + v * L;
        const F<Isa> row = load_columns<Isa, V>(s + at, n);
        store_columns<Isa, V>(next + at, Isa::fma(decay, row, Isa::mul(k, u[v])), n);
      }
    }
  }
}

// The results of a token: normed, gated, written.
template <class Isa>
void finish_delta(const mla_delta_params& p, const float* result, const float* norm, const float* gate,
                  float* out) {
  const float squares = dot_padded<Isa>(result, result, p.width);
  const F<Isa> factor = Isa::set1(1.f / __builtin_sqrtf(squares / (float)p.width + p.eps));
  for (int i = 0; i < p.width; i += Isa::L) {
    const int n = min_int(Isa::L, p.width - i);
    const F<Isa> normed = Isa::mul(Isa::load(norm + i, n), Isa::mul(Isa::load(result + i), factor));
    Isa::store(out + i, Isa::mul(normed, sigmoid<Isa>(Isa::load(gate + i, n))), n);
  }
}

template <class Isa>
void attend_delta(const mla_delta_params* params, const float* queries, const float* keys,
                  const float* values, const float* decays, const float* betas, const float* gates,
                  const float* taps, const float* rates, const float* decay_bias, const float* norm,
                  const float* state_in, int head_begin, int head_end, float* state_out, float* out) {
  const mla_delta_params& p = *params;
  const int width = p.width, past = (kDeltaTaps - 1) * width;
  const int64_t taps_stride = (int64_t)p.heads * width, taps_of_input = kDeltaTaps * taps_stride;
  constexpr int kColumns = kDeltaVectors * Isa::L;
  DeltaBlock b;
  for (int h = head_begin; h < head_end; h++) {
    const int64_t channel = (int64_t)h * width;
    float* to = state_out + h * p.state_head_stride;
    const float* from = state_in ? state_in + h * p.state_head_stride : nullptr;
    const float* before = from ? from + width * width : nullptr;
    const DeltaInputs q = {queries + channel, p.query_stride, before};
    const DeltaInputs k = {keys + channel, p.key_stride, before ? before + past : nullptr};
    const DeltaInputs v = {values + channel, p.value_stride, before ? before + 2 * past : nullptr};
    if (!from) {
      for (int i = 0; i < width * width; i++) to[i] = 0;
    }
    for (int begin = 0; begin < p.tokens; begin += kDeltaTokens) {
      const int tokens = min_int(kDeltaTokens, p.tokens - begin);
      for (int j = 0; j < tokens; j++) {
        const int t = begin + j;
        convolve<Isa>(q, taps + channel, taps_stride, t, width, b.q[j]);
        convolve<Isa>(k, taps + taps_of_input + channel, taps_stride, t, width, b.k[j]);
        convolve<Isa>(v, taps + 2 * taps_of_input + channel, taps_stride, t, width, b.v[j]);
        const float q_squares = dot_padded<Isa>(b.q[j], b.q[j], width) + kDeltaNormEps;
        const float k_squares = dot_padded<Isa>(b.k[j], b.k[j], width) + kDeltaNormEps;
        scale_padded<Isa>(b.q[j], 1.f / __builtin_sqrtf(q_squares * (float)width), width);
        scale_padded<Isa>(b.k[j], 1.f / __builtin_sqrtf(k_squares), width);
        b.qk[j] = dot_padded<Isa>(b.q[j], b.k[j], width);
        b.beta[j] = 1.f / (1.f + scalar_exp(-betas[t * p.beta_stride + h]));
        decay_channels<Isa>(p, decays + t * p.decay_stride + channel, decay_bias + channel, rates[h], j, b);
      }
      const float* s = begin == 0 && from ? from : to;
      int column = 0;
      for (; column + kColumns <= width; column += kColumns)
        delta_columns<Isa, kDeltaVectors>(s, to, width, column, Isa::L, tokens, b);
      for (; column < width; column += Isa::L)
        delta_columns<Isa, 1>(s, to, width, column, min_int(Isa::L, width - column), tokens, b);
      for (int j = 0; j < tokens; j++) {
        const int t = begin + j;
        finish_delta<Isa>(p, b.out[j], norm, gates + t * p.gate_stride + channel,
                          out + t * p.out_stride + channel);
      }
    }
    float* kept = to + width * width;
    for (const DeltaInputs& in : {q, k, v}) {
      for (int j = 0; j < kDeltaTaps - 1; j++, kept += width) {
        const float* row = in.row(p.tokens - kDeltaTaps + 1 + j, width);
        for (int i = 0; i < width; i++) kept[i] = row ? row[i] : 0;
      }
    }
  }
}

inline bool check_attend_delta(const mla_delta_params* p, const float* queries, const float* keys,
                               const float* values, const float* decays, const float* betas,
                               const float* gates, const float* taps, const float* rates,
                               const float* decay_bias, const float* norm, const float* state_in,
                               int head_begin, int head_end, const float* state_out, const float* out) {
  check(p);
  require_bounds("head", head_begin, head_end, p->heads);
  if (head_begin == head_end || p->tokens == 0) return false;
  require_pointer("queries", queries);
  require_pointer("keys", keys);
  require_pointer("values", values);
  require_pointer("decays", decays);
  require_pointer("betas", betas);
  require_pointer("gates", gates);
  require_pointer("taps", taps);
  require_pointer("rates", rates);
  require_pointer("decay_bias", decay_bias);
  require_pointer("norm", norm);
  require_pointer("state_out", state_out);
  require_pointer("out", out);
  if (state_in == state_out) fail(MLA_INVALID_ARGUMENT, "state_in is state_out, but must be apart from it");
  return true;
}

}  // namespace
}  // namespace mla

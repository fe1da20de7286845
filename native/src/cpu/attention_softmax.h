// Online softmax over the scores of a block of tokens, [token][lanes].
//
// Scores are powers of two here: e^x is 2^(x log2 e), and the factor is part of the scale. The largest score so far is kept as it was
// rounded, so that every power is relative to the same number.
#pragma once
#include "cpu/attention_state.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

constexpr int kNormalExponent = -126;  // of the smallest normal number

// 2^x with a relative error below 2e-7 (Cephes' coefficients) for x of at most 127; from kLowest down, as for -infinity, it is 2^kLowest, which
// is 0 where kLowest is -160.
template <class Isa, int kLowest = -160>
MLA_INLINE F<Isa> vector_exp2(F<Isa> x) {
  const F<Isa> clamped = Isa::max(Isa::set1((float)kLowest), x);  // this order keeps a NaN
  const F<Isa> n = Isa::round_to_integer(clamped);
  const F<Isa> r = Isa::sub(clamped, n);
  F<Isa> p = Isa::set1(1.535336188e-4f);
  p = Isa::fma(p, r, Isa::set1(1.339887440e-3f));
  p = Isa::fma(p, r, Isa::set1(9.618437358e-3f));
  p = Isa::fma(p, r, Isa::set1(5.550332471e-2f));
  p = Isa::fma(p, r, Isa::set1(2.402264791e-1f));
  p = Isa::fma(p, r, Isa::set1(6.931472029e-1f));
  p = Isa::fma(p, r, Isa::set1(1.f));
  return Isa::scale_by_power_of_two(p, n);
}

// Scores to powers of two less slope * distance where there are slopes, -infinity where a row may not see a key. first: the block's
// first key, relative.
template <class Isa>
void mask_scores(const State& s, int row, int lanes, int first, int tokens, float* scores) {
  const F<Isa> hidden = Isa::set1(-__builtin_inff()), scale = Isa::set1(s.scale);
  for (int v = 0; v < lanes; v += Isa::L) {
    const F<Isa> position = Isa::sub(Isa::load(s.position + row + v), Isa::set1((float)first));
    const F<Isa> slope = Isa::load(s.slope + row + v);
    for (int t = 0; t < tokens; t++) {
      float* at = scores + t * lanes + v;
      const F<Isa> distance = Isa::sub(position, Isa::set1((float)t));
      F<Isa> x = Isa::load(at);
      if (s.biased) x = Isa::sub(Isa::mul(x, scale), Isa::mul(slope, distance));
      if (s.causal) x = Isa::select_less(distance, Isa::zero(), hidden, x);
      Isa::store(at, x);
    }
  }
}

// The probabilities of two tokens for L rows, in place of their scores.
template <class Isa>
struct InPlace {
  float* at;  // of this vector of rows
  int lanes;
  bool rounds;
  MLA_INLINE void put(int t, F<Isa> p) const { Isa::store(at + t * lanes, rounds ? Isa::round_bf16(p) : p); }
  MLA_INLINE void put(int t, F<Isa> p, F<Isa> next) const {
    put(t, p);
    put(t + 1, next);
  }
};

// Scores of L rows from `row` on become probabilities relative to the largest score so far; base, sum and the factor of the old sums
// follow. `to` takes the probabilities.
template <class Isa, class To>
MLA_INLINE void softmax_vector(const State& s, int row, const float* x, int lanes, int tokens, const To& to) {
  constexpr float kLowest = -3.4e38f;
  const F<Isa> scale = Isa::set1(s.biased ? 1 : s.scale);
  F<Isa> m0 = Isa::load(x), m1 = m0;
  int t = 1;
  for (; t + 2 <= tokens; t += 2) {
    m0 = Isa::max(m0, Isa::load(x + t * lanes));
    m1 = Isa::max(m1, Isa::load(x + (t + 1) * lanes));
  }
  if (t < tokens) m0 = Isa::max(m0, Isa::load(x + t * lanes));
  const F<Isa> old = Isa::load(s.base + row);
  const F<Isa> base = Isa::max(old, Isa::mul(Isa::max(m0, m1), scale));
  // a row that has seen nothing: -infinity minus this is -infinity, not NaN
  const F<Isa> shift = Isa::sub(Isa::zero(), Isa::max(base, Isa::set1(kLowest)));
  const F<Isa> factor = vector_exp2<Isa>(Isa::add(old, shift));
  F<Isa> s0 = Isa::zero(), s1 = s0;  // of this block alone: small terms would drown in the sum of a long text
  for (t = 0; t + 2 <= tokens; t += 2) {
    const F<Isa> e0 = vector_exp2<Isa>(Isa::fma(Isa::load(x + t * lanes), scale, shift));
    const F<Isa> e1 = vector_exp2<Isa>(Isa::fma(Isa::load(x + (t + 1) * lanes), scale, shift));
    s0 = Isa::add(s0, e0);
    s1 = Isa::add(s1, e1);
    to.put(t, e0, e1);
  }
  if (t < tokens) {
    const F<Isa> e0 = vector_exp2<Isa>(Isa::fma(Isa::load(x + t * lanes), scale, shift));
    s0 = Isa::add(s0, e0);
    to.put(t, e0);
  }
  Isa::store(s.base + row, base);
  Isa::store(s.factor + row, factor);
  Isa::store(s.sum + row, Isa::fma(Isa::load(s.sum + row), factor, Isa::add(s0, s1)));
}

}  // namespace
}  // namespace mla

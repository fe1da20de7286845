// What networks and gates bend numbers with, for a vector of them.
#pragma once
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class Isa>
MLA_INLINE F<Isa> sigmoid(F<Isa> x) {
  const F<Isa> one = Isa::set1(1.f);
  return Isa::div(one, Isa::add(one, vector_exp<Isa>(Isa::sub(Isa::zero(), x))));
}

// x / (1 + e^-x); below -88 the exponential saturates, and the quotient would grow with x instead of going to 0.
template <class Isa>
MLA_INLINE F<Isa> silu(F<Isa> x) {
  const F<Isa> activated = Isa::div(x, Isa::add(Isa::set1(1.f), vector_exp<Isa>(Isa::sub(Isa::zero(), x))));
  return Isa::select_less(x, Isa::set1(-88.f), Isa::zero(), activated);
}

// ln(1 + e^x) = max(x, 0) + ln(1 + t), t = e^-|x|, with a relative error of about 1e-7: ln(1 + t) = 2 artanh(s), s = t / (2 + t) <= 1/3,
// whose series has only positive terms.
template <class Isa>
MLA_INLINE F<Isa> softplus(F<Isa> x) {
  const F<Isa> positive = Isa::max(x, Isa::zero());
  const F<Isa> t = vector_exp<Isa>(Isa::sub(x, Isa::add(positive, positive)));  // -|x|
  const F<Isa> s = Isa::div(t, Isa::add(Isa::set1(2.f), t)), s2 = Isa::mul(s, s);
  F<Isa> p = Isa::set1(2.f / 15);
  p = Isa::fma(p, s2, Isa::set1(2.f / 13));
  p = Isa::fma(p, s2, Isa::set1(2.f / 11));
  p = Isa::fma(p, s2, Isa::set1(2.f / 9));
  p = Isa::fma(p, s2, Isa::set1(2.f / 7));
  p = Isa::fma(p, s2, Isa::set1(2.f / 5));
  p = Isa::fma(p, s2, Isa::set1(2.f / 3));
  p = Isa::fma(p, s2, Isa::set1(2.f));
  return Isa::fma(p, s, positive);
}

}  // namespace
}  // namespace mla

// What every kernel uses of an Isa, the vocabulary of an instruction set (isa/): its vectors by short names, sums over lanes, exponentials.
//
// All kernels are templates over Isa in the unnamed namespace: an instruction set's object must not export a function that the linker
// could pick for another processor.
#pragma once
#include <cstddef>
#include <cstdint>

#include "mla/mla.h"

#define MLA_INLINE inline __attribute__((always_inline))

namespace mla {
namespace {

template <class Isa>
using F = typename Isa::F;  // Isa::L floats

template <class Isa>
using P = typename Isa::P;  // Isa::L pairs of bf16, where Isa::kHasBf16Dot

// Whether activations that are not multiplied as integers are rounded to bf16.
MLA_INLINE bool rounds_to_bf16(int compute) { return compute != MLA_COMPUTE_F32; }

MLA_INLINE int min_int(int a, int b) { return a < b ? a : b; }
MLA_INLINE int round_up(int n, int multiple) { return (n + multiple - 1) / multiple * multiple; }
MLA_INLINE int64_t whole_lines(int64_t bytes) { return (bytes + 63) & -64; }

// e^x with a relative error of about 1e-7: x = n ln 2 + r, |r| <= ln 2 / 2, a polynomial in r (Cephes' coefficients) times 2^n.
// Arguments from -87.3 down give 0 (as -infinity must); +88 and more saturate near the largest float.
template <class Isa>
MLA_INLINE F<Isa> vector_exp(F<Isa> x) {
  const F<Isa> lowest = Isa::set1(-87.33654f);
  const F<Isa> clamped = Isa::select_less(Isa::set1(88.37f), x, Isa::set1(88.37f),
                                          Isa::max(lowest, x));  // this order keeps a NaN
  const F<Isa> n = Isa::round_to_integer(Isa::mul(clamped, Isa::set1(1.44269504f)));
  F<Isa> r = Isa::fma(n, Isa::set1(-0.693359375f), clamped);
  r = Isa::fma(n, Isa::set1(2.12194440e-4f), r);
  F<Isa> p = Isa::set1(1.9875691500e-4f);
  p = Isa::fma(p, r, Isa::set1(1.3981999507e-3f));
  p = Isa::fma(p, r, Isa::set1(8.3334519073e-3f));
  p = Isa::fma(p, r, Isa::set1(4.1665795894e-2f));
  p = Isa::fma(p, r, Isa::set1(1.6666665459e-1f));
  p = Isa::fma(p, r, Isa::set1(5.0000001201e-1f));
  p = Isa::fma(p, Isa::mul(r, r), Isa::add(r, Isa::set1(1.f)));
  return Isa::select_less(x, lowest, Isa::zero(), Isa::scale_by_power_of_two(p, n));
}

template <class Isa>
MLA_INLINE float sum(F<Isa> x) {
  float r[4];
  Isa::sum4(x, Isa::zero(), Isa::zero(), Isa::zero(), r);
  return r[0];
}

// The compiler must take x as changed: what it would otherwise compute once, or never, is computed every time.
template <class V>
inline void keep(V& x) {
#if defined(__AVX512F__)
  asm volatile("" : "+v"(x));
#elif defined(__x86_64__)
  asm volatile("" : "+x"(x));
#elif defined(__aarch64__)
  asm volatile("" : "+w"(x));
#else
  asm volatile("" : "+m"(x));
#endif
}

}  // namespace
}  // namespace mla

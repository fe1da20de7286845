// What formats of blocks have in common: their bytes, binary16 numbers, nibbles, vectors of small integers times a scale. Loops over bytes
// of a fixed number become vectors by the compiler.
#pragma once
#include <cstdint>

#include "cpu/lanes.h"

namespace mla {
namespace {

// A block as it lies in a file, at any address.
template <int N>
struct Bytes {
  uint8_t at[N];
};

// A binary16. Exponent and fraction in float32's places are the number times 2^-112.
MLA_INLINE float half(const uint8_t* p) {
  const uint32_t h = (uint32_t)p[0] | (uint32_t)p[1] << 8, magnitude = (h & 0x7fff) << 13;
  float number;
  __builtin_memcpy(&number, &magnitude, 4);
  number *= 0x1p112f;
  if (magnitude >= 0x0f800000) number = magnitude == 0x0f800000 ? __builtin_inff() : __builtin_nanf("");
  return h & 0x8000 ? -number : number;
}

// to[i] = d q[i]
template <class Isa>
MLA_INLINE void scaled(const int8_t* q, int n, float d, float* to) {
  const F<Isa> scale = Isa::set1(d);
  for (int i = 0; i < n; i += Isa::L) Isa::store(to + i, Isa::mul(scale, Isa::widen_i8(q + i)));
}

// to[i] = d q[i] + m, the product rounded
template <class Isa>
MLA_INLINE void scaled_plus(const int8_t* q, int n, float d, float m, float* to) {
  const F<Isa> scale = Isa::set1(d), added = Isa::set1(m);
  for (int i = 0; i < n; i += Isa::L)
    Isa::store(to + i, Isa::add(Isa::mul(scale, Isa::widen_i8(q + i)), added));
}

constexpr int kCodes = 32;  // of a latent under scales that are read and written together

// to[i] = from[i] / scale to nearest even, kept in least .. most.
template <class Isa>
MLA_INLINE void rounded_codes(const float* from, F<Isa> scale, float smallest, float largest, int8_t* to) {
  alignas(64) float codes[kCodes];
  const F<Isa> most = Isa::set1(largest), least = Isa::set1(smallest);
  for (int i = 0; i < kCodes; i += Isa::L) {
    const F<Isa> code = Isa::round_to_integer(Isa::div(Isa::load(from + i), scale));
    Isa::store(codes + i, Isa::max(least, Isa::select_less(most, code, most, code)));
  }
  for (int i = 0; i < kCodes; i++) to[i] = (int8_t)codes[i];
}

// The low nibbles of n bytes, then their high ones.
template <class Byte>
MLA_INLINE void nibbles(const uint8_t* from, int n, Byte* to) {
  for (int i = 0; i < n; i++) to[i] = (Byte)(from[i] & 15);
  for (int i = 0; i < n; i++) to[n + i] = (Byte)(from[i] >> 4);
}

// Scale and minimum of one of eight groups, six bits each in twelve bytes (Q4_K, Q5_K).
struct GroupScale {
  int scale, min;
};
MLA_INLINE GroupScale group_scale(const uint8_t* from, int group) {
  if (group < 4) return {from[group] & 63, from[group + 4] & 63};
  return {(from[group + 4] & 15) | from[group - 4] >> 6 << 4, from[group + 4] >> 4 | from[group] >> 6 << 4};
}

}  // namespace
}  // namespace mla

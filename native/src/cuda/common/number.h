// Numbers as they are stored, and the functions whose result depends on the machine.
#pragma once
#include <cmath>

#include "cuda/common/platform.h"

namespace mla::cuda {

struct Bf16 {
  uint16_t bits;
};
struct F16 {
  uint16_t bits;
};

// Two neighbours, read at once.
struct alignas(8) Pair {
  float low, high;
};

#if defined(__CUDACC__)

MLA_DEVICE float float_of_bits(uint32_t bits) { return __uint_as_float(bits); }
MLA_DEVICE uint32_t bits_of_float(float x) { return __float_as_uint(x); }
// Two float32 rounded to bf16 (nearest even), `low` in the low half.
MLA_DEVICE uint32_t pack_bf16(float low, float high) {
  uint32_t packed;
  asm("cvt.rn.bf16x2.f32 %0, %1, %2;\n" : "=r"(packed) : "f"(high), "f"(low));
  return packed;
}
// 2^x to 2 units in the last place.
MLA_DEVICE float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;\n" : "=f"(y) : "f"(x));
  return y;
}

#else

inline float float_of_bits(uint32_t bits) { return __builtin_bit_cast(float, bits); }
inline uint32_t bits_of_float(float x) { return __builtin_bit_cast(uint32_t, x); }
inline uint32_t pack_bf16(float low, float high) {
  const auto round = [](float x) -> uint32_t {
    const uint32_t u = bits_of_float(x);
    return std::isnan(x) ? 0x7fffu : (u + 0x7fff + (u >> 16 & 1)) >> 16;
  };
  return round(low) | round(high) << 16;
}
inline float fast_exp2(float x) { return std::exp2(x); }

#endif

MLA_DEVICE Bf16 to_bf16(float x) { return {static_cast<uint16_t>(pack_bf16(x, 0.f))}; }
MLA_DEVICE float to_float(float x) { return x; }
MLA_DEVICE float to_float(Bf16 x) { return float_of_bits(static_cast<uint32_t>(x.bits) << 16); }
MLA_DEVICE float to_float(F16 x) {
  const uint32_t sign = static_cast<uint32_t>(x.bits & 0x8000) << 16, exponent = x.bits >> 10 & 31,
                 fraction = x.bits & 1023;
  if (exponent == 31) return float_of_bits(sign | 0x7f800000u | fraction << 13);
  if (exponent > 0) return float_of_bits(sign | (exponent + 112) << 23 | fraction << 13);
  return float_of_bits(sign | bits_of_float(static_cast<float>(fraction) * 0x1p-24f));
}
// What a product sees of an activation.
MLA_DEVICE float rounded(float x) { return to_float(to_bf16(x)); }

// e^x = 2^(kLog2E x); ln 2 turns a base-2 logarithm into a natural one.
constexpr float kLog2E = 1.44269504f;
constexpr float kLn2 = 0.693147181f;
constexpr float kInfinity = __builtin_huge_valf();

}  // namespace mla::cuda

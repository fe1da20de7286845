// Isa vocabulary for NEON with the dot product of bytes (FEAT_DotProd, Armv8.2).
#pragma once
#include <arm_neon.h>

#include "cpu/isa/neon.h"
#include "cpu/raw.h"

namespace mla {
namespace {

struct NeonDot : Neon {
  static constexpr InstructionSet kSet = {
      .needs = {"dotprod"},
      .fast_on = nullptr,
      .why = "",
      .why_slow = "",
      .why_none = "the processor has no dot product of bytes (FEAT_DotProd)",
      // those of neon: float32 and bf16 are computed as there
      .costs = Neon::kSet.costs,
  };

  template <bool kSigned>
  static I dot_codes(I sum, I codes, I bytes) {
    return vdotq_s32(sum, vreinterpretq_s8_s32(codes), vreinterpretq_s8_s32(bytes));
  }

  // Sums of products of signed bytes in 32 bits: what a probe repeats.
  static constexpr bool kHasInt8Dot = true;
  typedef int32x4_t Bytes;
  static Bytes set1_bytes(int x) { return vreinterpretq_s32_s8(vdupq_n_s8((int8_t)x)); }
  static Bytes dot_int8(Bytes sum, Bytes x, Bytes y) {
    asm volatile("sdot %0.4s, %1.16b, %2.16b" : "+w"(sum) : "w"(x), "w"(y));
    return sum;
  }
};

}  // namespace
}  // namespace mla

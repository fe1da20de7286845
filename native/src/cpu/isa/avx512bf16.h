// Isa vocabulary for AVX-512 with the bf16 dot product: pairs of bf16 products added to a float32 lane.
#pragma once
#include "cpu/isa/avx512_pairs.h"
#include "cpu/raw.h"

namespace mla {
namespace {

struct Avx512Bf16 : Avx512Pairs {
  static constexpr bool kHasBf16Dot = true;
  static constexpr InstructionSet kSet = {
      .needs = {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni",
                "avx512bf16"},
      .fast_on = "amd",
      .why = "AMD multiplies bf16 pairs at twice the float32 rate",
      .why_slow = "the bf16 dot of this processor is slower than float32 FMA on widened bf16",
      .why_none = "the processor has no bf16 dot",
      // measured on one thread of a Zen 5 with 512 + 64 elements in a row and bf16 cache and weights
      .costs = {4.1, 6, 4.2, 4, 15},
  };
};

}  // namespace
}  // namespace mla

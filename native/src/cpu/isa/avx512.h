// Isa vocabulary for AVX-512 (F, BW, DQ, VL, VNNI): bf16 is widened to float32. The fast one where vdpbf16ps is slow. Processors with
// AVX-512 and no VNNI, all of one server generation of 2017, take AVX2: they clock down for 512 bits, and products of integers would
// have to be written once more for them alone.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "cpu/isa/avx512_base.h"
#include "cpu/raw.h"

namespace mla {
namespace {

struct Avx512 : Avx512Base {
  static constexpr InstructionSet kSet = {
      .needs = {"avx2", "fma", "f16c", "avx512f", "avx512bw", "avx512dq", "avx512vl", "avx512vnni"},
      .fast_on = nullptr,
      .why = "the processor has AVX-512 with VNNI",
      .why_slow = "",
      .why_none = "the processor has no AVX-512 with VNNI",
      // measured on one thread of a Zen 5 with 512 + 64 elements in a row and bf16 cache and weights
      .costs = {8.3, 10.2, 8, 9.4, 1},
  };
};

}  // namespace
}  // namespace mla

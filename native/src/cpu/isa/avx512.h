// Isa vocabulary for AVX-512 (F, BW, DQ, VL): bf16 is widened to float32. The fast one where vdpbf16ps is slow.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "cpu/isa/avx512_base.h"
#include "cpu/raw.h"

namespace mla {
namespace {

struct Avx512 : Avx512Base {
  // Measured on one thread of a Zen 5 with 512 + 64 elements in a row and bf16 cache and weights.
  static constexpr AttentionCosts kCosts = {8.3, 10.2, 8, 9.4, 1};
};

}  // namespace
}  // namespace mla

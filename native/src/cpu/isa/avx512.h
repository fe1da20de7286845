// Isa vocabulary for AVX-512 (F, BW, DQ, VL): bf16 is widened to float32. The fast one where vdpbf16ps is slow.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace mla {
namespace avx512 {
namespace {

#include "avx512_base.h"

struct Isa : Avx512Base {};

}  // namespace
}  // namespace avx512
}  // namespace mla

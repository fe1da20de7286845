// Isa vocabulary for AVX2 with the byte dot product (VNNI in vectors of 256 bits, AVX-VNNI), which processors without AVX-512 have.
#pragma once
#include <immintrin.h>

#include "cpu/isa/avx2.h"
#include "cpu/raw.h"

namespace mla {
namespace {

struct AvxVnni : Avx2 {
  static constexpr InstructionSet kSet = {
      .needs = {"avx2", "fma", "f16c", "avxvnni"},
      .fast_on = nullptr,
      .why = "",
      .why_slow = "",
      .why_none = "the processor has no AVX-VNNI and no AVX-512",
      // those of avx2: float32 and bf16 are computed as there
      .costs = Avx2::kSet.costs,
  };

  // In assembly, since not every compiler keeps the intrinsic's sums in their registers.
  template <bool kSigned>
  static I dot_codes(I sum, I codes, I bytes) {
    const I first = kSigned ? _mm256_abs_epi8(codes) : codes,
            second = kSigned ? _mm256_sign_epi8(bytes, codes) : bytes;
    asm("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(first), "x"(second));
    return sum;
  }

  // Sums of products of bytes, of unsigned and signed ones, in 32 bits: what a probe repeats.
  static constexpr bool kHasInt8Dot = true;
  typedef __m256i Bytes;
  static Bytes set1_bytes(int x) { return _mm256_set1_epi8((char)x); }
  static Bytes dot_int8(Bytes sum, Bytes x, Bytes y) {
    asm volatile("%{vex%} vpdpbusd %2, %1, %0" : "+x"(sum) : "x"(x), "x"(y));
    return sum;
  }
};

}  // namespace
}  // namespace mla

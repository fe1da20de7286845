// What AVX-512 has for pairs of bf16: rounding, loading, interleaving them, and their dot product, which not every processor has fast.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "cpu/isa/avx512_base.h"

namespace mla {

extern const RawKernels avx512_kernels;

namespace {

struct Avx512Pairs : Avx512Base {
  static constexpr const RawKernels* kIntegers = &avx512_kernels;

  typedef __m512i P;  // 16 pairs of bf16

  static P load_pairs(const void* p) { return _mm512_loadu_si512(p); }
  static P load_pairs(const uint16_t* p, int n) {  // n < 32
    return _mm512_maskz_loadu_epi16((__mmask32)((1ull << n) - 1), p);
  }
  // 32 floats of 8 bits (E4M3) as bf16, which has them all.
  static P widen_f8(const uint8_t* from) {
    const __m512i x = _mm512_cvtepu8_epi16(_mm256_loadu_si256((const __m256i*)from));
    const __m512i magnitude = _mm512_and_si512(x, _mm512_set1_epi16(0x7f));
    const __m512i sign = _mm512_slli_epi16(_mm512_sub_epi16(x, magnitude), 8);
    // the difference of the biases, 120, is added to the exponent
    const __m512i normal = _mm512_add_epi16(_mm512_slli_epi16(magnitude, 4), _mm512_set1_epi16(120 << 7));
    // subnormals, 1 / 512 to 7 / 512, and NaN are picked by their lowest five bits
    alignas(64) static constexpr uint16_t kOthers[32] = {
        0, 0x3b00, 0x3b80, 0x3bc0, 0x3c00, 0x3c20, 0x3c40, 0x3c60, 0, 0, 0, 0, 0, 0, 0, 0,
        0, 0,      0,      0,      0,      0,      0,      0,      0, 0, 0, 0, 0, 0, 0, 0x7fc0};
    const __mmask32 others = _mm512_cmpgt_epu16_mask(_mm512_sub_epi16(magnitude, _mm512_set1_epi16(8)),
                                                     _mm512_set1_epi16(0x7e - 8));
    return _mm512_or_si512(
        sign, _mm512_mask_permutexvar_epi16(normal, others, magnitude, _mm512_load_si512(kOthers)));
  }
  static P no_pairs() { return _mm512_setzero_si512(); }
  static void store_pairs(void* p, P x) { _mm512_storeu_si512(p, x); }
  static P set1_pair(uint32_t pair) { return _mm512_set1_epi32((int)pair); }
  static F dot(F sum, P a, P b) { return _mm512_dpbf16_ps(sum, (__m512bh)a, (__m512bh)b); }
  // to[2 i], to[2 i + 1]: table's lanes at the low and at the high nibble of byte i of sixteen, as bf16.
  static void pick_bf16(F table, const uint8_t* from, uint16_t* to) {
    const __m256i words = _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded_bits(table), 16));
    const __m512i x = _mm512_cvtepu8_epi32(_mm_loadu_si128((const __m128i*)from));
    // the index of a word is its lowest five bits; the table is there twice, so that the fifth does not matter
    const __m512i which = _mm512_or_si512(x, _mm512_slli_epi32(x, 12));
    _mm512_storeu_si512(to, _mm512_permutexvar_epi16(which, _mm512_broadcast_i64x4(words)));
  }
  // Lane i: the pair (low[i], high[i]), rounded.
  static P make_pairs(F low, F high) {
    alignas(64) static constexpr uint16_t kSides[32] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                        21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                        11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    return _mm512_permutexvar_epi16(_mm512_load_si512(kSides), (P)_mm512_cvtne2ps_pbh(high, low));
  }
  // Pair j of each quarter in all four lanes of the quarter.
  template <int J>
  static P spread(P x) {
    return _mm512_shuffle_epi32(x, (_MM_PERM_ENUM)(J * 0x55));
  }
  // Quarter i: the sum of the four quarters of the i-th vector.
  static F sum_quarters(F a, F b, F c, F d) {
    const F ab = _mm512_add_ps(_mm512_shuffle_f32x4(a, b, 0x44), _mm512_shuffle_f32x4(a, b, 0xee));
    const F cd = _mm512_add_ps(_mm512_shuffle_f32x4(c, d, 0x44), _mm512_shuffle_f32x4(c, d, 0xee));
    return _mm512_add_ps(_mm512_shuffle_f32x4(ab, cd, 0x88), _mm512_shuffle_f32x4(ab, cd, 0xdd));
  }
  // 32 elements rounded to bf16 in their order, subnormals to zero as the dot takes them.
  static P round_to_pairs(F first, F second) { return (__m512i)_mm512_cvtne2ps_pbh(second, first); }
  // The same as the bits of floats.
  static F rounded_pairs(F first, F second) { return _mm512_castsi512_ps(round_to_pairs(first, second)); }
  // The 16 pairs (x[i], y[i]) of the columns 0..15 and 16..31 of two rows of 32.
  static void interleave(P x, P y, P* low, P* high) {
    alignas(64) static constexpr uint16_t kLow[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                                      37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                                      11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    const __m512i pick = _mm512_load_si512(kLow);
    *low = _mm512_permutex2var_epi16(x, pick, y);
    *high = _mm512_permutex2var_epi16(x, _mm512_add_epi16(pick, _mm512_set1_epi16(16)), y);
  }
};

}  // namespace
}  // namespace mla

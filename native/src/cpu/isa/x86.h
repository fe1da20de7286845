// What the vocabularies of x86 share, whatever their width: codes of sixteen bytes, which are 128 bits for all of them.
#pragma once
#include <immintrin.h>

#include <cstdint>

namespace mla {
namespace {

struct X86 {
  // q[i] = nibble i of 16 bytes, the low ones first, plus 16 times bit i of 4 bytes, minus `less`.
  static void five_bit_codes(const uint8_t* nibbles, const uint8_t* fifth, int less, int8_t* q) {
    const __m128i low = _mm_set1_epi8(15), x = _mm_loadu_si128((const __m128i*)nibbles);
    const __m256i four = _mm256_set_m128i(_mm_and_si128(_mm_srli_epi16(x, 4), low), _mm_and_si128(x, low));
    int32_t bits;
    __builtin_memcpy(&bits, fifth, 4);
    const __m256i byte =
        _mm256_setr_epi32(0, 0, 0x01010101, 0x01010101, 0x02020202, 0x02020202, 0x03030303, 0x03030303);
    const __m256i of_byte = _mm256_set1_epi64x((long long)0x8040201008040201);
    const __m256i here = _mm256_and_si256(_mm256_shuffle_epi8(_mm256_set1_epi32(bits), byte), of_byte);
    const __m256i five =
        _mm256_or_si256(four, _mm256_and_si256(_mm256_cmpeq_epi8(here, of_byte), _mm256_set1_epi8(16)));
    _mm256_storeu_si256((__m256i*)q, _mm256_sub_epi8(five, _mm256_set1_epi8((char)less)));
  }
  // to[2 i], to[2 i + 1] = the low and the high nibble of byte i of sixteen.
  static void neighbours(const uint8_t* from, uint8_t* to) {
    const __m128i fifteen = _mm_set1_epi8(15), x = _mm_loadu_si128((const __m128i*)from);
    const __m128i low = _mm_and_si128(x, fifteen), high = _mm_and_si128(_mm_srli_epi16(x, 4), fifteen);
    _mm_storeu_si128((__m128i*)to, _mm_unpacklo_epi8(low, high));
    _mm_storeu_si128((__m128i*)(to + 16), _mm_unpackhi_epi8(low, high));
  }
  // to[i] = table[which[i]], sixteen of them, each below sixteen.
  static void pick(const int8_t* table, const uint8_t* which, int8_t* to) {
    _mm_storeu_si128((__m128i*)to, _mm_shuffle_epi8(_mm_loadu_si128((const __m128i*)table),
                                                    _mm_loadu_si128((const __m128i*)which)));
  }
};

}  // namespace
}  // namespace mla

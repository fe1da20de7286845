// Isa vocabulary for AVX2 with FMA and F16C: eight floats, 16 registers.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "cpu/isa/x86.h"
#include "cpu/raw.h"

namespace mla {
namespace {

struct Avx2 : X86 {
  static constexpr int L = 8;
  static constexpr int kTileColumns = 3;  // 4 x 3 sums, 3 weights and a row: 16 of 16 registers
  static constexpr int kScoreVectors = 2;
  static constexpr int kScoreTokens = 6;
  static constexpr int kValueVectors = 2;
  static constexpr bool kHasBf16Dot = false;
  static constexpr bool kHasMatrix = false;
  static constexpr const RawKernels* kIntegers = nullptr;
  static constexpr bool kPrefersInt8 = true;
  static constexpr InstructionSet kSet = {
      .needs = {"avx2", "fma", "f16c"},
      .fast_on = nullptr,
      .why = "",
      .why_slow = "",
      .why_none = "the processor has no AVX2",
      // measured on one thread of a Zen 5 with 512 + 64 elements in a row and bf16 cache and weights
      .costs = {17, 20, 17, 17.6, 1},
  };

  typedef __m256 F;

  static __m256i mask(int n) {
    return _mm256_cmpgt_epi32(_mm256_set1_epi32(n), _mm256_setr_epi32(0, 1, 2, 3, 4, 5, 6, 7));
  }
  static F zero() { return _mm256_setzero_ps(); }
  static F set1(float x) { return _mm256_set1_ps(x); }
  static F load(const float* p) { return _mm256_loadu_ps(p); }
  static F load(const float* p, int n) { return _mm256_maskload_ps(p, mask(n)); }
  static void store(float* p, F x) { _mm256_storeu_ps(p, x); }
  static void store(float* p, F x, int n) {
    // a store under a mask takes tens of cycles on AMD's
    if (n >= L)
      store(p, x);
    else
      _mm256_maskstore_ps(p, mask(n), x);
  }
  static F fma(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static F add(F a, F b) { return _mm256_add_ps(a, b); }
  static F sub(F a, F b) { return _mm256_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm256_mul_ps(a, b); }
  static F div(F a, F b) { return _mm256_div_ps(a, b); }
  static F max(F a, F b) { return _mm256_max_ps(a, b); }
  static float max_lanes(F x) {
    const __m128 h = _mm_max_ps(_mm256_castps256_ps128(x), _mm256_extractf128_ps(x, 1));
    const __m128 q = _mm_max_ps(h, _mm_movehl_ps(h, h));
    return _mm_cvtss_f32(_mm_max_ss(q, _mm_movehdup_ps(q)));
  }
  static F select_less(F x, F y, F a, F b) { return _mm256_blendv_ps(b, a, _mm256_cmp_ps(x, y, _CMP_LT_OQ)); }
  static F round_to_integer(F x) { return _mm256_round_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC); }
  static F scale_by_power_of_two(F x, F n) {
    const __m256i whole = _mm256_cvtps_epi32(n), half = _mm256_srai_epi32(whole, 1);
    const __m256i rest = _mm256_sub_epi32(whole, half), bias = _mm256_set1_epi32(127);
    const F a = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(half, bias), 23));
    const F b = _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_add_epi32(rest, bias), 23));
    return _mm256_mul_ps(_mm256_mul_ps(x, a), b);
  }
  static __m256i rounded_bits(F x) {
    const __m256i bits = _mm256_castps_si256(x), high = _mm256_set1_epi32((int)0xffff0000);
    const __m256i odd = _mm256_and_si256(_mm256_srli_epi32(bits, 16), _mm256_set1_epi32(1));
    const __m256i rounded = _mm256_add_epi32(_mm256_add_epi32(bits, _mm256_set1_epi32(0x7fff)), odd);
    const __m256i quiet = _mm256_or_si256(bits, _mm256_set1_epi32(0x00400000));
    const __m256i nan = _mm256_castps_si256(_mm256_cmp_ps(x, x, _CMP_UNORD_Q));
    return _mm256_and_si256(_mm256_blendv_epi8(rounded, quiet, nan), high);
  }
  static F round_bf16(F x) { return _mm256_castsi256_ps(rounded_bits(x)); }
  static __m128i partial(const uint16_t* p, int n) {
    alignas(16) uint16_t t[8] = {};
    for (int i = 0; i < n; i++) t[i] = p[i];
    return _mm_load_si128((const __m128i*)t);
  }
  static F widen_i8(const int8_t* p) {
    return _mm256_cvtepi32_ps(_mm256_cvtepi8_epi32(_mm_loadl_epi64((const __m128i*)p)));
  }
  static F widen_bf16(__m128i x) {
    return _mm256_castsi256_ps(_mm256_slli_epi32(_mm256_cvtepu16_epi32(x), 16));
  }
  static F widen_bf16(const uint16_t* p) { return widen_bf16(_mm_loadu_si128((const __m128i*)p)); }
  static F widen_bf16(const uint16_t* p, int n) { return widen_bf16(partial(p, n)); }
  static F widen_f16(const uint16_t* p) { return _mm256_cvtph_ps(_mm_loadu_si128((const __m128i*)p)); }
  static F widen_f16(const uint16_t* p, int n) { return _mm256_cvtph_ps(partial(p, n)); }
  static void store_bf16(uint16_t* p, F x, int n) {
    const __m256i bits = _mm256_srli_epi32(rounded_bits(x), 16);
    const __m128i packed = _mm_packus_epi32(_mm256_castsi256_si128(bits), _mm256_extracti128_si256(bits, 1));
    if (n == L) {
      _mm_storeu_si128((__m128i*)p, packed);
      return;
    }
    alignas(16) uint16_t t[8];
    _mm_store_si128((__m128i*)t, packed);
    for (int i = 0; i < n; i++) p[i] = t[i];
  }
  // Rows and columns of eight vectors change places.
  static void transpose(F* x) {
    __m256d t[8];
    F u[8];
#pragma GCC unroll 4
    for (int i = 0; i < 8; i += 2) {
      t[i] = _mm256_castps_pd(_mm256_unpacklo_ps(x[i], x[i + 1]));
      t[i + 1] = _mm256_castps_pd(_mm256_unpackhi_ps(x[i], x[i + 1]));
    }
#pragma GCC unroll 2
    for (int i = 0; i < 8; i += 4) {
      u[i] = _mm256_castpd_ps(_mm256_unpacklo_pd(t[i], t[i + 2]));
      u[i + 1] = _mm256_castpd_ps(_mm256_unpackhi_pd(t[i], t[i + 2]));
      u[i + 2] = _mm256_castpd_ps(_mm256_unpacklo_pd(t[i + 1], t[i + 3]));
      u[i + 3] = _mm256_castpd_ps(_mm256_unpackhi_pd(t[i + 1], t[i + 3]));
    }
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
      x[c] = _mm256_permute2f128_ps(u[c], u[4 + c], 0x20);
      x[4 + c] = _mm256_permute2f128_ps(u[c], u[4 + c], 0x31);
    }
  }
  // The sums of four vectors, each by the same tree whatever the other three are.
  static void sum4(F a, F b, F c, F d, float* out) {
    const F ab = _mm256_add_ps(_mm256_unpacklo_ps(a, b), _mm256_unpackhi_ps(a, b));
    const F cd = _mm256_add_ps(_mm256_unpacklo_ps(c, d), _mm256_unpackhi_ps(c, d));
    const __m256d abd = _mm256_castps_pd(ab), cdd = _mm256_castps_pd(cd);
    const F s = _mm256_add_ps(_mm256_castpd_ps(_mm256_unpacklo_pd(abd, cdd)),
                              _mm256_castpd_ps(_mm256_unpackhi_pd(abd, cdd)));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(s), _mm256_extractf128_ps(s, 1)));
  }

  // Integers: eight of 32 bits, or four bytes in each of them. Signed codes stay signed: their signs go over to the bytes that they are
  // multiplied with, so that two products of at most 128 x 127 fit the 16 bits in which the instruction adds them.
  typedef __m256i I;
  static constexpr bool kReadsLanes = true;
  static constexpr int kCodeOffset = 0;
  static constexpr int kCodeVectors = 1;
  static constexpr int kFewRounded = 4;

  static I set1_int(int32_t x) { return _mm256_set1_epi32(x); }
  static I load_int(const void* p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return _mm256_set1_epi32(x);
  }
  static I load_ints(const void* p) { return _mm256_loadu_si256((const __m256i*)p); }
  static void store_ints(void* p, I x) { _mm256_storeu_si256((__m256i*)p, x); }
  static I both(I a, I b) { return _mm256_and_si256(a, b); }
  static I either(I a, I b) { return _mm256_or_si256(a, b); }
  static I shift_right(I a, int n) { return _mm256_srli_epi32(a, n); }
  static I shift_left(I a, int n) { return _mm256_slli_epi32(a, n); }
  static I add_ints(I a, I b) { return _mm256_add_epi32(a, b); }
  static I sub_ints(I a, I b) { return _mm256_sub_epi32(a, b); }
  static I add_bytes(I a, I b) { return _mm256_add_epi8(a, b); }
  static I signed_byte(I a, int n) { return _mm256_srai_epi32(_mm256_slli_epi32(a, 24 - 8 * n), 24); }
  using X86::pick;
  static I pick(I which, const int8_t* table) {
    return _mm256_shuffle_epi8(_mm256_broadcastsi128_si256(_mm_loadu_si128((const __m128i*)table)), which);
  }
  static F fused(F a, F b, F c) { return _mm256_fmadd_ps(a, b, c); }
  static I mul_ints(I a, I b) { return _mm256_mullo_epi32(a, b); }
  static F to_floats(I a) { return _mm256_cvtepi32_ps(a); }
  static F as_floats(I a) { return _mm256_castsi256_ps(a); }
  static F halves(I a) {
    const I low = _mm256_and_si256(a, _mm256_set1_epi32(0xffff));
    return _mm256_cvtph_ps(_mm_packus_epi32(_mm256_castsi256_si128(low), _mm256_extracti128_si256(low, 1)));
  }
  template <bool kSigned>
  static I dot_codes(I sum, I codes, I bytes) {
    const I pairs = kSigned ? _mm256_maddubs_epi16(_mm256_abs_epi8(codes), _mm256_sign_epi8(bytes, codes))
                            : _mm256_maddubs_epi16(codes, bytes);
    return _mm256_add_epi32(sum, _mm256_madd_epi16(pairs, _mm256_set1_epi16(1)));
  }
  static void store_bytes(int8_t* p, F whole) {
    const I x = _mm256_cvtps_epi32(whole);
    const __m128i words = _mm_packs_epi32(_mm256_castsi256_si128(x), _mm256_extracti128_si256(x, 1));
    _mm_storel_epi64((__m128i*)p, _mm_packs_epi16(words, words));
  }
  static I row_ints(const uint8_t* const* rows, int64_t at) {
    alignas(32) int32_t x[8];
    for (int r = 0; r < 8; r++) __builtin_memcpy(x + r, rows[r] + at, 4);
    return _mm256_load_si256((const __m256i*)x);
  }
  static void row_quarters(const uint8_t* const* rows, int64_t at, I* x) {
    I t[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++)
      t[r] = _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)(rows[r] + at))),
                                     _mm_loadu_si128((const __m128i*)(rows[r + 4] + at)), 1);
    const I a = _mm256_unpacklo_epi32(t[0], t[1]), b = _mm256_unpackhi_epi32(t[0], t[1]);
    const I c = _mm256_unpacklo_epi32(t[2], t[3]), d = _mm256_unpackhi_epi32(t[2], t[3]);
    x[0] = _mm256_unpacklo_epi64(a, c);
    x[1] = _mm256_unpackhi_epi64(a, c);
    x[2] = _mm256_unpacklo_epi64(b, d);
    x[3] = _mm256_unpackhi_epi64(b, d);
  }
  static void row_eighths(const uint8_t* const* rows, int64_t at, I* x) {
    row_quarters(rows, at, x);
    row_quarters(rows, at + 16, x + 4);
  }

  // Rows side by side with k in lanes: each half of a vector (AVX-512: quarter) has 16 bytes of a row.
  static constexpr int kQuarters = 2;
  template <int kStride>
  static I sixteens(const void* p) {
    return _mm256_inserti128_si256(_mm256_castsi128_si256(_mm_loadu_si128((const __m128i*)p)),
                                   _mm_loadu_si128((const __m128i*)((const char*)p + kStride)), 1);
  }
  static void sixteens_of_pairs(const void* p, I* first, I* second) {
    *first = sixteens<32>(p);
    *second = sixteens<32>((const char*)p + 16);
  }
  template <int kHalf>
  static I add_fifth_bits(I x, I bits) {
    const int byte = 0x01010101 * 2 * kHalf, next = byte + 0x01010101;
    const I of_byte = _mm256_set1_epi64x((long long)0x8040201008040201);
    const I here = _mm256_and_si256(
        _mm256_shuffle_epi8(bits, _mm256_setr_epi32(byte, byte, next, next, byte, byte, next, next)),
        of_byte);
    return _mm256_add_epi8(x, _mm256_and_si256(_mm256_cmpeq_epi8(here, of_byte), _mm256_set1_epi8(16)));
  }
  template <int>
  static I thirty_twos(const void* p) {
    return load_ints(p);
  }
  template <bool kSmall>
  static I join_rows(I a, I b) {
    if constexpr (kSmall)
      return _mm256_madd_epi16(_mm256_packs_epi32(a, b), _mm256_set1_epi16(1));
    else
      return _mm256_add_epi32(_mm256_unpacklo_epi32(a, b), _mm256_unpackhi_epi32(a, b));
  }
  template <int kSmall>
  static I join_pairs(I ab, I cd) {
    if constexpr (kSmall == 2) return _mm256_madd_epi16(_mm256_packs_epi32(ab, cd), _mm256_set1_epi16(1));
    if constexpr (kSmall == 0)
      return _mm256_add_epi32(_mm256_unpacklo_epi64(ab, cd), _mm256_unpackhi_epi64(ab, cd));
    const F x = _mm256_castsi256_ps(ab), y = _mm256_castsi256_ps(cd);
    return _mm256_add_epi32(_mm256_castps_si256(_mm256_shuffle_ps(x, y, 0x88)),
                            _mm256_castps_si256(_mm256_shuffle_ps(x, y, 0xdd)));
  }
  static void exchange_quarters(const I* v, I* to) {
    to[0] = _mm256_permute2x128_si256(v[0], v[1], 0x20);
    to[1] = _mm256_permute2x128_si256(v[0], v[1], 0x31);
  }

  static constexpr bool kHasInt8Dot = false;

  // Numbers of 16 bits in pairs, and bytes in fours, as attention multiplies them.
  static constexpr bool kHasByteDots = false;
  static I as_ints(F x) { return _mm256_castps_si256(x); }
  // 2 L signed bytes.
  static I widen_to_pairs(const int8_t* p) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i*)p));
  }
  // The pairs (x[i], y[i]) of the first L and the last L numbers of 16 bits.
  static void interleave_words(I x, I y, I* low, I* high) {
    const I a = _mm256_unpacklo_epi16(x, y), b = _mm256_unpackhi_epi16(x, y);
    *low = _mm256_permute2x128_si256(a, b, 0x20);
    *high = _mm256_permute2x128_si256(a, b, 0x31);
  }
  // Sums of the products of pairs.
  static I dot_words(I sum, I x, I y) { return _mm256_add_epi32(sum, _mm256_madd_epi16(x, y)); }
};

}  // namespace
}  // namespace mla

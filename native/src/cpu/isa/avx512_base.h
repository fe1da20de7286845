// What both AVX-512 vocabularies share: sixteen floats, 32 registers, masks for tails.
#pragma once
#include <immintrin.h>

#include <cstdint>

#include "cpu/isa/x86.h"
#include "cpu/raw.h"

namespace mla {
namespace {

struct Avx512Base : X86 {
  static constexpr int L = 16;
  static constexpr int kTileColumns = 6;  // 4 x 6 sums, 4 rows and a weight: 29 of 32 registers
  static constexpr int kScoreVectors = 4;
  static constexpr int kScoreTokens = 6;
  static constexpr int kValueVectors = 4;
  static constexpr bool kHasBf16Dot = false;
  static constexpr bool kHasMatrix = false;
  static constexpr const RawKernels* kIntegers = nullptr;
  static constexpr bool kPrefersInt8 = true;

  typedef __m512 F;

  static __mmask16 mask(int n) { return (__mmask16)((1u << n) - 1); }
  static F zero() { return _mm512_setzero_ps(); }
  static F set1(float x) { return _mm512_set1_ps(x); }
  static F load(const float* p) { return _mm512_loadu_ps(p); }
  static F load(const float* p, int n) { return _mm512_maskz_loadu_ps(mask(n), p); }
  static void store(float* p, F x) { _mm512_storeu_ps(p, x); }
  static void store(float* p, F x, int n) { _mm512_mask_storeu_ps(p, mask(n), x); }
  static F fma(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static F add(F a, F b) { return _mm512_add_ps(a, b); }
  static F sub(F a, F b) { return _mm512_sub_ps(a, b); }
  static F mul(F a, F b) { return _mm512_mul_ps(a, b); }
  static F div(F a, F b) { return _mm512_div_ps(a, b); }
  static F max(F a, F b) { return _mm512_max_ps(a, b); }
  static float max_lanes(F x) { return _mm512_reduce_max_ps(x); }
  static F select_less(F x, F y, F a, F b) {
    return _mm512_mask_blend_ps(_mm512_cmp_ps_mask(x, y, _CMP_LT_OQ), b, a);
  }
  static F round_to_integer(F x) {
    return _mm512_roundscale_ps(x, _MM_FROUND_TO_NEAREST_INT | _MM_FROUND_NO_EXC);
  }
  static F scale_by_power_of_two(F x, F n) { return _mm512_scalef_ps(x, n); }
  static __m512i rounded_bits(F x) {
    const __m512i bits = _mm512_castps_si512(x);
    const __m512i odd = _mm512_and_si512(_mm512_srli_epi32(bits, 16), _mm512_set1_epi32(1));
    const __m512i rounded = _mm512_add_epi32(_mm512_add_epi32(bits, _mm512_set1_epi32(0x7fff)), odd);
    const __m512i quiet = _mm512_or_si512(bits, _mm512_set1_epi32(0x00400000));
    const __mmask16 nan = _mm512_cmp_ps_mask(x, x, _CMP_UNORD_Q);
    return _mm512_and_si512(_mm512_mask_blend_epi32(nan, rounded, quiet), _mm512_set1_epi32((int)0xffff0000));
  }
  static F round_bf16(F x) { return _mm512_castsi512_ps(rounded_bits(x)); }
  static F widen_i8(const int8_t* p) {
    return _mm512_cvtepi32_ps(_mm512_cvtepi8_epi32(_mm_loadu_si128((const __m128i*)p)));
  }
  static F widen_bf16(__m256i x) {
    return _mm512_castsi512_ps(_mm512_slli_epi32(_mm512_cvtepu16_epi32(x), 16));
  }
  static F widen_bf16(const uint16_t* p) { return widen_bf16(_mm256_loadu_si256((const __m256i*)p)); }
  static F widen_bf16(const uint16_t* p, int n) { return widen_bf16(_mm256_maskz_loadu_epi16(mask(n), p)); }
  static F widen_f16(const uint16_t* p) { return _mm512_cvtph_ps(_mm256_loadu_si256((const __m256i*)p)); }
  static F widen_f16(const uint16_t* p, int n) {
    return _mm512_cvtph_ps(_mm256_maskz_loadu_epi16(mask(n), p));
  }
  static void store_bf16(uint16_t* p, F x, int n) {
    _mm256_mask_storeu_epi16(p, mask(n), _mm512_cvtepi32_epi16(_mm512_srli_epi32(rounded_bits(x), 16)));
  }
  // Rows and columns of sixteen vectors change places.
  static void transpose(F* x) {
    __m512d t[16];
    F u[16];
#pragma GCC unroll 8
    for (int i = 0; i < 16; i += 2) {
      t[i] = _mm512_castps_pd(_mm512_unpacklo_ps(x[i], x[i + 1]));
      t[i + 1] = _mm512_castps_pd(_mm512_unpackhi_ps(x[i], x[i + 1]));
    }
#pragma GCC unroll 4
    for (int i = 0; i < 16; i += 4) {
      u[i] = _mm512_castpd_ps(_mm512_unpacklo_pd(t[i], t[i + 2]));
      u[i + 1] = _mm512_castpd_ps(_mm512_unpackhi_pd(t[i], t[i + 2]));
      u[i + 2] = _mm512_castpd_ps(_mm512_unpacklo_pd(t[i + 1], t[i + 3]));
      u[i + 3] = _mm512_castpd_ps(_mm512_unpackhi_pd(t[i + 1], t[i + 3]));
    }
    // u[4g + c] has column 4i + c of the rows 4g .. 4g + 3 in its quarter i
#pragma GCC unroll 4
    for (int c = 0; c < 4; c++) {
      const F even0 = _mm512_shuffle_f32x4(u[c], u[4 + c], 0x88);
      const F even1 = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0x88);
      const F odd0 = _mm512_shuffle_f32x4(u[c], u[4 + c], 0xdd);
      const F odd1 = _mm512_shuffle_f32x4(u[8 + c], u[12 + c], 0xdd);
      x[c] = _mm512_shuffle_f32x4(even0, even1, 0x88);
      x[4 + c] = _mm512_shuffle_f32x4(odd0, odd1, 0x88);
      x[8 + c] = _mm512_shuffle_f32x4(even0, even1, 0xdd);
      x[12 + c] = _mm512_shuffle_f32x4(odd0, odd1, 0xdd);
    }
  }
  // The sums of four vectors, each by the same tree whatever the other three are.
  static void sum4(F a, F b, F c, F d, float* out) {
    const F ab = _mm512_add_ps(_mm512_unpacklo_ps(a, b), _mm512_unpackhi_ps(a, b));
    const F cd = _mm512_add_ps(_mm512_unpacklo_ps(c, d), _mm512_unpackhi_ps(c, d));
    const __m512d abd = _mm512_castps_pd(ab), cdd = _mm512_castps_pd(cd);
    const F s = _mm512_add_ps(_mm512_castpd_ps(_mm512_unpacklo_pd(abd, cdd)),
                              _mm512_castpd_ps(_mm512_unpackhi_pd(abd, cdd)));
    const __m256 h = _mm256_add_ps(_mm512_castps512_ps256(s), _mm512_extractf32x8_ps(s, 1));
    _mm_storeu_ps(out, _mm_add_ps(_mm256_castps256_ps128(h), _mm256_extractf128_ps(h, 1)));
  }

  // Integers: sixteen of 32 bits, or four bytes in each of them. Signed codes are offset, since the dot product's first bytes are unsigned.
  typedef __m512i I;
  static constexpr bool kReadsLanes = true;
  static constexpr int kCodeOffset = 128;
  static constexpr int kCodeVectors = 2;  // a tile is 4 rows of activations x 32 rows of weights: 8 + 8 sums
  static constexpr int kFewRounded =
      16;  // rows of activations whose sums stay in registers beside a block of weights

  static I set1_int(int32_t x) { return _mm512_set1_epi32(x); }
  static I load_int(const void* p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return _mm512_set1_epi32(x);
  }
  static I load_ints(const void* p) { return _mm512_loadu_si512(p); }
  static void store_ints(void* p, I x) { _mm512_storeu_si512(p, x); }
  static I both(I a, I b) { return _mm512_and_si512(a, b); }
  static I either(I a, I b) { return _mm512_or_si512(a, b); }
  static I shift_right(I a, int n) { return _mm512_srli_epi32(a, (unsigned)n); }
  static I shift_left(I a, int n) { return _mm512_slli_epi32(a, (unsigned)n); }
  static I add_ints(I a, I b) { return _mm512_add_epi32(a, b); }
  static I sub_ints(I a, I b) { return _mm512_sub_epi32(a, b); }
  static I add_bytes(I a, I b) { return _mm512_add_epi8(a, b); }
  static I signed_byte(I a, int n) {
    return _mm512_srai_epi32(_mm512_slli_epi32(a, (unsigned)(24 - 8 * n)), 24);
  }
  using X86::pick;
  // Bytes below sixteen to those of a table.
  static I pick(I which, const int8_t* table) {
    return _mm512_shuffle_epi8(_mm512_broadcast_i32x4(_mm_loadu_si128((const __m128i*)table)), which);
  }
  static F fused(F a, F b, F c) { return _mm512_fmadd_ps(a, b, c); }
  static I mul_ints(I a, I b) { return _mm512_mullo_epi32(a, b); }
  static F to_floats(I a) { return _mm512_cvtepi32_ps(a); }
  static F as_floats(I a) { return _mm512_castsi512_ps(a); }
  // The binary16 in the lower half of each.
  static F halves(I a) { return _mm512_cvtph_ps(_mm512_cvtepi32_epi16(a)); }
  // Codes (offset where they are signed) times bytes, four products added to each sum. In assembly, since not every compiler keeps the
  // intrinsic's sums in their registers.
  template <bool kSigned>
  static I dot_codes(I sum, I codes, I bytes) {
    asm("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(codes), "v"(bytes));
    return sum;
  }
  static void store_bytes(int8_t* p, F whole) {
    _mm_storeu_si128((__m128i*)p, _mm512_cvtepi32_epi8(_mm512_cvtps_epi32(whole)));
  }
  // In each quarter, rows and columns of four vectors' four lanes change places.
  static void transpose_quads(I* x) {
    const I a = _mm512_unpacklo_epi32(x[0], x[1]), b = _mm512_unpackhi_epi32(x[0], x[1]);
    const I c = _mm512_unpacklo_epi32(x[2], x[3]), d = _mm512_unpackhi_epi32(x[2], x[3]);
    x[0] = _mm512_unpacklo_epi64(a, c);
    x[1] = _mm512_unpackhi_epi64(a, c);
    x[2] = _mm512_unpacklo_epi64(b, d);
    x[3] = _mm512_unpackhi_epi64(b, d);
  }
  // The four bytes at `at` of each row.
  static I row_ints(const uint8_t* const* rows, int64_t at) {
    I x = _mm512_setzero_si512();
#pragma GCC unroll 16
    for (int r = 0; r < 16; r++)
      x = _mm512_mask_broadcastd_epi32(x, (__mmask16)(1 << r), _mm_loadu_si32(rows[r] + at));
    return x;
  }
  // The sixteen bytes at `at` of each row: x[i] has the i-th four of all rows.
  static void row_quarters(const uint8_t* const* rows, int64_t at, I* x) {
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) {
      const auto part = [&](int i) __attribute__((always_inline)) {
        return _mm_loadu_si128((const __m128i*)(rows[r + 4 * i] + at));
      };
      x[r] = _mm512_castsi128_si512(part(0));
      x[r] = _mm512_inserti32x4(x[r], part(1), 1);
      x[r] = _mm512_inserti32x4(x[r], part(2), 2);
      x[r] = _mm512_inserti32x4(x[r], part(3), 3);
    }
    transpose_quads(x);
  }
  // The 32 bytes at `at` of each row, likewise.
  static void row_eighths(const uint8_t* const* rows, int64_t at, I* x) {
    I t[8];
#pragma GCC unroll 8
    for (int r = 0; r < 8; r++)
      t[r] = _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)(rows[r] + at))),
                                _mm256_loadu_si256((const __m256i*)(rows[r + 8] + at)), 1);
    transpose_quads(t);
    transpose_quads(t + 4);
    // t[i] has the fours i and 4 + i of the rows 0 to 3, then of 8 to 11; t[4 + i] of the others
    const I low = _mm512_setr_epi64(0, 1, 8, 9, 4, 5, 12, 13),
            high = _mm512_setr_epi64(2, 3, 10, 11, 6, 7, 14, 15);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) {
      x[i] = _mm512_permutex2var_epi64(t[i], low, t[i + 4]);
      x[i + 4] = _mm512_permutex2var_epi64(t[i], high, t[i + 4]);
    }
  }

  // Rows side by side with k in lanes: each quarter of a vector has 16 bytes of a row.
  static constexpr int kQuarters = 4;
  // The 16 bytes at p, p + kStride, .. in quarter 0, 1, ..; kStride is even. No byte behind them is read.
  template <int kStride>
  static I sixteens(const void* p) {
    constexpr int kBytes = 3 * kStride + 16;
    const auto* b = (const char*)p;
    if constexpr (kBytes <= 128) {
      struct Words {
        uint16_t at[32];
      };
      alignas(64) static constexpr Words kWords = [] {
        Words w{};
        for (int i = 0; i < 32; i++) {
          const int byte = i / 8 * kStride + i % 8 * 2;
          w.at[i] = (uint16_t)(byte + 2 <= 64 ? byte / 2 : (byte - (kBytes - 64)) / 2 + 32);
        }
        return w;
      }();
      return _mm512_permutex2var_epi16(_mm512_loadu_si512(b), _mm512_load_si512(kWords.at),
                                       _mm512_loadu_si512(b + kBytes - 64));
    } else {
      const auto part = [&](int i) __attribute__((always_inline)) {
        return _mm_loadu_si128((const __m128i*)(b + i * kStride));
      };
      I x = _mm512_castsi128_si512(part(0));
      x = _mm512_inserti32x4(x, part(1), 1);
      x = _mm512_inserti32x4(x, part(2), 2);
      return _mm512_inserti32x4(x, part(3), 3);
    }
  }
  // The same of the 16 bytes at p, p + 32, .. and of those behind each of them.
  static void sixteens_of_pairs(const void* p, I* first, I* second) {
    const I a = _mm512_loadu_si512(p), b = _mm512_loadu_si512((const char*)p + 64);
    *first = _mm512_shuffle_i32x4(a, b, 0x88);
    *second = _mm512_shuffle_i32x4(a, b, 0xdd);
  }
  // Adds 16 to byte i of each quarter where bit 16 kHalf + i of the quarter's first 32 is set.
  template <int kHalf>
  static I add_fifth_bits(I x, I bits) {
    const I byte = _mm512_set4_epi32(0x01010101 * (2 * kHalf + 1), 0x01010101 * (2 * kHalf + 1),
                                     0x01010101 * 2 * kHalf, 0x01010101 * 2 * kHalf);
    const __mmask64 set = _mm512_test_epi8_mask(_mm512_shuffle_epi8(bits, byte),
                                                _mm512_set1_epi64((long long)0x8040201008040201));
    return _mm512_mask_add_epi8(x, set, x, _mm512_set1_epi8(16));
  }
  // The 32 bytes at p, and at p + kStride in the upper half.
  template <int kStride>
  static I thirty_twos(const void* p) {
    return _mm512_inserti64x4(_mm512_castsi256_si512(_mm256_loadu_si256((const __m256i*)p)),
                              _mm256_loadu_si256((const __m256i*)((const char*)p + kStride)), 1);
  }
  static I shift_right_signed(I a, int n) { return _mm512_srai_epi32(a, (unsigned)n); }
  // Each quarter has four sums of a row: of rows a and b two of either, a a b b where they fit 16 bits (kSmall), else a b a b.
  template <bool kSmall>
  static I join_rows(I a, I b) {
    if constexpr (kSmall)
      return _mm512_madd_epi16(_mm512_packs_epi32(a, b), _mm512_set1_epi16(1));
    else
      return _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
  }
  // Then one of each of a, b, c and d. kSmall: how often sums fit 16 bits before they are added.
  template <int kSmall>
  static I join_pairs(I ab, I cd) {
    if constexpr (kSmall == 2) return _mm512_madd_epi16(_mm512_packs_epi32(ab, cd), _mm512_set1_epi16(1));
    if constexpr (kSmall == 0)
      return _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const F x = _mm512_castsi512_ps(ab), y = _mm512_castsi512_ps(cd);
    return _mm512_add_epi32(_mm512_castps_si512(_mm512_shuffle_ps(x, y, 0x88)),
                            _mm512_castps_si512(_mm512_shuffle_ps(x, y, 0xdd)));
  }
  // Quarters of vectors and vectors change places.
  static void exchange_quarters(const I* v, I* to) {
    const I a = _mm512_shuffle_i32x4(v[0], v[1], 0x44), b = _mm512_shuffle_i32x4(v[2], v[3], 0x44);
    const I c = _mm512_shuffle_i32x4(v[0], v[1], 0xee), d = _mm512_shuffle_i32x4(v[2], v[3], 0xee);
    to[0] = _mm512_shuffle_i32x4(a, b, 0x88);
    to[1] = _mm512_shuffle_i32x4(a, b, 0xdd);
    to[2] = _mm512_shuffle_i32x4(c, d, 0x88);
    to[3] = _mm512_shuffle_i32x4(c, d, 0xdd);
  }

  // Sums of products of bytes, of unsigned and signed ones, in 32 bits: what a probe repeats.
  static constexpr bool kHasInt8Dot = true;
  typedef __m512i Bytes;
  static Bytes set1_bytes(int x) { return _mm512_set1_epi8((char)x); }
  static Bytes dot_int8(Bytes sum, Bytes x, Bytes y) {
    asm volatile("vpdpbusd %2, %1, %0" : "+v"(sum) : "v"(x), "v"(y));
    return sum;
  }

  // Numbers of 16 bits in pairs, and bytes in fours, as attention multiplies them.
  static constexpr bool kHasByteDots = true;
  static I as_ints(F x) { return _mm512_castps_si512(x); }
  // 2 L signed bytes.
  static I widen_to_pairs(const int8_t* p) {
    return _mm512_cvtepi8_epi16(_mm256_loadu_si256((const __m256i*)p));
  }
  // The pairs (x[i], y[i]) of the first L and the last L numbers of 16 bits.
  static void interleave_words(I x, I y, I* low, I* high) {
    alignas(64) static constexpr uint16_t kLow[32] = {0,  32, 1,  33, 2,  34, 3,  35, 4,  36, 5,
                                                      37, 6,  38, 7,  39, 8,  40, 9,  41, 10, 42,
                                                      11, 43, 12, 44, 13, 45, 14, 46, 15, 47};
    const __m512i pick = _mm512_load_si512(kLow);
    *low = _mm512_permutex2var_epi16(x, pick, y);
    *high = _mm512_permutex2var_epi16(x, _mm512_add_epi16(pick, _mm512_set1_epi16(16)), y);
  }
  // Sums of the products of pairs.
  static I dot_words(I sum, I x, I y) { return _mm512_add_epi32(sum, _mm512_madd_epi16(x, y)); }

  // The sums of four vectors of words.
  static void sum4_words(I a, I b, I c, I d, int32_t* out) {
    const I ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    const I cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    const I s = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    const __m256i h = _mm256_add_epi32(_mm512_castsi512_si256(s), _mm512_extracti32x8_epi32(s, 1));
    _mm_storeu_si128((__m128i*)out, _mm_add_epi32(_mm256_castsi256_si128(h), _mm256_extracti128_si256(h, 1)));
  }
  // x in the first quarter, else 0.
  static I quarter_word(int32_t x) { return _mm512_maskz_set1_epi32(0xf, x); }
  // Word j of each quarter in all four lanes of the quarter.
  template <int J>
  static I spread_word(I x) {
    return _mm512_shuffle_epi32(x, (_MM_PERM_ENUM)(J * 0x55));
  }
  // Quarter i: the sum of the four quarters of the i-th vector.
  static I sum_quarter_words(I a, I b, I c, I d) {
    const I ab = _mm512_add_epi32(_mm512_shuffle_i32x4(a, b, 0x44), _mm512_shuffle_i32x4(a, b, 0xee));
    const I cd = _mm512_add_epi32(_mm512_shuffle_i32x4(c, d, 0x44), _mm512_shuffle_i32x4(c, d, 0xee));
    return _mm512_add_epi32(_mm512_shuffle_i32x4(ab, cd, 0x88), _mm512_shuffle_i32x4(ab, cd, 0xdd));
  }
  // The bytes of a column of four rows of 64 in a word. Vector v has the columns 16 q + 4 v .. 16 q + 4 v + 3 in its quarter q.
  static void interleave_bytes(I* x) {
    const I a = _mm512_unpacklo_epi8(x[0], x[1]), b = _mm512_unpackhi_epi8(x[0], x[1]);
    const I c = _mm512_unpacklo_epi8(x[2], x[3]), d = _mm512_unpackhi_epi8(x[2], x[3]);
    x[0] = _mm512_unpacklo_epi16(a, c);
    x[1] = _mm512_unpackhi_epi16(a, c);
    x[2] = _mm512_unpacklo_epi16(b, d);
    x[3] = _mm512_unpackhi_epi16(b, d);
  }
  // Puts columns that interleave_bytes has moved into their order.
  static void restore_columns(F* x) {
    const F a = _mm512_shuffle_f32x4(x[0], x[1], 0x44), b = _mm512_shuffle_f32x4(x[0], x[1], 0xee);
    const F c = _mm512_shuffle_f32x4(x[2], x[3], 0x44), d = _mm512_shuffle_f32x4(x[2], x[3], 0xee);
    x[0] = _mm512_shuffle_f32x4(a, c, 0x88);
    x[1] = _mm512_shuffle_f32x4(a, c, 0xdd);
    x[2] = _mm512_shuffle_f32x4(b, d, 0x88);
    x[3] = _mm512_shuffle_f32x4(b, d, 0xdd);
  }
};

}  // namespace
}  // namespace mla

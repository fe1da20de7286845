// Isa vocabulary for NEON, which every AArch64 has: four floats, 32 registers.
#pragma once
#include <arm_neon.h>

#include <cstdint>

#include "cpu/raw.h"

namespace mla {
namespace {

struct Neon {
  static constexpr int L = 4;
  static constexpr int kTileColumns = 6;  // 4 x 6 sums, 4 rows and a weight: 29 of 32 registers
  static constexpr int kScoreVectors = 4;
  static constexpr int kScoreTokens = 6;
  static constexpr int kValueVectors = 4;
  static constexpr bool kHasBf16Dot = false;
  static constexpr bool kHasMatrix = false;
  static constexpr const RawKernels* kIntegers = nullptr;
  static constexpr bool kPrefersInt8 = true;
  static constexpr InstructionSet kSet = {
      .needs = {},
      .fast_on = nullptr,
      .why = "",
      .why_slow = "",
      .why_none = "",
      // not measured: those of AVX2 at half its width
      .costs = {34, 40, 34, 35, 1},
  };

  typedef float32x4_t F;

  static F zero() { return vdupq_n_f32(0); }
  static F set1(float x) { return vdupq_n_f32(x); }
  static F load(const float* p) { return vld1q_f32(p); }
  static F load(const float* p, int n) {
    if (n >= L) return load(p);
    float t[4] = {};
    for (int i = 0; i < n; i++) t[i] = p[i];
    return vld1q_f32(t);
  }
  static void store(float* p, F x) { vst1q_f32(p, x); }
  static void store(float* p, F x, int n) {
    if (n >= L) return store(p, x);
    float t[4];
    vst1q_f32(t, x);
    for (int i = 0; i < n; i++) p[i] = t[i];
  }
  static F fma(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static F add(F a, F b) { return vaddq_f32(a, b); }
  static F sub(F a, F b) { return vsubq_f32(a, b); }
  static F mul(F a, F b) { return vmulq_f32(a, b); }
  static F div(F a, F b) { return vdivq_f32(a, b); }
  // b where either is NaN, as in the other vocabularies; FMAX has another rule.
  static F max(F a, F b) { return vbslq_f32(vcgtq_f32(a, b), a, b); }
  static float max_lanes(F x) { return vmaxvq_f32(x); }
  static F select_less(F x, F y, F a, F b) { return vbslq_f32(vcltq_f32(x, y), a, b); }
  static F round_to_integer(F x) { return vrndnq_f32(x); }
  static F scale_by_power_of_two(F x, F n) {
    const int32x4_t whole = vcvtnq_s32_f32(n), half = vshrq_n_s32(whole, 1), bias = vdupq_n_s32(127);
    const int32x4_t rest = vsubq_s32(whole, half);
    const F a = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(half, bias), 23));
    const F b = vreinterpretq_f32_s32(vshlq_n_s32(vaddq_s32(rest, bias), 23));
    return vmulq_f32(vmulq_f32(x, a), b);
  }
  static uint32x4_t rounded_bits(F x) {
    const uint32x4_t bits = vreinterpretq_u32_f32(x), odd = vandq_u32(vshrq_n_u32(bits, 16), vdupq_n_u32(1));
    const uint32x4_t rounded = vaddq_u32(vaddq_u32(bits, vdupq_n_u32(0x7fff)), odd);
    const uint32x4_t quiet = vorrq_u32(bits, vdupq_n_u32(0x00400000));
    return vandq_u32(vbslq_u32(vceqq_f32(x, x), rounded, quiet), vdupq_n_u32(0xffff0000));
  }
  static F round_bf16(F x) { return vreinterpretq_f32_u32(rounded_bits(x)); }
  static uint16x4_t halves_at(const uint16_t* p, int n) {
    if (n >= L) return vld1_u16(p);
    uint16_t t[4] = {};
    for (int i = 0; i < n; i++) t[i] = p[i];
    return vld1_u16(t);
  }
  static F widen_i8(const int8_t* p) {
    int32_t four;
    __builtin_memcpy(&four, p, 4);
    return vcvtq_f32_s32(vmovl_s16(vget_low_s16(vmovl_s8(vreinterpret_s8_s32(vdup_n_s32(four))))));
  }
  static int8x16_t with_fifth_bits(int8x16_t x, uint8x16_t bits, int first) {
    static constexpr uint8_t kOfByte[16] = {1, 2, 4, 8, 16, 32, 64, 128, 1, 2, 4, 8, 16, 32, 64, 128};
    const uint8x16_t bytes = vcombine_u8(vdup_n_u8((uint8_t)first), vdup_n_u8((uint8_t)(first + 1)));
    const uint8x16_t set = vtstq_u8(vqtbl1q_u8(bits, bytes), vld1q_u8(kOfByte));
    return vaddq_s8(x, vreinterpretq_s8_u8(vandq_u8(set, vdupq_n_u8(16))));
  }
  // q[i] = nibble i of 16 bytes, the low ones first, plus 16 times bit i of 4 bytes, minus `less`.
  static void five_bit_codes(const uint8_t* nibbles, const uint8_t* fifth, int less, int8_t* q) {
    const uint8x16_t x = vld1q_u8(nibbles);
    const int8x16_t low = vreinterpretq_s8_u8(vandq_u8(x, vdupq_n_u8(15))),
                    high = vreinterpretq_s8_u8(vshrq_n_u8(x, 4)), minus = vdupq_n_s8((int8_t)less);
    const uint8x16_t bits = vreinterpretq_u8_s32(load_int(fifth));
    vst1q_s8(q, vsubq_s8(with_fifth_bits(low, bits, 0), minus));
    vst1q_s8(q + 16, vsubq_s8(with_fifth_bits(high, bits, 2), minus));
  }
  // to[2 i], to[2 i + 1] = the low and the high nibble of byte i of sixteen.
  static void neighbours(const uint8_t* from, uint8_t* to) {
    const uint8x16_t x = vld1q_u8(from);
    vst2q_u8(to, (uint8x16x2_t{{vandq_u8(x, vdupq_n_u8(15)), vshrq_n_u8(x, 4)}}));
  }
  // to[i] = table[which[i]], sixteen of them, each below sixteen.
  static void pick(const int8_t* table, const uint8_t* which, int8_t* to) {
    vst1q_s8(to, vqtbl1q_s8(vld1q_s8(table), vld1q_u8(which)));
  }
  static F widen_bf16(uint16x4_t x) { return vreinterpretq_f32_u32(vshll_n_u16(x, 16)); }
  static F widen_bf16(const uint16_t* p) { return widen_bf16(vld1_u16(p)); }
  static F widen_bf16(const uint16_t* p, int n) { return widen_bf16(halves_at(p, n)); }
  static F widen_f16(uint16x4_t x) { return vcvt_f32_f16(vreinterpret_f16_u16(x)); }
  static F widen_f16(const uint16_t* p) { return widen_f16(vld1_u16(p)); }
  static F widen_f16(const uint16_t* p, int n) { return widen_f16(halves_at(p, n)); }
  static void store_bf16(uint16_t* p, F x, int n) {
    const uint16x4_t packed = vshrn_n_u32(rounded_bits(x), 16);
    if (n == L) return vst1_u16(p, packed);
    uint16_t t[4];
    vst1_u16(t, packed);
    for (int i = 0; i < n; i++) p[i] = t[i];
  }
  // Rows and columns of four vectors change places.
  static void transpose(F* x) {
    int32x4_t t[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) t[i] = as_ints(x[i]);
    transpose_quads(t);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) x[i] = as_floats(t[i]);
  }
  // The sums of four vectors, each by the same tree whatever the other three are.
  static void sum4(F a, F b, F c, F d, float* out) {
    vst1q_f32(out, vpaddq_f32(vpaddq_f32(a, b), vpaddq_f32(c, d)));
  }

  // Integers: four of 32 bits, or four bytes in each of them. Codes stay below 128, signed or not, so that two products with bytes from -127
  // to 127 fit 16 bits.
  typedef int32x4_t I;
  static constexpr bool kReadsLanes = true;
  static constexpr int kCodeOffset = 0;
  static constexpr int kCodeVectors = 2;
  static constexpr int kFewRounded = 16;

  static I set1_int(int32_t x) { return vdupq_n_s32(x); }
  static I load_int(const void* p) {
    int32_t x;
    __builtin_memcpy(&x, p, 4);
    return vdupq_n_s32(x);
  }
  static I load_ints(const void* p) { return vreinterpretq_s32_u8(vld1q_u8((const uint8_t*)p)); }
  static void store_ints(void* p, I x) { vst1q_u8((uint8_t*)p, vreinterpretq_u8_s32(x)); }
  static I both(I a, I b) { return vandq_s32(a, b); }
  static I either(I a, I b) { return vorrq_s32(a, b); }
  static I shift_right(I a, int n) { return (I)((uint32x4_t)a >> (uint32_t)n); }
  static I shift_left(I a, int n) { return (I)((uint32x4_t)a << (uint32_t)n); }
  static I shift_right_signed(I a, int n) { return a >> n; }
  static I add_ints(I a, I b) { return vaddq_s32(a, b); }
  static I sub_ints(I a, I b) { return vsubq_s32(a, b); }
  static I add_bytes(I a, I b) {
    return vreinterpretq_s32_s8(vaddq_s8(vreinterpretq_s8_s32(a), vreinterpretq_s8_s32(b)));
  }
  static I signed_byte(I a, int n) { return shift_left(a, 24 - 8 * n) >> 24; }
  static I pick(I which, const int8_t* table) {
    return vreinterpretq_s32_s8(vqtbl1q_s8(vld1q_s8(table), vreinterpretq_u8_s32(which)));
  }
  static F fused(F a, F b, F c) { return vfmaq_f32(c, a, b); }
  static I mul_ints(I a, I b) { return vmulq_s32(a, b); }
  static F to_floats(I a) { return vcvtq_f32_s32(a); }
  static F as_floats(I a) { return vreinterpretq_f32_s32(a); }
  static F halves(I a) { return widen_f16(vmovn_u32(vreinterpretq_u32_s32(a))); }
  template <bool kSigned>
  static I dot_codes(I sum, I codes, I bytes) {
    const int8x16_t x = vreinterpretq_s8_s32(codes), y = vreinterpretq_s8_s32(bytes);
    return vpadalq_s16(sum, vpaddq_s16(vmull_s8(vget_low_s8(x), vget_low_s8(y)), vmull_high_s8(x, y)));
  }
  static void store_bytes(int8_t* p, F whole) {
    const int16x4_t words = vmovn_s32(vcvtnq_s32_f32(whole));
    const int32_t four = vget_lane_s32(vreinterpret_s32_s8(vmovn_s16(vcombine_s16(words, words))), 0);
    __builtin_memcpy(p, &four, 4);
  }
  static I row_ints(const uint8_t* const* rows, int64_t at) {
    int32_t x[4];
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) __builtin_memcpy(x + r, rows[r] + at, 4);
    return vld1q_s32(x);
  }
  static void row_quarters(const uint8_t* const* rows, int64_t at, I* x) {
#pragma GCC unroll 4
    for (int r = 0; r < 4; r++) x[r] = load_ints(rows[r] + at);
    transpose_quads(x);
  }
  static void row_eighths(const uint8_t* const* rows, int64_t at, I* x) {
    row_quarters(rows, at, x);
    row_quarters(rows, at + 16, x + 4);
  }

  // Rows side by side with k in lanes: a vector has 16 bytes of a row.
  static constexpr int kQuarters = 1;
  template <int>
  static I sixteens(const void* p) {
    return load_ints(p);
  }
  static void sixteens_of_pairs(const void* p, I* first, I* second) {
    *first = load_ints(p);
    *second = load_ints((const char*)p + 16);
  }
  template <int kHalf>
  static I add_fifth_bits(I x, I bits) {
    return vreinterpretq_s32_s8(
        with_fifth_bits(vreinterpretq_s8_s32(x), vreinterpretq_u8_s32(bits), 2 * kHalf));
  }
  template <bool>
  static I join_rows(I a, I b) {
    return vpaddq_s32(a, b);
  }
  template <int>
  static I join_pairs(I ab, I cd) {
    return vpaddq_s32(ab, cd);
  }
  static void exchange_quarters(const I* v, I* to) { *to = *v; }

  static constexpr bool kHasInt8Dot = false;

  // Numbers of 16 bits in pairs, and bytes in fours, as attention multiplies them.
  static constexpr bool kHasByteDots = false;
  static I as_ints(F x) { return vreinterpretq_s32_f32(x); }
  // 2 L signed bytes.
  static I widen_to_pairs(const int8_t* p) { return vreinterpretq_s32_s16(vmovl_s8(vld1_s8(p))); }
  // The pairs (x[i], y[i]) of the first L and the last L numbers of 16 bits.
  static void interleave_words(I x, I y, I* low, I* high) {
    const int16x8_t a = vreinterpretq_s16_s32(x), b = vreinterpretq_s16_s32(y);
    *low = vreinterpretq_s32_s16(vzip1q_s16(a, b));
    *high = vreinterpretq_s32_s16(vzip2q_s16(a, b));
  }
  // Sums of the products of pairs.
  static I dot_words(I sum, I x, I y) {
    const int16x8_t a = vreinterpretq_s16_s32(x), b = vreinterpretq_s16_s32(y);
    return vaddq_s32(sum, vpaddq_s32(vmull_s16(vget_low_s16(a), vget_low_s16(b)), vmull_high_s16(a, b)));
  }
  // Rows and columns of four vectors change places.
  static void transpose_quads(I* x) {
    const int32x4_t a = vzip1q_s32(x[0], x[2]), b = vzip2q_s32(x[0], x[2]);
    const int32x4_t c = vzip1q_s32(x[1], x[3]), d = vzip2q_s32(x[1], x[3]);
    x[0] = vzip1q_s32(a, c);
    x[1] = vzip2q_s32(a, c);
    x[2] = vzip1q_s32(b, d);
    x[3] = vzip2q_s32(b, d);
  }
};

}  // namespace
}  // namespace mla

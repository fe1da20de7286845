// Isa vocabulary for NEON with the dot product of bf16 pairs (FEAT_BF16) and that of unsigned by signed bytes (FEAT_I8MM), which Armv8.6 has
// both. The products of matrices of two rows that these features have too would need another arrangement of everything that is packed.
#pragma once
#include <arm_neon.h>

#include <cstdint>

#include "cpu/isa/neondot.h"
#include "cpu/raw.h"

namespace mla {

extern const RawKernels neondot_kernels;

namespace {

struct NeonBf16 : NeonDot {
  static constexpr const RawKernels* kIntegers = &neondot_kernels;
  static constexpr bool kHasBf16Dot = true;
  static constexpr InstructionSet kSet = {
      .needs = {"dotprod", "bf16", "i8mm"},
      .fast_on = nullptr,
      .why = "the processor multiplies bf16 pairs",
      .why_slow = "",
      .why_none = "the processor has no bf16 dot (FEAT_BF16 with FEAT_I8MM)",
      // not measured: half of neon's, as avx512bf16's are of avx512's
      .costs = {17, 24, 17, 15, 15},
  };

  typedef int32x4_t P;  // 4 pairs of bf16

  static bfloat16x8_t bf16(P x) { return vreinterpretq_bf16_s32(x); }
  static P load_pairs(const void* p) { return load_ints(p); }
  static P load_pairs(const uint16_t* p, int n) {  // n < 8
    uint16_t t[8] = {};
    for (int i = 0; i < n; i++) t[i] = p[i];
    return load_ints(t);
  }
  // 8 floats of 8 bits (E4M3) as bf16, which has them all.
  static P widen_f8(const uint8_t* from) {
    // subnormals, 1 / 512 to 7 / 512: their high bytes, then their low ones
    alignas(16) static constexpr uint8_t kSubnormal[16] = {0, 0x3b, 0x3b, 0x3b, 0x3c, 0x3c, 0x3c, 0x3c,
                                                           0, 0,    0x80, 0xc0, 0,    0x20, 0x40, 0x60};
    const uint8x8_t x = vld1_u8(from), magnitude = vand_u8(x, vdup_n_u8(0x7f));
    const uint8x16_t table = vld1q_u8(kSubnormal);
    const uint16x8_t wide = vmovl_u8(magnitude);
    const uint16x8_t small = vorrq_u16(vshll_n_u8(vqtbl1_u8(table, magnitude), 8),
                                       vmovl_u8(vqtbl1_u8(table, vadd_u8(magnitude, vdup_n_u8(8)))));
    // the difference of the biases, 120, is added to the exponent
    uint16x8_t y = vaddq_u16(vshlq_n_u16(wide, 4), vdupq_n_u16(120 << 7));
    y = vbslq_u16(vcltq_u16(wide, vdupq_n_u16(8)), small, y);
    y = vbslq_u16(vceqq_u16(wide, vdupq_n_u16(0x7f)), vdupq_n_u16(0x7fc0), y);
    return vreinterpretq_s32_u16(vorrq_u16(y, vshlq_n_u16(vmovl_u8(veor_u8(x, magnitude)), 8)));
  }
  static P no_pairs() { return vdupq_n_s32(0); }
  static void store_pairs(void* p, P x) { store_ints(p, x); }
  static P set1_pair(uint32_t pair) { return vdupq_n_s32((int32_t)pair); }
  static F dot(F sum, P a, P b) { return vbfdotq_f32(sum, bf16(a), bf16(b)); }
  // Elements rounded to bf16 in their order.
  static P round_to_pairs(F first, F second) {
    return vreinterpretq_s32_bf16(vcvtq_high_bf16_f32(vcvtq_low_bf16_f32(first), second));
  }
  // Lane i: the pair (low[i], high[i]), rounded.
  static P make_pairs(F low, F high) {
    const int16x8_t x = vreinterpretq_s16_s32(round_to_pairs(low, high));
    return vreinterpretq_s32_s16(vzip1q_s16(x, vextq_s16(x, x, 4)));
  }
  // Pair J in all four lanes.
  template <int J>
  static P spread(P x) {
    return vdupq_laneq_s32(x, J);
  }
  // The pairs (x[i], y[i]) of the columns 0 to 3 and 4 to 7 of two rows.
  static void interleave(P x, P y, P* low, P* high) { interleave_words(x, y, low, high); }

  // Codes of dots that are not signed have all eight bits.
  static constexpr bool kHasByteDots = true;
  template <bool kSigned>
  static I dot_codes(I sum, I codes, I bytes) {
    if constexpr (kSigned)
      return vdotq_s32(sum, vreinterpretq_s8_s32(codes), vreinterpretq_s8_s32(bytes));
    else
      return vusdotq_s32(sum, vreinterpretq_u8_s32(codes), vreinterpretq_s8_s32(bytes));
  }

  // The sums of four vectors of words.
  static void sum4_words(I a, I b, I c, I d, int32_t* out) {
    vst1q_s32(out, vpaddq_s32(vpaddq_s32(a, b), vpaddq_s32(c, d)));
  }
  // A vector is one quarter of those that have four.
  static I quarter_word(int32_t x) { return vdupq_n_s32(x); }
  template <int J>
  static I spread_word(I x) {
    return vdupq_laneq_s32(x, J);
  }
  static I sum_quarter_words(I a, I, I, I) { return a; }
  // The bytes of a column of four rows of 16 in a word. Vector v has the columns 4 v .. 4 v + 3.
  static void interleave_bytes(I* x) {
    int8x16_t b[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) b[i] = vreinterpretq_s8_s32(x[i]);
    interleave_words(vreinterpretq_s32_s8(vzip1q_s8(b[0], b[1])), vreinterpretq_s32_s8(vzip1q_s8(b[2], b[3])),
                     x, x + 1);
    interleave_words(vreinterpretq_s32_s8(vzip2q_s8(b[0], b[1])), vreinterpretq_s32_s8(vzip2q_s8(b[2], b[3])),
                     x + 2, x + 3);
  }
  static void restore_columns(F*) {}
};

}  // namespace
}  // namespace mla

// Eight four-bit integers q - 8 in an int, the first in its lowest bits (compressed-tensors' pack-quantized).
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct I4 {
  static constexpr int kType = MLA_TYPE_I4;
  static constexpr int kElements = 8;
  static constexpr int kUnit = 4;  // blocks that are widened together
  typedef Bytes<4> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    scales[0] = 1;
    neighbours(b, 16, q);
    for (int i = 0; i < 32; i++) q[i] = (int8_t)(q[i] - 8);
  }

  // The code of the element of the largest magnitude is -8, and one code more is used than of a range that is the same on both sides.
  static float scale(float largest, bool is_negative) { return (is_negative ? largest : -largest) / 8; }

  template <class Isa, class Put>
  static MLA_INLINE void each(const Block* block, Put put) {
    int8_t q[kCodes];
    float scale;
    codes<Isa>(block, q, &scale, nullptr);
#pragma GCC unroll 8
    for (int i = 0; i < kCodes; i += Isa::L) put(i, Isa::widen_i8(q + i));
  }

  template <class Isa>
  static MLA_INLINE void encode(const float* from, F<Isa> scale, Block* block) {
    int8_t q[kCodes];
    rounded_codes<Isa>(from, scale, -8, 7, q);
    auto* to = (uint8_t*)block;
    for (int i = 0; i < kCodes / 2; i++) to[i] = (uint8_t)((q[2 * i] + 8) | (q[2 * i + 1] + 8) << 4);
  }
};

}  // namespace
}  // namespace mla

// A signed byte.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct I8 {
  static constexpr int kType = MLA_TYPE_I8;
  static constexpr int kElements = 1;
  static constexpr int kUnit = 32;  // blocks that are widened together
  typedef Bytes<1> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    scales[0] = 1;
    __builtin_memcpy(q, b, 32);
  }

  static float scale(float largest, bool) { return largest / 127; }

  template <class Isa, class Put>
  static MLA_INLINE void each(const Block* block, Put put) {
    const auto* q = (const int8_t*)block;
#pragma GCC unroll 8
    for (int i = 0; i < kCodes; i += Isa::L) put(i, Isa::widen_i8(q + i));
  }

  template <class Isa>
  static MLA_INLINE void encode(const float* from, F<Isa> scale, Block* block) {
    rounded_codes<Isa>(from, scale, -127, 127, (int8_t*)block);
  }
};

}  // namespace
}  // namespace mla

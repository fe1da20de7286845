// Two four-bit floats (e2m1) in a byte, the first in its low nibble.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/steps.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct F4 {
  static constexpr int kType = MLA_TYPE_F4;
  static constexpr int kElements = 2;
  static constexpr int kUnit = 16;  // blocks that are widened together
  typedef Bytes<1> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    // times two; a zero has no sign
    alignas(16) static constexpr int8_t kDoubled[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                        0, -1, -2, -3, -4, -6, -8, -12};
    uint8_t q[32];
    neighbours(b, 16, q);
    steps<Isa>(kDoubled, q, 0.5f, to);
  }
};

}  // namespace
}  // namespace mla

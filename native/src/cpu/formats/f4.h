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
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    scales[0] = 0.5f;
    uint8_t which[32];
    Isa::neighbours(b, which);
    steps<Isa>(kDoubledE2M1, which, q);
  }
};

}  // namespace
}  // namespace mla

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
    uint8_t stored[32];
    Isa::neighbours(b, stored);
    for (int i = 0; i < 32; i++) q[i] = (int8_t)(stored[i] - 8);
  }
};

}  // namespace
}  // namespace mla

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

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    int8_t q[32];
    neighbours(b, 16, q);
    for (int i = 0; i < 32; i++) q[i] = (int8_t)(q[i] - 8);
    scaled<Isa>(q, 32, 1, to);
  }
};

}  // namespace
}  // namespace mla

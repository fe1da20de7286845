// ggml's Q5_1: d, m, an int of fifth bits, 16 bytes of nibbles. 32 elements d q + m.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q5_1 {
  static constexpr int kType = MLA_TYPE_Q5_1;
  static constexpr int kElements = 32;
  typedef Bytes<24> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    scales[0] = half(b);
    minima[0] = half(b + 2);
    nibbles(b + 8, 16, q);
    add_bits(b + 4, q);
  }
};

}  // namespace
}  // namespace mla

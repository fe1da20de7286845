// ggml's Q4_1: d, m, 16 bytes of nibbles. 32 elements d q + m.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q4_1 {
  static constexpr int kType = MLA_TYPE_Q4_1;
  static constexpr int kElements = 32;
  typedef Bytes<20> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    scales[0] = half(b);
    minima[0] = half(b + 2);
    nibbles(b + 4, 16, q);
  }
};

}  // namespace
}  // namespace mla

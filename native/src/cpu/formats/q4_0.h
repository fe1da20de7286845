// ggml's Q4_0: d, 16 bytes of nibbles. 32 elements d (q - 8).
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q4_0 {
  static constexpr int kType = MLA_TYPE_Q4_0;
  static constexpr int kElements = 32;
  typedef Bytes<18> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    scales[0] = half(b);
    nibbles(b + 2, 16, q);
    for (int i = 0; i < 32; i++) q[i] = (int8_t)(q[i] - 8);
  }
};

}  // namespace
}  // namespace mla

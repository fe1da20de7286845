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

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    int8_t q[32];
    nibbles(b + 4, 16, q);
    scaled_plus<Isa>(q, 32, half(b), half(b + 2), to);
  }
};

}  // namespace
}  // namespace mla

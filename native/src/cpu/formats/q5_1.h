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

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    int8_t q[32];
    nibbles(b + 8, 16, q);
    add_bits(b + 4, q);
    scaled_plus<Isa>(q, 32, half(b), half(b + 2), to);
  }
};

}  // namespace
}  // namespace mla

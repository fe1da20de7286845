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

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    int8_t q[32];
    nibbles(b + 2, 16, q);
    for (int i = 0; i < 32; i++) q[i] = (int8_t)(q[i] - 8);
    scaled<Isa>(q, 32, half(b), to);
  }
};

}  // namespace
}  // namespace mla

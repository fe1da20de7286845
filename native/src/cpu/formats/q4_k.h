// ggml's Q4_K: d, dmin, 12 bytes of six-bit scales and minima, 128 of nibbles. 8 groups of 32 elements d scale q - dmin min.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q4_K {
  static constexpr int kType = MLA_TYPE_Q4_K;
  static constexpr int kElements = 256;
  typedef Bytes<144> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    const float d = half(b), dmin = half(b + 2);
    for (int pair = 0; pair < 4; pair++) {
      int8_t q[64];
      nibbles(b + 16 + 32 * pair, 32, q);
      for (int i = 0; i < 2; i++) {
        const GroupScale s = group_scale(b + 4, 2 * pair + i);
        scaled_plus<Isa>(q + 32 * i, 32, d * (float)s.scale, -(dmin * (float)s.min), to + 64 * pair + 32 * i);
      }
    }
  }
};

}  // namespace
}  // namespace mla

// ggml's Q5_K: d, dmin, 12 bytes of six-bit scales and minima, 32 of fifth bits, 128 of nibbles. Elements as in Q4_K.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q5_K {
  static constexpr int kType = MLA_TYPE_Q5_K;
  static constexpr int kElements = 256;
  typedef Bytes<176> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    const float d = half(b), dmin = half(b + 2);
    for (int pair = 0; pair < 4; pair++) {
      int8_t q[64];
      nibbles(b + 48 + 32 * pair, 32, q);
      for (int i = 0; i < 2; i++) {
        const int group = 2 * pair + i;
        const GroupScale s = group_scale(b + 4, group);
        int8_t* both = q + 32 * i;
        for (int j = 0; j < 32; j++) both[j] = (int8_t)(both[j] + ((b[16 + j] >> group & 1) << 4));
        scaled_plus<Isa>(both, 32, d * (float)s.scale, -(dmin * (float)s.min), to + 32 * group);
      }
    }
  }
};

}  // namespace
}  // namespace mla

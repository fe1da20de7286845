// ggml's IQ4_XS: d, 2 and 4 bytes of six-bit scales, 128 of nibbles. 8 groups of 32 elements d (scale - 32) kSteps[q].
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/steps.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Iq4_XS {
  static constexpr int kType = MLA_TYPE_IQ4_XS;
  static constexpr int kElements = 256;
  typedef Bytes<136> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    const float d = half(b);
    const int highs = b[2] | b[3] << 8;
    for (int group = 0; group < 8; group++) {
      const int scale = (b[4 + group / 2] >> group % 2 * 4 & 15) | (highs >> 2 * group & 3) << 4;
      uint8_t q[32];
      nibbles(b + 8 + 16 * group, 16, q);
      steps<Isa>(kSteps, q, d * (float)(scale - 32), to + 32 * group);
    }
  }
};

}  // namespace
}  // namespace mla

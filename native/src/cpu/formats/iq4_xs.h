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
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    const float d = half(b);
    const int highs = b[2] | b[3] << 8;
    for (int group = 0; group < 8; group++) {
      const int scale = (b[4 + group / 2] >> group % 2 * 4 & 15) | (highs >> 2 * group & 3) << 4;
      scales[group] = d * (float)(scale - 32);
      uint8_t which[32];
      nibbles(b + 8 + 16 * group, 16, which);
      steps<Isa>(kSteps, which, q + 32 * group);
    }
  }
};

}  // namespace
}  // namespace mla

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
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    const float d = half(b), dmin = half(b + 2);
    for (int pair = 0; pair < 4; pair++) {
      nibbles(b + 48 + 32 * pair, 32, q + 64 * pair);
      for (int group = 2 * pair; group < 2 * pair + 2; group++) {
        const GroupScale s = group_scale(b + 4, group);
        scales[group] = d * (float)s.scale;
        minima[group] = -(dmin * (float)s.min);
        int8_t* of_group = q + 32 * group;
        for (int i = 0; i < 32; i++) of_group[i] = (int8_t)(of_group[i] + ((b[16 + i] >> group & 1) << 4));
      }
    }
  }
};

}  // namespace
}  // namespace mla

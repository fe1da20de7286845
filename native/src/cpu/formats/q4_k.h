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
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    const float d = half(b), dmin = half(b + 2);
    for (int group = 0; group < 8; group++) {
      const GroupScale s = group_scale(b + 4, group);
      scales[group] = d * (float)s.scale;
      minima[group] = -(dmin * (float)s.min);
    }
    for (int pair = 0; pair < 4; pair++) nibbles(b + 16 + 32 * pair, 32, q + 64 * pair);
  }
};

}  // namespace
}  // namespace mla

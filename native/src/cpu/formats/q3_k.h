// ggml's Q3_K: 32 bytes of third bits, 64 of two bits, 12 of six-bit scales, d. 16 groups of 16 elements d (scale - 32) (q - 4).
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q3_K {
  static constexpr int kType = MLA_TYPE_Q3_K;
  static constexpr int kElements = 256;
  typedef Bytes<110> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    const float d = half(b + 108);
    const uint8_t* scales = b + 96;
    for (int group = 0; group < 16; group++) {
      const uint8_t *low = b + 32 + group / 8 * 32 + group % 2 * 16, *high = b + group % 2 * 16;
      const int shift = group / 2 % 4 * 2, bit = group / 2;
      int8_t q[16];
      for (int i = 0; i < 16; i++) q[i] = (int8_t)((low[i] >> shift & 3) + ((high[i] >> bit & 1) << 2) - 4);
      const int scale =
          (scales[group % 8] >> group / 8 * 4 & 15) | (scales[8 + group % 4] >> group / 4 * 2 & 3) << 4;
      scaled<Isa>(q, 16, d * (float)(scale - 32), to + 16 * group);
    }
  }
};

}  // namespace
}  // namespace mla

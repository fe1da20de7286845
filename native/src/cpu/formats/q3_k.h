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
  static constexpr int kRun = 16;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    const float d = half(b + 108);
    const uint8_t* bits = b + 96;
    for (int group = 0; group < 16; group++) {
      const int scale = (bits[group % 8] >> group / 8 * 4 & 15) | (bits[8 + group % 4] >> group / 4 * 2 & 3)
                                                                      << 4;
      scales[group] = d * (float)(scale - 32);
    }
    for (int run = 0; run < 8; run++)
      for (int i = 0; i < 32; i++)
        q[32 * run + i] =
            (int8_t)((b[32 + run / 4 * 32 + i] >> run % 4 * 2 & 3) + ((b[i] >> run & 1) << 2) - 4);
  }
};

}  // namespace
}  // namespace mla

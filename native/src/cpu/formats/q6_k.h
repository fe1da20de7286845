// ggml's Q6_K: 128 bytes of nibbles, 64 of two bits, 16 signed scales, d. 16 groups of 16 elements d scale (q - 32).
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q6_K {
  static constexpr int kType = MLA_TYPE_Q6_K;
  static constexpr int kElements = 256;
  typedef Bytes<210> Block;
  static constexpr int kRun = 16;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    const float d = half(b + 208);
    for (int group = 0; group < 16; group++) scales[group] = d * (float)(int8_t)b[192 + group];
    for (int half = 0; half < 2; half++) {
      const uint8_t* high = b + 128 + 32 * half;
      nibbles(b + 64 * half, 64, q + 128 * half);
      for (int run = 0; run < 4; run++) {
        int8_t* of_run = q + 128 * half + 32 * run;
        for (int i = 0; i < 32; i++) of_run[i] = (int8_t)(of_run[i] + ((high[i] >> 2 * run & 3) << 4) - 32);
      }
    }
  }
};

}  // namespace
}  // namespace mla

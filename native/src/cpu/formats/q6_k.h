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

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    const float d = half(b + 208);
    const int8_t* scales = (const int8_t*)b + 192;
    for (int half = 0; half < 2; half++) {
      const uint8_t *low = b + 64 * half, *high = b + 128 + 32 * half;
      int8_t q[128];
      nibbles(low, 64, q);
      for (int run = 0; run < 4; run++)
        for (int i = 0; i < 32; i++)
          q[32 * run + i] = (int8_t)(q[32 * run + i] + ((high[i] >> 2 * run & 3) << 4) - 32);
      for (int group = 0; group < 8; group++)
        scaled<Isa>(q + 16 * group, 16, d * (float)scales[8 * half + group], to + 128 * half + 16 * group);
    }
  }
};

}  // namespace
}  // namespace mla

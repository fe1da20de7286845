// ggml's Q2_K: 16 bytes of scale and minimum, 64 of two bits, d, dmin. 16 groups of 16 elements d scale q - dmin min.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q2_K {
  static constexpr int kType = MLA_TYPE_Q2_K;
  static constexpr int kElements = 256;
  typedef Bytes<84> Block;
  static constexpr int kRun = 16;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    const float d = half(b + 80), dmin = half(b + 82);
    for (int group = 0; group < 16; group++) {
      scales[group] = d * (float)(b[group] & 15);
      minima[group] = -(dmin * (float)(b[group] >> 4));
    }
    for (int run = 0; run < 8; run++)
      for (int i = 0; i < 32; i++) q[32 * run + i] = (int8_t)(b[16 + run / 4 * 32 + i] >> run % 4 * 2 & 3);
  }
};

}  // namespace
}  // namespace mla

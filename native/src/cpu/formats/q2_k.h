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

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    const float d = half(b + 80), dmin = half(b + 82);
    for (int group = 0; group < 16; group++) {
      const uint8_t* from = b + 16 + group / 8 * 32 + group % 2 * 16;
      const int shift = group / 2 % 4 * 2;
      int8_t q[16];
      for (int i = 0; i < 16; i++) q[i] = (int8_t)(from[i] >> shift & 3);
      scaled_plus<Isa>(q, 16, d * (float)(b[group] & 15), -(dmin * (float)(b[group] >> 4)), to + 16 * group);
    }
  }
};

}  // namespace
}  // namespace mla

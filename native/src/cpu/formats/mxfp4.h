// ggml's MXFP4: an exponent e, 16 bytes of nibbles. 32 elements 2^(e - 128) kDoubled[q].
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/steps.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Mxfp4 {
  static constexpr int kType = MLA_TYPE_MXFP4;
  static constexpr int kElements = 32;
  typedef Bytes<17> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    // e2m1 times two; the zero of the negative ones has no sign
    alignas(16) static constexpr int8_t kDoubled[16] = {0, 1,  2,  3,  4,  6,  8,  12,
                                                        0, -1, -2, -3, -4, -6, -8, -12};
    const uint32_t e = b[0], bits = e < 2 ? 0x00200000u << e : (e - 1) << 23;
    uint8_t q[32];
    nibbles(b + 1, 16, q);
    float d;
    __builtin_memcpy(&d, &bits, 4);
    steps<Isa>(kDoubled, q, d, to);
  }
};

}  // namespace
}  // namespace mla

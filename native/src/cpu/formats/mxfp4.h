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
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    const uint32_t e = b[0], bits = e < 2 ? 0x00200000u << e : (e - 1) << 23;
    __builtin_memcpy(scales, &bits, 4);
    uint8_t which[32];
    nibbles(b + 1, 16, which);
    steps<Isa>(kDoubledE2M1, which, q);
  }
};

}  // namespace
}  // namespace mla

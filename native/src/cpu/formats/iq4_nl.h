// ggml's IQ4_NL: d, 16 bytes of nibbles. 32 elements d kSteps[q].
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/steps.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Iq4_NL {
  static constexpr int kType = MLA_TYPE_IQ4_NL;
  static constexpr int kElements = 32;
  typedef Bytes<18> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    uint8_t q[32];
    nibbles(b + 2, 16, q);
    steps<Isa>(kSteps, q, half(b), to);
  }
};

}  // namespace
}  // namespace mla

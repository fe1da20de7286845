// An 8-bit float (OCP FP8 E4M3): no infinity, a magnitude of all bits is NaN.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct F8_E4M3 {
  static constexpr int kType = MLA_TYPE_F8_E4M3;
  static constexpr int kElements = 1;
  static constexpr int kUnit = 32;  // blocks that are widened together
  typedef Bytes<1> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    // a binary16 with the same bits is smaller by the difference of the biases
    uint16_t halves[32];
    for (int i = 0; i < 32; i++) {
      const int magnitude = b[i] & 0x7f;
      halves[i] = (uint16_t)((b[i] & 0x80) << 8 | (magnitude == 0x7f ? 0x7e00 : magnitude << 7));
    }
    for (int i = 0; i < 32; i += Isa::L)
      Isa::store(to + i, Isa::mul(Isa::widen_f16(halves + i), Isa::set1(256)));
  }
};

}  // namespace
}  // namespace mla

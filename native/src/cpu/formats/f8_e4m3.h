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
    each<Isa>(block, [&](int i, F<Isa> x) __attribute__((always_inline)) { Isa::store(to + i, x); });
  }

  static float scale(float largest, bool) { return largest / 448; }

  template <class Isa, class Put>
  static MLA_INLINE void each(const Block* block, Put put) {
    const uint8_t* b = block->at;

    // a binary16 with the same bits is smaller by the difference of the biases
    uint16_t halves[kCodes];
    for (int i = 0; i < kCodes; i++) {
      const int magnitude = b[i] & 0x7f;
      halves[i] = (uint16_t)((b[i] & 0x80) << 8 | (magnitude == 0x7f ? 0x7e00 : magnitude << 7));
    }
#pragma GCC unroll 8
    for (int i = 0; i < kCodes; i += Isa::L) put(i, Isa::mul(Isa::widen_f16(halves + i), Isa::set1(256)));
  }

  template <class Isa>
  static MLA_INLINE void encode(const float* from, F<Isa> scale, Block* block) {
    alignas(64) float x[kCodes];
    for (int i = 0; i < kCodes; i += Isa::L) Isa::store(x + i, Isa::div(Isa::load(from + i), scale));
    for (int i = 0; i < kCodes; i++) block[i].at[0] = code(x[i]);
  }

 private:
  static MLA_INLINE uint8_t code(float x) {
    uint32_t bits;
    __builtin_memcpy(&bits, &x, 4);
    const uint32_t sign = bits >> 24 & 0x80;
    bits &= 0x7fffffff;
    if (bits > 0x43e00000) bits = 0x43e00000;  // 448
    float magnitude;
    __builtin_memcpy(&magnitude, &bits, 4);
    // below 2^-6 the spacing is 2^-9: that of floats from 2^14 on
    magnitude += 0x1p14f;
    uint32_t small;
    __builtin_memcpy(&small, &magnitude, 4);
    const uint32_t rounded = (bits + 0x7ffff + (bits >> 20 & 1)) >> 20;
    return (uint8_t)(sign | (bits < 0x3c800000 ? small & 0xff : rounded - (120 << 3)));
  }
};

}  // namespace
}  // namespace mla

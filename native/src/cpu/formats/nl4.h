// IQ4's steps as codes of latents under scales: two elements in a byte, the first in its low bits.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/steps.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Nl4 {
  static constexpr int kType = MLA_TYPE_NL4;
  static constexpr int kElements = 2;
  typedef Bytes<1> Block;

  // The code of the element of the largest magnitude is -127: there is no 127. No code is 0, so a scale has to be NaN where elements are not
  // finite.
  static float scale(float largest, bool is_negative) {
    return largest < __builtin_inff() ? (is_negative ? largest : -largest) / 127 : __builtin_nanf("");
  }

  template <class Isa, class Put>
  static MLA_INLINE void each(const Block* block, Put put) {
    uint8_t which[kCodes];
    int8_t q[kCodes];
    Isa::neighbours(block->at, which);
    steps<Isa>(kSteps, which, q);
#pragma GCC unroll 8
    for (int i = 0; i < kCodes; i += Isa::L) put(i, Isa::widen_i8(q + i));
  }

  // kCodes of them times their scale, rounded: sixteen products for all.
  template <class Isa>
    requires requires { &Isa::pick_bf16; }
  static MLA_INLINE void round(const Block* block, F<Isa> scale, uint16_t* to) {
    static_assert(Isa::L == 16);
    Isa::pick_bf16(Isa::mul(Isa::widen_i8(kSteps), scale), block->at, to);
  }

  template <class Isa>
  static MLA_INLINE void encode(const float* from, F<Isa> scale, Block* block) {
    alignas(64) float which[kCodes];
    for (int i = 0; i < kCodes; i += Isa::L) {
      const F<Isa> x = Isa::div(Isa::load(from + i), scale);
      F<Isa> above = Isa::zero();
      for (int step = 0; step < 15; step++) {
        const F<Isa> middle = Isa::set1((float)(kSteps[step] + kSteps[step + 1]) / 2);
        above = Isa::add(above, Isa::select_less(middle, x, Isa::set1(1), Isa::zero()));
      }
      Isa::store(which + i, above);
    }
    for (int i = 0; i < kCodes; i += 2)
      block[i / 2].at[0] = (uint8_t)((int)which[i] | (int)which[i + 1] << 4);
  }
};

}  // namespace
}  // namespace mla

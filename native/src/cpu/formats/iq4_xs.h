// ggml's IQ4_XS: d, 2 and 4 bytes of six-bit scales, 128 of nibbles. 8 groups of 32 elements d (scale - 32) kSteps[q].
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "cpu/formats/steps.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Iq4_XS {
  static constexpr int kType = MLA_TYPE_IQ4_XS;
  static constexpr int kElements = 256;
  typedef Bytes<136> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    const float d = half(b);
    const int highs = b[2] | b[3] << 8;
    for (int group = 0; group < 8; group++) {
      const int scale = (b[4 + group / 2] >> group % 2 * 4 & 15) | (highs >> 2 * group & 3) << 4;
      scales[group] = d * (float)(scale - 32);
      uint8_t which[32];
      nibbles(b + 8 + 16 * group, 16, which);
      steps<Isa>(kSteps, which, q + 32 * group);
    }
  }

  static constexpr bool kReadsLanes = true;

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int blocks, Emit emit) {
    const typename Isa::I first = Isa::row_ints(rows, at), lows = Isa::row_ints(rows, at + 4);
    const F<Isa> d = Isa::halves(first);
    for (int j = 0; j < blocks; j++) {
      LaneBlock<Isa> b;
      lane_steps<Isa>(rows, at + 8 + 16 * j, kSteps, b.x);
      const typename Isa::I low = Isa::both(Isa::shift_right(lows, 4 * j), Isa::set1_int(15));
      const typename Isa::I high = Isa::both(Isa::shift_right(first, 16 + 2 * j), Isa::set1_int(3));
      const typename Isa::I scale =
          Isa::add_ints(Isa::either(low, Isa::shift_left(high, 4)), Isa::set1_int(-32));
      b.scale[0] = Isa::mul(d, Isa::to_floats(scale));
      emit(j, b);
    }
  }
};

}  // namespace
}  // namespace mla

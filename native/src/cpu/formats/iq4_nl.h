// ggml's IQ4_NL: d, 16 bytes of nibbles. 32 elements d kSteps[q].
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "cpu/formats/steps.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Iq4_NL {
  static constexpr int kType = MLA_TYPE_IQ4_NL;
  static constexpr int kElements = 32;
  typedef Bytes<18> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    scales[0] = half(b);
    uint8_t which[32];
    nibbles(b + 2, 16, which);
    steps<Isa>(kSteps, which, q);
  }

  static constexpr bool kReadsLanes = true;

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int, Emit emit) {
    LaneBlock<Isa> b;
    lane_steps<Isa>(rows, at + 2, kSteps, b.x);
    b.scale[0] = Isa::halves(Isa::row_ints(rows, at));
    emit(0, b);
  }
};

}  // namespace
}  // namespace mla

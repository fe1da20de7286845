// ggml's MXFP4: an exponent e, 16 bytes of nibbles. 32 elements 2^(e - 128) kDoubled[q].
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
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

  static constexpr bool kReadsLanes = true;

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int, Emit emit) {
    LaneBlock<Isa> b;
    lane_steps<Isa>(rows, at + 1, kDoubledE2M1, b.x);
    const typename Isa::I e = Isa::both(Isa::row_ints(rows, at), Isa::set1_int(255));
    const F<Isa> normal = Isa::as_floats(Isa::shift_left(Isa::add_ints(e, Isa::set1_int(-1)), 23));
    const F<Isa> smallest = Isa::as_floats(Isa::shift_left(Isa::add_ints(e, Isa::set1_int(1)), 21));
    b.scale[0] = Isa::select_less(Isa::to_floats(e), Isa::set1(2.f), smallest, normal);
    emit(0, b);
  }
};

}  // namespace
}  // namespace mla

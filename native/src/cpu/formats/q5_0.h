// ggml's Q5_0: d, an int of fifth bits, 16 bytes of nibbles. 32 elements d (q - 16).
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q5_0 {
  static constexpr int kType = MLA_TYPE_Q5_0;
  static constexpr int kElements = 32;
  typedef Bytes<22> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    scales[0] = half(b);
    Isa::five_bit_codes(b + 6, b + 2, 16, q);
  }

  static constexpr bool kReadsLanes = true;

  static constexpr int kPieces = 2;
  static constexpr int kSmallSums = 2;
  template <class Isa>
  static constexpr int kZero = 16;

  template <class Isa>
  static MLA_INLINE void pieces(const uint8_t* b, typename Isa::I (&half)[2]) {
    five_bits_of_blocks<Isa, 22>(b + 6, b + 2, half);
  }

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int, Emit emit) {
    LaneBlock<Isa> b;
    lane_nibbles<Isa>(rows, at + 6, b.x);
    add_lane_bits<Isa>(Isa::row_ints(rows, at + 2), b.x);
    add_to_codes<Isa>(b.x, Isa::kCodeOffset - 16);
    b.scale[0] = Isa::halves(Isa::row_ints(rows, at));
    emit(0, b);
  }
};

}  // namespace
}  // namespace mla

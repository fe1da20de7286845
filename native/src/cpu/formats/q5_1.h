// ggml's Q5_1: d, m, an int of fifth bits, 16 bytes of nibbles. 32 elements d q + m.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q5_1 {
  static constexpr int kType = MLA_TYPE_Q5_1;
  static constexpr int kElements = 32;
  typedef Bytes<24> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    scales[0] = half(b);
    minima[0] = half(b + 2);
    Isa::five_bit_codes(b + 8, b + 4, 0, q);
  }

  static constexpr bool kReadsLanes = true;

  static constexpr int kPieces = 2;
  static constexpr int kSmallSums = 1;
  template <class Isa>
  static constexpr int kZero = 0;

  template <class Isa>
  static MLA_INLINE void pieces(const uint8_t* b, typename Isa::I (&half)[2]) {
    five_bits_of_blocks<Isa, 24>(b + 8, b + 4, half);
  }

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int, Emit emit) {
    LaneBlock<Isa> b;
    lane_nibbles<Isa>(rows, at + 8, b.x);
    add_lane_bits<Isa>(Isa::row_ints(rows, at + 4), b.x);
    b.read_scale_and_minimum(rows, at);
    emit(0, b);
  }
};

}  // namespace
}  // namespace mla

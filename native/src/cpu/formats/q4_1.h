// ggml's Q4_1: d, m, 16 bytes of nibbles. 32 elements d q + m.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q4_1 {
  static constexpr int kType = MLA_TYPE_Q4_1;
  static constexpr int kElements = 32;
  typedef Bytes<20> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    scales[0] = half(b);
    minima[0] = half(b + 2);
    nibbles(b + 4, 16, q);
  }

  static constexpr bool kReadsLanes = true;

  static constexpr int kPieces = 2;
  static constexpr int kSmallSums = 2;
  template <class Isa>
  static constexpr int kZero = 0;

  template <class Isa>
  static MLA_INLINE void pieces(const uint8_t* b, typename Isa::I (&half)[2]) {
    nibbles_of_blocks<Isa, 20>(b + 4, half);
  }

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int, Emit emit) {
    LaneBlock<Isa> b;
    lane_nibbles<Isa>(rows, at + 4, b.x);
    b.read_scale_and_minimum(rows, at);
    emit(0, b);
  }
};

}  // namespace
}  // namespace mla

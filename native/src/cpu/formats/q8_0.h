// ggml's Q8_0: d, 32 signed bytes. 32 elements d q.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q8_0 {
  static constexpr int kType = MLA_TYPE_Q8_0;
  static constexpr int kElements = 32;
  typedef Bytes<34> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    scales[0] = half(b);
    __builtin_memcpy(q, b + 2, 32);
  }

  static constexpr bool kReadsLanes = true;

  static constexpr int kPieces = 1;
  static constexpr int kSmallSums = 0;
  template <class Isa>
  static constexpr int kZero = Isa::kCodeOffset;

  template <class Isa>
  static MLA_INLINE void pieces(const uint8_t* b, typename Isa::I (&whole)[1]) {
    whole[0] = Isa::template thirty_twos<34>(b + 2);
    if (kZero<Isa> != 0) whole[0] = Isa::add_bytes(whole[0], set1_byte<Isa>(kZero<Isa>));
  }

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int, Emit emit) {
    LaneBlock<Isa> b;
    Isa::row_eighths(rows, at + 2, b.x);
    if (Isa::kCodeOffset != 0) add_to_codes<Isa>(b.x, Isa::kCodeOffset);
    b.scale[0] = Isa::halves(Isa::row_ints(rows, at));
    emit(0, b);
  }
};

}  // namespace
}  // namespace mla

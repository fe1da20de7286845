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

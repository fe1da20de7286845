// ggml's Q2_K: 16 bytes of scale and minimum, 64 of two bits, d, dmin. 16 groups of 16 elements d scale q - dmin min.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q2_K {
  static constexpr int kType = MLA_TYPE_Q2_K;
  static constexpr int kElements = 256;
  typedef Bytes<84> Block;
  static constexpr int kRun = 16;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    const float d = half(b + 80), dmin = half(b + 82);
    for (int group = 0; group < 16; group++) {
      scales[group] = d * (float)(b[group] & 15);
      minima[group] = -(dmin * (float)(b[group] >> 4));
    }
    for (int run = 0; run < 8; run++)
      for (int i = 0; i < 32; i++) q[32 * run + i] = (int8_t)(b[16 + run / 4 * 32 + i] >> run % 4 * 2 & 3);
  }

  static constexpr bool kReadsLanes = true;

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int blocks, Emit emit) {
    typename Isa::I both[4], y[8];
    Isa::row_quarters(rows, at, both);
    const typename Isa::I ends = Isa::row_ints(rows, at + 80), two = set1_byte<Isa>(3),
                          four = Isa::set1_int(15);
    const F<Isa> d = Isa::halves(ends), dmin = Isa::halves(Isa::shift_right(ends, 16));
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      if (4 * half >= blocks) return;
      Isa::row_eighths(rows, at + 16 + 32 * half, y);
#pragma GCC unroll 4
      for (int run = 0; run < 4; run++) {
        const int j = 4 * half + run;
        if (j >= blocks) return;
        LaneBlock<Isa> b;
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) b.x[i] = Isa::both(Isa::shift_right(y[i], 2 * run), two);
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
          const typename Isa::I of_run = Isa::shift_right(both[j / 2], 8 * (2 * (j % 2) + i));
          const typename Isa::I min = Isa::both(Isa::shift_right(of_run, 4), four);
          b.scale[i] = Isa::mul(d, Isa::to_floats(Isa::both(of_run, four)));
          b.minimum[i] = Isa::sub(Isa::zero(), Isa::mul(dmin, Isa::to_floats(min)));
        }
        emit(j, b);
      }
    }
  }
};

}  // namespace
}  // namespace mla

// ggml's Q6_K: 128 bytes of nibbles, 64 of two bits, 16 signed scales, d. 16 groups of 16 elements d scale (q - 32).
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q6_K {
  static constexpr int kType = MLA_TYPE_Q6_K;
  static constexpr int kElements = 256;
  typedef Bytes<210> Block;
  static constexpr int kRun = 16;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    const float d = half(b + 208);
    for (int group = 0; group < 16; group++) scales[group] = d * (float)(int8_t)b[192 + group];
    for (int half = 0; half < 2; half++) {
      const uint8_t* high = b + 128 + 32 * half;
      nibbles(b + 64 * half, 64, q + 128 * half);
      for (int run = 0; run < 4; run++) {
        int8_t* of_run = q + 128 * half + 32 * run;
        for (int i = 0; i < 32; i++) of_run[i] = (int8_t)(of_run[i] + ((high[i] >> 2 * run & 3) << 4) - 32);
      }
    }
  }

  static constexpr bool kReadsLanes = true;

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int blocks, Emit emit) {
    typename Isa::I scales[4], y[2][8], high[8];
    Isa::row_quarters(rows, at + 192, scales);
    const F<Isa> d = Isa::halves(Isa::shift_right(Isa::row_ints(rows, at + 206), 16));
    const typename Isa::I low = set1_byte<Isa>(15), two = set1_byte<Isa>(48);
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      if (4 * half >= blocks) return;
      Isa::row_eighths(rows, at + 64 * half, y[0]);
      Isa::row_eighths(rows, at + 64 * half + 32, y[1]);
      Isa::row_eighths(rows, at + 128 + 32 * half, high);
#pragma GCC unroll 4
      for (int run = 0; run < 4; run++) {
        const int j = 4 * half + run;
        if (j >= blocks) return;
        LaneBlock<Isa> b;
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
          b.x[i] = Isa::either(Isa::both(run < 2 ? y[run][i] : Isa::shift_right(y[run - 2][i], 4), low),
                               Isa::both(run < 2 ? Isa::shift_left(high[i], 4 - 2 * run)
                                                 : Isa::shift_right(high[i], 2 * run - 4),
                                         two));
        add_to_codes<Isa>(b.x, Isa::kCodeOffset - 32);
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++)
          b.scale[i] = Isa::mul(d, Isa::to_floats(Isa::signed_byte(scales[j / 2], 2 * (j % 2) + i)));
        emit(j, b);
      }
    }
  }
};

}  // namespace
}  // namespace mla

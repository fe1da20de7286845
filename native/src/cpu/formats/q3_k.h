// ggml's Q3_K: 32 bytes of third bits, 64 of two bits, 12 of six-bit scales, d. 16 groups of 16 elements d (scale - 32) (q - 4).
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q3_K {
  static constexpr int kType = MLA_TYPE_Q3_K;
  static constexpr int kElements = 256;
  typedef Bytes<110> Block;
  static constexpr int kRun = 16;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    const uint8_t* b = block->at;

    const float d = half(b + 108);
    const uint8_t* bits = b + 96;
    for (int group = 0; group < 16; group++) {
      const int scale = (bits[group % 8] >> group / 8 * 4 & 15) | (bits[8 + group % 4] >> group / 4 * 2 & 3)
                                                                      << 4;
      scales[group] = d * (float)(scale - 32);
    }
    for (int run = 0; run < 8; run++)
      for (int i = 0; i < 32; i++)
        q[32 * run + i] =
            (int8_t)((b[32 + run / 4 * 32 + i] >> run % 4 * 2 & 3) + ((b[i] >> run & 1) << 2) - 4);
  }

  static constexpr bool kReadsLanes = true;

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int blocks, Emit emit) {
    typename Isa::I bits[4], y[8], high[8];
    Isa::row_quarters(rows, at + 94, bits);  // the 12 bytes of scales from byte 2 on, d behind them
    Isa::row_eighths(rows, at, high);
    const F<Isa> d = Isa::halves(Isa::shift_right(bits[3], 16));
    const typename Isa::I two = set1_byte<Isa>(3), third = set1_byte<Isa>(4);
    const auto byte = [&](int i) __attribute__((always_inline)) {
      return Isa::shift_right(bits[(i + 2) / 4], 8 * ((i + 2) % 4));
    };
#pragma GCC unroll 2
    for (int half = 0; half < 2; half++) {
      if (4 * half >= blocks) return;
      Isa::row_eighths(rows, at + 32 + 32 * half, y);
#pragma GCC unroll 4
      for (int run = 0; run < 4; run++) {
        const int j = 4 * half + run;
        if (j >= blocks) return;
        LaneBlock<Isa> b;
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
          b.x[i] = Isa::either(
              Isa::both(Isa::shift_right(y[i], 2 * run), two),
              Isa::both(j < 2 ? Isa::shift_left(high[i], 2 - j) : Isa::shift_right(high[i], j - 2), third));
        add_to_codes<Isa>(b.x, Isa::kCodeOffset - 4);
#pragma GCC unroll 2
        for (int i = 0; i < 2; i++) {
          const int group = 2 * j + i;
          const typename Isa::I low =
              Isa::both(Isa::shift_right(byte(group % 8), group / 8 * 4), Isa::set1_int(15));
          const typename Isa::I top =
              Isa::both(Isa::shift_right(byte(8 + group % 4), group / 4 * 2), Isa::set1_int(3));
          const typename Isa::I scale =
              Isa::add_ints(Isa::either(low, Isa::shift_left(top, 4)), Isa::set1_int(-32));
          b.scale[i] = Isa::mul(d, Isa::to_floats(scale));
        }
        emit(j, b);
      }
    }
  }
};

}  // namespace
}  // namespace mla

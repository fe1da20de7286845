// ggml's Q5_K: d, dmin, 12 bytes of six-bit scales and minima, 32 of fifth bits, 128 of nibbles. Elements as in Q4_K.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q5_K {
  static constexpr int kType = MLA_TYPE_Q5_K;
  static constexpr int kElements = 256;
  typedef Bytes<176> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    const float d = half(b), dmin = half(b + 2);
    for (int pair = 0; pair < 4; pair++) {
      nibbles(b + 48 + 32 * pair, 32, q + 64 * pair);
      for (int group = 2 * pair; group < 2 * pair + 2; group++) {
        const GroupScale s = group_scale(b + 4, group);
        scales[group] = d * (float)s.scale;
        minima[group] = -(dmin * (float)s.min);
        int8_t* of_group = q + 32 * group;
        for (int i = 0; i < 32; i++) of_group[i] = (int8_t)(of_group[i] + ((b[16 + i] >> group & 1) << 4));
      }
    }
  }

  static constexpr bool kReadsLanes = true;

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int blocks, Emit emit) {
    typename Isa::I header[4], y[8], high[8];
    Isa::row_quarters(rows, at, header);
    Isa::row_eighths(rows, at + 16, high);
    const LaneGroupScales<Isa> groups(header);
    const typename Isa::I low = set1_byte<Isa>(15), fifth = set1_byte<Isa>(16);
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; pair++) {
      if (2 * pair >= blocks) return;
      Isa::row_eighths(rows, at + 48 + 32 * pair, y);
#pragma GCC unroll 2
      for (int j = 0; j < 2; j++) {
        const int group = 2 * pair + j;
        if (group >= blocks) return;
        LaneBlock<Isa> b;
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++)
          b.x[i] = Isa::either(Isa::both(j == 0 ? y[i] : Isa::shift_right(y[i], 4), low),
                               Isa::both(group < 4 ? Isa::shift_left(high[i], 4 - group)
                                                   : Isa::shift_right(high[i], group - 4),
                                         fifth));
        b.scale[0] = groups.scale(group);
        b.minimum[0] = groups.minimum(group);
        emit(group, b);
      }
    }
  }
};

}  // namespace
}  // namespace mla

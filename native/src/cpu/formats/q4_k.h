// ggml's Q4_K: d, dmin, 12 bytes of six-bit scales and minima, 128 of nibbles. 8 groups of 32 elements d scale q - dmin min.
#pragma once
#include "cpu/formats/blocks.h"
#include "cpu/formats/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q4_K {
  static constexpr int kType = MLA_TYPE_Q4_K;
  static constexpr int kElements = 256;
  typedef Bytes<144> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = true;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float* minima) {
    const uint8_t* b = block->at;

    const float d = half(b), dmin = half(b + 2);
    for (int group = 0; group < 8; group++) {
      const GroupScale s = group_scale(b + 4, group);
      scales[group] = d * (float)s.scale;
      minima[group] = -(dmin * (float)s.min);
    }
    for (int pair = 0; pair < 4; pair++) nibbles(b + 16 + 32 * pair, 32, q + 64 * pair);
  }

  static constexpr bool kReadsLanes = true;

  template <class Isa, class Emit>
  static MLA_INLINE void lanes(const uint8_t* const* rows, int64_t at, int blocks, Emit emit) {
    typename Isa::I header[4], y[8];
    Isa::row_quarters(rows, at, header);
    const LaneGroupScales<Isa> groups(header);
    const typename Isa::I low = set1_byte<Isa>(15);
#pragma GCC unroll 4
    for (int pair = 0; pair < 4; pair++) {
      if (2 * pair >= blocks) return;
      Isa::row_eighths(rows, at + 16 + 32 * pair, y);
#pragma GCC unroll 2
      for (int j = 0; j < 2; j++) {
        if (2 * pair + j >= blocks) return;
        LaneBlock<Isa> b;
#pragma GCC unroll 8
        for (int i = 0; i < 8; i++) b.x[i] = Isa::both(j == 0 ? y[i] : Isa::shift_right(y[i], 4), low);
        b.scale[0] = groups.scales[2 * pair + j];
        b.minimum[0] = groups.minima[2 * pair + j];
        emit(2 * pair + j, b);
      }
    }
  }
};

}  // namespace
}  // namespace mla

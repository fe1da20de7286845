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
  static constexpr bool kSideBySide = true;

  // The high nibbles of a times x and of b times y.
  template <class Isa>
  static MLA_INLINE typename Isa::I high_nibbles(typename Isa::I a, typename Isa::I b, typename Isa::I x,
                                                 typename Isa::I y) {
    const typename Isa::I none = Isa::set1_int(0);
    // where products are added in 32 bits, bytes sixteen times as large take one shift for both
    if constexpr (Isa::kHasByteDots) {
      const typename Isa::I high = set1_byte<Isa>(240);
      return Isa::shift_right_signed(
          Isa::template dot_codes<false>(Isa::template dot_codes<false>(none, Isa::both(a, high), x),
                                         Isa::both(b, high), y),
          4);
    } else {
      const typename Isa::I low = set1_byte<Isa>(15);
      return Isa::template dot_codes<false>(
          Isa::template dot_codes<false>(none, Isa::both(Isa::shift_right(a, 4), low), x),
          Isa::both(Isa::shift_right(b, 4), low), y);
    }
  }

  // A block's sums of products, rows in lanes.
  template <class Isa, class Row>
  struct Sums {
    typename Isa::I header[4];
    typename Isa::I low[4], high[4];  // of either nibbles of each pair of groups
    Row x;

    MLA_INLINE F<Isa> add_to(F<Isa> f, const LaneGroupScales<Isa>& groups, int group) const {
      const F<Isa> scale = Isa::mul(groups.scale(group), x.template scale<Isa>(group));
      f = Isa::fused(scale, Isa::to_floats((group % 2 == 0 ? low : high)[group / 2]), f);
      return Isa::fused(groups.minimum(group), x.template scaled_sum<Isa>(group), f);
    }
  };

  // The float sum of a row is one chain of additions: those of a block go between the products of the next one, which would wait for it otherwise.
  template <class Isa, class Row>
  static MLA_INLINE F<Isa> side_by_side(const uint8_t* const* rows, const NextRows<Isa>& next, int blocks,
                                        Row x) {
    typedef typename Isa::I I;
    constexpr int L = Isa::L, Q = Isa::kQuarters, kPair = 2 * Row::kBytes;
    constexpr int kPart = sizeof(Block) * Q / 4;  // of a block that is multiplied at a time
    alignas(64) static constexpr char kNothing[8 * Row::kBytes] = {};
    const I low = set1_byte<Isa>(15), none = Isa::set1_int(0);
    F<Isa> f = Isa::zero();
    Sums<Isa, Row> done{
        {none, none, none, none}, {none, none, none, none}, {none, none, none, none}, {kNothing}};
    for (int b = 0; b < blocks; b++) {
      const int64_t at = b * (int64_t)sizeof(Block);
      const LaneGroupScales<Isa> groups(done.header);
      Sums<Isa, Row> sums;
      sums.x = {x.at + b * 8 * Row::kBytes};
#pragma GCC unroll 4
      for (int pair = 0; pair < 4; pair += Q) {  // Q of them at a time
        const char* xs = sums.x.at + pair * kPair;
        const I q0 = Isa::template sixteens<kPair>(xs), q1 = Isa::template sixteens<kPair>(xs + 16);
        const I q2 = Isa::template sixteens<kPair>(xs + Row::kBytes),
                q3 = Isa::template sixteens<kPair>(xs + Row::kBytes + 16);
        const int64_t part = at + pair / Q * kPart;
        next.template fetch_rest<kPart>(part);
        RowSums<Isa, 2> evens, odds;  // of the low and of the high nibbles
#pragma GCC unroll 8
        for (int r = 0; r < L; r += 2) {
          I even[2], odd[2];
#pragma GCC unroll 2
          for (int i = 0; i < 2; i++) {
            next.template fetch<kPart>(part, r + i);
            I a, b;
            Isa::sixteens_of_pairs(rows[r + i] + at + 16 + 32 * pair, &a, &b);
            even[i] = Isa::template dot_codes<false>(
                Isa::template dot_codes<false>(none, Isa::both(a, low), q0), Isa::both(b, low), q1);
            odd[i] = high_nibbles<Isa>(a, b, q2, q3);
          }
          evens.add(r / 2, even[0], even[1]);
          odds.add(r / 2, odd[0], odd[1]);
          f = done.add_to(f, groups, (pair / Q * L + r) / 2);
          keep(f);  // here, whatever the compiler would prefer
        }
        evens.finish(sums.low + pair);
        odds.finish(sums.high + pair);
      }
      Isa::row_quarters(rows, at, sums.header);
      done = sums;
    }
    const LaneGroupScales<Isa> groups(done.header);
#pragma GCC unroll 8
    for (int group = 0; group < 8; group++) f = done.add_to(f, groups, group);
    return f;
  }

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
        b.scale[0] = groups.scale(2 * pair + j);
        b.minimum[0] = groups.minimum(2 * pair + j);
        emit(2 * pair + j, b);
      }
    }
  }
};

}  // namespace
}  // namespace mla

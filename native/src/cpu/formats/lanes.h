// Blocks of 32 integer codes with rows of a weight in lanes: what formats have in common that are read so (integer_lanes.h).
#pragma once
#include <cstdint>

#include "cpu/lanes.h"

namespace mla {
namespace {

// 32 elements of Isa::L rows: the bytes of x[i] are the elements 4 i to 4 i + 3 of each row, plus Isa::kCodeOffset where codes are signed. One
// scale and minimum, or two where 16 elements share one.
template <class Isa>
struct LaneBlock {
  typename Isa::I x[8];
  F<Isa> scale[2];
  F<Isa> minimum[2];
};

template <class Isa>
MLA_INLINE typename Isa::I set1_byte(int x) {
  return Isa::set1_int((int)(0x01010101u * (uint32_t)(x & 255)));
}

template <class Isa>
MLA_INLINE void add_to_codes(typename Isa::I (&x)[8], int added) {
  const typename Isa::I a = set1_byte<Isa>(added);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) x[i] = Isa::add_bytes(x[i], a);
}

// The low nibbles of 16 bytes, then their high ones.
template <class Isa>
MLA_INLINE void lane_nibbles(const uint8_t* const* rows, int64_t at, typename Isa::I (&x)[8]) {
  typename Isa::I y[4];
  const typename Isa::I low = set1_byte<Isa>(15);
  Isa::row_quarters(rows, at, y);
#pragma GCC unroll 4
  for (int i = 0; i < 4; i++) {
    x[i] = Isa::both(y[i], low);
    x[i + 4] = Isa::both(Isa::shift_right(y[i], 4), low);
  }
}

// .. through a table of sixteen steps.
template <class Isa>
MLA_INLINE void lane_steps(const uint8_t* const* rows, int64_t at, const int8_t* table,
                           typename Isa::I (&x)[8]) {
  lane_nibbles<Isa>(rows, at, x);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) x[i] = Isa::pick(x[i], table);
  add_to_codes<Isa>(x, Isa::kCodeOffset);
}

// Adds 16 times the bits of an int of each row to 32 elements: its bit i to element i.
template <class Isa>
MLA_INLINE void add_lane_bits(typename Isa::I bits, typename Isa::I (&x)[8]) {
  const typename Isa::I four = Isa::set1_int(15), spread = Isa::set1_int(0x00204081),
                        ones = set1_byte<Isa>(1);
#pragma GCC unroll 8
  for (int i = 0; i < 8; i++) {
    // bit j of the four goes to bit 8 j
    const typename Isa::I of_bytes =
        Isa::both(Isa::mul_ints(Isa::both(Isa::shift_right(bits, 4 * i), four), spread), ones);
    x[i] = Isa::either(x[i], Isa::shift_left(of_bytes, 4));
  }
}

// The scales and minima of the eight groups of Q4_K and Q5_K; header: their first 16 bytes.
template <class Isa>
struct LaneGroupScales {
  F<Isa> scales[8], minima[8];

  MLA_INLINE explicit LaneGroupScales(const typename Isa::I (&header)[4]) {
    const F<Isa> d = Isa::halves(header[0]), dmin = Isa::halves(Isa::shift_right(header[0], 16));
    const typename Isa::I six = Isa::set1_int(63), four = Isa::set1_int(15), two = Isa::set1_int(48);
#pragma GCC unroll 8
    for (int j = 0; j < 8; j++) {
      const int at = 8 * (j & 3);
      typename Isa::I scale, min;
      if (j < 4) {
        scale = Isa::both(Isa::shift_right(header[1], at), six);
        min = Isa::both(Isa::shift_right(header[2], at), six);
      } else {
        scale = Isa::either(Isa::both(Isa::shift_right(header[3], at), four),
                            Isa::both(Isa::shift_right(header[1], at + 2), two));
        min = Isa::either(Isa::both(Isa::shift_right(header[3], at + 4), four),
                          Isa::both(Isa::shift_right(header[2], at + 2), two));
      }
      scales[j] = Isa::mul(d, Isa::to_floats(scale));
      minima[j] = Isa::sub(Isa::zero(), Isa::mul(dmin, Isa::to_floats(min)));
    }
  }
};

}  // namespace
}  // namespace mla

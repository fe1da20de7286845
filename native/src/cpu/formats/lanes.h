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

  // The first bytes of each row's block are d and m.
  MLA_INLINE void read_scale_and_minimum(const uint8_t* const* rows, int64_t at) {
    const typename Isa::I both = Isa::row_ints(rows, at);
    scale[0] = Isa::halves(both);
    minimum[0] = Isa::halves(Isa::shift_right(both, 16));
  }
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

// The low nibbles of 16 bytes of each of some blocks of a row, kStride bytes apart, and the high ones.
template <class Isa, int kStride>
MLA_INLINE void nibbles_of_blocks(const uint8_t* b, typename Isa::I (&half)[2]) {
  const typename Isa::I x = Isa::template sixteens<kStride>(b), low = set1_byte<Isa>(15);
  half[0] = Isa::both(x, low);
  half[1] = Isa::both(Isa::shift_right(x, 4), low);
}

// .. with the int of fifth bits of each block.
template <class Isa, int kStride>
MLA_INLINE void five_bits_of_blocks(const uint8_t* b, const uint8_t* fifth, typename Isa::I (&half)[2]) {
  nibbles_of_blocks<Isa, kStride>(b, half);
  const typename Isa::I bits = Isa::template sixteens<kStride>(fifth);
  half[0] = Isa::template add_fifth_bits<0>(half[0], bits);
  half[1] = Isa::template add_fifth_bits<1>(half[1], bits);
}

// Nibbles of rows in lanes through a table of sixteen steps.
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

// A binary16 number d times the lower six bits of bytes of an int.
template <class Isa>
struct SixBitScales {
  F<Isa> d, less[3];  // less[i]: d times -ones(i)

  // A float whose last bits, from 8 i on, stand for ones.
  static constexpr float ones(int i) { return (float)(1 << (23 - 8 * i)); }

  MLA_INLINE explicit SixBitScales(F<Isa> of) : d(of) {
#pragma GCC unroll 3
    for (int i = 0; i < 3; i++) less[i] = Isa::mul(d, Isa::set1(-ones(i)));
  }
  // d times byte i of x. Without a conversion: the byte becomes part of a float, all products are exact.
  MLA_INLINE F<Isa> times(typename Isa::I x, int i) const {
    const int at = i < 3 ? i : 2;
    const typename Isa::I byte = Isa::both(i < 3 ? x : Isa::shift_right(x, 8), Isa::set1_int(63 << 8 * at));
    return Isa::fused(d, Isa::as_floats(Isa::either(byte, Isa::as_ints(Isa::set1(ones(at))))), less[at]);
  }
};

// The scales and minima of the eight groups of Q4_K and Q5_K; header: their first 16 bytes.
template <class Isa>
struct LaneGroupScales {
  SixBitScales<Isa> d, negative_dmin;
  typename Isa::I scales[2], minima[2];  // four bytes each, of which the lower six bits count

  MLA_INLINE explicit LaneGroupScales(const typename Isa::I (&header)[4])
      : d(Isa::halves(header[0])),
        negative_dmin(Isa::sub(Isa::zero(), Isa::halves(Isa::shift_right(header[0], 16)))) {
    const typename Isa::I four = set1_byte<Isa>(15), two = set1_byte<Isa>(48);
    scales[0] = header[1];
    minima[0] = header[2];
    scales[1] = Isa::either(Isa::both(header[3], four), Isa::both(Isa::shift_right(header[1], 2), two));
    minima[1] = Isa::either(Isa::both(Isa::shift_right(header[3], 4), four),
                            Isa::both(Isa::shift_right(header[2], 2), two));
  }
  MLA_INLINE F<Isa> scale(int j) const { return d.times(scales[j / 4], j % 4); }
  MLA_INLINE F<Isa> minimum(int j) const { return negative_dmin.times(minima[j / 4], j % 4); }
};

// What sums of codes times bytes begin with where a code of kZero stands for 0.
template <class Isa, int kZero>
MLA_INLINE typename Isa::I less_offset(typename Isa::I bytes) {
  const typename Isa::I none = Isa::set1_int(0);
  return kZero == 0 ? none
                    : Isa::sub_ints(none, Isa::template dot_codes<false>(none, set1_byte<Isa>(kZero), bytes));
}

// The rows that are read next, one for each that is read now. They are fetched into the second-level cache at the same place, a row ahead.
template <class Isa>
struct NextRows {
  const char* at[Isa::L];

  // What lies beside kBytes from `from` on: the whole lines of a row,
  template <int kBytes>
  MLA_INLINE void fetch(int64_t from, int row) const {
    const char* line = at[row] + (from & -64);
#pragma GCC unroll 4
    for (int i = 0; i < kBytes / 64; i++) __builtin_prefetch(line + 64 * i, 0, 2);
  }
  // and the line that the rests of all parts so far add up to now and then.
  template <int kBytes>
  MLA_INLINE void fetch_rest(int64_t from) const {
    if ((from & 63) + kBytes % 64 < 64) return;
#pragma GCC unroll 16
    for (int r = 0; r < Isa::L; r++) __builtin_prefetch(at[r] + (from & -64) + kBytes / 64 * 64, 0, 2);
  }
  // The lines of all rows beside `bytes` from `from` on, both times 2^16.
  MLA_INLINE void fetch_share(int64_t from, int64_t bytes) const {
    for (int64_t line = from >> 22; line < (from + bytes) >> 22; line++)
#pragma GCC unroll 16
      for (int r = 0; r < Isa::L; r++) __builtin_prefetch(at[r] + 64 * line, 0, 2);
  }
};

// Sums over the quarters of products of Isa::L rows, two rows at a time.
template <class Isa, int kSmall>
struct RowSums {
  typename Isa::I joined[Isa::L / 2];

  MLA_INLINE void add(int pair, typename Isa::I a, typename Isa::I b) {
    joined[pair] = Isa::template join_rows<(kSmall > 0)>(a, b);
  }
  // sums[i]: quarter i of all rows, rows in lanes
  MLA_INLINE void finish(typename Isa::I* sums) const {
    typename Isa::I fours[Isa::kQuarters];
#pragma GCC unroll 4
    for (int i = 0; i < Isa::kQuarters; i++)
      fours[i] = Isa::template join_pairs<kSmall>(joined[2 * i], joined[2 * i + 1]);
    Isa::exchange_quarters(fours, sums);
  }
};

}  // namespace
}  // namespace mla

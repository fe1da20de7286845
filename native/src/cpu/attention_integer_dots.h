// What attention over integer codes multiplies with: the dots of bytes where a processor has them, else those of 16 bits.
#pragma once
#include "cpu/attention_state.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

constexpr int kIntegerChunk = 64;  // codes that are copied together

// Dots of unsigned by signed bytes, four in a word: queries, whose codes are offset, by keys, and probabilities by values.
template <class I>
struct ByteDots {
  typedef I Isa;
  static constexpr int kShare = 4;
  static constexpr int kOffset = 128;  // of a query's codes
  typedef uint8_t Code;

  static MLA_INLINE typename Isa::I dot(typename Isa::I sum, typename Isa::I x, typename Isa::I y) {
    return Isa::template dot_codes<false>(sum, x, y);
  }
  static MLA_INLINE void copy_keys(const char* from, uint32_t* to) {
    for (int i = 0; i < kIntegerChunk / 4; i += Isa::L) Isa::store_ints(to + i, Isa::load_ints(from + 4 * i));
  }
  // starts[i] = -kOffset times the sum of n codes of row i, whole chunks.
  static MLA_INLINE void find_starts(const char* const* rows, int n, int32_t* starts) {
    const typename Isa::I offset = Isa::set1_bytes(kOffset);
    typename Isa::I sums[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) sums[i] = Isa::set1_int(0);
    for (int column = 0; column < n; column += 4 * Isa::L)
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++)
        sums[i] = Isa::template dot_codes<false>(sums[i], offset, Isa::load_ints(rows[i] + column));
    Isa::sum4_words(sums[0], sums[1], sums[2], sums[3], starts);
    for (int i = 0; i < 4; i++) starts[i] = -starts[i];
  }
  // A chunk of columns of four tokens.
  template <class Rows>
  static MLA_INLINE void interleave(const Rows& a, const char* const* rows, int token, int chunk) {
    for (int column = chunk; column < chunk + kIntegerChunk; column += 4 * Isa::L) {
      typename Isa::I x[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) x[i] = Isa::load_ints(rows[i] + column);
      Isa::interleave_bytes(x);
      uint32_t* to = a.value_words(token / 4, column);
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) Isa::store_ints(to + i * Isa::L, x[i]);
    }
  }
  // Integers in the low bits of the probabilities of four tokens.
  static MLA_INLINE void put(uint32_t* to, const typename Isa::I* x) {
    const typename Isa::I low = Isa::set1_int(255);
    const typename Isa::I a = Isa::either(Isa::both(x[0], low), Isa::shift_left(Isa::both(x[1], low), 8));
    const typename Isa::I b =
        Isa::either(Isa::shift_left(Isa::both(x[2], low), 16), Isa::shift_left(x[3], 24));
    Isa::store_ints(to, Isa::either(a, b));
  }
  // The sums of a row in a column tile, whose columns interleave_bytes has moved, come into their order.
  static MLA_INLINE void restore(float* sums) {
    F<Isa> x[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) x[i] = Isa::load(sums + i * Isa::L);
    Isa::restore_columns(x);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) Isa::store(sums + i * Isa::L, x[i]);
  }
};

// Dots of signed numbers of 16 bits, two in a word.
template <class I>
struct WordDots {
  typedef I Isa;
  static constexpr int kShare = 2;
  static constexpr int kOffset = 0;
  typedef int16_t Code;

  static MLA_INLINE typename Isa::I dot(typename Isa::I sum, typename Isa::I x, typename Isa::I y) {
    return Isa::dot_words(sum, x, y);
  }
  static MLA_INLINE void copy_keys(const char* from, uint32_t* to) {
    for (int i = 0; i < kIntegerChunk; i += 2 * Isa::L)
      Isa::store_ints(to + i / 2, Isa::widen_to_pairs((const int8_t*)from + i));
  }
  static MLA_INLINE void find_starts(const char* const*, int, int32_t* starts) {
    for (int i = 0; i < 4; i++) starts[i] = 0;
  }
  template <class Rows>
  static MLA_INLINE void interleave(const Rows& a, const char* const* rows, int token, int column) {
    for (int t = 0; t < 4; t += 2) {
      for (int i = column; i < column + kIntegerChunk; i += 2 * Isa::L) {
        typename Isa::I low, high;
        Isa::interleave_words(Isa::widen_to_pairs((const int8_t*)rows[t] + i),
                              Isa::widen_to_pairs((const int8_t*)rows[t + 1] + i), &low, &high);
        Isa::store_ints(a.value_words((token + t) / 2, i), low);
        Isa::store_ints(a.value_words((token + t) / 2, i + Isa::L), high);
      }
    }
  }
  static MLA_INLINE void put(uint32_t* to, const typename Isa::I* x) {
    const typename Isa::I low = Isa::set1_int(0xffff);
#pragma GCC unroll 2
    for (int i = 0; i < 2; i++)
      Isa::store_ints(to + i * Isa::L,
                      Isa::either(Isa::both(x[2 * i], low), Isa::shift_left(x[2 * i + 1], 16)));
  }
  static MLA_INLINE void restore(float*) {}
};

// The rotated part of keys and queries, rounded to bf16: pairs where these are multiplied, else floats. A word of it is one float.
template <class Isa>
struct Rope {
  static constexpr bool kPairs = Isa::kHasBf16Dot;
  static MLA_INLINE int words(int elements) { return kPairs ? elements / 2 : elements; }

  static MLA_INLINE F<Isa> dot(F<Isa> sum, F<Isa> one, F<Isa> x) {
    if constexpr (kPairs)
      return Isa::dot(sum, (P<Isa>)one, (P<Isa>)x);
    else
      return Isa::fma(one, x, sum);
  }
  static MLA_INLINE void copy(const uint16_t* from, int elements, uint32_t* to) {
    if constexpr (kPairs) {
      constexpr int kStep = 2 * Isa::L;
      for (int i = 0; i < elements; i += kStep)
        Isa::store_pairs((uint16_t*)to + i, elements - i >= kStep ? Isa::load_pairs(from + i)
                                                                  : Isa::load_pairs(from + i, elements - i));
    } else {
      for (int i = 0; i < elements; i += Isa::L) {
        const int n = min_int(Isa::L, elements - i);
        Isa::store((float*)to + i, Isa::widen_bf16(from + i, n), n);
      }
    }
  }
  static MLA_INLINE void round(const float* from, int elements, uint32_t* to) {
    if constexpr (kPairs)
      copy_run<Isa>(from, elements, true, (uint16_t*)to);
    else
      copy_run<Isa>(from, elements, true, (float*)to);
  }
};

}  // namespace
}  // namespace mla

// Matrix registers: up to 16 rows of 64 bytes each, and the product of two of them added to a third (AMX calls them tiles, a word that
// stands for other things here). Registers 0 to 3 hold sums, 4 and 5 the first operand, 6 and 7 the second.
//
// A product of bf16 adds to sum (i, j) what its 16 pairs of k give: even = fma(first[i][2 p], second[p][2 j], even) over p from 0 on, odd
// likewise of first[i][2 p + 1] and second[p][2 j + 1], then sum + (even + odd), each rounded to nearest even, subnormal operands and
// results taken as 0. So sums may be stored and loaded between any two products, and no sum depends on another.
//
// A product of bytes adds first[i][4 p + e] second[p][4 j + e] over p and e from 0 to 3 to the 32 bits of sum (i, j).
#pragma once
#include <cstdint>

#include "cpu/lanes.h"

namespace mla {

constexpr int kMatrixRows = 16;
constexpr int kMatrixBytes = 64;     // of a row
constexpr int kMatrixElements = 32;  // bf16 of a row
constexpr int kMatrixRegisters = 8;
constexpr int kFirstOperand = 4, kSecondOperand = 6;

struct MatrixShape {
  int rows;
  int bytes;
};

namespace {

// A kernel configures the registers and releases them at its one end, so that the frames of signals and switches between threads do not
// carry 8 KiB more. No object does it, since kernels throw nothing and unwinding through a destructor needs a weak symbol.

// Calls each<i, j>() for the sums of A first operands times B second ones; they are held by register 2 i + j.
template <int A, int B, class Each>
MLA_INLINE void each_sum(Each each) {
  each.template operator()<0, 0>();
  if constexpr (B > 1) each.template operator()<0, 1>();
  if constexpr (A > 1) each.template operator()<1, 0>();
  if constexpr (A > 1 && B > 1) each.template operator()<1, 1>();
}

// Adds their products; rows of operands are stride bytes apart.
template <class Isa, int A, int B>
MLA_INLINE void matrix_products(const void* first0, const void* first1, int64_t first_stride,
                                const void* second0, const void* second1, int64_t second_stride) {
  constexpr int kFirst = kFirstOperand, kSecond = kSecondOperand;
  Isa::template load_matrix<kFirst>(first0, first_stride);
  Isa::template load_matrix<kSecond>(second0, second_stride);
  Isa::template add_products_bf16<0, kFirst, kSecond>();
  if constexpr (A > 1) {
    Isa::template load_matrix<kFirst + 1>(first1, first_stride);
    Isa::template add_products_bf16<2, kFirst + 1, kSecond>();
  }
  if constexpr (B > 1) {
    Isa::template load_matrix<kSecond + 1>(second1, second_stride);
    Isa::template add_products_bf16<1, kFirst, kSecond + 1>();
    if constexpr (A > 1) Isa::template add_products_bf16<3, kFirst + 1, kSecond + 1>();
  }
}

}  // namespace
}  // namespace mla

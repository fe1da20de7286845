// Matrix registers (cpu/matrix.h) in plain C++ above the generic vocabulary: what kernels do with them can be tested on any processor.
#pragma once
#include <cfloat>
#include <cmath>
#include <cstdint>
#include <cstring>

#include "cpu/isa/generic.h"
#include "cpu/matrix.h"

namespace mla {
namespace {

struct EmulatedRegisters {
  MatrixShape shapes[kMatrixRegisters] = {};
  uint8_t at[kMatrixRegisters][kMatrixRows][kMatrixBytes] = {};
};

struct EmulatedMatrix : Generic {
  static constexpr bool kHasMatrix = true;
  static constexpr int kValueVectors = 8;  // two registers of columns

  static inline thread_local EmulatedRegisters registers;

  typedef U P;  // 4 pairs of bf16

  static P load_pairs(const void* p) {
    P r;
    std::memcpy(&r, p, sizeof r);
    return r;
  }
  static P load_pairs(const uint16_t* p, int n) {  // n < 8
    P r{};
    std::memcpy((char*)&r, p, 2 * static_cast<size_t>(n));
    return r;
  }
  // 8 floats of 8 bits (E4M3) as bf16.
  static P widen_f8(const uint8_t* from) {
    uint16_t pairs[2 * L];
    for (int i = 0; i < 2 * L; i++) {
      const int exponent = from[i] >> 3 & 15, fraction = from[i] & 7;
      const float magnitude = exponent == 15 && fraction == 7 ? NAN
                              : exponent == 0                 ? std::ldexp((float)fraction, -9)
                                              : std::ldexp((float)(8 + fraction), exponent - 10);
      const float x = from[i] & 0x80 ? -magnitude : magnitude;
      std::memcpy(pairs + i, (const char*)&x + 2, 2);
    }
    return load_pairs(pairs);
  }
  static P no_pairs() { return P{}; }
  static void store_pairs(void* p, P x) { std::memcpy(p, &x, sizeof x); }
  // 8 elements rounded to bf16 in their order, subnormals to zero.
  static P round_to_pairs(F first, F second) {
    uint16_t pairs[2 * L];
    for (int i = 0; i < L; i++) {
      first[i] = flushed(first[i]);
      second[i] = flushed(second[i]);
    }
    store_bf16(pairs, first, L);
    store_bf16(pairs + L, second, L);
    return load_pairs(pairs);
  }
  static F rounded_pairs(F first, F second) { return (F)round_to_pairs(first, second); }
  static P make_pairs(F low, F high) {
    P pairs, again;
    interleave(round_to_pairs(low, low), round_to_pairs(high, high), &pairs, &again);
    return pairs;
  }
  // The pairs (x[i], y[i]) of the columns 0..3 and 4..7 of two rows of 8.
  static void interleave(P x, P y, P* low, P* high) {
    uint16_t rows[2][2 * L], pairs[2][2 * L];
    std::memcpy(rows[0], &x, sizeof x);
    std::memcpy(rows[1], &y, sizeof y);
    for (int i = 0; i < 4 * L; i++) pairs[i / (2 * L)][i % (2 * L)] = rows[i % 2][i / 2];
    *low = load_pairs(pairs[0]);
    *high = load_pairs(pairs[1]);
  }
  static void configure_matrix(const MatrixShape& sums, const MatrixShape& first, const MatrixShape& second) {
    registers = EmulatedRegisters();
    for (int i = 0; i < kMatrixRegisters; i++)
      registers.shapes[i] = i < kFirstOperand ? sums : i < kSecondOperand ? first : second;
  }
  static void release_matrix() { registers = EmulatedRegisters(); }
  template <int R>
  static void zero_matrix() {
    std::memset(registers.at[R], 0, sizeof registers.at[R]);
  }
  template <int R>
  static void load_matrix(const void* rows, int64_t stride) {
    zero_matrix<R>();
    for (int i = 0; i < registers.shapes[R].rows; i++)
      std::memcpy(registers.at[R][i], (const char*)rows + i * stride, (size_t)registers.shapes[R].bytes);
  }
  template <int R>
  static void store_matrix(void* rows, int64_t stride) {
    for (int i = 0; i < registers.shapes[R].rows; i++)
      std::memcpy((char*)rows + i * stride, registers.at[R][i], (size_t)registers.shapes[R].bytes);
  }

  // Subnormal numbers are 0.
  static float flushed(float x) { return std::fabs(x) < FLT_MIN ? std::copysign(0.f, x) : x; }
  static float element(const uint8_t* row, int i) {
    uint32_t bits = 0;
    std::memcpy((char*)&bits + 2, row + 2 * i, 2);
    float x;
    std::memcpy(&x, &bits, 4);
    return flushed(x);
  }
  template <int C, int A, int B>
  static void add_products_bf16() {
    const EmulatedRegisters& r = registers;
    for (int i = 0; i < r.shapes[C].rows; i++) {
      for (int j = 0; j < r.shapes[C].bytes / 4; j++) {
        float sides[2] = {};
        for (int p = 0; p < r.shapes[A].bytes / 4; p++)
          for (int side = 0; side < 2; side++)
            sides[side] = flushed(
                std::fma(element(r.at[A][i], 2 * p + side), element(r.at[B][p], 2 * j + side), sides[side]));
        float sum;
        std::memcpy(&sum, r.at[C][i] + 4 * j, 4);
        sum = flushed(flushed(sum) + flushed(sides[0] + sides[1]));
        std::memcpy(registers.at[C][i] + 4 * j, &sum, 4);
      }
    }
  }

  template <int C, int A, int B, bool kSigned>
  static void add_products_int8() {
    const EmulatedRegisters& r = registers;
    for (int i = 0; i < r.shapes[C].rows; i++) {
      for (int j = 0; j < r.shapes[C].bytes / 4; j++) {
        int32_t sum;
        std::memcpy(&sum, r.at[C][i] + 4 * j, 4);
        for (int k = 0; k < r.shapes[A].bytes; k++) {
          const uint8_t first = r.at[A][i][k], second = r.at[B][k / 4][4 * j + k % 4];
          sum += (kSigned ? signed_value(first) : first) * signed_value(second);
        }
        std::memcpy(registers.at[C][i] + 4 * j, &sum, 4);
      }
    }
  }
  static int signed_value(uint8_t byte) { return byte < 128 ? byte : byte - 256; }

  // The bytes of a column of four rows of 16 in a word; vector v has the columns 4 v .. 4 v + 3.
  static void interleave_bytes(I* x) {
    uint8_t rows[4][4 * L], words[4][4 * L];
    std::memcpy(rows, x, sizeof rows);
    for (int i = 0; i < 16 * L; i++) words[i / (4 * L)][i % (4 * L)] = rows[i % 4][i / 4];
    std::memcpy(x, words, sizeof words);
  }
  static void restore_columns(F*) {}
  // Words of byte kByte of each of four vectors' words.
  template <int kByte>
  static I join_bytes(const I* x) {
    I joined = set1_int(0);
    for (int i = 0; i < 4; i++)
      joined = either(joined, shift_left(both(shift_right(x[i], 8 * kByte), set1_int(255)), 8 * i));
    return joined;
  }
};

}  // namespace
}  // namespace mla

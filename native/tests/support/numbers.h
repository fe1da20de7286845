// Stored numbers and their exact values, and the comparison of results with double-precision references.
#pragma once
#include <gtest/gtest.h>

#include <cmath>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <vector>

#include "mla/mla.h"
#include "support/memory.h"
#include "support/random.h"

namespace mla::test {

inline uint32_t bits(float x) {
  uint32_t u;
  std::memcpy(&u, &x, 4);
  return u;
}
inline float from_bits(uint32_t u) {
  float x;
  std::memcpy(&x, &u, 4);
  return x;
}

inline float bf16_value(uint16_t b) { return from_bits(static_cast<uint32_t>(b) << 16); }

// Nearest, ties to even: of the two neighbours the nearer one, decided in double.
inline uint16_t to_bf16(float x) {
  const auto down = static_cast<uint16_t>(bits(x) >> 16);
  if (std::isnan(x)) return down | 0x40;
  const double low = bf16_value(down);
  if (low == x || std::isinf(x)) return down;
  const auto up = static_cast<uint16_t>(down + 1);
  const double high = std::isinf(bf16_value(up)) ? std::copysign(0x1p128, x) : bf16_value(up);
  const double to_low = std::fabs(x - low), to_high = std::fabs(high - x);
  if (to_low != to_high) return to_low < to_high ? down : up;
  return down % 2 == 0 ? down : up;
}

inline double f16_value(uint16_t h) {
  const int exponent = h >> 10 & 31, fraction = h & 1023;
  const double magnitude = exponent == 31  ? (fraction ? NAN : INFINITY)
                           : exponent == 0 ? std::ldexp(fraction, -24)
                                           : std::ldexp(1024 + fraction, exponent - 25);
  return h & 0x8000 ? -magnitude : magnitude;
}

// An 8-bit float (OCP FP8 E4M3): no infinity, a magnitude of all bits is NaN.
inline double f8_value(uint8_t b) {
  const int exponent = b >> 3 & 15, fraction = b & 7;
  const double magnitude = (b & 0x7f) == 0x7f ? NAN
                           : exponent == 0    ? std::ldexp(fraction, -9)
                                              : std::ldexp(8 + fraction, exponent - 10);
  return b & 0x80 ? -magnitude : magnitude;
}

// Those of a number an element.
inline const std::initializer_list<int> kElementTypes{MLA_TYPE_F32, MLA_TYPE_BF16, MLA_TYPE_F16,
                                                      MLA_TYPE_F8_E4M3};

inline int type_size(int type) { return type == MLA_TYPE_F32 ? 4 : type == MLA_TYPE_F8_E4M3 ? 1 : 2; }

// What a product sees of an activation.
inline double operand(float x, int compute) {
  return compute == MLA_COMPUTE_BF16 ? bf16_value(to_bf16(x)) : x;
}

// A matrix of a stored type, rows `stride` elements apart, the gaps poisoned, nothing mapped behind the last number.
struct Matrix {
  Matrix(Random& random, int type, int rows, int columns, int64_t stride)
      : type(type),
        columns(columns),
        bytes(rows == 0 ? 0 : ((rows - 1) * stride + columns) * type_size(type)),
        values(static_cast<size_t>(rows) * columns) {
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j++) {
        uint8_t* at = bytes.data() + (i * stride + j) * type_size(type);
        double& value = values[static_cast<size_t>(i) * columns + j];
        if (type == MLA_TYPE_F32) {
          const float x = random.real(-1, 1);
          std::memcpy(at, &x, 4);
          value = x;
        } else if (type == MLA_TYPE_BF16) {
          const uint16_t b = to_bf16(random.real(-1, 1));
          std::memcpy(at, &b, 2);
          value = bf16_value(b);
        } else if (type == MLA_TYPE_F8_E4M3) {
          // subnormals now and then, else 2^-5 to 2, never NaN
          const int exponent = random.in(0, 15) == 0 ? 0 : random.in(2, 7);
          *at = static_cast<uint8_t>(random.in(0, 1) << 7 | exponent << 3 | random.in(0, 7));
          value = f8_value(*at);
        } else {
          // a subnormal now and then, else 2^-7 to 2
          const int exponent = random.in(0, 31) == 0 ? 0 : random.in(8, 15);
          const auto h = static_cast<uint16_t>(random.in(0, 1) << 15 | exponent << 10 | random.in(0, 1023));
          std::memcpy(at, &h, 2);
          value = f16_value(h);
        }
      }
    }
  }
  double at(int i, int j) const { return values[static_cast<size_t>(i) * columns + j]; }

  int type;
  int columns;
  Guarded<uint8_t> bytes;
  std::vector<double> values;
};

// float32 rows `stride` apart with poisoned gaps.
inline void fill_rows(Random& random, Guarded<float>& x, int rows, int width, int64_t stride, float low = -1,
                      float high = 1) {
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < width; j++) x[i * stride + j] = random.real(low, high);
  }
}

inline size_t span(int64_t rows, int64_t width, int64_t stride) {
  return rows == 0 ? 0 : static_cast<size_t>((rows - 1) * stride + width);
}

// A sum of k products in double, and the sizes that its rounding errors are measured by where terms cancel.
struct Sum {
  double value = 0;
  double sizes = 0;
  double squares = 0;
  void add(double a, double b) {
    const double term = a * b;
    value += term;
    sizes += std::fabs(term);
    squares += term * term;
  }
};

// The bound of a float32 sum of k products: 2e-6 sqrt(k) of the largest result, or of the result that k such terms usually have.
class SumTolerance {
 public:
  explicit SumTolerance(int k) : k_(k) {}
  void see(const Sum& s) { largest_ = std::max({largest_, std::fabs(s.value), std::sqrt(s.squares)}); }
  double bound() const { return 2e-6 * std::sqrt(k_) * largest_; }

 private:
  double k_;
  double largest_ = 0;
};

}  // namespace mla::test

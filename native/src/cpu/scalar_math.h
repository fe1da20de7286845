// e^x and ln x of one float, the same bits on every platform: C libraries differ in the last one, and a linker may take another than the
// system's. Computed in double precision to about 1e-13, then rounded.
#pragma once
#include "cpu/lanes.h"

namespace mla {
namespace {

MLA_INLINE double double_of_bits(uint64_t bits) {
  double x;
  __builtin_memcpy(&x, &bits, sizeof x);
  return x;
}

// x = n ln 2 + r, |r| <= ln 2 / 2: the series of e^r to r^10 / 10! times 2^n. 0 and infinity where a float has nothing closer.
inline float scalar_exp(float x) {
  constexpr double kLn2 = 0x1.62e42fefa39efp-1;
  if (x != x) return x;
  const double clamped = x < -110 ? -110 : x > 90 ? 90 : (double)x;
  const double turns = clamped / kLn2;
  const int n = (int)(turns + (turns < 0 ? -0.5 : 0.5));
  const double r = clamped - n * kLn2;
  double p = 1;
  for (int k = 10; k > 0; k--) p = 1 + p * r * (1.0 / k);
  return (float)(p * double_of_bits((uint64_t)(1023 + n) << 52));
}

// x = 2^n m of a normal x, 1/sqrt 2 < m <= sqrt 2: n ln 2 + 2 artanh(s), s = (m - 1) / (m + 1), by the series to s^17 / 17. NaN and infinity
// are their own.
inline float scalar_log(float x) {
  constexpr double kLn2 = 0x1.62e42fefa39efp-1, kSqrt2 = 0x1.6a09e667f3bcdp+0;
  constexpr uint64_t kFraction = ((uint64_t)1 << 52) - 1;
  if (!(x < __builtin_inff())) return x;
  const double wide = x;
  uint64_t bits;
  __builtin_memcpy(&bits, &wide, sizeof bits);
  int n = (int)(bits >> 52) - 1023;
  double m = double_of_bits((bits & kFraction) | (uint64_t)1023 << 52);
  if (m > kSqrt2) {
    m /= 2;
    n++;
  }
  const double s = (m - 1) / (m + 1), square = s * s;
  double p = 0;
  for (int k = 17; k > 0; k -= 2) p = p * square + 1.0 / k;
  return (float)(n * kLn2 + 2 * s * p);
}

}  // namespace
}  // namespace mla

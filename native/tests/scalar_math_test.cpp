// e^x and ln x of one float (cpu/scalar_math.h), beside the C library's in double precision.
#include "cpu/scalar_math.h"

#include <gtest/gtest.h>

#include <cfloat>
#include <cmath>
#include <limits>

#include "support/random.h"

namespace mla::test {
namespace {

constexpr float kInfinity = std::numeric_limits<float>::infinity();
constexpr float kNan = std::numeric_limits<float>::quiet_NaN();

// The rounded value, or its neighbour where the exact one lies all but halfway.
void expect_rounded(float x, float actual, double exact) {
  const float rounded = (float)exact;
  if (actual == rounded) return;
  const double halfway = ((double)rounded + (double)actual) / 2;
  EXPECT_TRUE(std::nextafter(rounded, actual) == actual &&
              std::fabs(exact - halfway) < 1e-12 * std::fabs(exact))
      << "of " << x << ": " << actual << ", but must be " << exact;
}

TEST(ScalarMath, ExponentialsAreRounded) {
  for_seeds(200, [](Random& random) {
    for (int i = 0; i < 1000; i++) {
      const float x = random.real(i % 4 ? -20.f : -104.f, i % 4 ? 20.f : 88.8f);
      expect_rounded(x, scalar_exp(x), std::exp((double)x));
    }
  });
}

TEST(ScalarMath, LogarithmsAreRounded) {
  for_seeds(200, [](Random& random) {
    for (int i = 0; i < 1000; i++) {
      const float x = std::ldexp(random.real(1.f, 2.f), random.in(i % 2 ? -126 : -1, i % 2 ? 127 : 20));
      expect_rounded(x, scalar_log(x), std::log((double)x));
    }
  });
}

TEST(ScalarMath, LimitsAreThoseOfFloats) {
  EXPECT_EQ(scalar_exp(0), 1);
  EXPECT_EQ(scalar_exp(-kInfinity), 0);
  EXPECT_EQ(scalar_exp(-FLT_MAX), 0);
  EXPECT_EQ(scalar_exp(kInfinity), kInfinity);
  EXPECT_EQ(scalar_exp(FLT_MAX), kInfinity);
  EXPECT_LT(scalar_exp(88.7228f), kInfinity);
  EXPECT_EQ(scalar_log(7), 0x1.f2272ap+0f);  // some libraries have the next number
  EXPECT_TRUE(std::isnan(scalar_exp(kNan)));
  EXPECT_EQ(scalar_log(1), 0);
  EXPECT_EQ(scalar_log(kInfinity), kInfinity);
  EXPECT_TRUE(std::isnan(scalar_log(kNan)));
}

}  // namespace
}  // namespace mla::test

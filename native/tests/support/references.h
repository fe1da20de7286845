// What rope and merge must give, in double precision, for the tests of every library.
#pragma once
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "mla/mla.h"

namespace mla::test {

constexpr double kUlp = 0x1p-24;  // half a unit in the last place, relative: one correct rounding

// y is x (tokens, heads, width) with the last `rope` numbers of each head rotated; cosines, sines (tokens, rope / 2).
inline void expect_rotated(const mla_rope_params& p, const float* x, const float* cosines, const float* sines,
                           const float* y) {
  const int pairs = p.rope / 2, plain = p.width - p.rope;
  for (int row = 0; row < p.tokens * p.heads; row++) {
    const float* from = x + row * p.x_head_stride;
    const float* to = y + row * p.y_head_stride;
    for (int j = 0; j < plain; j++) ASSERT_EQ(to[j], from[j]);
    for (int i = 0; i < pairs; i++) {
      const int first = plain + (p.rope_layout == MLA_ROPE_PAIRS ? 2 * i : i);
      const int second = p.rope_layout == MLA_ROPE_PAIRS ? first + 1 : first + pairs;
      const double a = from[first], b = from[second], c = cosines[row / p.heads * pairs + i],
                   s = sines[row / p.heads * pairs + i];
      ASSERT_NEAR(to[first], a * c - b * s, 3 * kUlp) << "pair " << i;
      ASSERT_NEAR(to[second], b * c + a * s, 3 * kUlp) << "pair " << i;
    }
  }
}

// merged (4, width) and merged_lse (4) are out (parts, 4, width) and lse (parts, 4) as one; only part 1 of row 2 and no part of row 3 has
// seen a key.
inline void expect_merged(int parts, int width, const float* out, const float* lse, const float* merged,
                          const float* merged_lse) {
  constexpr int rows = 4;
  for (int t = 0; t < rows; t++) {
    double max = -INFINITY, sum = 0;
    for (int i = 0; i < parts; i++) max = std::max<double>(max, lse[i * rows + t]);
    for (int i = 0; i < parts; i++) sum += t == 3 ? 0 : std::exp(lse[i * rows + t] - max);
    for (int j = 0; j < width; j++) {
      double expected = 0;
      for (int i = 0; i < parts; i++) {
        if (!std::isinf(lse[i * rows + t]))
          expected += std::exp(lse[i * rows + t] - max) / sum * out[(i * rows + t) * width + j];
      }
      ASSERT_NEAR(merged[t * width + j], expected, 1e-6) << "row " << t << " width " << width;
    }
    if (t == 3) {
      EXPECT_EQ(merged_lse[t], -INFINITY);
    } else {
      EXPECT_NEAR(merged_lse[t], max + std::log(sum), 2e-6 * std::max(1.0, std::fabs(max)));
    }
  }
  for (int j = 0; j < width; j++) EXPECT_EQ(merged[2 * width + j], out[(rows + 2) * width + j]) << "alone";
}

}  // namespace mla::test

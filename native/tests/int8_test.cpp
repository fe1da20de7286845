// Products with MLA_COMPUTE_INT8: random bytes of every type of integer codes against the definition of mla.h, bit for bit, whatever the
// instruction set, the rows and the range of outputs.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <vector>

#include "cpu/isa/generic.h"
#include "cpu/stored_rows.h"
#include "support/kernels.h"
#include "support/memory.h"
#include "support/random.h"

namespace mla::test {
namespace {

struct Codes {
  std::vector<int8_t> q;
  std::vector<float> scales, minima;
};

// A row of activations as it enters a product: blocks of 32, filled up with zeros.
Codes rounded(const float* x, int k) {
  const int blocks = (k + 31) / 32;
  Codes codes{std::vector<int8_t>((size_t)blocks * 32), std::vector<float>((size_t)blocks), {}};
  for (int b = 0; b < blocks; b++) {
    const int end = std::min(k, b * 32 + 32);
    float largest = 0;
    bool finite = true;
    for (int i = b * 32; i < end; i++) {
      finite = finite && std::isfinite(x[i]);
      largest = std::max(largest, std::fabs(x[i]));
    }
    const float inverse = finite && largest >= 0x1p-100f ? 127 / largest : 0;
    codes.scales[(size_t)b] = !finite ? NAN : inverse == 0 ? 0 : largest / 127;
    for (int i = b * 32; finite && i < end; i++) codes.q[(size_t)i] = (int8_t)std::nearbyint(x[i] * inverse);
  }
  return codes;
}

float product(const StoredRows<Generic>& weight, int n, const Codes& x, int k) {
  const int blocks = (k + 31) / 32, run = weight.coding.run;
  Codes w{std::vector<int8_t>((size_t)blocks * 32 + 256), std::vector<float>((size_t)blocks * 2 + 16),
          std::vector<float>((size_t)blocks * 2 + 16)};
  weight.read_codes(n, 0, k, w.q.data(), w.scales.data(), w.minima.data());
  float sum = 0;
  for (int r = 0; r < blocks * 32 / run; r++) {
    int products = 0, total = 0;
    for (int i = r * run; i < (r + 1) * run; i++) {
      products += w.q[(size_t)i] * x.q[(size_t)i];
      total += x.q[(size_t)i];
    }
    const float scale = x.scales[(size_t)(r * run / 32)];
    sum = std::fma(w.scales[(size_t)r] * scale, (float)products, sum);
    if (weight.coding.has_minima) sum = std::fma(w.minima[(size_t)r], scale * (float)total, sum);
  }
  return sum;
}

struct Case {
  mla_linear_params p{};
  Guarded<float> x;
  Guarded<uint8_t> weight;
  Guarded<float> scales, bias;

  Case(Random& random, int type, bool scaled, int rows, int k, int n)
      : x((size_t)rows * k),
        weight((size_t)bytes_of(type, whole(type, k)) * n),
        scales(scaled ? (size_t)((k + 63) / 64) * n : 0),
        bias((size_t)n) {
    p.struct_size = sizeof p;
    p.compute = MLA_COMPUTE_INT8;
    p.weight_type = type;
    p.rows = rows;
    p.k = k;
    p.n = n;
    p.x_stride = k;
    p.weight_stride = whole(type, k);
    p.y_stride = n;
    if (scaled) {
      p.scale_type = MLA_TYPE_F32;
      p.scale_rows = 1;
      p.scale_columns = 64;
      p.scale_stride = (k + 63) / 64;
    }
    for (size_t i = 0; i < x.size(); i++) x[i] = random.real(-1, 1);
    for (size_t i = 0; i < weight.size(); i++) weight[i] = (uint8_t)random.in(0, 255);
    for (size_t i = 0; i < scales.size(); i++) scales[i] = random.real(0, 1);
    for (size_t i = 0; i < bias.size(); i++) bias[i] = random.real(-1, 1);
  }
  static int64_t whole(int type, int k) {
    const int elements = block_size(type).elements;
    return (int64_t)(k + elements - 1) / elements * elements;
  }
  const void* scale_data() const { return scales.size() ? scales.data() : nullptr; }
};

class Int8 : public KernelTest {
 protected:
  void expect_definition(const Case& c, const std::vector<int>& cuts) {
    Guarded<uint8_t> packed((size_t)kernels().packed_bytes(&c.p));
    Guarded<float> y((size_t)c.p.rows * c.p.n);
    MLA_CALL(kernels().pack, &c.p, c.x.data(), nullptr, 0, c.p.rows, packed.data(), packed.bytes());
    for (size_t i = 0; i + 1 < cuts.size(); i++)
      MLA_CALL(kernels().linear, &c.p, packed.data(), c.weight.data(), c.scale_data(), c.bias.data(), cuts[i],
               cuts[i + 1], y.data());
    const auto weight = StoredRows<Generic>::of(c.p.weight_type, c.weight.data(), c.p.weight_stride,
                                                scales_of(c.p, c.scale_data()));
    for (int i = 0; i < c.p.rows; i++) {
      const Codes x = rounded(c.x.data() + (int64_t)i * c.p.k, c.p.k);
      for (int n = 0; n < c.p.n; n++) {
        const float expected = product(weight, n, x, c.p.k) + c.bias[n], actual = y[(int64_t)i * c.p.n + n];
        if (std::isnan(expected))
          ASSERT_TRUE(std::isnan(actual)) << "row " << i << " output " << n;
        else
          ASSERT_EQ(std::memcmp(&expected, &actual, 4), 0)
              << "row " << i << " output " << n << " is " << actual << " instead of " << expected;
      }
    }
  }
};

TEST_P(Int8, IsTheDefinitionBitForBit) {
  for_seeds(6, [&](Random& random) {
    for (int type = MLA_TYPE_Q4_0; type <= MLA_TYPE_F4; type++) {
      if (coding_of(type).run == 0) continue;
      const bool scaled = type >= MLA_TYPE_I8 || random.in(0, 3) == 0;
      const int rows = random.of({1, 2, 3, 4, 5, 8, 9, 16, 17, 33});
      const Case c(random, type, scaled, rows, random.of({1, 31, 64, 200, 513, 2304}), random.in(1, 70));
      SCOPED_TRACE("type " + std::to_string(type) + " rows " + std::to_string(rows) + " k " +
                   std::to_string(c.p.k) + " n " + std::to_string(c.p.n) + (scaled ? " scaled" : ""));
      expect_definition(c, random.cuts(c.p.n));
    }
  });
}

TEST_P(Int8, WhatIsNotFiniteStaysInItsRow) {
  Random random(5);
  Case c(random, MLA_TYPE_I8, true, 3, 70, 20);
  c.x[75] = NAN;
  c.x[2 * 70 + 69] = -INFINITY;
  expect_definition(c, {0, 20});
}

TEST_P(Int8, LargestCodesDoNotOverflow) {
  Random random(6);
  for (const int byte : {0x80, 0x7f, 0xff}) {
    Case c(random, MLA_TYPE_I8, true, 5, 128, 40);
    for (size_t i = 0; i < c.weight.size(); i++) c.weight[i] = (uint8_t)byte;
    for (size_t i = 0; i < c.x.size(); i++) c.x[i] = i < 2 * 128 ? 1.f : -1.f;
    expect_definition(c, {0, 40});
  }
}

MLA_TEST_ALL_KERNELS(Int8);

}  // namespace
}  // namespace mla::test

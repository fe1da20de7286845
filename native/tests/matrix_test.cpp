// Kernels on matrix registers: computed with emulated ones, on any processor, against the double-precision reference, and against the
// processor's own bit for bit where it has them.
#include <gtest/gtest.h>

#include <cstring>
#include <string>
#include <vector>

#include "cpu/linear.h"
#include "support/emulated_matrix.h"
#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

// The processor's table of kernels with such registers, or nullptr.
const mla_kernels* processors_own() {
  for (const mla_kernels* table : all_kernels())
    if (describe(table, MLA_DESCRIBE_ISA) == "avx512amx") return table;
  return nullptr;
}

// A linear layer with bf16 weights in bf16 arithmetic.
struct Layer {
  Layer(Random& random, int rows, int k, int n, int gap)
      : p(params(rows, k, n, gap)),
        x(span(rows, k, p.x_stride)),
        weight(random, MLA_TYPE_BF16, n, k, p.weight_stride),
        bias(random.coin() ? n : 0) {
    fill_rows(random, x, rows, k, p.x_stride);
    for (size_t i = 0; i < bias.size(); i++) bias[i] = random.real(-1, 1);
  }
  static mla_linear_params params(int rows, int k, int n, int gap) {
    mla_linear_params p{};
    p.struct_size = sizeof p;
    p.compute = MLA_COMPUTE_BF16;
    p.weight_type = MLA_TYPE_BF16;
    p.rows = rows;
    p.k = k;
    p.n = n;
    p.x_stride = k + gap;
    p.weight_stride = k + gap;
    p.y_stride = n + gap;
    return p;
  }
  const float* bias_data() const { return bias.size() ? bias.data() : nullptr; }

  // y of rows [first, first + rows) alone, outputs in the given cuts.
  void emulate(int first, int rows, const std::vector<int>& cuts, Guarded<float>& y) const {
    mla_linear_params q = p;
    q.rows = rows;
    Guarded<uint8_t> packed(static_cast<size_t>(packed_bytes<EmulatedMatrix>(&q)));
    pack<EmulatedMatrix>(&q, x.data() + first * p.x_stride, nullptr, 0, rows, packed.data(), 0);
    for (size_t i = 0; i + 1 < cuts.size(); i++)
      linear<EmulatedMatrix>(&q, packed.data(), weight.bytes.data(), nullptr, bias_data(), cuts[i],
                             cuts[i + 1], y.data());
  }

  mla_linear_params p;
  Guarded<float> x;
  Matrix weight;
  Guarded<float> bias;
};

Layer draw(Random& random) {
  const int rows = random.of({1, 1, 2, 3, 8, 15, 16, 17, 31, 33, 48, 100, 300});
  const int k = random.of({1, 2, 31, 32, 33, 64, 100, 511, 544, 1100});
  return Layer(random, rows, k, random.of({1, 7, 15, 16, 17, 33, 50, 110}), random.of({0, 0, 1, 6}));
}

TEST(Matrix, LinearAgreesWithTheReference) {
  for_seeds(40, [](Random& random) {
    const Layer l = draw(random);
    Guarded<float> y(span(l.p.rows, l.p.n, l.p.y_stride));
    l.emulate(0, l.p.rows, random.cuts(l.p.n), y);
    for (int i = 0; i < l.p.rows; i += l.p.rows > 40 ? 7 : 1) {
      for (int j = 0; j < l.p.n; j++) {
        Sum s;
        SumTolerance tolerance(l.p.k);
        for (int c = 0; c < l.p.k; c++)
          s.add(operand(l.x[i * l.p.x_stride + c], l.p.compute), l.weight.at(j, c));
        if (l.bias.size()) s.add(1, l.bias[j]);
        tolerance.see(s);
        ASSERT_NEAR(y[i * l.p.y_stride + j], s.value, tolerance.bound())
            << "row " << i << " output " << j << " of " << l.p.rows << " x " << l.p.k << " x " << l.p.n;
      }
    }
  });
}

TEST(Matrix, ARowHasTheSameBitsAloneAndAmongOthers) {
  for_seeds(12, [](Random& random) {
    const Layer l = draw(random);
    Guarded<float> together(span(l.p.rows, l.p.n, l.p.y_stride));
    l.emulate(0, l.p.rows, random.cuts(l.p.n), together);
    for (int row : {0, l.p.rows / 2, l.p.rows - 1}) {
      Guarded<float> alone(l.p.n);
      l.emulate(row, 1, {0, l.p.n}, alone);
      ASSERT_EQ(
          std::memcmp(alone.data(), together.data() + row * l.p.y_stride, (size_t)l.p.n * sizeof(float)), 0)
          << "row " << row << " of " << l.p.rows << " x " << l.p.k << " x " << l.p.n;
    }
  });
}

TEST(Matrix, LinearHasTheBitsOfTheProcessors) {
  const mla_kernels* own = processors_own();
  if (own == nullptr) GTEST_SKIP() << "the processor has no matrix registers";
  for_seeds(40, [&](Random& random) {
    Layer l = draw(random);
    // now and then numbers whose products are subnormal
    const int exponent = random.of({0, 0, -60, -126, -130});
    for (size_t i = 0; i < l.x.size(); i++) l.x[i] = std::ldexp(l.x[i], exponent);
    Guarded<float> expected(span(l.p.rows, l.p.n, l.p.y_stride));
    l.emulate(0, l.p.rows, {0, l.p.n}, expected);
    Guarded<uint8_t> packed(static_cast<size_t>(own->packed_bytes(&l.p)));
    MLA_CALL(own->pack, &l.p, l.x.data(), nullptr, 0, l.p.rows, packed.data(), packed.bytes());
    Guarded<float> y(expected.size());
    MLA_CALL(own->linear, &l.p, packed.data(), l.weight.bytes.data(), nullptr, l.bias_data(), 0, l.p.n,
             y.data());
    for (int i = 0; i < l.p.rows; i++)
      ASSERT_EQ(std::memcmp(y.data() + i * l.p.y_stride, expected.data() + i * l.p.y_stride,
                            (size_t)l.p.n * sizeof(float)),
                0)
          << "row " << i << " of " << l.p.rows << " x " << l.p.k << " x " << l.p.n << " times 2^" << exponent;
  });
}

}  // namespace
}  // namespace mla::test

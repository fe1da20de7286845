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

struct Shape {
  int rows, k, n, gap;
  int scale_rows, scale_columns;  // of 8-bit floats; 0: the weights are bf16
};

// A linear layer in bf16 arithmetic.
struct Layer {
  Layer(Random& random, const Shape& s)
      : p(params(s)),
        x(span(s.rows, s.k, p.x_stride)),
        weight(random, p.weight_type, s.n, s.k, p.weight_stride),
        scales(random, MLA_TYPE_F32, s.scale_rows ? (s.n + s.scale_rows - 1) / s.scale_rows : 1,
               s.scale_rows ? static_cast<int>(p.scale_stride) : 1, s.scale_rows ? p.scale_stride : 1),
        bias(random.coin() ? s.n : 0) {
    fill_rows(random, x, s.rows, s.k, p.x_stride);
    for (size_t i = 0; i < bias.size(); i++) bias[i] = random.real(-1, 1);
  }
  static mla_linear_params params(const Shape& s) {
    mla_linear_params p{};
    p.struct_size = sizeof p;
    p.compute = MLA_COMPUTE_BF16;
    p.weight_type = s.scale_rows ? MLA_TYPE_F8_E4M3 : MLA_TYPE_BF16;
    p.rows = s.rows;
    p.k = s.k;
    p.n = s.n;
    p.x_stride = s.k + s.gap;
    p.weight_stride = s.k + s.gap;
    p.y_stride = s.n + s.gap;
    if (s.scale_rows) {
      p.scale_type = MLA_TYPE_F32;
      p.scale_rows = s.scale_rows;
      p.scale_columns = s.scale_columns;
      p.scale_stride = (s.k + s.scale_columns - 1) / s.scale_columns;
    }
    return p;
  }
  const void* scale_data() const { return p.scale_rows ? scales.bytes.data() : nullptr; }
  double element(int j, int c) const {
    return weight.at(j, c) * (p.scale_rows ? scales.at(j / p.scale_rows, c / p.scale_columns) : 1);
  }
  const float* bias_data() const { return bias.size() ? bias.data() : nullptr; }

  // y of rows [first, first + rows) alone, outputs in the given cuts.
  void emulate(int first, int rows, const std::vector<int>& cuts, Guarded<float>& y) const {
    mla_linear_params q = p;
    q.rows = rows;
    Guarded<uint8_t> packed(static_cast<size_t>(packed_bytes<EmulatedMatrix>(&q)));
    pack<EmulatedMatrix>(&q, x.data() + first * p.x_stride, nullptr, 0, rows, packed.data(), 0);
    for (size_t i = 0; i + 1 < cuts.size(); i++)
      linear<EmulatedMatrix>(&q, packed.data(), weight.bytes.data(), scale_data(), bias_data(), cuts[i],
                             cuts[i + 1], y.data());
  }

  mla_linear_params p;
  Guarded<float> x;
  Matrix weight, scales;
  Guarded<float> bias;
};

Layer draw(Random& random) {
  const int rows = random.of({1, 1, 2, 3, 8, 15, 16, 17, 31, 33, 48, 100, 300});
  const int k = random.of({1, 2, 31, 32, 33, 64, 100, 511, 544, 1100});
  Shape s{rows, k, random.of({1, 7, 15, 16, 17, 33, 50, 110}), random.of({0, 0, 1, 6}), 0, 0};
  if (random.coin()) {
    s.scale_rows = random.of({1, 3, 16, 128});
    s.scale_columns = random.of({32, 96, 128, 1024, 5000});
  }
  return Layer(random, s);
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
          s.add(operand(l.x[i * l.p.x_stride + c], l.p.compute), l.element(j, c));
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
    MLA_CALL(own->linear, &l.p, packed.data(), l.weight.bytes.data(), l.scale_data(), l.bias_data(), 0, l.p.n,
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

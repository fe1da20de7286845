// pack and linear: every tail, weight type and compute type against a double-precision reference; the same bits for any rows and ranges.
#include <gtest/gtest.h>

#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

struct Shape {
  int rows;
  int k;
  int n;
  int type;
  int compute;
  int x_gap = 0;
  int weight_gap = 0;
  int y_gap = 0;
  int scale_rows = 0, scale_columns = 0;  // 0: no scales
};

mla_linear_params params_of(const Shape& s) {
  mla_linear_params p{};
  p.struct_size = sizeof p;
  p.compute = s.compute;
  p.weight_type = s.type;
  p.rows = s.rows;
  p.k = s.k;
  p.n = s.n;
  p.x_stride = s.k + s.x_gap;
  p.weight_stride = s.k + s.weight_gap;
  p.y_stride = s.n + s.y_gap;
  if (s.scale_rows > 0) {
    p.scale_type = MLA_TYPE_BF16;
    p.scale_rows = s.scale_rows;
    p.scale_columns = s.scale_columns;
    p.scale_stride = (s.k + s.scale_columns - 1) / s.scale_columns;
  }
  return p;
}

// One layer: activations, of which `indices` may pick rows, weight and bias.
struct Layer {
  Layer(Random& random, const Shape& s, bool gathers, bool biased)
      : p(params_of(s)),
        source_rows(gathers ? s.rows + 3 : s.rows),
        x(span(source_rows, s.k, p.x_stride)),
        weight(random, s.type, s.n, s.k, p.weight_stride),
        scales(random, MLA_TYPE_BF16, s.scale_rows > 0 ? (s.n + s.scale_rows - 1) / s.scale_rows : 1,
               s.scale_rows > 0 ? static_cast<int>(p.scale_stride) : 1,
               s.scale_rows > 0 ? p.scale_stride : 1),
        bias(biased ? s.n : 0),
        indices(gathers ? s.rows : 0) {
    fill_rows(random, x, source_rows, s.k, p.x_stride);
    for (size_t i = 0; i < bias.size(); i++) bias[i] = random.real(-1, 1);
    for (size_t i = 0; i < indices.size(); i++) indices[i] = random.in(0, source_rows - 1);
  }
  const int32_t* index_data() const { return indices.size() ? indices.data() : nullptr; }
  const float* bias_data() const { return bias.size() ? bias.data() : nullptr; }
  const void* scale_data() const { return p.scale_rows > 0 ? scales.bytes.data() : nullptr; }
  // Element (j, c) of the weight, a product in float32.
  double element(int j, int c) const {
    if (p.scale_rows == 0) return weight.at(j, c);
    return static_cast<float>(weight.at(j, c)) *
           static_cast<float>(scales.at(j / p.scale_rows, c / p.scale_columns));
  }
  int source(int row) const { return indices.size() ? indices[row] : row; }

  mla_linear_params p;
  int source_rows;
  Guarded<float> x;
  Matrix weight, scales;
  Guarded<float> bias;
  Guarded<int32_t> indices;
};

// Packs and multiplies in the given cuts of rows and outputs.
void run(const mla_kernels& kernels, const Layer& l, const std::vector<int>& row_cuts,
         const std::vector<int>& n_cuts, Guarded<float>& y) {
  const int64_t bytes = kernels.packed_bytes(&l.p);
  ASSERT_GE(bytes, 0);
  Guarded<uint8_t> packed(static_cast<size_t>(bytes));
  for (size_t i = 0; i + 1 < row_cuts.size(); i++)
    MLA_CALL(kernels.pack, &l.p, l.x.data(), l.index_data(), row_cuts[i], row_cuts[i + 1], packed.data(),
             bytes);
  for (size_t i = 0; i + 1 < n_cuts.size(); i++)
    MLA_CALL(kernels.linear, &l.p, packed.data(), l.weight.bytes.data(), l.scale_data(), l.bias_data(),
             n_cuts[i], n_cuts[i + 1], y.data());
}

void expect_reference(const Layer& l, const Guarded<float>& y) {
  const mla_linear_params& p = l.p;
  std::vector<double> expected(static_cast<size_t>(p.rows) * p.n);
  SumTolerance tolerance(p.k);
  for (int i = 0; i < p.rows; i++) {
    std::vector<double> x(p.k);
    for (int c = 0; c < p.k; c++) x[c] = operand(l.x[l.source(i) * p.x_stride + c], p.compute);
    for (int j = 0; j < p.n; j++) {
      Sum s;
      for (int c = 0; c < p.k; c++) s.add(x[c], l.element(j, c));
      if (l.bias.size()) s.add(1, l.bias[j]);
      tolerance.see(s);
      expected[static_cast<size_t>(i) * p.n + j] = s.value;
    }
  }
  for (int i = 0; i < p.rows; i++) {
    for (int j = 0; j < p.n; j++)
      ASSERT_NEAR(y[i * p.y_stride + j], expected[static_cast<size_t>(i) * p.n + j], tolerance.bound())
          << "row " << i << " output " << j;
    for (int64_t j = p.n; j < p.y_stride && i + 1 < p.rows; j++)
      ASSERT_TRUE(y.is_poison(i * p.y_stride + j)) << "written behind row " << i;
  }
}

std::string text(const Shape& s) {
  return "rows " + std::to_string(s.rows) + " k " + std::to_string(s.k) + " n " + std::to_string(s.n) +
         " type " + std::to_string(s.type) + " scales " + std::to_string(s.scale_rows) + " x " +
         std::to_string(s.scale_columns) + " compute " + std::to_string(s.compute);
}

Shape draw(Random& random) {
  Shape s{};
  s.rows = random.of({0, 1, 1, 2, 3, 4, 5, 6, 7, 8, 9, 13, 16, 17, 31, 33, 64, 130});
  s.k = random.in(0, 9) == 0 ? random.in(1000, 2100) : random.in(1, 300);
  s.n = random.in(1, 40);
  s.type = random.of(kElementTypes);
  if (random.in(0, 2) == 0) {
    s.scale_rows = random.of({1, 1, 3, 128});
    s.scale_columns = random.of({1, 32, 37, 96, 128, 1024, 5000});
  }
  s.compute = random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16);
  s.x_gap = random.of({0, 0, 1, 5});
  s.weight_gap = random.of({0, 0, 1, 7});
  s.y_gap = random.of({0, 0, 3});
  return s;
}

class Linear : public KernelTest {};

TEST_P(Linear, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(240, [&](Random& random) {
    const Shape s = draw(random);
    SCOPED_TRACE(text(s));
    const Layer l(random, s, random.coin(), random.coin());
    Guarded<float> y(span(s.rows, s.n, l.p.y_stride));
    run(kernels(), l, random.cuts(s.rows, 16), random.cuts(s.n), y);
    expect_reference(l, y);
  });
}

TEST_P(Linear, ReadsNothingBehindAnyTail) {
  Random random(1);
  for (int type : kElementTypes) {
    for (int compute = MLA_COMPUTE_F32; compute <= MLA_COMPUTE_BF16; compute++) {
      for (int rows : {1, 2, 3, 4, 5, 9, 12}) {
        for (int k = 1; k <= 68; k++) {
          const Shape s{rows, k, 1 + k % 13, type, compute};
          SCOPED_TRACE(text(s));
          const Layer l(random, s, false, k % 2 == 0);
          Guarded<float> y(span(s.rows, s.n, l.p.y_stride));
          run(kernels(), l, {0, rows}, {0, s.n}, y);
          expect_reference(l, y);
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST_P(Linear, ARowHasTheSameBitsAloneAndAmongOthers) {
  for_seeds(24, [&](Random& random) {
    Shape s = draw(random);
    s.rows = random.of({2, 3, 4, 5, 9, 37, 131});
    s.k = random.of({31, 64, 1024, 1030, 2055});
    s.n = random.in(1, 25);
    SCOPED_TRACE(text(s));
    const Layer many(random, s, true, random.coin());
    Guarded<float> together(span(s.rows, s.n, many.p.y_stride));
    run(kernels(), many, random.cuts(s.rows, 16), random.cuts(s.n), together);
    Guarded<float> whole(together.size());
    run(kernels(), many, {0, s.rows}, {0, s.n}, whole);
    ASSERT_EQ(std::memcmp(together.data(), whole.data(), whole.bytes()), 0) << "cut into ranges";
    for (int row : {0, s.rows / 2, s.rows - 1}) {
      mla_linear_params p = many.p;
      p.rows = 1;
      Guarded<uint8_t> packed(static_cast<size_t>(kernels().packed_bytes(&p)));
      MLA_CALL(kernels().pack, &p, many.x.data(), many.indices.data() + row, 0, 1, packed.data(),
               packed.bytes());
      Guarded<float> alone(s.n);
      MLA_CALL(kernels().linear, &p, packed.data(), many.weight.bytes.data(), many.scale_data(),
               many.bias_data(), 0, s.n, alone.data());
      ASSERT_EQ(std::memcmp(alone.data(), together.data() + row * many.p.y_stride, s.n * sizeof(float)), 0)
          << "row " << row;
    }
  });
}

TEST_P(Linear, WritesItsRangeOnly) {
  Random random(2);
  const Shape s{5, 40, 23, MLA_TYPE_BF16, MLA_COMPUTE_F32};
  const Layer l(random, s, false, true);
  Guarded<float> y(span(s.rows, s.n, l.p.y_stride));
  run(kernels(), l, {0, 5}, {9, 16}, y);
  for (int i = 0; i < s.rows; i++) {
    for (int j = 0; j < s.n; j++) EXPECT_EQ(y.is_poison(i * s.n + j), j < 9 || j >= 16) << i << ", " << j;
  }
}

TEST_P(Linear, RoundsActivationsToNearestEvenInBf16) {
  // times 1 and alone in its row, an activation shows what it was rounded to; bf16 flushes subnormals, which the dot product may do
  std::vector<float> values{1.f,          1.00390625f,   1.01171875f,   1.003906f, 1.0039063f,
                            -1.00390625f, 3.3895313e38f, 3.3961775e38f, 1e-30f,    -0.f};
  for (int i = 0; i < 64; i++) values.push_back(from_bits(0x3f800000u + static_cast<uint32_t>(i) * 0x2000u));
  for (int type : kElementTypes) {
    Shape s{static_cast<int>(values.size()), 1, 1, type, MLA_COMPUTE_BF16};
    mla_linear_params p = params_of(s);
    const Guarded<float> x(values);
    Guarded<uint8_t> packed(static_cast<size_t>(kernels().packed_bytes(&p)));
    MLA_CALL(kernels().pack, &p, x.data(), nullptr, 0, s.rows, packed.data(), packed.bytes());
    Guarded<uint8_t> weight(type_size(type));
    const float one = 1;
    const uint16_t half = type == MLA_TYPE_BF16 ? 0x3f80 : type == MLA_TYPE_F16 ? 0x3c00 : 0x38;
    std::memcpy(weight.data(), type == MLA_TYPE_F32 ? static_cast<const void*>(&one) : &half,
                type_size(type));
    Guarded<float> y(s.rows);
    MLA_CALL(kernels().linear, &p, packed.data(), weight.data(), nullptr, nullptr, 0, 1, y.data());
    for (int i = 0; i < s.rows; i++)
      EXPECT_EQ(y[i], bf16_value(to_bf16(values[i]))) << values[i] << " type " << type;
  }
}

TEST_P(Linear, NanAndInfinityStayInTheirRowAndOutput) {
  for (int type : kElementTypes) {
    for (int compute = MLA_COMPUTE_F32; compute <= MLA_COMPUTE_BF16; compute++) {
      Random random(3);
      const Shape s{6, 37, 13, type, compute};
      SCOPED_TRACE(text(s));
      Layer l(random, s, false, false);
      l.x[1 * 37 + 36] = NAN;
      l.x[2 * 37 + 5] = INFINITY;
      const float nan32 = NAN;
      const uint16_t nan16 = 0x7fff;
      std::memcpy(l.weight.bytes.data() + (7 * 37 + 36) * type_size(type),
                  type == MLA_TYPE_F32 ? static_cast<const void*>(&nan32) : &nan16, type_size(type));
      Guarded<float> y(span(s.rows, s.n, l.p.y_stride));
      run(kernels(), l, {0, 6}, {0, 13}, y);
      for (int i = 0; i < s.rows; i++) {
        for (int j = 0; j < s.n; j++) {
          if (i == 1 || j == 7)
            EXPECT_TRUE(std::isnan(y[i * 13 + j])) << i << ", " << j;
          else if (i == 2)
            EXPECT_TRUE(std::isinf(y[i * 13 + j])) << i << ", " << j;
          else
            EXPECT_TRUE(std::isfinite(y[i * 13 + j])) << i << ", " << j;
        }
      }
    }
  }
}

TEST_P(Linear, NoRowsAndEmptyRangesDoNothing) {
  mla_linear_params p = params_of({0, 8, 4, MLA_TYPE_BF16, MLA_COMPUTE_F32});
  EXPECT_EQ(kernels().packed_bytes(&p), 0);
  MLA_CALL(kernels().pack, &p, nullptr, nullptr, 0, 0, nullptr, 0);
  MLA_CALL(kernels().linear, &p, nullptr, nullptr, nullptr, nullptr, 0, 4, nullptr);
  p.rows = 2;
  MLA_CALL(kernels().linear, &p, nullptr, nullptr, nullptr, nullptr, 3, 3, nullptr);
}

MLA_TEST_ALL_KERNELS(Linear);

}  // namespace
}  // namespace mla::test

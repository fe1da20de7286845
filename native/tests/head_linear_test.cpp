// head_linear, plain and transposed, against a double-precision reference; the same bits for any tokens and ranges.
#include <gtest/gtest.h>

#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

constexpr int kScaleRows = 5, kScaleColumns = 3;

// Weights as they lie in kv_b_proj: heads one behind the other, each W_h and then rows that belong to another use.
struct Heads {
  Heads(Random& random, int tokens, int heads, int in, int out, bool transposed, int type, int compute)
      : rows(transposed ? in : out),
        columns(transposed ? out : in),
        extra(random.of({0, 3})),
        stride(columns + random.of({0, 0, 5})),
        x_gap(random.of({0, 4})),
        y_gap(random.of({0, 2})),
        scaled(random.in(0, 2) == 0),
        weight(random, type, heads * (rows + extra), columns, stride),
        scales(random, MLA_TYPE_F32, (2 + heads * (rows + extra) + kScaleRows - 1) / kScaleRows,
               (columns + kScaleColumns - 1) / kScaleColumns, (columns + kScaleColumns - 1) / kScaleColumns),
        x(span(static_cast<int64_t>(tokens) * heads, in, in + x_gap)) {
    p.struct_size = sizeof p;
    p.compute = compute;
    p.weight_type = type;
    p.tokens = tokens;
    p.heads = heads;
    p.in = in;
    p.out = out;
    p.transposed = transposed;
    p.x_head_stride = in + x_gap;
    p.x_token_stride = p.x_head_stride * heads;
    p.y_head_stride = out + y_gap;
    p.y_token_stride = p.y_head_stride * heads;
    p.weight_head_stride = (rows + extra) * stride;
    p.weight_stride = stride;
    if (scaled) {
      p.scale_type = MLA_TYPE_F32;
      p.scale_rows = kScaleRows;
      p.scale_columns = kScaleColumns;
      p.scale_head_rows = rows + extra;
      p.scale_first_row = 2;
      p.scale_stride = scales.columns;
    }
    fill_rows(random, x, tokens * heads, in, p.x_head_stride);
  }
  const void* scale_data() const { return p.scale_rows > 0 ? scales.bytes.data() : nullptr; }
  double weight_at(int h, int o, int i) const {
    const int row = h * (rows + extra) + (p.transposed ? i : o);
    const int column = p.transposed ? o : i;
    if (p.scale_rows == 0) return weight.at(row, column);
    return static_cast<float>(weight.at(row, column)) *
           static_cast<float>(scales.at((2 + row) / kScaleRows, column / kScaleColumns));
  }
  size_t y_size() const { return span(static_cast<int64_t>(p.tokens) * p.heads, p.out, p.y_head_stride); }

  mla_head_linear_params p{};
  int rows, columns, extra;
  int64_t stride;
  int x_gap, y_gap;
  bool scaled;
  Matrix weight, scales;
  Guarded<float> x;
};

void run(const mla_kernels& kernels, const Heads& c, const std::vector<int>& head_cuts,
         const std::vector<int>& token_cuts, Guarded<float>& y) {
  for (size_t h = 0; h + 1 < head_cuts.size(); h++) {
    for (size_t t = 0; t + 1 < token_cuts.size(); t++)
      MLA_CALL(kernels.head_linear, &c.p, c.x.data(), c.weight.bytes.data(), c.scale_data(), head_cuts[h],
               head_cuts[h + 1], token_cuts[t], token_cuts[t + 1], y.data());
  }
}

void expect_reference(const Heads& c, const Guarded<float>& y) {
  std::vector<double> expected;
  SumTolerance tolerance(c.p.in);
  for (int t = 0; t < c.p.tokens; t++) {
    for (int h = 0; h < c.p.heads; h++) {
      for (int o = 0; o < c.p.out; o++) {
        Sum s;
        for (int i = 0; i < c.p.in; i++)
          s.add(operand(c.x[t * c.p.x_token_stride + h * c.p.x_head_stride + i], c.p.compute),
                c.weight_at(h, o, i));
        tolerance.see(s);
        expected.push_back(s.value);
      }
    }
  }
  size_t next = 0;
  for (int t = 0; t < c.p.tokens; t++) {
    for (int h = 0; h < c.p.heads; h++) {
      const int64_t at = t * c.p.y_token_stride + h * c.p.y_head_stride;
      for (int o = 0; o < c.p.out; o++)
        ASSERT_NEAR(y[at + o], expected[next++], tolerance.bound())
            << "token " << t << " head " << h << " output " << o;
      for (int64_t o = c.p.out; o < c.p.y_head_stride && at + o < static_cast<int64_t>(y.size()); o++)
        ASSERT_TRUE(y.is_poison(at + o)) << "written behind token " << t << " head " << h;
    }
  }
}

class HeadLinear : public KernelTest {};

TEST_P(HeadLinear, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(240, [&](Random& random) {
    const int tokens = random.of({0, 1, 1, 2, 3, 4, 5, 7, 8, 9}), heads = random.of({1, 2, 3, 5, 7, 16});
    const Heads c(random, tokens, heads, random.in(1, 140), random.in(1, 140), random.coin(),
                  random.of(kElementTypes), random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16));
    Guarded<float> y(c.y_size());
    run(kernels(), c, random.cuts(heads), random.cuts(tokens), y);
    expect_reference(c, y);
  });
}

TEST_P(HeadLinear, ReadsNothingBehindAnyTail) {
  Random random(4);
  for (int type : kElementTypes) {
    for (bool transposed : {false, true}) {
      for (int length = 1; length <= 68; length++) {
        for (int tokens : {1, 3, 4, 6}) {
          SCOPED_TRACE("type " + std::to_string(type) + (transposed ? " transposed" : " plain") + " length " +
                       std::to_string(length));
          const Heads c(random, tokens, 2, transposed ? 5 : length, transposed ? length : 5, transposed, type,
                        length % 2);
          Guarded<float> y(c.y_size());
          run(kernels(), c, {0, 2}, {0, tokens}, y);
          expect_reference(c, y);
          if (HasFailure()) return;
        }
      }
    }
  }
}

TEST_P(HeadLinear, ATokenHasTheSameBitsAloneAndAmongOthers) {
  for_seeds(24, [&](Random& random) {
    const int tokens = random.in(2, 11), heads = random.in(1, 5);
    const Heads c(random, tokens, heads, random.in(1, 200), random.in(1, 200), random.coin(),
                  random.of(kElementTypes), random.in(MLA_COMPUTE_F32, MLA_COMPUTE_BF16));
    Guarded<float> together(c.y_size()), alone(c.y_size());
    run(kernels(), c, {0, heads}, {0, tokens}, together);
    for (int t = 0; t < tokens; t++) run(kernels(), c, random.cuts(heads), {t, t + 1}, alone);
    ASSERT_EQ(std::memcmp(together.data(), alone.data(), alone.bytes()), 0);
  });
}

MLA_TEST_ALL_KERNELS(HeadLinear);

}  // namespace
}  // namespace mla::test

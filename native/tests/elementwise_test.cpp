// rms_norm, swiglu, gate, add, embed, rope and combine against double-precision references, for every vector tail.
#include <gtest/gtest.h>

#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"
#include "support/references.h"

namespace mla::test {
namespace {

constexpr int kLongestTail = 68;  // four AVX-512 vectors and a tail of each length before

// Every width with each tail, then random larger ones.
template <class Body>
void for_widths(Body body) {
  Random random(1);
  for (int width = 1; width <= kLongestTail; width++) {
    SCOPED_TRACE("width " + std::to_string(width));
    body(random, width);
    if (testing::Test::HasFailure()) return;
  }
  for_seeds(140, [&](Random& seeded) { body(seeded, seeded.in(1, 700)); });
}

void expect_gaps(const Guarded<float>& y, int rows, int width, int64_t stride) {
  for (int i = 0; i + 1 < rows; i++) {
    for (int64_t j = width; j < stride; j++)
      ASSERT_TRUE(y.is_poison(i * stride + j)) << "written behind row " << i;
  }
}

class Elementwise : public KernelTest {};

TEST_P(Elementwise, RmsNorm) {
  for_widths([&](Random& random, int width) {
    const int rows = random.in(1, 4);
    const int64_t stride = width + random.of({0, 3});
    const float eps = random.coin() ? 1e-6f : 0.01f, size = random.coin() ? 1.f : 1e-4f;
    Guarded<float> x(span(rows, width, stride)), y(x.size()), weight(random.reals(width));
    fill_rows(random, x, rows, width, stride, -size, size);
    MLA_CALL(kernels().rms_norm, x.data(), stride, weight.data(), eps, rows, width, y.data(), stride);
    for (int i = 0; i < rows; i++) {
      double squares = 0;
      for (int j = 0; j < width; j++) squares += static_cast<double>(x[i * stride + j]) * x[i * stride + j];
      const double factor = 1 / std::sqrt(squares / width + eps);
      for (int j = 0; j < width; j++) {
        const double expected = weight[j] * x[i * stride + j] * factor;
        ASSERT_NEAR(y[i * stride + j], expected, 1e-6 * std::fabs(expected)) << i << ", " << j;
      }
    }
    expect_gaps(y, rows, width, stride);
    MLA_CALL(kernels().rms_norm, x.data(), stride, weight.data(), eps, rows, width, x.data(), stride);
    ASSERT_EQ(std::memcmp(x.data(), y.data(), y.bytes()), 0) << "in place";
  });
}

TEST_P(Elementwise, RmsNormOfZerosIsZero) {
  Guarded<float> x(std::vector<float>(19, 0.f)), weight(std::vector<float>(19, 2.f)), y(19);
  MLA_CALL(kernels().rms_norm, x.data(), 19, weight.data(), 1e-6f, 1, 19, y.data(), 19);
  for (size_t i = 0; i < 19; i++) EXPECT_EQ(y[i], 0.f);
}

TEST_P(Elementwise, Swiglu) {
  for_widths([&](Random& random, int width) {
    const int rows = random.in(1, 3);
    const int64_t stride = width + random.of({0, 3});
    Guarded<float> gate(span(rows, width, stride)), up(gate.size()), y(gate.size());
    fill_rows(random, gate, rows, width, stride, -20, 20);
    fill_rows(random, up, rows, width, stride);
    MLA_CALL(kernels().swiglu, gate.data(), stride, up.data(), stride, INFINITY, rows, width, y.data(),
             stride);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < width; j++) {
        const double g = gate[i * stride + j], expected = g / (1 + std::exp(-g)) * up[i * stride + j];
        ASSERT_NEAR(y[i * stride + j], expected, 5e-7 * std::fabs(expected)) << "gate " << g;
      }
    }
    expect_gaps(y, rows, width, stride);
    Guarded<float> in_up(up.size());
    std::memcpy(in_up.data(), up.data(), up.bytes());
    MLA_CALL(kernels().swiglu, gate.data(), stride, in_up.data(), stride, INFINITY, rows, width, in_up.data(),
             stride);
    MLA_CALL(kernels().swiglu, gate.data(), stride, up.data(), stride, INFINITY, rows, width, gate.data(),
             stride);
    ASSERT_EQ(std::memcmp(gate.data(), y.data(), y.bytes()), 0) << "in place of gate";
    ASSERT_EQ(std::memcmp(in_up.data(), y.data(), y.bytes()), 0) << "in place of up";
  });
}

// The gate is limited from above after its activation, the other factor on both sides.
TEST_P(Elementwise, SwigluWithALimit) {
  for_widths([&](Random& random, int width) {
    const float limit = 0.5f * static_cast<float>(random.of({1, 8}));
    Guarded<float> gate(width), up(width), y(width);
    fill_rows(random, gate, 1, width, width, -20, 20);
    fill_rows(random, up, 1, width, width, -8, 8);
    MLA_CALL(kernels().swiglu, gate.data(), width, up.data(), width, limit, 1, width, y.data(), width);
    for (int j = 0; j < width; j++) {
      const double silu = gate[j] / (1 + std::exp(-static_cast<double>(gate[j])));
      const double expected = std::fmin(silu, limit) * std::fmax(-limit, std::fmin(up[j], limit));
      ASSERT_NEAR(y[j], expected, 5e-7 * std::fabs(expected)) << "gate " << gate[j] << " up " << up[j];
    }
  });
}

// gate / (1 + e^-gate) over the whole range of float32: what the exponential cannot represent must not show.
TEST_P(Elementwise, SwigluAtTheEndsOfTheRange) {
  std::vector<float> gates{0.f,   -0.f,   1e-30f, -1e-30f, 87.f,   89.f,    1e30f,  3e38f, INFINITY,
                           -87.f, -87.5f, -88.f,  -89.f,   -104.f, -1000.f, -1e30f, -3e38f};
  for (float g = -90; g < 90; g += 0.37f) gates.push_back(g);
  const int width = static_cast<int>(gates.size());
  Guarded<float> gate(gates), up(std::vector<float>(gates.size(), 1.f)), y(gates.size());
  MLA_CALL(kernels().swiglu, gate.data(), width, up.data(), width, INFINITY, 1, width, y.data(), width);
  for (int j = 0; j < width; j++) {
    const double g = gates[j], expected = g / (1 + std::exp(-g));
    if (std::isinf(expected))
      EXPECT_EQ(y[j], expected);
    else
      EXPECT_NEAR(y[j], expected, 5e-7 * std::fabs(expected) + 1e-36) << "gate " << g;
  }
  gate[0] = NAN;
  gate[1] = -INFINITY;
  MLA_CALL(kernels().swiglu, gate.data(), width, up.data(), width, INFINITY, 1, width, y.data(), width);
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_FALSE(y[1] < -1e-36f) << "the limit is 0";
}

TEST_P(Elementwise, Gate) {
  for_widths([&](Random& random, int part) {
    const int rows = random.in(1, 3), count = random.in(1, 3), width = part * count,
              function = random.in(0, 2);
    const int64_t stride = width + random.of({0, 3}), gates_stride = count + random.of({0, 3});
    Guarded<float> x(span(rows, width, stride)), gates(span(rows, count, gates_stride)), y(x.size());
    fill_rows(random, x, rows, width, stride);
    fill_rows(random, gates, rows, count, gates_stride, -20, 20);
    MLA_CALL(kernels().gate, x.data(), stride, gates.data(), gates_stride, rows, width, count, function,
             y.data(), stride);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < width; j++) {
        const double g = gates[i * gates_stride + j / part];
        const double factor = function == MLA_GATE_SIGMOID ? 1 / (1 + std::exp(-g))
                              : function == MLA_GATE_RELU  ? std::fmax(g, 0)
                                                           : g;
        const double expected = x[i * stride + j] * factor;
        ASSERT_NEAR(y[i * stride + j], expected, 5e-7 * std::fabs(expected)) << "gate " << g;
      }
    }
    expect_gaps(y, rows, width, stride);
    MLA_CALL(kernels().gate, x.data(), stride, gates.data(), gates_stride, rows, width, count, function,
             x.data(), stride);
    ASSERT_EQ(std::memcmp(x.data(), y.data(), y.bytes()), 0) << "in place";
  });
}

TEST_P(Elementwise, Add) {
  for_widths([&](Random& random, int width) {
    const int rows = random.in(1, 3);
    const int64_t stride = width + random.of({0, 3});
    const float scale = random.coin() ? 1.f : random.real(-2, 2);
    Guarded<float> x(span(rows, width, stride)), r(x.size()), y(x.size());
    fill_rows(random, x, rows, width, stride);
    fill_rows(random, r, rows, width, stride);
    MLA_CALL(kernels().add, x.data(), stride, r.data(), stride, scale, rows, width, y.data(), stride);
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < width; j++) {
        const double product = static_cast<double>(scale) * r[i * stride + j],
                     expected = x[i * stride + j] + product;
        ASSERT_NEAR(y[i * stride + j], expected, kUlp * (std::fabs(expected) + std::fabs(product)))
            << i << ", " << j;
      }
    }
    expect_gaps(y, rows, width, stride);
    Guarded<float> in_r(r.size());
    std::memcpy(in_r.data(), r.data(), r.bytes());
    MLA_CALL(kernels().add, x.data(), stride, in_r.data(), stride, scale, rows, width, in_r.data(), stride);
    MLA_CALL(kernels().add, x.data(), stride, r.data(), stride, scale, rows, width, x.data(), stride);
    ASSERT_EQ(std::memcmp(x.data(), y.data(), y.bytes()), 0) << "in place of x";
    ASSERT_EQ(std::memcmp(in_r.data(), y.data(), y.bytes()), 0) << "in place of r";
  });
}

TEST_P(Elementwise, Embed) {
  for (int type = MLA_TYPE_F32; type <= MLA_TYPE_F16; type++) {
    SCOPED_TRACE("type " + std::to_string(type));
    for_widths([&](Random& random, int width) {
      const int vocabulary = random.in(1, 9), count = random.in(0, 5);
      const int64_t stride = width + random.of({0, 5}), y_stride = width + random.of({0, 2});
      const float scale = random.coin() ? 1.f : 12.f;
      const Matrix table(random, type, vocabulary, width, stride);
      Guarded<int32_t> ids(count);
      for (int i = 0; i < count; i++) ids[i] = random.in(0, vocabulary - 1);
      Guarded<float> y(span(count, width, y_stride));
      const mla_embed_params p{sizeof p, type, vocabulary, width, scale, stride, y_stride, 0, 0, 0, 0};
      MLA_CALL(kernels().embed, &p, table.bytes.data(), nullptr, ids.data(), count, y.data());
      for (int i = 0; i < count; i++) {
        for (int j = 0; j < width; j++)
          ASSERT_EQ(y[i * y_stride + j], static_cast<float>(scale * table.at(ids[i], j))) << i << ", " << j;
      }
      expect_gaps(y, count, width, y_stride);
    });
  }
}

// All 65536 stored numbers come out as what they are.
TEST_P(Elementwise, EmbedWidensEveryHalfExactly) {
  Guarded<uint16_t> table(65536);
  for (size_t i = 0; i < 65536; i++) table[i] = static_cast<uint16_t>(i);
  const Guarded<int32_t> id(std::vector<int32_t>{0});
  Guarded<float> y(65536);
  for (int type : {MLA_TYPE_BF16, MLA_TYPE_F16}) {
    const mla_embed_params p{sizeof p, type, 1, 65536, 1.f, 65536, 65536, 0, 0, 0, 0};
    MLA_CALL(kernels().embed, &p, table.data(), nullptr, id.data(), 1, y.data());
    for (int i = 0; i < 65536; i++) {
      const double expected = type == MLA_TYPE_BF16 ? bf16_value(table[i]) : f16_value(table[i]);
      if (std::isnan(expected))
        ASSERT_TRUE(std::isnan(y[i])) << i;
      else
        ASSERT_EQ(bits(y[i]), bits(static_cast<float>(expected))) << i;
    }
  }
}

TEST_P(Elementwise, Rope) {
  for_seeds(240, [&](Random& random) {
    mla_rope_params p{};
    p.struct_size = sizeof p;
    p.tokens = random.in(1, 5);
    p.heads = random.in(1, 5);
    p.rope = 2 * random.in(0, 40);
    p.width = p.rope + random.of({0, 1, 16, 37});
    if (p.width == 0) p.width = 3;
    p.rope_layout = random.in(MLA_ROPE_PAIRS, MLA_ROPE_HALVES);
    p.x_head_stride = p.width + random.of({0, 2});
    p.x_token_stride = p.x_head_stride * p.heads;
    p.y_head_stride = p.x_head_stride;
    p.y_token_stride = p.x_token_stride;
    const int rows = p.tokens * p.heads, pairs = p.rope / 2;
    Guarded<float> x(span(rows, p.width, p.x_head_stride)), y(x.size()), cosines(p.tokens * pairs),
        sines(p.tokens * pairs);
    fill_rows(random, x, rows, p.width, p.x_head_stride);
    for (size_t i = 0; i < cosines.size(); i++) {
      const double angle = random.real(0, 1000);
      cosines[i] = static_cast<float>(std::cos(angle));
      sines[i] = static_cast<float>(std::sin(angle));
    }
    const std::vector<int> cuts = random.cuts(p.tokens);
    for (size_t i = 0; i + 1 < cuts.size(); i++)
      MLA_CALL(kernels().rope, &p, x.data(), cosines.data(), sines.data(), cuts[i], cuts[i + 1], y.data());
    expect_rotated(p, x.data(), cosines.data(), sines.data(), y.data());
    expect_gaps(y, rows, p.width, p.y_head_stride);
    MLA_CALL(kernels().rope, &p, x.data(), cosines.data(), sines.data(), 0, p.tokens, x.data());
    ASSERT_EQ(std::memcmp(x.data(), y.data(), y.bytes()), 0) << "in place";
  });
}

TEST_P(Elementwise, Combine) {
  for_widths([&](Random& random, int width) {
    const int tokens = random.in(0, 4), top_k = random.of({0, 1, 2, 8}), slot_count = random.in(1, 12);
    const int64_t stride = width + random.of({0, 3});
    const bool shares = random.coin();
    Guarded<float> expert_out(span(slot_count, width, stride)), weights(random.reals(tokens * top_k));
    Guarded<float> shared(span(tokens, width, stride)), y(shared.size());
    fill_rows(random, expert_out, slot_count, width, stride);
    fill_rows(random, shared, tokens, width, stride);
    Guarded<int32_t> slots(tokens * top_k);
    for (size_t i = 0; i < slots.size(); i++) slots[i] = random.in(0, slot_count - 1);
    MLA_CALL(kernels().combine, expert_out.data(), stride, slot_count, slots.data(), weights.data(),
             shares ? shared.data() : nullptr, stride, tokens, top_k, width, y.data(), stride);
    for (int t = 0; t < tokens; t++) {
      for (int j = 0; j < width; j++) {
        double expected = 0, size = 0;
        for (int i = 0; i < top_k; i++) {
          const double term =
              static_cast<double>(weights[t * top_k + i]) * expert_out[slots[t * top_k + i] * stride + j];
          expected += term;
          size += std::fabs(term);
        }
        if (shares) expected += shared[t * stride + j];
        ASSERT_NEAR(y[t * stride + j], expected, kUlp * (top_k * size + std::fabs(expected)))
            << t << ", " << j;
      }
    }
    expect_gaps(y, tokens, width, stride);
  });
}

MLA_TEST_ALL_KERNELS(Elementwise);

}  // namespace
}  // namespace mla::test

// convert, embed, rms_norm, swiglu, add and rope of a device against double-precision references.
#include <gtest/gtest.h>

#include "cuda/device.h"
#include "support/numbers.h"
#include "support/random.h"
#include "support/references.h"

namespace mla::test {
namespace {

// Widths around a block of 256 threads, and random ones.
template <class Body>
void for_widths(Body body) {
  Random random(1);
  for (int width : {1, 2, 31, 32, 33, 63, 255, 256, 257, 512, 576, 700}) {
    SCOPED_TRACE("width " + std::to_string(width));
    body(random, width);
    if (testing::Test::HasFailure()) return;
  }
  for_seeds(12, [&](Random& seeded) { body(seeded, seeded.in(1, 700)); });
}

std::vector<float> rows(Random& random, int count, int width, int64_t stride, float low = -1,
                        float high = 1) {
  std::vector<float> x(span(count, width, stride), std::nanf(""));
  for (int i = 0; i < count; i++) {
    for (int j = 0; j < width; j++) x[i * stride + j] = random.real(low, high);
  }
  return x;
}

void expect_gaps(const std::vector<float>& y, int count, int width, int64_t stride) {
  for (int i = 0; i + 1 < count; i++) {
    for (int64_t j = width; j < stride; j++)
      ASSERT_TRUE(is_poison(y[i * stride + j])) << "written behind row " << i;
  }
}

TEST(DeviceRows, ConvertRoundsToNearestEven) {
  std::vector<float> x;
  Random random(1);
  for (int i = 0; i < 3000; i++) x.push_back(from_bits(static_cast<uint32_t>(random.engine()())));
  for (const uint32_t edge :
       {0x7f7fffffu, 0x7f800000u, 0x7f800001u, 0x3f808000u, 0x3f818000u, 0x80000000u, 1u})
    x.push_back(from_bits(edge));
  DeviceArray<float> from(x);
  DeviceArray<uint16_t> to(x.size());
  DEVICE_CALL(convert, stream(), MLA_TYPE_F32, from.data(), static_cast<int64_t>(x.size()), to.data());
  const std::vector<uint16_t> y = to.get();
  for (size_t i = 0; i < x.size(); i++) {
    if (std::isnan(x[i]))
      ASSERT_TRUE(std::isnan(bf16_value(y[i])));
    else
      ASSERT_EQ(y[i], to_bf16(x[i])) << x[i];
  }
}

TEST(DeviceRows, ConvertKnowsEveryHalf) {
  std::vector<uint16_t> x(65536);
  for (size_t i = 0; i < x.size(); i++) x[i] = static_cast<uint16_t>(i);
  DeviceArray<uint16_t> from(x), to(x.size());
  DEVICE_CALL(convert, stream(), MLA_TYPE_F16, from.data(), 65536, to.data());
  const std::vector<uint16_t> y = to.get();
  for (size_t i = 0; i < x.size(); i++) {
    const double value = f16_value(x[i]);
    if (std::isnan(value))
      ASSERT_TRUE(std::isnan(bf16_value(y[i])));
    else
      ASSERT_EQ(y[i], to_bf16(static_cast<float>(value))) << value;
  }
}

TEST(DeviceRows, Embed) {
  for (const int type : {MLA_TYPE_F32, MLA_TYPE_BF16}) {
    for_widths([&](Random& random, int width) {
      const int vocabulary = random.in(1, 9), count = random.in(1, 5);
      const int64_t stride = width + random.of({0, 5}), y_stride = width + random.of({0, 2});
      const float scale = random.coin() ? 1.f : 12.f;
      const Matrix table(random, type, vocabulary, width, stride);
      std::vector<int32_t> ids(count);
      for (int32_t& id : ids) id = random.in(-1, vocabulary);  // the ends are outside
      DeviceArray<uint8_t> on_device(
          std::vector<uint8_t>(table.bytes.data(), table.bytes.data() + table.bytes.bytes()));
      DeviceArray<int32_t> device_ids(ids);
      DeviceArray<float> out(span(count, width, y_stride));
      DEVICE_CALL(embed, stream(), type, on_device.data(), stride, vocabulary, device_ids.data(), count,
                  width, scale, out.data(), y_stride);
      const std::vector<float> y = out.get();
      for (int i = 0; i < count; i++) {
        for (int j = 0; j < width; j++) {
          if (ids[i] < 0 || ids[i] >= vocabulary)
            ASSERT_TRUE(std::isnan(y[i * y_stride + j]));
          else
            ASSERT_EQ(y[i * y_stride + j], static_cast<float>(scale * table.at(ids[i], j))) << i << ", " << j;
        }
      }
      expect_gaps(y, count, width, y_stride);
    });
  }
}

TEST(DeviceRows, RmsNorm) {
  for_widths([&](Random& random, int width) {
    const int count = random.in(1, 4);
    const int64_t stride = width + random.of({0, 3});
    const float eps = random.coin() ? 1e-6f : 0.01f, size = random.coin() ? 1.f : 1e-4f;
    const std::vector<float> x = rows(random, count, width, stride, -size, size),
                             weight = random.reals(width);
    DeviceArray<float> from(x), w(weight), out(x.size());
    DEVICE_CALL(rms_norm, stream(), from.data(), stride, w.data(), eps, count, width, out.data(), stride);
    const std::vector<float> y = out.get();
    for (int i = 0; i < count; i++) {
      double squares = 0;
      for (int j = 0; j < width; j++) squares += static_cast<double>(x[i * stride + j]) * x[i * stride + j];
      const double factor = 1 / std::sqrt(squares / width + eps);
      for (int j = 0; j < width; j++) {
        const double expected = weight[j] * x[i * stride + j] * factor;
        ASSERT_NEAR(y[i * stride + j], expected, 1e-6 * std::fabs(expected)) << i << ", " << j;
      }
    }
    expect_gaps(y, count, width, stride);
    DEVICE_CALL(rms_norm, stream(), from.data(), stride, w.data(), eps, count, width, from.data(), stride);
    const std::vector<float> in_place = from.get();
    for (int i = 0; i < count; i++)
      ASSERT_EQ(std::memcmp(&in_place[i * stride], &y[i * stride], width * sizeof(float)), 0) << "in place";
  });
}

TEST(DeviceRows, Swiglu) {
  for_widths([&](Random& random, int width) {
    const int count = random.in(1, 3);
    const int64_t stride = width + random.of({0, 3});
    const std::vector<float> gate = rows(random, count, width, stride, -20, 20),
                             up = rows(random, count, width, stride);
    DeviceArray<float> g(gate), u(up), out(gate.size());
    DEVICE_CALL(swiglu, stream(), g.data(), stride, u.data(), stride, count, width, out.data(), stride);
    const std::vector<float> y = out.get();
    for (int i = 0; i < count; i++) {
      for (int j = 0; j < width; j++) {
        const double x = gate[i * stride + j], expected = x / (1 + std::exp(-x)) * up[i * stride + j];
        ASSERT_NEAR(y[i * stride + j], expected, 5e-7 * std::fabs(expected)) << "gate " << x;
      }
    }
    expect_gaps(y, count, width, stride);
  });
}

TEST(DeviceRows, SwigluAtTheEndsOfTheRange) {
  std::vector<float> gates{0.f,   -0.f,   1e-30f, -1e-30f, 87.f,   89.f,    1e30f,  3e38f, INFINITY,
                           -87.f, -87.5f, -88.f,  -89.f,   -104.f, -1000.f, -1e30f, -3e38f};
  for (float g = -90; g < 90; g += 0.37f) gates.push_back(g);
  const int width = static_cast<int>(gates.size());
  DeviceArray<float> gate(gates), up(std::vector<float>(gates.size(), 1.f)), out(gates.size());
  DEVICE_CALL(swiglu, stream(), gate.data(), width, up.data(), width, 1, width, out.data(), width);
  const std::vector<float> y = out.get();
  for (int j = 0; j < width; j++) {
    const double g = gates[j], expected = g / (1 + std::exp(-g));
    if (std::isinf(expected))
      EXPECT_EQ(y[j], expected);
    else
      EXPECT_NEAR(y[j], expected, 5e-7 * std::fabs(expected) + 1e-36) << "gate " << g;
  }
}

TEST(DeviceRows, Add) {
  for_widths([&](Random& random, int width) {
    const int count = random.in(1, 3);
    const int64_t stride = width + random.of({0, 3});
    const float scale = random.coin() ? 1.f : random.real(-2, 2);
    const std::vector<float> x = rows(random, count, width, stride), r = rows(random, count, width, stride);
    DeviceArray<float> a(x), b(r), out(x.size());
    DEVICE_CALL(add, stream(), a.data(), stride, b.data(), stride, scale, count, width, out.data(), stride);
    const std::vector<float> y = out.get();
    for (int i = 0; i < count; i++) {
      for (int j = 0; j < width; j++) {
        const double product = static_cast<double>(scale) * r[i * stride + j],
                     expected = x[i * stride + j] + product;
        ASSERT_NEAR(y[i * stride + j], expected, kUlp * (std::fabs(expected) + std::fabs(product)))
            << i << ", " << j;
      }
    }
    expect_gaps(y, count, width, stride);
  });
}

TEST(DeviceRows, Rope) {
  for_seeds(30, [&](Random& random) {
    mla_rope_params p{};
    p.struct_size = sizeof p;
    p.tokens = random.in(1, 5);
    p.heads = random.in(1, 5);
    p.rope = 2 * random.in(0, 40);
    p.width = p.rope + random.of({0, 1, 16, 37});
    if (p.width == 0) p.width = 3;
    p.rope_layout = random.in(MLA_ROPE_PAIRS, MLA_ROPE_HALVES);
    p.x_head_stride = p.y_head_stride = p.width + random.of({0, 2});
    p.x_token_stride = p.y_token_stride = p.x_head_stride * p.heads;
    const int count = p.tokens * p.heads, pairs = p.rope / 2;
    const std::vector<float> x = rows(random, count, p.width, p.x_head_stride);
    std::vector<float> cosines, sines;
    for (int i = 0; i < p.tokens * pairs; i++) {
      const double angle = random.real(0, 1000);
      cosines.push_back(static_cast<float>(std::cos(angle)));
      sines.push_back(static_cast<float>(std::sin(angle)));
    }
    DeviceArray<float> from(x), c(cosines), s(sines), out(x.size());
    DEVICE_CALL(rope, stream(), &p, from.data(), c.data(), s.data(), out.data());
    const std::vector<float> y = out.get();
    expect_rotated(p, x.data(), cosines.data(), sines.data(), y.data());
    expect_gaps(y, count, p.width, p.y_head_stride);
    DEVICE_CALL(rope, stream(), &p, from.data(), c.data(), s.data(), from.data());
    const std::vector<float> in_place = from.get();
    for (int row = 0; row < count; row++)
      ASSERT_EQ(
          std::memcmp(&in_place[row * p.x_head_stride], &y[row * p.x_head_stride], p.width * sizeof(float)),
          0);
  });
}

}  // namespace
}  // namespace mla::test

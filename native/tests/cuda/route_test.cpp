// route, combine and argmax of a device against double precision: choice, order, ties, weights.
#include "support/route.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "cuda/device.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

struct Routed {
  std::vector<int32_t> experts;
  std::vector<float> weights;
};
Routed run(const mla_route_params& p, const std::vector<float>& logits, const std::vector<float>& bias) {
  DeviceArray<float> from(logits), b(bias), weights(static_cast<size_t>(p.tokens) * p.top_k);
  DeviceArray<int32_t> experts(static_cast<size_t>(p.tokens) * p.top_k);
  DEVICE_CALL(route, stream(), &p, from.data(), bias.empty() ? nullptr : b.data(), experts.data(),
              weights.data());
  return {experts.get(), weights.get()};
}

TEST(DeviceRoute, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(60, [&](Random& random) {
    const mla_route_params p = random_params(random, random.in(0, 6));
    const std::vector<float> bias = random.coin() ? random.reals(p.experts, 0, 0.5f) : std::vector<float>();
    std::vector<float> logits(span(p.tokens, p.experts, p.logits_stride), std::nanf(""));
    std::vector<Choice> expected;
    for (int t = 0; t < p.tokens; t++) {
      float* row = logits.data() + t * p.logits_stride;
      do {  // until float32 decides as double does
        for (int e = 0; e < p.experts; e++) row[e] = random.real(-4, 4);
        if (static_cast<int>(expected.size()) > t) expected.pop_back();
        expected.push_back(reference(p, row, bias.empty() ? nullptr : bias.data()));
      } while (expected.back().margin < 2e-6);
    }
    const Routed r = run(p, logits, bias);
    for (int t = 0; t < p.tokens; t++) {
      for (int j = 0; j < p.top_k; j++) {
        ASSERT_EQ(r.experts[t * p.top_k + j], expected[t].experts[j]) << "token " << t << " place " << j;
        ASSERT_NEAR(r.weights[t * p.top_k + j], expected[t].weights[j], 2e-6 * p.weight_scale);
      }
    }
  });
}

TEST(DeviceRoute, EqualScoresGoToTheLowerIndex) {
  mla_route_params p = params_of(1, 8, 4);
  EXPECT_EQ(run(p, {0, 1, 0, 1, 0, 1, 0, 0}, {}).experts, (std::vector<int32_t>{1, 3, 5, 0}));
  // groups as well: all four score the same
  p.groups = 4;
  p.kept_groups = 2;
  p.group_score = MLA_GROUP_SCORE_TOP2_SUM;
  EXPECT_EQ(run(p, {0, 1, 0, 1, 0, 1, 0, 1}, {}).experts, (std::vector<int32_t>{1, 3, 0, 2}));
}

TEST(DeviceRoute, TheMaskOfGroupsIsAValue) {
  mla_route_params p = params_of(1, 4, 2);
  p.groups = 2;
  p.group_score = MLA_GROUP_SCORE_MAX;
  EXPECT_EQ(run(p, {1, 0, 0.5f, 0.25f}, {0, -2, 0, 0}).experts, (std::vector<int32_t>{0, 2}));
  p.group_mask = MLA_GROUP_MASK_NEGATIVE_INFINITY;
  EXPECT_EQ(run(p, {1, 0, 0.5f, 0.25f}, {0, -2, 0, 0}).experts, (std::vector<int32_t>{0, 1}));
}

TEST(DeviceRoute, NanGivesIndicesInRange) {
  for (const int groups : {1, 4}) {
    mla_route_params p = params_of(1, 16, 4);
    p.groups = groups;
    p.group_score = MLA_GROUP_SCORE_TOP2_SUM;
    const Routed r = run(p, std::vector<float>(16, std::nanf("")), {});
    for (int j = 0; j < 4; j++) {
      EXPECT_GE(r.experts[j], 0);
      EXPECT_LT(r.experts[j], 16);
      EXPECT_TRUE(std::isnan(r.weights[j]));
    }
  }
}

TEST(DeviceCombine, AgreesWithTheReference) {
  for_seeds(20, [&](Random& random) {
    const int tokens = random.in(1, 4), top_k = random.of({1, 2, 8}), slot_count = random.in(1, 12),
              width = random.in(1, 600);
    const int64_t stride = width + random.of({0, 3});
    const bool shares = random.coin();
    const std::vector<float> out = random.reals(span(slot_count, width, stride)),
                             weights = random.reals(tokens * top_k),
                             shared = random.reals(span(tokens, width, stride));
    std::vector<int32_t> slots(tokens * top_k);
    for (int32_t& s : slots) s = random.in(-1, slot_count);  // the ends are outside
    DeviceArray<float> o(out), w(weights), s(shared), y(shared.size());
    DeviceArray<int32_t> device_slots(slots);
    DEVICE_CALL(combine, stream(), o.data(), stride, slot_count, device_slots.data(), w.data(),
                shares ? s.data() : nullptr, stride, tokens, top_k, width, y.data(), stride);
    const std::vector<float> got = y.get();
    for (int t = 0; t < tokens; t++) {
      for (int j = 0; j < width; j++) {
        double expected = 0, size = 0;
        for (int i = 0; i < top_k; i++) {
          const int slot = slots[t * top_k + i];
          if (slot < 0 || slot >= slot_count) continue;
          const double term = static_cast<double>(weights[t * top_k + i]) * out[slot * stride + j];
          expected += term;
          size += std::fabs(term);
        }
        if (shares) expected += shared[t * stride + j];
        ASSERT_NEAR(got[t * stride + j], expected, 0x1p-24 * (top_k * size + std::fabs(expected)));
      }
    }
  });
}

TEST(DeviceArgmax, TakesTheLowestOfEqualOnesAndNoNan) {
  Random random(1);
  for (const int width : {1, 2, 255, 256, 257, 1000}) {
    std::vector<float> logits = random.reals(4 * width, -3, 3);
    std::vector<int32_t> expected;
    logits[width / 2] = 5;  // row 0
    logits[width - 1] = 5;
    logits[width] = std::nanf("");  // row 1
    std::fill_n(logits.begin() + 2 * width, width, -INFINITY);
    std::fill_n(logits.begin() + 3 * width, width, std::nanf(""));
    for (int row = 0; row < 4; row++) {
      int best = 0;
      float value = -INFINITY;
      for (int i = 0; i < width; i++) {
        if (logits[row * width + i] > value) value = logits[row * width + (best = i)];
      }
      expected.push_back(best);
    }
    DeviceArray<float> from(logits);
    DeviceArray<int32_t> ids(4);
    DEVICE_CALL(argmax, stream(), from.data(), width, 4, width, ids.data());
    EXPECT_EQ(ids.get(), expected) << "width " << width;
  }
}

}  // namespace
}  // namespace mla::test

// route against the rules of DeepSeek-V2 and V3 in double precision: choice, order, ties, weights.
#include "support/route.h"

#include <gtest/gtest.h>

#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

class Route : public KernelTest {};

TEST_P(Route, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(240, [&](Random& random) {
    const mla_route_params p = random_params(random, random.in(0, 4));
    Guarded<float> logits(span(p.tokens, p.experts, p.logits_stride)),
        bias(random.coin() ? random.reals(p.experts, 0, 0.5f) : std::vector<float>());
    const float* bias_data = bias.size() ? bias.data() : nullptr;
    std::vector<Choice> expected;
    for (int t = 0; t < p.tokens; t++) {
      float* row = logits.data() + t * p.logits_stride;
      // draws until float32 decides as double does
      do {
        for (int e = 0; e < p.experts; e++) row[e] = random.real(-4, 4);
        if (static_cast<int>(expected.size()) > t) expected.pop_back();
        expected.push_back(reference(p, row, bias_data));
      } while (expected.back().margin < 2e-6);
    }
    Guarded<int32_t> experts(p.tokens * p.top_k);
    Guarded<float> weights(p.tokens * p.top_k);
    const std::vector<int> cuts = random.cuts(p.tokens);
    for (size_t i = 0; i + 1 < cuts.size(); i++)
      MLA_CALL(kernels().route, &p, logits.data(), bias_data, cuts[i], cuts[i + 1], experts.data(),
               weights.data());
    for (int t = 0; t < p.tokens; t++) {
      for (int j = 0; j < p.top_k; j++) {
        ASSERT_EQ(experts[t * p.top_k + j], expected[t].experts[j]) << "token " << t << " place " << j;
        ASSERT_NEAR(weights[t * p.top_k + j], expected[t].weights[j], 2e-6 * p.weight_scale)
            << "token " << t << " place " << j;
      }
    }
  });
}

TEST_P(Route, EqualScoresGoToTheLowerIndex) {
  mla_route_params p = params_of(1, 8, 4);
  Guarded<float> logits(std::vector<float>{0, 1, 0, 1, 0, 1, 0, 0}), weights(4);
  Guarded<int32_t> experts(4);
  MLA_CALL(kernels().route, &p, logits.data(), nullptr, 0, 1, experts.data(), weights.data());
  EXPECT_EQ(std::vector<int>(experts.data(), experts.data() + 4), (std::vector<int>{1, 3, 5, 0}));
  // groups as well: all four score the same
  p.groups = 4;
  p.kept_groups = 2;
  p.group_score = MLA_GROUP_SCORE_TOP2_SUM;
  for (int e = 0; e < 8; e++) logits[e] = static_cast<float>(e % 2);
  MLA_CALL(kernels().route, &p, logits.data(), nullptr, 0, 1, experts.data(), weights.data());
  EXPECT_EQ(std::vector<int>(experts.data(), experts.data() + 4), (std::vector<int>{1, 3, 0, 2}));
}

TEST_P(Route, TheBiasChoosesButDoesNotWeigh) {
  mla_route_params p = params_of(1, 4, 2);
  p.renormalize = 1;
  p.weight_scale = 2.5f;
  const Guarded<float> logits(std::vector<float>{3, 2, 1, 0}), bias(std::vector<float>{-9, 0, 0, 9});
  Guarded<float> weights(2);
  Guarded<int32_t> experts(2);
  MLA_CALL(kernels().route, &p, logits.data(), bias.data(), 0, 1, experts.data(), weights.data());
  EXPECT_EQ(experts[0], 3);
  EXPECT_EQ(experts[1], 1);
  const double a = 0.5, b = 1 / (1 + std::exp(-2.0));
  EXPECT_NEAR(weights[0], 2.5 * a / (a + b), 1e-6);
  EXPECT_NEAR(weights[1], 2.5 * b / (a + b), 1e-6);
}

// A negative score + bias loses against the 0 of a masked expert (the published model code masks by 0), but not against -infinity.
TEST_P(Route, TheMaskOfGroupsIsAValue) {
  mla_route_params p = params_of(1, 4, 2);
  p.groups = 2;
  p.group_score = MLA_GROUP_SCORE_MAX;
  const Guarded<float> logits(std::vector<float>{1, 0, 0.5f, 0.25f}), bias(std::vector<float>{0, -2, 0, 0});
  Guarded<float> weights(2);
  Guarded<int32_t> experts(2);
  MLA_CALL(kernels().route, &p, logits.data(), bias.data(), 0, 1, experts.data(), weights.data());
  EXPECT_EQ(experts[0], 0);
  EXPECT_EQ(experts[1], 2);
  p.group_mask = MLA_GROUP_MASK_NEGATIVE_INFINITY;
  MLA_CALL(kernels().route, &p, logits.data(), bias.data(), 0, 1, experts.data(), weights.data());
  EXPECT_EQ(experts[0], 0);
  EXPECT_EQ(experts[1], 1);
}

TEST_P(Route, SoftmaxOfLargeLogitsStaysFinite) {
  const mla_route_params base = params_of(1, 4, 2);
  mla_route_params p = base;
  p.score = MLA_SCORE_SOFTMAX;
  const Guarded<float> logits(std::vector<float>{1e4f, -1e4f, 9999.f, 3e38f / 1e30f});
  Guarded<float> weights(2);
  Guarded<int32_t> experts(2);
  MLA_CALL(kernels().route, &p, logits.data(), nullptr, 0, 1, experts.data(), weights.data());
  EXPECT_EQ(experts[0], 3);
  EXPECT_EQ(weights[0], 1.f);
  EXPECT_EQ(weights[1], 0.f);
}

// Whatever the router is fed, its choice can be used as an index.
TEST_P(Route, NanGivesIndicesInRange) {
  for (int groups : {1, 4}) {
    mla_route_params p = params_of(1, 16, 4);
    p.groups = groups;
    p.kept_groups = 1;
    p.group_score = MLA_GROUP_SCORE_TOP2_SUM;
    const Guarded<float> logits(std::vector<float>(16, NAN));
    Guarded<float> weights(4);
    Guarded<int32_t> experts(4);
    MLA_CALL(kernels().route, &p, logits.data(), nullptr, 0, 1, experts.data(), weights.data());
    for (int j = 0; j < 4; j++) {
      EXPECT_GE(experts[j], 0);
      EXPECT_LT(experts[j], 16);
      EXPECT_TRUE(std::isnan(weights[j]));
    }
  }
}

MLA_TEST_ALL_KERNELS(Route);

}  // namespace
}  // namespace mla::test

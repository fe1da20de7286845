// route against the rules of DeepSeek-V2 and V3 in double precision: choice, order, ties, weights.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

mla_route_params params_of(int tokens, int experts, int top_k) {
  mla_route_params p{};
  p.struct_size = sizeof p;
  p.tokens = tokens;
  p.experts = experts;
  p.top_k = top_k;
  p.score = MLA_SCORE_SIGMOID;
  p.groups = 1;
  p.kept_groups = 1;
  p.group_mask = MLA_GROUP_MASK_ZERO;
  p.weight_scale = 1;
  p.logits_stride = experts;
  return p;
}

struct Choice {
  std::vector<int> experts;
  std::vector<double> weights;
  double margin = INFINITY;  // the smallest relative distance between two values that a decision compared
};

// The indices of the `count` largest values, falling, equal ones by rising index; `margin` takes the distances around each of them.
std::vector<int> largest(const std::vector<double>& values, int count, double* margin) {
  std::vector<int> order(values.size());
  std::iota(order.begin(), order.end(), 0);
  std::stable_sort(order.begin(), order.end(), [&](int a, int b) { return values[a] > values[b]; });
  for (int i = 0; i < count && i + 1 < static_cast<int>(order.size()); i++) {
    const double a = values[order[i]], b = values[order[i + 1]];
    if (std::isfinite(b)) *margin = std::min(*margin, (a - b) / std::max(std::fabs(a), 1e-30));
  }
  order.resize(count);
  return order;
}

Choice reference(const mla_route_params& p, const float* logits, const float* bias) {
  Choice result;
  std::vector<double> score(p.experts), choice(p.experts);
  const double max = *std::max_element(logits, logits + p.experts);
  double total = 0;
  for (int e = 0; e < p.experts; e++) total += std::exp(logits[e] - max);
  for (int e = 0; e < p.experts; e++) {
    score[e] = p.score == MLA_SCORE_SIGMOID ? 1 / (1 + std::exp(-static_cast<double>(logits[e])))
                                            : std::exp(logits[e] - max) / total;
    choice[e] = score[e] + (bias ? bias[e] : 0);
  }
  if (p.groups > 1) {
    const int size = p.experts / p.groups;
    std::vector<double> group;
    for (int g = 0; g < p.groups; g++) {
      std::vector<double> of(choice.begin() + g * size, choice.begin() + (g + 1) * size);
      std::sort(of.begin(), of.end(), std::greater<>());
      group.push_back(p.group_score == MLA_GROUP_SCORE_MAX ? of[0] : of[0] + of[1]);
    }
    const std::vector<int> kept = largest(group, p.kept_groups, &result.margin);
    for (int e = 0; e < p.experts; e++) {
      if (std::find(kept.begin(), kept.end(), e / size) == kept.end())
        choice[e] = p.group_mask == MLA_GROUP_MASK_ZERO ? 0 : -INFINITY;
    }
  }
  result.experts = largest(choice, p.top_k, &result.margin);
  double sum = 0;
  for (int e : result.experts) sum += score[e];
  for (int e : result.experts)
    result.weights.push_back(score[e] / (p.renormalize ? sum + 1e-20 : 1) * p.weight_scale);
  return result;
}

class Route : public KernelTest {};

TEST_P(Route, AgreesWithTheReferenceOverRandomShapes) {
  for_seeds(240, [&](Random& random) {
    mla_route_params p = params_of(random.in(0, 4), 1, 1);
    p.groups = random.of({1, 1, 2, 3, 4, 8});
    p.experts = p.groups * random.of({2, 3, 8, 16, 20, 32});
    p.kept_groups = random.in(1, p.groups);
    p.top_k = random.in(1, std::min(9, p.kept_groups * (p.experts / p.groups)));
    p.score = random.in(MLA_SCORE_SOFTMAX, MLA_SCORE_SIGMOID);
    p.group_score = random.in(MLA_GROUP_SCORE_MAX, MLA_GROUP_SCORE_TOP2_SUM);
    p.group_mask = random.in(MLA_GROUP_MASK_NEGATIVE_INFINITY, MLA_GROUP_MASK_ZERO);
    p.renormalize = random.in(0, 1);
    p.weight_scale = random.coin() ? 1.f : 2.5f;
    p.logits_stride = p.experts + random.of({0, 3});
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

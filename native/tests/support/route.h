// The router in double precision, by the rules of DeepSeek-V2 and V3.
#pragma once
#include <algorithm>
#include <cmath>
#include <numeric>
#include <vector>

#include "mla/mla.h"
#include "support/random.h"

namespace mla::test {

inline mla_route_params params_of(int tokens, int experts, int top_k) {
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
inline std::vector<int> largest(const std::vector<double>& values, int count, double* margin) {
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

inline Choice reference(const mla_route_params& p, const float* logits, const float* bias) {
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

// Any router of `tokens` tokens.
inline mla_route_params random_params(Random& random, int tokens) {
  mla_route_params p = params_of(tokens, 1, 1);
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
  return p;
}

}  // namespace mla::test

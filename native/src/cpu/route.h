// Choice of top_k experts for each token.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"
#include "cpu/limits.h"
#include "cpu/scalar_math.h"

namespace mla {
namespace {

// The first index of the largest entry; NaN marks what is taken.
inline int largest(const float* x, int begin, int end) {
  int best = -1;
  for (int i = begin; i < end; i++) {
    if (x[i] == x[i] && (best < 0 || x[i] > x[best])) best = i;
  }
  return best < 0 ? begin : best;
}

inline void mask_groups(const mla_route_params& p, float* choice) {
  float group[kMaxGroups];
  const int size = p.experts / p.groups;
  for (int g = 0; g < p.groups; g++) {
    const int first = largest(choice, g * size, (g + 1) * size);
    group[g] = choice[first];
    if (p.group_score == MLA_GROUP_SCORE_TOP2_SUM) {
      const float kept = choice[first];
      choice[first] = __builtin_nanf("");
      group[g] += choice[largest(choice, g * size, (g + 1) * size)];
      choice[first] = kept;
    }
  }
  for (int i = 0; i < p.kept_groups; i++) group[largest(group, 0, p.groups)] = __builtin_nanf("");
  const float masked = p.group_mask == MLA_GROUP_MASK_ZERO ? 0.f : -__builtin_inff();
  for (int e = 0; e < p.experts; e++) {
    if (group[e / size] == group[e / size]) choice[e] = masked;
  }
}

template <class Isa>
void route(const mla_route_params* params, const float* logits, const float* bias, int token_begin,
           int token_end, int32_t* experts_out, float* weights_out) {
  const mla_route_params& p = *params;
  float score[kMaxExperts], choice[kMaxExperts];
  for (int t = token_begin; t < token_end; t++) {
    const float* x = logits + t * p.logits_stride;
    if (p.score == MLA_SCORE_SIGMOID) {
      for (int e = 0; e < p.experts; e++) score[e] = 1.f / (1.f + scalar_exp(-x[e]));
    } else {
      float max = -__builtin_inff(), total = 0;
      for (int e = 0; e < p.experts; e++) max = x[e] > max ? x[e] : max;
      for (int e = 0; e < p.experts; e++) total += score[e] = scalar_exp(x[e] - max);
      for (int e = 0; e < p.experts; e++) score[e] /= total;
    }
    for (int e = 0; e < p.experts; e++) choice[e] = bias ? score[e] + bias[e] : score[e];
    if (p.groups > 1) mask_groups(p, choice);
    int32_t* chosen = experts_out + (int64_t)t * p.top_k;
    float* weights = weights_out + (int64_t)t * p.top_k;
    float total = 0;
    for (int j = 0; j < p.top_k; j++) {
      const int best = largest(choice, 0, p.experts);
      choice[best] = __builtin_nanf("");
      chosen[j] = best;
      weights[j] = score[best];
      total += score[best];
    }
    const float divisor = p.renormalize ? total + 1e-20f : 1.f;
    for (int j = 0; j < p.top_k; j++) weights[j] = weights[j] / divisor * p.weight_scale;
  }
}

inline bool check_route(const mla_route_params* p, const float* logits, const float*, int token_begin,
                        int token_end, const int32_t* experts_out, const float* weights_out) {
  check(p);
  require_bounds("token", token_begin, token_end, p->tokens);
  if (token_begin == token_end) return false;
  require_pointer("logits", logits);
  require_pointer("experts_out", experts_out);
  require_pointer("weights_out", weights_out);
  return true;
}

}  // namespace
}  // namespace mla

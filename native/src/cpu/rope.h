// Rotary position encoding: the last `rope` elements of each head turned, the rest copied.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

// Elements 2i and 2i + 1, or i and i + pairs, turned by the angle of pair i; y may be x.
inline void rotate(const float* x, const float* cosines, const float* sines, int pairs, int layout,
                   float* y) {
  const int step = layout == MLA_ROPE_PAIRS ? 2 : 1, partner = layout == MLA_ROPE_PAIRS ? 1 : pairs;
  for (int i = 0; i < pairs; i++) {
    const float a = x[i * step], b = x[i * step + partner];
    y[i * step] = a * cosines[i] - b * sines[i];
    y[i * step + partner] = b * cosines[i] + a * sines[i];
  }
}

template <class Isa>
void rope(const mla_rope_params* params, const float* x, const float* cosines, const float* sines,
          int token_begin, int token_end, float* y) {
  const mla_rope_params& p = *params;
  const int pairs = p.rope / 2, plain = p.width - p.rope;
  for (int t = token_begin; t < token_end; t++) {
    for (int h = 0; h < p.heads; h++) {
      const float* from = x + t * p.x_token_stride + h * p.x_head_stride;
      float* to = y + t * p.y_token_stride + h * p.y_head_stride;
      if (to != from) {
        for (int i = 0; i < plain; i++) to[i] = from[i];
      }
      rotate(from + plain, cosines + (int64_t)t * pairs, sines + (int64_t)t * pairs, pairs, p.rope_layout,
             to + plain);
    }
  }
}

inline bool check_rope(const mla_rope_params* p, const float* x, const float* cosines, const float* sines,
                       int token_begin, int token_end, const float* y) {
  check(p);
  require_bounds("token", token_begin, token_end, p->tokens);
  if (token_begin == token_end) return false;
  require_pointer("x", x);
  require_pointer("y", y);
  if (p->rope > 0) {
    require_pointer("cosines", cosines);
    require_pointer("sines", sines);
  }
  return true;
}

}  // namespace
}  // namespace mla

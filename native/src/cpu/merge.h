// Partial results of attention over disjoint keys, merged in the order of the parts.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"
#include "cpu/scalar_math.h"

namespace mla {
namespace {

template <class Isa>
void merge(const mla_merge_params* params, const float* partial_out, const float* partial_lse,
           int token_begin, int token_end, int head_begin, int head_end, float* out, float* lse) {
  constexpr int L = Isa::L;
  const mla_merge_params& p = *params;
  for (int t = token_begin; t < token_end; t++) {
    for (int h = head_begin; h < head_end; h++) {
      const float* part_lse = partial_lse + t * p.part_lse_token_stride + h * p.part_lse_head_stride;
      const float* part = partial_out + t * p.part_token_stride + h * p.part_head_stride;
      float max = -__builtin_inff(), total = 0;
      for (int i = 0; i < p.parts; i++)
        max = part_lse[i * p.part_lse_stride] > max ? part_lse[i * p.part_lse_stride] : max;
      const bool empty = max == -__builtin_inff();
      for (int i = 0; i < p.parts && !empty; i++) total += scalar_exp(part_lse[i * p.part_lse_stride] - max);
      float* to = out + t * p.out_token_stride + h * p.out_head_stride;
      for (int j = 0; j < p.width; j += L) Isa::store(to + j, Isa::zero(), min_int(L, p.width - j));
      for (int i = 0; i < p.parts && !empty; i++) {
        const float weight = scalar_exp(part_lse[i * p.part_lse_stride] - max) / total;
        if (weight == 0) continue;  // an empty part may hold anything
        const F<Isa> w = Isa::set1(weight);
        for (int j = 0; j < p.width; j += L) {
          const int n = min_int(L, p.width - j);
          const float* from = part + i * p.part_stride + j;
          if (n == L)
            Isa::store(to + j, Isa::fma(w, Isa::load(from), Isa::load(to + j)));
          else
            Isa::store(to + j, Isa::fma(w, Isa::load(from, n), Isa::load(to + j, n)), n);
        }
      }
      if (lse) lse[t * p.lse_token_stride + h * p.lse_head_stride] = empty ? max : max + scalar_log(total);
    }
  }
}

inline bool check_merge(const mla_merge_params* p, const float* partial_out, const float* partial_lse,
                        int token_begin, int token_end, int head_begin, int head_end, const float* out,
                        const float* lse) {
  check(p, lse != nullptr);
  require_bounds("token", token_begin, token_end, p->tokens);
  require_bounds("head", head_begin, head_end, p->heads);
  if (token_begin == token_end || head_begin == head_end) return false;
  require_pointer("partial_out", partial_out);
  require_pointer("partial_lse", partial_lse);
  require_pointer("out", out);
  return true;
}

}  // namespace
}  // namespace mla

// The weighted sum of the experts of each token, in the order of their choice, then the shared expert.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class Isa>
void combine(const float* expert_out, int64_t expert_out_stride, int, const int32_t* slots,
             const float* weights, const float* shared, int64_t shared_stride, int tokens, int top_k,
             int width, float* y, int64_t y_stride) {
  for (int t = 0; t < tokens; t++) {
    for (int j = 0; j < width; j += Isa::L) {
      const int n = min_int(Isa::L, width - j);
      F<Isa> s = Isa::zero();
      for (int i = 0; i < top_k; i++) {
        const int64_t at = (int64_t)t * top_k + i;
        s = Isa::fma(Isa::set1(weights[at]), Isa::load(expert_out + slots[at] * expert_out_stride + j, n), s);
      }
      if (shared) s = Isa::add(s, Isa::load(shared + t * shared_stride + j, n));
      Isa::store(y + t * y_stride + j, s, n);
    }
  }
}

inline bool check_combine(const float* expert_out, int64_t expert_out_stride, int slot_count,
                          const int32_t* slots, const float* weights, const float* shared,
                          int64_t shared_stride, int tokens, int top_k, int width, const float* y,
                          int64_t y_stride) {
  require_range("tokens", tokens, 0, INT_MAX);
  require_range("top_k", top_k, 0, INT_MAX);
  require_range("width", width, 1, INT_MAX);
  require_stride("expert_out_stride", expert_out_stride, slot_count, 0);
  if (shared != nullptr) require_stride("shared_stride", shared_stride, tokens, 0);
  require_stride("y_stride", y_stride, tokens, width);
  if (tokens == 0) return false;
  if (top_k > 0) {
    require_pointer("expert_out", expert_out);
    require_pointer("slots", slots);
    require_pointer("weights", weights);
  }
  require_pointer("y", y);
  for (int64_t i = 0; i < (int64_t)tokens * top_k; i++) {
    if (slots[i] < 0 || slots[i] >= slot_count)
      fail(MLA_INVALID_ARGUMENT, "slots[" + std::to_string(i / top_k) + ", " + std::to_string(i % top_k) +
                                     "] is " + std::to_string(slots[i]) + ", but must be in 0.." +
                                     std::to_string((int64_t)slot_count - 1));
  }
  return true;
}

}  // namespace
}  // namespace mla

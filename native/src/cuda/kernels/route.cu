// The mixture of experts around its linears: the router's choice, the slots of each expert, the weighted sum; and the choice of a token.
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/launches.h"

namespace mla::cuda {
namespace {

constexpr int kRouteWarps = 4;
constexpr int kGroupThreads = 1024;
constexpr int kThreads = 256;
constexpr int kNone = 1 << 30;

// A value with its index; of equal values the lower index is better, NaN is the smallest value.
struct Best {
  float value;
  int index;
};
MLA_DEVICE Best better(Best a, Best b) {
  return b.value > a.value || (b.value == a.value && b.index < a.index) ? b : a;
}
MLA_DEVICE Best candidate(float value, int index) { return {value == value ? value : -kInfinity, index}; }
MLA_DEVICE Best warp_best(Best best) {
  MLA_UNROLL
  for (int mask = kWarp / 2; mask > 0; mask /= 2) {
    const float value = exchange_xor(best.value, mask);
    best = better(best, {value, exchange_xor(best.index, mask)});
  }
  return best;
}

// The best of `count` (at most 1024) values that no lane has taken yet: bit i of a lane's `taken` is the value lane + 32 i.
MLA_DEVICE int take_best(const float* values, int count, uint32_t* taken) {
  Best best{-kInfinity, kNone};
  for (int i = 0, at = lane_index(); at < count; i++, at += kWarp) {
    if ((*taken >> i & 1) == 0) best = better(best, candidate(values[at], at));
  }
  const int index = warp_best(best).index;
  if (index % kWarp == lane_index()) *taken |= 1u << index / kWarp;
  return index;
}

// A warp for each token. logits (tokens, experts), bias (experts) or NULL, experts_out, weights_out (tokens, top_k).
MLA_KERNEL(kRouteWarps* kWarp, 1)
route_kernel(mla_route_params p, const float* logits, const float* bias, int32_t* experts_out,
             float* weights_out) {
  const int64_t token = static_cast<int64_t>(block_x()) * kRouteWarps + warp_index();
  if (!MLA_BOUND(token < p.tokens)) return;
  auto* scores = reinterpret_cast<float*>(shared_memory()) + warp_index() * (2 * p.experts + p.groups);
  float* choices = scores + p.experts;
  float* groups = choices + p.experts;
  const float* row = logits + token * p.logits_stride;
  const int lane = lane_index();

  float max = -kInfinity, total = 0;
  if (p.score == MLA_SCORE_SOFTMAX) {
    for (int e = lane; e < p.experts; e += kWarp) max = fmaxf(max, row[e]);
    max = warp_max(max);
    for (int e = lane; e < p.experts; e += kWarp) total += expf(row[e] - max);
    total = warp_sum(total);
  }
  for (int e = lane; e < p.experts; e += kWarp) {
    scores[e] = p.score == MLA_SCORE_SOFTMAX ? expf(row[e] - max) / total : 1.f / (1.f + expf(-row[e]));
    choices[e] = bias == nullptr ? scores[e] : scores[e] + bias[e];
  }
  warp_barrier();

  if (p.groups > 1) {
    const int size = p.experts / p.groups;
    for (int g = lane; g < p.groups; g += kWarp) {
      float first = -kInfinity, second = -kInfinity;
      for (int e = g * size; e < (g + 1) * size; e++) {
        const float value = choices[e];
        if (value > first) {
          second = first;
          first = value;
        } else if (value > second) {
          second = value;
        }
      }
      groups[g] = p.group_score == MLA_GROUP_SCORE_MAX ? first : first + second;
    }
    // a lane reads the groups that it wrote
    uint32_t kept = 0;
    for (int i = 0; i < p.kept_groups; i++) take_best(groups, p.groups, &kept);
    const float masked = p.group_mask == MLA_GROUP_MASK_ZERO ? 0.f : -kInfinity;
    for (int i = 0, g = lane; g < p.groups; i++, g += kWarp) {
      if (kept >> i & 1) continue;
      for (int e = g * size; e < (g + 1) * size; e++) choices[e] = masked;
    }
    warp_barrier();
  }

  uint32_t taken = 0;
  float sum = 0;
  float* weights = weights_out + token * p.top_k;
  for (int i = 0; i < p.top_k; i++) {
    const int expert = take_best(choices, p.experts, &taken);
    sum += scores[expert];
    if (lane == 0) {
      experts_out[token * p.top_k + i] = expert;
      weights[i] = scores[expert];
    }
  }
  if (lane == 0) {
    const float divisor = p.renormalize ? sum + 1e-20f : 1.f;
    for (int i = 0; i < p.top_k; i++) weights[i] = weights[i] / divisor * p.weight_scale;
  }
}

// One block. chosen (slots) experts; offsets in shared memory. Writes what grouped_linear reads: the number of tiles, then expert, first slot
// and end of each.
MLA_KERNEL(kGroupThreads, 1)
group_kernel(const int32_t* chosen, int slots, int top_k, int experts, int tile, int32_t* token_of,
             int32_t* slot_of, int32_t* groups) {
  auto* offsets = reinterpret_cast<int*>(shared_memory());  // experts + 1
  const int lane = lane_index(), warps = kGroupThreads / kWarp;
  for (int e = warp_index(); e < experts; e += warps) {
    int count = 0;
    for (int first = 0; first < slots; first += kWarp)
      count += count_bits(vote(MLA_BOUND(first + lane < slots) && chosen[first + lane] == e));
    if (lane == 0) offsets[e + 1] = count;
  }
  block_barrier();
  if (thread_x() == 0) {
    int tiles = 0;
    offsets[0] = 0;
    for (int e = 0; e < experts; e++) {
      const int begin = offsets[e], end = begin + offsets[e + 1];
      offsets[e + 1] = end;
      for (int row = begin; row < end; row += tile, tiles++) {
        groups[1 + 3 * tiles] = e;
        groups[2 + 3 * tiles] = row;
        groups[3 + 3 * tiles] = end;
      }
    }
    groups[0] = tiles;
  }
  block_barrier();
  for (int e = warp_index(); e < experts; e += warps) {
    int next = offsets[e];
    for (int first = 0; first < slots; first += kWarp) {
      const int at = first + lane;
      const bool mine = MLA_BOUND(at < slots) && chosen[at] == e;
      const uint32_t all = vote(mine);
      if (mine) {
        const int slot = next + count_bits(all & ((1u << lane) - 1));
        token_of[slot] = at / top_k;
        slot_of[at] = slot;
      }
      next += count_bits(all);
    }
  }
  for (int i = thread_x(); i < slots; i += kGroupThreads) {
    if (chosen[i] < 0 || chosen[i] >= experts) slot_of[i] = -1;
  }
}

// y (tokens, width) = the sum of weights[t, j] expert_out[slots[t, j]] in the order of j, then shared (tokens, width) where it is given.
MLA_KERNEL(kThreads, 1)
combine_kernel(const float* expert_out, int64_t expert_out_stride, int slot_count, const int32_t* slots,
               const float* weights, const float* shared, int64_t shared_stride, int top_k, int width,
               float* y, int64_t y_stride) {
  const int64_t token = block_x();
  const int column = block_y() * kThreads + thread_x();
  if (!MLA_BOUND(column < width)) return;
  float sum = 0;
  for (int j = 0; j < top_k; j++) {
    const int slot = slots[token * top_k + j];
    if (MLA_BOUND(slot >= 0 && slot < slot_count))
      sum = fmaf(weights[token * top_k + j], expert_out[slot * expert_out_stride + column], sum);
  }
  y[token * y_stride + column] = shared == nullptr ? sum : sum + shared[token * shared_stride + column];
}

// A block for each row of logits (rows, width).
MLA_KERNEL(kThreads, 1)
argmax_kernel(const float* logits, int64_t logits_stride, int width, int32_t* ids_out) {
  auto* values = reinterpret_cast<float*>(shared_memory());
  auto* indices = reinterpret_cast<int*>(values + kThreads / kWarp);
  const float* row = logits + block_x() * logits_stride;
  Best best{-kInfinity, kNone};
  for (int i = thread_x(); i < width; i += kThreads) best = better(best, candidate(row[i], i));
  best = warp_best(best);
  if (lane_index() == 0) {
    values[warp_index()] = best.value;
    indices[warp_index()] = best.index;
  }
  block_barrier();
  if (thread_x() != 0) return;
  for (int w = 1; w < kThreads / kWarp; w++) best = better(best, {values[w], indices[w]});
  ids_out[block_x()] = best.index;
}

}  // namespace

Result route(const Stream& stream, const mla_route_params& p, const float* logits, const float* bias,
             int32_t* experts_out, float* weights_out) {
  const int shared = kRouteWarps * (2 * p.experts + p.groups) * 4;
  return MLA_LAUNCH(route_kernel, (Grid{blocks_for(p.tokens, kRouteWarps), 1, 1}), kRouteWarps * kWarp,
                    shared, stream, p, logits, bias, experts_out, weights_out);
}

Result group(const Stream& stream, const int32_t* chosen, int slots, int top_k, int experts, int tile,
             int32_t* token_of, int32_t* slot_of, int32_t* groups) {
  return MLA_LAUNCH(group_kernel, (Grid{1, 1, 1}), kGroupThreads, (experts + 1) * 4, stream, chosen, slots,
                    top_k, experts, tile, token_of, slot_of, groups);
}

Result combine(const Stream& stream, const float* expert_out, int64_t expert_out_stride, int slot_count,
               const int32_t* slots, const float* weights, const float* shared, int64_t shared_stride,
               int tokens, int top_k, int width, float* y, int64_t y_stride) {
  return MLA_LAUNCH(combine_kernel, (Grid{tokens, blocks_for(width, kThreads), 1}), kThreads, 0, stream,
                    expert_out, expert_out_stride, slot_count, slots, weights, shared, shared_stride, top_k,
                    width, y, y_stride);
}

Result argmax(const Stream& stream, const float* logits, int64_t logits_stride, int rows, int width,
              int32_t* ids_out) {
  return MLA_LAUNCH(argmax_kernel, (Grid{rows, 1, 1}), kThreads, kThreads / kWarp * 8, stream, logits,
                    logits_stride, width, ids_out);
}

}  // namespace mla::cuda

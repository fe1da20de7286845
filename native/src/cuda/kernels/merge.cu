// Partial results of disjoint keys become one, in the order of the parts: a block for each row (a token and a head), whose warps have 128 columns
// each.
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/work.h"

namespace mla::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kColumns = 4;  // that a lane adds up at once
constexpr int kWarpColumns = kColumns * kWarp;
constexpr int kAtOnce = 8;  // parts that are read before the first is added, which would wait for each

// lse_of(part), out_of(part): the partial results. An empty part (lse -infinity) is not read.
template <class Lse, class Out>
MLA_DEVICE void merge_row(int parts, int width, Lse lse_of, Out out_of, float* out, float* lse) {
  float max = -kInfinity;
  for (int i = lane_index(); i < parts; i += kWarp) max = fmaxf(max, lse_of(i));
  max = warp_max(max);
  const float base = max == -kInfinity ? 0.f : max;
  float sum = 0;
  for (int i = lane_index(); i < parts; i += kWarp) sum += expf(lse_of(i) - base);
  sum = warp_sum(sum);
  const float factor = sum > 0 ? 1.f / sum : 0.f;
  for (int first = warp_index() * kWarpColumns; first < width; first += kWarps * kWarpColumns) {
    float o[kColumns] = {};
    for (int begin = 0; begin < parts; begin += kWarp) {
      // a lane has the weight of one part
      const int part = begin + lane_index(), count = parts - begin < kWarp ? parts - begin : kWarp;
      const float own = part < parts ? expf(lse_of(part) - base) * factor : 0.f;
      for (int i = 0; i < count; i += kAtOnce) {
        float weights[kAtOnce], x[kAtOnce][kColumns];
        MLA_UNROLL
        for (int k = 0; k < kAtOnce; k++) {
          weights[k] = i + k < count ? exchange_from(own, i + k) : 0.f;
          const float* from = weights[k] != 0 ? out_of(begin + i + k) : nullptr;
          MLA_UNROLL
          for (int j = 0; j < kColumns; j++) {
            const int column = first + lane_index() + j * kWarp;
            x[k][j] = from != nullptr && column < width ? from[column] : 0.f;
          }
        }
        MLA_UNROLL
        for (int k = 0; k < kAtOnce; k++) {
          MLA_UNROLL
          for (int j = 0; j < kColumns; j++) {
            if (weights[k] != 0) o[j] = fmaf(weights[k], x[k][j], o[j]);
          }
        }
      }
    }
    MLA_UNROLL
    for (int j = 0; j < kColumns; j++) {
      const int column = first + lane_index() + j * kWarp;
      if (MLA_BOUND(column < width)) out[column] = o[j];
    }
  }
  if (lse != nullptr && thread_x() == 0) *lse = sum > 0 ? max + logf(sum) : -kInfinity;
}

MLA_KERNEL(kThreads, 1)
merge_kernel(mla_merge_params p, const float* partial_out, const float* partial_lse, float* out, float* lse) {
  const int64_t row = block_x();
  const int64_t token = row / p.heads, head = row % p.heads;
  const float* lse_row = partial_lse + token * p.part_lse_token_stride + head * p.part_lse_head_stride;
  const float* out_row = partial_out + token * p.part_token_stride + head * p.part_head_stride;
  merge_row(
      p.parts, p.width, [&](int64_t i) { return lse_row[i * p.part_lse_stride]; },
      [&](int64_t i) { return out_row + i * p.part_stride; },
      out + token * p.out_token_stride + head * p.out_head_stride,
      lse == nullptr ? nullptr : lse + token * p.lse_token_stride + head * p.lse_head_stride);
}

// The splits of attend: rows of sequences with several.
MLA_KERNEL(kThreads, 1)
merge_splits_kernel(mla_step_params p, int width, const int32_t* plan, const float* partial_out,
                    const float* partial_lse, float* out, float* lse) {
  const PlanLayout layout = plan_layout(p);
  const int64_t row = block_x();
  if (!MLA_BOUND(row < static_cast<int64_t>(plan[2]) * p.heads)) return;
  const int token = static_cast<int>(row / p.heads), head = static_cast<int>(row % p.heads);
  const auto s =
      reinterpret_cast<const PlannedSequence*>(plan + layout.sequences)[plan[layout.tokens + token]];
  if (s.splits == 1) return;
  const auto partial_row = [&](int64_t i) {
    return s.partial_row + (i * s.queries + token - s.first_token) * p.heads + head;
  };
  merge_row(
      s.splits, width, [&](int i) { return partial_lse[partial_row(i)]; },
      [&](int i) { return partial_out + partial_row(i) * width; },
      out + token * p.out_token_stride + head * p.out_head_stride,
      lse == nullptr ? nullptr : lse + token * p.lse_token_stride + head * p.lse_head_stride);
}

}  // namespace

Result merge(const Stream& stream, const mla_merge_params& p, const float* partial_out,
             const float* partial_lse, float* out, float* lse) {
  const Grid grid{static_cast<int>(static_cast<int64_t>(p.tokens) * p.heads), 1, 1};
  return MLA_LAUNCH(merge_kernel, grid, kThreads, 0, stream, p, partial_out, partial_lse, out, lse);
}

Result merge_splits(const Stream& stream, const mla_step_params& p, int width, const int32_t* plan,
                    const float* partial_out, const float* partial_lse, float* out, float* lse) {
  const Grid grid{static_cast<int>(static_cast<int64_t>(p.max_tokens) * p.heads), 1, 1};
  return MLA_LAUNCH(merge_splits_kernel, grid, kThreads, 0, stream, p, width, plan, partial_out, partial_lse,
                    out, lse);
}

}  // namespace mla::cuda

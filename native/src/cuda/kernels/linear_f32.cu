// y = x W^T (+ bias) with float32 multiply-adds: weights are widened, activations stay float32 or are rounded before. It is there to prove the
// other by, and for the router, whose product is float32 whatever the compute type. A warp computes one output of kTokens tokens: lanes take k
// in turn and are added in a tree, the same for any number of tokens.
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/linear_task.h"

namespace mla::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kTokens = 4;

template <class Stored>
MLA_KERNEL(kThreads, 1)
linear_f32_kernel(LinearTask t, const float* x, const int32_t* indices, const int32_t* groups,
                  const Stored* weight, const float* bias, float* y) {
  int row = block_y() * kTokens, end = t.rows;
  if (groups != nullptr) {
    if (!MLA_BOUND(block_y() < groups[0])) return;
    const int32_t* group = groups + 1 + block_y() * 3;
    weight += group[0] * t.group_stride;
    row = group[1];
    end = group[2];
  }
  const int out = block_x() * kWarps + warp_index();
  if (!MLA_BOUND(out < t.n)) return;
  x += block_z() * t.x_head_stride;
  y += block_z() * t.y_head_stride;
  weight += block_z() * t.weight_head_stride;

  const float* from[kTokens];
  MLA_UNROLL
  for (int i = 0; i < kTokens; i++) {
    // behind the last row the last one is computed again, and not written
    const int r = MLA_BOUND(row + i < end) ? row + i : end - 1;
    from[i] = x + (indices == nullptr ? r : indices[r]) * t.x_stride;
  }
  float sums[kTokens] = {};
  for (int k = lane_index(); k < t.k; k += kWarp) {
    const float w = to_float(weight[t.in_out ? k * t.weight_stride + out : out * t.weight_stride + k]);
    MLA_UNROLL
    for (int i = 0; i < kTokens; i++) {
      const float value = from[i][k];
      sums[i] = fmaf(t.rounds ? rounded(value) : value, w, sums[i]);
    }
  }
  MLA_UNROLL
  for (int i = 0; i < kTokens; i++) {
    const float sum = warp_sum(sums[i]);
    if (lane_index() == 0 && MLA_BOUND(row + i < end))
      y[(row + i) * t.y_stride + out] = bias == nullptr ? sum : sum + bias[out];
  }
}

template <class Stored>
Result launch_f32(const Stream& stream, const LinearTask& t, int tiles, int heads, const float* x,
                  const int32_t* indices, const int32_t* groups, const void* weight, const float* bias,
                  float* y) {
  return MLA_LAUNCH(linear_f32_kernel<Stored>, (Grid{blocks_for(t.n, kWarps), tiles, heads}), kThreads, 0,
                    stream, t, x, indices, groups, static_cast<const Stored*>(weight), bias, y);
}

}  // namespace

int linear_f32_tile() { return kTokens; }

Result linear_f32(const Stream& stream, const LinearTask& t, int heads, int weight_type, const float* x,
                  const void* weight, const float* bias, float* y) {
  auto* launch = weight_type == MLA_TYPE_BF16 ? &launch_f32<Bf16> : &launch_f32<float>;
  return launch(stream, t, blocks_for(t.rows, kTokens), heads, x, nullptr, nullptr, weight, bias, y);
}

Result grouped_linear_f32(const Stream& stream, const LinearTask& t, int max_tiles, int weight_type,
                          const float* x, const int32_t* indices, const int32_t* groups, const void* weight,
                          float* y) {
  auto* launch = weight_type == MLA_TYPE_BF16 ? &launch_f32<Bf16> : &launch_f32<float>;
  return launch(stream, t, max_tiles, 1, x, indices, groups, weight, nullptr, y);
}

}  // namespace mla::cuda

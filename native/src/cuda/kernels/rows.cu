// Operations on rows of activations: one block for a row, so that a row's bits do not depend on the others. All of them move a few bytes
// for each operation: what counts is that they read and write each number once.
#include "cuda/common/block.h"
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/kernels/launches.h"

namespace mla::cuda {
namespace {

constexpr int kThreads = 256;
constexpr int kRopeWarps = 4;

template <class From>
MLA_KERNEL(kThreads, 1)
convert_kernel(const From* from, int64_t count, Bf16* to) {
  const int64_t i = static_cast<int64_t>(block_x()) * kThreads + thread_x();
  if (MLA_BOUND(i < count)) to[i] = to_bf16(to_float(from[i]));
}

template <class Stored>
MLA_KERNEL(kThreads, 1)
embed_kernel(const Stored* table, int64_t table_stride, int vocabulary, const int32_t* ids, int width,
             float scale, float* y, int64_t y_stride) {
  const int row = block_x(), id = ids[row];
  const bool known = MLA_BOUND(id >= 0 && id < vocabulary);
  for (int i = thread_x(); i < width; i += kThreads)
    y[row * y_stride + i] = known ? scale * to_float(table[id * table_stride + i]) : kInfinity - kInfinity;
}

MLA_KERNEL(kThreads, 1)
rms_norm_kernel(const float* x, int64_t x_stride, const float* weight, float eps, int width, float* y,
                int64_t y_stride) {
  auto* scratch = reinterpret_cast<float*>(shared_memory());
  const float* from = x + block_x() * x_stride;
  float squares = 0;
  for (int i = thread_x(); i < width; i += kThreads) squares = fmaf(from[i], from[i], squares);
  const float factor = 1.f / sqrtf(block_sum(squares, scratch) / static_cast<float>(width) + eps);
  for (int i = thread_x(); i < width; i += kThreads)
    y[block_x() * y_stride + i] = weight[i] * (from[i] * factor);
}

MLA_KERNEL(kThreads, 1)
swiglu_kernel(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int width, float* y,
              int64_t y_stride) {
  const int64_t row = block_x();
  const int i = block_y() * kThreads + thread_x();
  if (MLA_BOUND(i < width)) {
    const float g = gate[row * gate_stride + i];
    y[row * y_stride + i] = g / (1.f + expf(-g)) * up[row * up_stride + i];
  }
}

MLA_KERNEL(kThreads, 1)
add_kernel(const float* x, int64_t x_stride, const float* residual, int64_t residual_stride, float scale,
           int width, float* y, int64_t y_stride) {
  const int64_t row = block_x();
  const int i = block_y() * kThreads + thread_x();
  if (MLA_BOUND(i < width))
    y[row * y_stride + i] = fmaf(scale, residual[row * residual_stride + i], x[row * x_stride + i]);
}

// A warp for each head of a token.
MLA_KERNEL(kRopeWarps* kWarp, 1)
rope_kernel(mla_rope_params p, const float* x, const float* cosines, const float* sines, float* y) {
  const int64_t row = static_cast<int64_t>(block_x()) * kRopeWarps + warp_index();
  if (!MLA_BOUND(row < static_cast<int64_t>(p.tokens) * p.heads)) return;
  const int64_t token = row / p.heads, head = row % p.heads;
  const float* from = x + token * p.x_token_stride + head * p.x_head_stride;
  float* to = y + token * p.y_token_stride + head * p.y_head_stride;
  const int plain = p.width - p.rope, pairs = p.rope / 2;
  for (int i = lane_index(); i < plain; i += kWarp) to[i] = from[i];
  for (int i = lane_index(); i < pairs; i += kWarp) {
    const int first = plain + (p.rope_layout == MLA_ROPE_PAIRS ? 2 * i : i);
    const int second = p.rope_layout == MLA_ROPE_PAIRS ? first + 1 : first + pairs;
    const float a = from[first], b = from[second], c = cosines[token * pairs + i],
                s = sines[token * pairs + i];
    to[first] = a * c - b * s;
    to[second] = b * c + a * s;
  }
}

}  // namespace

Result convert(const Stream& stream, int from_type, const void* from, int64_t count, void* to) {
  const Grid grid{blocks_for(count, kThreads), 1, 1};
  if (from_type == MLA_TYPE_F16)
    return MLA_LAUNCH(convert_kernel<F16>, grid, kThreads, 0, stream, static_cast<const F16*>(from), count,
                      static_cast<Bf16*>(to));
  return MLA_LAUNCH(convert_kernel<float>, grid, kThreads, 0, stream, static_cast<const float*>(from), count,
                    static_cast<Bf16*>(to));
}

Result embed(const Stream& stream, int table_type, const void* table, int64_t table_stride, int vocabulary,
             const int32_t* ids, int count, int width, float scale, float* y, int64_t y_stride) {
  const Grid grid{count, 1, 1};
  if (table_type == MLA_TYPE_BF16)
    return MLA_LAUNCH(embed_kernel<Bf16>, grid, kThreads, 0, stream, static_cast<const Bf16*>(table),
                      table_stride, vocabulary, ids, width, scale, y, y_stride);
  return MLA_LAUNCH(embed_kernel<float>, grid, kThreads, 0, stream, static_cast<const float*>(table),
                    table_stride, vocabulary, ids, width, scale, y, y_stride);
}

Result rms_norm(const Stream& stream, const float* x, int64_t x_stride, const float* weight, float eps,
                int rows, int width, float* y, int64_t y_stride) {
  return MLA_LAUNCH(rms_norm_kernel, (Grid{rows, 1, 1}), kThreads, kThreads / kWarp * 4, stream, x, x_stride,
                    weight, eps, width, y, y_stride);
}

Result swiglu(const Stream& stream, const float* gate, int64_t gate_stride, const float* up,
              int64_t up_stride, int rows, int width, float* y, int64_t y_stride) {
  return MLA_LAUNCH(swiglu_kernel, (Grid{rows, blocks_for(width, kThreads), 1}), kThreads, 0, stream, gate,
                    gate_stride, up, up_stride, width, y, y_stride);
}

Result add(const Stream& stream, const float* x, int64_t x_stride, const float* residual,
           int64_t residual_stride, float scale, int rows, int width, float* y, int64_t y_stride) {
  return MLA_LAUNCH(add_kernel, (Grid{rows, blocks_for(width, kThreads), 1}), kThreads, 0, stream, x,
                    x_stride, residual, residual_stride, scale, width, y, y_stride);
}

Result rope(const Stream& stream, const mla_rope_params& p, const float* x, const float* cosines,
            const float* sines, float* y) {
  const Grid grid{blocks_for(static_cast<int64_t>(p.tokens) * p.heads, kRopeWarps), 1, 1};
  return MLA_LAUNCH(rope_kernel, grid, kRopeWarps * kWarp, 0, stream, p, x, cosines, sines, y);
}

}  // namespace mla::cuda

// Decompressed attention in float32 over keys and values that were rebuilt in float32, to prove the other by and for float32 caches. A block
// takes one query and one head; 32 tokens at a time.
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/rebuild.h"

namespace mla::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kTokens = kWarp;

// Shared memory: float32 query (nope + rope), out (value), scores (32), probabilities (32).
template <class Stored>
MLA_KERNEL(kThreads, 1)
attend_decompressed_f32_kernel(mla_step_params p, mla_cache_params c, RebuildTask t, const int32_t* plan,
                               const float* q, const float* rebuilt, const uint8_t* cache,
                               const int32_t* page_table, const float* slopes, float* out, float* lse,
                               RowState* states) {
  auto* query_row = reinterpret_cast<float*>(shared_memory());
  float* sums = query_row + t.nope + c.rope;
  float* scores = sums + t.value;
  float* probabilities = scores + kTokens;
  const int head = block_y();
  Queries w;
  if (!find_queries(p, t, plan, 1, block_x(), block_z(), &w)) return;
  const int32_t* pages = page_table + static_cast<int64_t>(w.index) * p.page_table_stride;
  const int64_t token_row = w.sequence.first_token + w.first;
  const float* from = q + token_row * p.q_token_stride + head * p.q_head_stride;
  float* to = out + token_row * p.out_token_stride + head * p.out_head_stride;
  RowState* state = states + state_of(p, token_row, head, 0);
  for (int i = thread_x(); i < t.nope + c.rope; i += kThreads) query_row[i] = from[i];
  for (int i = thread_x(); i < t.value; i += kThreads) sums[i] = t.first == 0 ? 0.f : to[i];
  float max = t.first == 0 ? -kInfinity : state->max, sum = t.first == 0 ? 0.f : state->sum;
  block_barrier();

  const int position = w.sequence.kv_tokens - w.sequence.queries + w.first;
  const float slope = slopes == nullptr ? 0.f : slopes[head];
  for (int first = w.begin; first < w.end; first += kTokens) {
    for (int i = warp_index(); i < kTokens; i += kThreads / kWarp) {
      const int token = first + i;
      float dot = 0;
      if (MLA_BOUND(token < w.end)) {
        const float* key = rebuilt + rebuilt_row(t, p.heads, w.index, token, head);
        for (int d = lane_index(); d < t.nope; d += kWarp) dot = fmaf(query_row[d], key[d], dot);
        const auto* row = reinterpret_cast<const Stored*>(row_of(c, cache, pages, token));
        for (int d = lane_index(); d < c.rope && row != nullptr; d += kWarp)
          dot = fmaf(query_row[t.nope + d], to_float(row[c.rope_offset + d]), dot);
      }
      dot = warp_sum(dot);
      if (lane_index() == 0)
        scores[i] = token < w.end ? dot * p.scale - slope * static_cast<float>(position - token) : -kInfinity;
    }
    block_barrier();
    const float x = scores[lane_index()], new_max = fmaxf(max, warp_max(x));
    const float probability = expf(x - new_max), factor = expf(max - new_max);
    sum = sum * factor + warp_sum(probability);
    max = new_max;
    if (warp_index() == 0) probabilities[lane_index()] = probability;
    block_barrier();
    for (int d = thread_x(); d < t.value; d += kThreads) {
      float o = sums[d] * factor;
      for (int i = 0; i < kTokens && MLA_BOUND(first + i < w.end); i++)
        o = fmaf(probabilities[i],
                 rebuilt[rebuilt_row(t, p.heads, w.index, first + i, head) + t.values_at + d], o);
      sums[d] = o;
    }
  }

  const float factor = output_factor(t, w, sum);
  for (int d = thread_x(); d < t.value; d += kThreads) to[d] = sums[d] * factor;
  if (thread_x() != 0) return;
  if (!w.ends) *state = {max, sum};
  if (w.ends && lse != nullptr)
    lse[token_row * p.lse_token_stride + head * p.lse_head_stride] = max + logf(sum);
}

}  // namespace

int decompressed_f32_shared(const mla_cache_params& c, const RebuildTask& t) {
  return (t.nope + c.rope + t.value + 2 * kTokens) * 4;
}

Result attend_decompressed_f32(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                               const RebuildTask& t, const int32_t* plan, const float* q,
                               const float* rebuilt, const void* cache, const int32_t* page_table,
                               const float* slopes, float* out, float* lse, RowState* states) {
  const Grid grid{p.max_queries, p.heads, p.max_sequences};
  const int shared = decompressed_f32_shared(c, t);
  const auto* bytes = static_cast<const uint8_t*>(cache);
  if (c.cache_type == MLA_TYPE_BF16)
    return MLA_LAUNCH(attend_decompressed_f32_kernel<Bf16>, grid, kThreads, shared, stream, p, c, t, plan, q,
                      rebuilt, bytes, page_table, slopes, out, lse, states);
  return MLA_LAUNCH(attend_decompressed_f32_kernel<float>, grid, kThreads, shared, stream, p, c, t, plan, q,
                    rebuilt, bytes, page_table, slopes, out, lse, states);
}

}  // namespace mla::cuda

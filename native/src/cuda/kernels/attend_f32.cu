// Absorbed attention in float32 without tensor cores: queries, probabilities and sums stay float32, stored rows are widened. It is there to
// prove the others by, for float32 caches and for rows that do not fit the tensor core kernel. A block takes a split and one row (a query
// token and a head); 32 tokens at a time.
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/work.h"

namespace mla::cuda {
namespace {

constexpr int kThreads = 128;
constexpr int kTokens = kWarp;

// Shared memory: float32 query (latent + rope), out (latent), scores (32), probabilities (32), then the addresses of the rows (32).
MLA_BOTH int rows_at(const mla_cache_params& c) { return (2 * c.latent + c.rope + 2 * kTokens + 1) / 2 * 8; }

template <class Stored>
MLA_KERNEL(kThreads, 1)
attend_f32_kernel(mla_step_params p, mla_cache_params c, const int32_t* plan, const float* q,
                  const uint8_t* cache, const int32_t* page_table, const float* slopes, float* out,
                  float* lse, float* partial_out, float* partial_lse) {
  auto* query_row = reinterpret_cast<float*>(shared_memory());
  float* sums = query_row + c.latent + c.rope;
  float* scores = sums + c.latent;
  float* probabilities = scores + kTokens;
  auto* rows = reinterpret_cast<const Stored**>(shared_memory() + rows_at(c));

  Work work;
  if (!find_work(p, plan, &work)) return;
  const int row = block_x(), query = row / p.heads, head = row % p.heads;
  if (row >= work.rows) return;
  const int32_t* pages = page_table + static_cast<int64_t>(work.index) * p.page_table_stride;
  const float* from = q + (work.sequence.first_token + query) * p.q_token_stride + head * p.q_head_stride;
  for (int i = thread_x(); i < c.latent + c.rope; i += kThreads) query_row[i] = from[i];
  for (int i = thread_x(); i < c.latent; i += kThreads) sums[i] = 0;
  block_barrier();

  const int end = end_of(p, work, query), position = work.sequence.kv_tokens - work.sequence.queries + query;
  const float slope = slopes == nullptr ? 0.f : slopes[head];
  float max = -kInfinity, sum = 0;
  for (int first = work.kv_begin; first < end; first += kTokens) {
    for (int i = warp_index(); i < kTokens; i += kThreads / kWarp) {
      const int token = first + i;
      const auto* key =
          MLA_BOUND(token < end) ? reinterpret_cast<const Stored*>(row_of(c, cache, pages, token)) : nullptr;
      float dot = 0;
      if (key != nullptr) {
        for (int d = lane_index(); d < c.latent; d += kWarp) dot = fmaf(query_row[d], to_float(key[d]), dot);
        for (int d = lane_index(); d < c.rope; d += kWarp)
          dot = fmaf(query_row[c.latent + d], to_float(key[c.rope_offset + d]), dot);
      }
      dot = warp_sum(dot);
      if (lane_index() == 0) {
        scores[i] = token < end ? dot * p.scale - slope * static_cast<float>(position - token) : -kInfinity;
        rows[i] = key;
      }
    }
    block_barrier();
    const float x = scores[lane_index()], new_max = fmaxf(max, warp_max(x));
    const float probability = expf(x - new_max), factor = expf(max - new_max);
    sum = sum * factor + warp_sum(probability);
    max = new_max;
    if (warp_index() == 0) probabilities[lane_index()] = probability;
    block_barrier();
    for (int d = thread_x(); d < c.latent; d += kThreads) {
      float o = sums[d] * factor;
      for (int i = 0; i < kTokens; i++) {
        if (rows[i] != nullptr) o = fmaf(probabilities[i], to_float(rows[i][d]), o);
      }
      sums[d] = o;
    }
    block_barrier();
  }

  const Destination to = destination(p, work, query, head, c.latent, out, lse, partial_out, partial_lse);
  const float factor = sum > 0 ? 1.f / sum : 0.f;
  for (int d = thread_x(); d < c.latent; d += kThreads) to.out[d] = sums[d] * factor;
  if (thread_x() == 0 && to.lse != nullptr) *to.lse = sum > 0 ? max + logf(sum) : -kInfinity;
}

}  // namespace

Result attend_f32(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                  const int32_t* plan, const float* q, const void* cache, const int32_t* page_table,
                  const float* slopes, float* out, float* lse, float* partial_out, float* partial_lse) {
  const Grid grid{p.max_queries * p.heads, p.max_splits, 1};
  const int shared = rows_at(c) + kTokens * static_cast<int>(sizeof(void*));
  if (c.cache_type == MLA_TYPE_BF16)
    return MLA_LAUNCH(attend_f32_kernel<Bf16>, grid, kThreads, shared, stream, p, c, plan, q,
                      static_cast<const uint8_t*>(cache), page_table, slopes, out, lse, partial_out,
                      partial_lse);
  return MLA_LAUNCH(attend_f32_kernel<float>, grid, kThreads, shared, stream, p, c, plan, q,
                    static_cast<const uint8_t*>(cache), page_table, slopes, out, lse, partial_out,
                    partial_lse);
}

}  // namespace mla::cuda

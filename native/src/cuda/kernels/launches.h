// What the kernels compute, as launches on a stream: shapes as the comments say, all pointers are of device memory. Arguments were checked.
// Each returns the code of its launch and the name of its kernel.
#pragma once
#include "cuda/common/runtime.h"
#include "cuda/kernels/linear_task.h"
#include "mla/mla.h"

namespace mla::cuda {

// to (count) bf16 = from (count) of from_type, to nearest even.
Result convert(const Stream& stream, int from_type, const void* from, int64_t count, void* to);

// y[i] = scale * table[ids[i]]: table (vocabulary, width) F32 or BF16, ids (count), y (count, width). NaN for an id outside.
Result embed(const Stream& stream, int table_type, const void* table, int64_t table_stride, int vocabulary,
             const int32_t* ids, int count, int width, float scale, float* y, int64_t y_stride);

// y = weight * x / sqrt(mean(x^2) + eps): x, y (rows, width), weight (width); y may be x.
Result rms_norm(const Stream& stream, const float* x, int64_t x_stride, const float* weight, float eps,
                int rows, int width, float* y, int64_t y_stride);

// y = gate / (1 + exp(-gate)) * up: (rows, width) each; y may be gate or up.
Result swiglu(const Stream& stream, const float* gate, int64_t gate_stride, const float* up,
              int64_t up_stride, int rows, int width, float* y, int64_t y_stride);

// y = x + scale * residual: (rows, width) each; y may be x or residual.
Result add(const Stream& stream, const float* x, int64_t x_stride, const float* residual,
           int64_t residual_stride, float scale, int rows, int width, float* y, int64_t y_stride);

// The last p.rope of x (tokens, heads, width) rotated by cosines, sines (tokens, rope / 2), the others copied; y may be x.
Result rope(const Stream& stream, const mla_rope_params& p, const float* x, const float* cosines,
            const float* sines, float* y);

// Rows of latent_and_key (tokens, latent + rope), normed and rotated, to slots[t] of the cache; -1: not written.
Result append(const Stream& stream, const mla_append_params& p, const mla_cache_params& c,
              const float* latent_and_key, const float* norm_weight, const float* cosines, const float* sines,
              const int32_t* slots, void* cache);

// Whether attend fits: latent and a row's length against the device's shared memory.
bool can_attend(const mla_step_params& p, const mla_cache_params& c);
// Absorbed attention on tensor cores over a bf16 cache, and in float32 over either type: q (tokens, heads, latent + rope); cache: the layer's
// first page; page_table (sequences, page_table_stride); slopes (heads) or NULL; out (tokens, heads, latent), lse (tokens, heads) or NULL
// for the rows of sequences with one split, partial_out (rows, latent) and partial_lse (rows) for the others (plan.h).
Result attend(const Stream& stream, const mla_step_params& p, const mla_cache_params& c, const int32_t* plan,
              const float* q, const void* cache, const int32_t* page_table, const float* slopes, float* out,
              float* lse, float* partial_out, float* partial_lse);
Result attend_f32(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                  const int32_t* plan, const float* q, const void* cache, const int32_t* page_table,
                  const float* slopes, float* out, float* lse, float* partial_out, float* partial_lse);
// The partial results of attend: rows of sequences with several splits.
Result merge_splits(const Stream& stream, const mla_step_params& p, int width, const int32_t* plan,
                    const float* partial_out, const float* partial_lse, float* out, float* lse);

struct Bf16;
struct RebuildTask;
struct RowState;
// Keys and values of a piece of each sequence (rebuild_task.h): cache, page_table as above; weight (heads, nope + value, latent); rebuilt (sequences,
// tokens of a piece, heads, row). On tensor cores where `weight` is bf16, begins at a multiple of 16 bytes as its rows do, and nope, value and
// latent are multiples of 8; or in float32 of any weight, and with `rounds` rounded to bf16.
Result rebuild(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
               const RebuildTask& t, const int32_t* plan, const void* cache, const int32_t* page_table,
               const Bf16* weight, Bf16* rebuilt);
Result rebuild_f32(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                   const RebuildTask& t, int weight_type, bool rounds, const int32_t* plan, const void* cache,
                   const int32_t* page_table, const void* weight, void* rebuilt);
// Attention of a piece, after its rebuild and the pieces before: q (tokens, heads, nope + rope); out (tokens, heads, value), lse (tokens, heads) or
// NULL; states (decompressed_states, max_tokens, heads).
int decompressed_states(const RebuildTask& t);
bool can_attend_decompressed(const mla_step_params& p, const mla_cache_params& c, const RebuildTask& t);
Result attend_decompressed(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                           const RebuildTask& t, const int32_t* plan, const float* q, const Bf16* rebuilt,
                           const void* cache, const int32_t* page_table, const float* slopes, float* out,
                           float* lse, RowState* states);
// Shared memory of a block.
int decompressed_f32_shared(const mla_cache_params& c, const RebuildTask& t);
Result attend_decompressed_f32(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                               const RebuildTask& t, const int32_t* plan, const float* q,
                               const float* rebuilt, const void* cache, const int32_t* page_table,
                               const float* slopes, float* out, float* lse, RowState* states);

// partial_out (parts, tokens, heads, width), partial_lse (parts, tokens, heads), out (tokens, heads, width), lse (tokens, heads) or NULL.
Result merge(const Stream& stream, const mla_merge_params& p, const float* partial_out,
             const float* partial_lse, float* out, float* lse);

// y = x W^T (+ bias) on tensor cores: x (rows, k), weight (n, k) or (k, n), bias (n) or NULL, y (rows, n), for each of `heads`.
Result linear(const Stream& stream, const LinearTask& t, int heads, const float* x, const Bf16* weight,
              const float* bias, float* y);
// The same in float32; weight F32 or BF16.
Result linear_f32(const Stream& stream, const LinearTask& t, int heads, int weight_type, const float* x,
                  const void* weight, const float* bias, float* y);
// For slots of experts: x (.., k), indices (rows) or NULL, weight (experts, n, k), y (rows, n). groups: int32 [0] tiles, then for each tile its
// expert, its first slot and the end of the expert's slots. `tile`: slots of a tile, group_tile of what an expert has on average.
Result grouped_linear(const Stream& stream, const LinearTask& t, int tile, int max_tiles, const float* x,
                      const int32_t* indices, const int32_t* groups, const Bf16* weight, float* y);
Result grouped_linear_f32(const Stream& stream, const LinearTask& t, int max_tiles, int weight_type,
                          const float* x, const int32_t* indices, const int32_t* groups, const void* weight,
                          float* y);
// Rows of a tile.
int linear_tile(const LinearTask& t, int heads);
int group_tile(int rows);
int linear_f32_tile();

// logits (tokens, experts), bias (experts) or NULL, experts_out, weights_out (tokens, top_k); at most 1024 experts.
Result route(const Stream& stream, const mla_route_params& p, const float* logits, const float* bias,
             int32_t* experts_out, float* weights_out);
// chosen (slots = tokens * top_k); token_of (slots), slot_of (slots); groups as above.
Result group(const Stream& stream, const int32_t* chosen, int slots, int top_k, int experts, int tile,
             int32_t* token_of, int32_t* slot_of, int32_t* groups);
// expert_out (slot_count, width), slots and weights (tokens, top_k), shared (tokens, width) or NULL, y (tokens, width).
Result combine(const Stream& stream, const float* expert_out, int64_t expert_out_stride, int slot_count,
               const int32_t* slots, const float* weights, const float* shared, int64_t shared_stride,
               int tokens, int top_k, int width, float* y, int64_t y_stride);
// logits (rows, width), ids_out (rows).
Result argmax(const Stream& stream, const float* logits, int64_t logits_stride, int rows, int width,
              int32_t* ids_out);
// The same, drawn; uniform (rows) in [0, 1).
Result sample(const Stream& stream, const float* logits, int64_t logits_stride, int rows, int width,
              float temperature, int top_k, float top_p, const float* uniform, int32_t* ids_out);

}  // namespace mla::cuda

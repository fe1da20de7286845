// Decompressed attention over rebuilt keys and values, on tensor cores: a block takes a head and 16 queries for each of its warps, which share
// every key and value that is read.
//
// A warp keeps its rows' scores, probabilities and 128 columns of their outputs in registers: with the scores' layout being that of the next
// product's operand, nothing passes through shared memory between the two. The values of a tile come while its scores are computed, the next
// keys while its values are multiplied.
#include "cuda/common/async.h"
#include "cuda/common/launch.h"
#include "cuda/common/matrix.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/attend_kinds.h"
#include "cuda/kernels/decompressed.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/queries.h"

namespace mla::cuda {
namespace {

constexpr int kTile = kRebuiltTile;

// Shared memory in bytes. Rows are padded by 16: those of an 8 x 8 tile lie in different banks.
template <int Warps>
struct Block {
  static constexpr int kWarps = Warps;
  static constexpr int kThreads = Warps * kWarp;
  static constexpr int kRows = Warps * 16;

  int rope_at;  // bf16 of a row of queries and keys: unrotated, zeros up to here, rotated, zeros up to a multiple of 32
  int width;
  int columns;  // of the values
  MLA_BOTH Block(const mla_cache_params& c, const RebuildTask& t)
      : rope_at((t.nope + 15) / 16 * 16),
        width((rope_at + c.rope + 31) / 32 * 32),
        columns(t.value < kColumns ? (t.value + 15) / 16 * 16 : kColumns) {}
  MLA_BOTH int stride() const { return width * 2 + 16; }
  MLA_BOTH int value_stride() const { return columns * 2 + 16; }
  MLA_BOTH int keys() const { return kRows * stride(); }
  MLA_BOTH int values() const { return keys() + kTile * stride(); }
  MLA_BOTH int64_t end() const { return values() + int64_t{kTile} * value_stride(); }
};

// Begins the copy of the keys of kTile tokens: the rebuilt part and the rotated one, which all heads share. Rows behind the end are zero.
template <class B>
MLA_DEVICE void load_keys(const B& b, const mla_step_params& p, const mla_cache_params& c,
                          const RebuildTask& t, const Queries& w, int head, const Bf16* rebuilt,
                          const uint8_t* cache, const int32_t* pages, int token, uint8_t* shared) {
  constexpr int kOwn = kTile / B::kWarps;
  const int first = token + warp_index() * kOwn;
  const uint8_t* own = find_row(c, cache, pages, first, w.end);
  const auto* keys =
      reinterpret_cast<const uint8_t*>(rebuilt + rebuilt_row(t, p.heads, w.index, first, head));
  const int64_t key_stride = static_cast<int64_t>(p.heads) * t.row * 2;
  for (int at = lane_index() * 16; at - lane_index() * 16 < b.width * 2; at += kWarp * 16) {
    const bool rotated = at >= b.rope_at * 2;
    const int offset = rotated ? at - b.rope_at * 2 : at;
    const int bytes = at < b.width * 2 ? count_bytes(offset, (rotated ? c.rope : t.nope) * 2) : 0;
    MLA_NO_UNROLL
    for (int some = 0; some < kOwn; some += 2) {
      MLA_UNROLL
      for (int i = some; i < some + 2; i++) {
        const uint8_t* row = exchange_from(own, i);
        const bool there = rotated ? row != nullptr : first + i < w.end;
        const uint8_t* from = !there || bytes == 0 ? cache
                              : rotated            ? row + c.rope_offset * 2 + offset
                                                   : keys + i * key_stride + offset;
        if (at < b.width * 2)
          copy_async_16(shared + (warp_index() * kOwn + i) * b.stride() + at, from, there ? bytes : 0);
      }
    }
  }
}

// The same of the block's columns of the values.
template <class B>
MLA_DEVICE void load_values(const B& b, const mla_step_params& p, const RebuildTask& t, const Queries& w,
                            int head, int first_column, const Bf16* rebuilt, int token, uint8_t* shared) {
  constexpr int kRowThreads = kColumns / 8, kStep = B::kThreads / kRowThreads;
  const int at = thread_x() % kRowThreads * 8, first = thread_x() / kRowThreads;
  if (at >= b.columns) return;
  const int bytes = count_bytes(at * 2, (t.value - first_column) * 2);
  const Bf16* values =
      rebuilt + rebuilt_row(t, p.heads, w.index, token + first, head) + t.values_at + first_column + at;
  const int64_t step = static_cast<int64_t>(kStep) * p.heads * t.row;
  MLA_UNROLL
  for (int i = 0; i < kTile / kStep; i++) {
    const bool there = MLA_BOUND(token + first + i * kStep < w.end) && bytes > 0;
    copy_async_16(shared + (first + i * kStep) * b.value_stride() + at * 2,
                  there ? values + i * step : rebuilt, there ? bytes : 0);
  }
}

// Scores of the warp's 16 rows with the tile's tokens.
template <class B>
MLA_DEVICE void multiply_keys(const B& b, const uint8_t* queries, const uint8_t* keys,
                              float (&scores)[kKeyTiles][4]) {
  const int lane = lane_index();
  const uint8_t* a_row = queries + (warp_index() * 16 + lane % 16) * b.stride() + lane / 16 * 16;
  const uint8_t* b_row = keys + lane % 8 * b.stride() + lane / 8 * 16;
  MLA_UNROLL
  for (int n = 0; n < kKeyTiles; n++) {
    MLA_UNROLL
    for (int i = 0; i < 4; i++) scores[n][i] = 0;
  }
  for (int k = 0; k < b.width * 2; k += 64) {  // 32 dimensions are 64 bytes
    uint32_t a0[4], a1[4];
    load_matrix(a0, a_row + k);
    load_matrix(a1, a_row + k + 32);
    MLA_UNROLL
    for (int n = 0; n < kKeyTiles; n++) {
      uint32_t keys_of[4];
      load_matrix(keys_of, b_row + n * 8 * b.stride() + k);
      multiply_add(scores[n], a0, keys_of[0], keys_of[1]);
      multiply_add(scores[n], a1, keys_of[2], keys_of[3]);
    }
  }
}

// out += probabilities values.
template <class B>
MLA_DEVICE void multiply_values(const B& b, const float (&probabilities)[kKeyTiles][4], const uint8_t* values,
                                float (&out)[kColumns / 8][4]) {
  const int lane = lane_index();
  MLA_UNROLL
  for (int k = 0; k < kKeyTiles; k += 2) {  // 16 tokens
    const uint32_t a[4] = {pack_bf16(probabilities[k][0], probabilities[k][1]),
                           pack_bf16(probabilities[k][2], probabilities[k][3]),
                           pack_bf16(probabilities[k + 1][0], probabilities[k + 1][1]),
                           pack_bf16(probabilities[k + 1][2], probabilities[k + 1][3])};
    MLA_UNROLL
    for (int n = 0; n < kColumns / 8; n += 2) {
      if (n * 8 >= b.columns) continue;
      uint32_t values_of[4];
      load_matrix_transposed(values_of,
                             values + (k * 8 + lane % 16) * b.value_stride() + (n * 8 + lane / 16 * 8) * 2);
      multiply_add(out[n], a, values_of[0], values_of[1]);
      multiply_add(out[n + 1], a, values_of[2], values_of[3]);
    }
  }
}

// q (tokens, heads, nope + rope); rebuilt: see rebuild.h; cache: the layer's first page; page_table (sequences, page_table_stride); slopes (heads)
// or NULL; out (tokens, heads, value), lse (tokens, heads) or NULL; states (value_blocks, max_tokens, heads).
template <class B>
MLA_KERNEL(B::kThreads, 1)
attend_decompressed_kernel(mla_step_params p, mla_cache_params c, RebuildTask t, const int32_t* plan,
                           const float* q, const Bf16* rebuilt, const uint8_t* cache,
                           const int32_t* page_table, const float* slopes, float* out, float* lse,
                           RowState* states) {
  const B b(c, t);
  uint8_t* shared = shared_memory();
  const Outputs outputs{block_y(), block_z() % value_blocks(t), out, lse, states};
  const int head = outputs.head, first_column = outputs.first_column();
  Queries w;
  if (!find_queries(p, t, plan, B::kRows, block_x(), block_z() / value_blocks(t), &w)) return;
  const int32_t* pages = page_table + static_cast<int64_t>(w.index) * p.page_table_stride;
  const float slope = slopes == nullptr ? 0.f : slopes[head] * kLog2E;
  const int lane = lane_index(), first_row = warp_index() * 16 + lane / 4;

  uint8_t *keys = shared + b.keys(), *values = shared + b.values();
  load_keys(b, p, c, t, w, head, rebuilt, cache, pages, w.begin, keys);
  copy_async_close();
  const QueryRow query_row{t.nope, b.rope_at, c.rope, b.width};
  load_queries<B::kRows, B::kWarps>(
      query_row, are_pairs(query_row, q, p.q_token_stride, p.q_head_stride),
      [&](int i) { return query_of(p, w, q, head, i); },
      [&](int i, int column) { return shared + i * b.stride() + column * 2; });

  Row rows[2];
  RowState state[2];
  float sums[kColumns / 8][4] = {};
  MLA_UNROLL
  for (int half = 0; half < 2; half++)
    rows[half] = begin_row(p, t, w, outputs, first_row + half * 8, &state[half],
                           [&](int n, int i) -> float& { return sums[n][half * 2 + i]; });
  // A tile behind it would change nothing.
  const int warp_end = end_of_rows(p, w, warp_index() * 16, 16);

  float scores[kKeyTiles][4];
  for (int token = w.begin; token < w.end; token += kTile) {
    copy_async_wait<0>();
    block_barrier();  // the keys are there, and nobody reads the values of the tile before any more
    load_values(b, p, t, w, head, first_column, rebuilt, token, values);
    copy_async_close();
    if (token < warp_end) multiply_keys(b, shared, keys, scores);
    copy_async_wait<0>();
    block_barrier();  // the values are there, and nobody reads the keys any more
    if (token + kTile < w.end) load_keys(b, p, c, t, w, head, rebuilt, cache, pages, token + kTile, keys);
    copy_async_close();
    if (token >= warp_end) continue;
    MLA_UNROLL
    for (int half = 0; half < 2; half++) {
      const float factor = soften(
          rows[half], token, p.scale * kLog2E, slope,
          [&](int n, int i) -> float& { return scores[n][half * 2 + i]; }, &state[half]);
      MLA_UNROLL
      for (int n = 0; n < kColumns / 8; n++) {
        sums[n][half * 2] *= factor;
        sums[n][half * 2 + 1] *= factor;
      }
    }
    multiply_values(b, scores, values, sums);
  }

  MLA_UNROLL
  for (int half = 0; half < 2; half++)
    end_row(p, t, w, outputs, first_row + half * 8, state[half],
            [&](int n, int i) { return sums[n][half * 2 + i]; });
}

template <class B>
Result launch_attend(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                     const RebuildTask& t, const int32_t* plan, const float* q, const Bf16* rebuilt,
                     const void* cache, const int32_t* page_table, const float* slopes, float* out,
                     float* lse, RowState* states) {
  const Grid grid{blocks_for(p.max_queries, B::kRows), p.heads, p.max_sequences * value_blocks(t)};
  return MLA_LAUNCH(attend_decompressed_kernel<B>, grid, B::kThreads, static_cast<int>(B(c, t).end()), stream,
                    p, c, t, plan, q, rebuilt, static_cast<const uint8_t*>(cache), page_table, slopes, out,
                    lse, states);
}

using Few = Block<4>;
using Many = Block<8>;

}  // namespace

int decompressed_states(const RebuildTask& t) { return value_blocks(t); }

bool can_attend_decompressed(const mla_step_params& p, const mla_cache_params& c, const RebuildTask& t) {
  return Few(c, t).end() <= p.shared_bytes;
}

Result attend_decompressed(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                           const RebuildTask& t, const int32_t* plan, const float* q, const Bf16* rebuilt,
                           const void* cache, const int32_t* page_table, const float* slopes, float* out,
                           float* lse, RowState* states) {
  bool warpgroups = false;
  if (const Result r = has_warpgroups(stream.device, &warpgroups)) return r;
  if (warpgroups && can_attend_decompressed_by_warpgroups(p, c, t))
    return attend_decompressed_by_warpgroups(stream, p, c, t, plan, q, rebuilt, cache, page_table, slopes,
                                             out, lse, states);
  const bool many = p.max_queries > Few::kRows && Many(c, t).end() <= p.shared_bytes;
  return (many ? launch_attend<Many> : launch_attend<Few>)(stream, p, c, t, plan, q, rebuilt, cache,
                                                           page_table, slopes, out, lse, states);
}

}  // namespace mla::cuda

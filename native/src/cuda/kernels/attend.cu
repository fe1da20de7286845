// Absorbed attention over the paged bf16 cache on tensor cores: a block takes one split of a sequence's keys and kRows of its rows (a query
// token and a head each), which share every key that is read.
//
// A tile of kTokens cache rows comes by copies that run ahead, and lies in shared memory once: as keys for the scores, and
// its first `latent` columns as values for the output. Eight warps split the scores by rows, tokens and halves of the
// dimensions, pass the probabilities through shared memory, and split the output by columns, 64 for each warp: a warp with all 512 columns
// of 16 rows would need 256 accumulators a thread. Where three tiles fit, the scores of a tile are multiplied beside the values of the one
// before, which keeps the tensor cores busy for twice as long between two barriers.
#include "cuda/common/async.h"
#include "cuda/common/launch.h"
#include "cuda/common/matrix.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/attend_kinds.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/queries.h"
#include "cuda/kernels/work.h"

namespace mla::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;
constexpr int kColumns = 64;  // of the output, for each warp
constexpr int kMaxLatent = kWarps * kColumns;

constexpr int kTokens = 32;                      // of a tile; one step of the softmax
constexpr int kOwnTokens = kTokens / kWarps;     // that a warp copies
constexpr int kScoreStride = kTokens + 4;        // float32
constexpr int kProbabilityStride = kTokens + 8;  // bf16
// The dimensions of a score are summed in two slices, 32 here and 32 there, by warps of their own; their sums are added in the softmax.
constexpr int kSlices = 2;
constexpr int kTokenTiles = kTokens / 8;

// Shared memory in bytes. Rows of queries and keys are padded by 16: the rows of an 8 x 8 tile then lie in different banks.
// 16 rows and two stages fit the 99 KB of a block on sm_89 and sm_120, 32 rows and three the 163 KB of sm_80, 64 and three the 227 KB of sm_90:
// with more rows, more heads share what is read of the cache. A row has the same bits in each.
template <int Rows, int Stages>
struct Tile {
  static constexpr int kRows = Rows, kStages = Stages;
  static constexpr bool kOverlaps = kStages > 2;
  // Units are products of 16 rows and 8 tokens; those of a warp share its rows.
  static constexpr int kUnitsOfWarp = kRows / 16 * kTokenTiles * kSlices / kWarps;
  static constexpr int kRowThreads = kThreads / kRows;  // that share a row in the softmax
  static_assert(kUnitsOfWarp <= kTokenTiles && kUnitsOfWarp * kWarps == kRows / 16 * kTokenTiles * kSlices);

  int width;  // bf16 of a row in shared memory that are multiplied: a multiple of 32, zeros behind the row's end
  MLA_BOTH constexpr int stride() const { return width * 2 + 16; }
  MLA_BOTH constexpr int stage_bytes() const { return kTokens * stride(); }
  MLA_BOTH constexpr int stages() const { return kRows * stride(); }
  MLA_BOTH constexpr int scores() const { return stages() + kStages * stage_bytes(); }
  MLA_BOTH constexpr int probabilities() const { return scores() + kSlices * kRows * kScoreStride * 4; }
  MLA_BOTH constexpr int factors() const { return probabilities() + kRows * kProbabilityStride * 2; }
  MLA_BOTH constexpr int end() const { return factors() + kRows * 4; }
};

MLA_BOTH int row_width(const mla_cache_params& c) { return (c.rope_offset + c.rope + 31) / 32 * 32; }

// Begins the copy of tile `index` of the split; rows behind its end are zero.
template <class T>
MLA_DEVICE void load_keys(const T& tile, const mla_cache_params& c, const Work& work, const uint8_t* cache,
                          const int32_t* pages, int index, uint8_t* stage) {
  const uint8_t* own =
      find_row(c, cache, pages, work.kv_begin + index * kTokens + warp_index() * kOwnTokens, work.kv_end);
  MLA_UNROLL
  for (int i = 0; i < kOwnTokens; i++) {
    const uint8_t* row = exchange_from(own, i);
    const int used_bytes = row == nullptr ? 0 : (c.rope_offset + c.rope) * 2;
    const uint8_t* from = row == nullptr ? cache : row;
    uint8_t* to = stage + (warp_index() * kOwnTokens + i) * tile.stride();
    for (int at = lane_index() * 16; at < tile.width * 2; at += kWarp * 16)
      copy_async_16(to + at, from + at, count_bytes(at, used_bytes));
  }
}

// Scores of all rows with the tile's tokens to shared memory.
template <class T>
MLA_DEVICE void multiply_keys(const T& tile, const uint8_t* queries, const uint8_t* keys, float* scores) {
  const int lane = lane_index(), slice = warp_index() % kSlices;
  const int unit = warp_index() / kSlices * T::kUnitsOfWarp;
  const int row = unit / kTokenTiles * 16, token = unit % kTokenTiles * 8;
  const uint8_t* a_row = queries + (row + lane % 16) * tile.stride() + lane / 16 * 16;
  const uint8_t* b_row = keys + (token + lane % 8) * tile.stride() + lane / 8 * 16;
  float sums[T::kUnitsOfWarp][4] = {};
  for (int k = slice * 64; k < tile.width * 2; k += kSlices * 64) {  // 32 dimensions are 64 bytes
    uint32_t a0[4], a1[4];
    load_matrix(a0, a_row + k);
    load_matrix(a1, a_row + k + 32);
    MLA_UNROLL
    for (int u = 0; u < T::kUnitsOfWarp; u++) {
      uint32_t b[4];
      load_matrix(b, b_row + u * 8 * tile.stride() + k);
      multiply_add(sums[u], a0, b[0], b[1]);
      multiply_add(sums[u], a1, b[2], b[3]);
    }
  }
  float* to = scores + slice * T::kRows * kScoreStride;
  MLA_UNROLL
  for (int u = 0; u < T::kUnitsOfWarp; u++) {
    MLA_UNROLL
    for (int i = 0; i < 4; i++)
      to[(row + lane / 4 + i / 2 * 8) * kScoreStride + token + u * 8 + lane % 4 * 2 + i % 2] = sums[u][i];
  }
}

// Scores of a tile become probabilities relative to the largest score so far; returns what the output so far is multiplied with. The 32
// probabilities are added in a tree over the bits of the token, highest first, however many threads share it.
template <class T>
MLA_DEVICE float soften(const float* scores, float scale, float slope, int position, int first_token, int end,
                        uint16_t* probabilities, RowState* state) {
  constexpr int kOwn = kTokens / T::kRowThreads;
  const int row = thread_x() / T::kRowThreads, part = thread_x() % T::kRowThreads;
  float x[kOwn], largest = -kInfinity;
  MLA_UNROLL
  for (int i = 0; i < kOwn; i++) {
    const int column = part + i * T::kRowThreads, token = first_token + column;
    const float score =
        scores[row * kScoreStride + column] + scores[(T::kRows + row) * kScoreStride + column];
    x[i] = token < end ? score * scale - slope * static_cast<float>(position - token) : -kInfinity;
    largest = fmaxf(largest, x[i]);
  }
  const float max = fmaxf(state->max, warp_max<T::kRowThreads>(largest));
  const float base = max == -kInfinity ? 0.f : max;
  MLA_UNROLL
  for (int i = 0; i < kOwn; i++) {
    x[i] = fast_exp2(x[i] - base);
    probabilities[row * kProbabilityStride + part + i * T::kRowThreads] = to_bf16(x[i]).bits;
  }
  MLA_UNROLL
  for (int step = kOwn / 2; step > 0; step /= 2) {
    MLA_UNROLL
    for (int i = 0; i < step; i++) x[i] += x[i + step];
  }
  const float factor = fast_exp2(state->max - base);
  state->sum = state->sum * factor + warp_sum<T::kRowThreads>(x[0]);
  state->max = max;
  return factor;
}

// The output of the warp's columns: out = factor * out + probabilities values.
template <class T>
MLA_DEVICE void multiply_values(const T& tile, const uint16_t* probabilities, const uint8_t* values,
                                const float* factors, int columns,
                                float (&out)[T::kRows / 16][kColumns / 8][4]) {
  const int lane = lane_index(), first = warp_index() * kColumns;
  MLA_UNROLL
  for (int m = 0; m < T::kRows / 16; m++) {
    const float low = factors[m * 16 + lane / 4], high = factors[m * 16 + lane / 4 + 8];
    // Most tiles have no larger score, and most factors are 1.
    if (vote(low != 1.f || high != 1.f) == 0) continue;
    MLA_UNROLL
    for (int n = 0; n < kColumns / 8; n++) {
      out[m][n][0] *= low;
      out[m][n][1] *= low;
      out[m][n][2] *= high;
      out[m][n][3] *= high;
    }
  }
  MLA_UNROLL
  for (int k = 0; k < kTokens; k += 16) {
    uint32_t a[T::kRows / 16][4];
    MLA_UNROLL
    for (int m = 0; m < T::kRows / 16; m++)
      load_matrix(a[m], probabilities + (m * 16 + lane % 16) * kProbabilityStride + k + lane / 16 * 8);
    MLA_UNROLL
    for (int n = 0; n < kColumns / 8; n += 2) {
      if (first + n * 8 >= columns) continue;
      uint32_t b[4];
      load_matrix_transposed(b,
                             values + (k + lane % 16) * tile.stride() + (first + n * 8 + lane / 16 * 8) * 2);
      MLA_UNROLL
      for (int m = 0; m < T::kRows / 16; m++) {
        multiply_add(out[m][n], a[m], b[0], b[1]);
        multiply_add(out[m][n + 1], a[m], b[2], b[3]);
      }
    }
  }
}

// q (tokens, heads, latent + rope); cache: the layer's first page; page_table (sequences, page_table_stride); slopes (heads) or NULL;
// out (tokens, heads, latent), lse (tokens, heads) or NULL; partial_out (rows, latent), partial_lse (rows).
template <class T>
MLA_KERNEL(kThreads, T::kRows == 16 ? 2 : 1)
attend_kernel(mla_step_params p, mla_cache_params c, const int32_t* plan, const float* q,
              const uint8_t* cache, const int32_t* page_table, const float* slopes, float* out, float* lse,
              float* partial_out, float* partial_lse) {
  constexpr int kRows = T::kRows, kStages = T::kStages;
  const T tile{row_width(c)};
  uint8_t* shared = shared_memory();
  uint8_t* stages = shared + tile.stages();
  auto* scores = reinterpret_cast<float*>(shared + tile.scores());
  auto* probabilities = reinterpret_cast<uint16_t*>(shared + tile.probabilities());
  auto* factors = reinterpret_cast<float*>(shared + tile.factors());

  Work work;
  if (!find_work(p, plan, &work)) return;
  const int first_row = block_x() * kRows;
  if (first_row >= work.rows) return;
  const int32_t* pages = page_table + static_cast<int64_t>(work.index) * p.page_table_stride;
  const int tiles = (work.kv_end - work.kv_begin + kTokens - 1) / kTokens;

  // The row whose softmax this thread shares.
  const int row = first_row + thread_x() / T::kRowThreads, query = row / p.heads, head = row % p.heads;
  const bool used = row < work.rows;
  const int position = work.sequence.kv_tokens - work.sequence.queries + query;
  const int end = used ? end_of(p, work, query) : 0;
  const float slope = slopes == nullptr || !used ? 0.f : slopes[head] * kLog2E;
  RowState state{-kInfinity, 0.f};
  float sums[kRows / 16][kColumns / 8][4] = {};

  const auto stage_of = [&](int i) { return stages + i % kStages * tile.stage_bytes(); };
  const auto load = [&](int i) {
    if (i < tiles) load_keys(tile, c, work, cache, pages, i, stage_of(i));
    copy_async_close();
  };
  const auto soften_tile = [&](int i) {
    const float factor = soften<T>(scores, p.scale * kLog2E, slope, position, work.kv_begin + i * kTokens,
                                   end, probabilities, &state);
    if (thread_x() % T::kRowThreads == 0) factors[thread_x() / T::kRowThreads] = factor;
  };

  MLA_UNROLL
  for (int i = 0; i < kStages - 1; i++) load(i);
  const QueryRow query_row{c.latent, c.rope_offset, c.rope, tile.width};
  load_queries<kRows, kWarps>(
      query_row, are_pairs(query_row, q, p.q_token_stride, p.q_head_stride),
      [&](int i) { return query_of(p, work, q, first_row + i); },
      [&](int i, int column) { return shared + i * tile.stride() + column * 2; });

  if constexpr (T::kOverlaps) {
    copy_async_wait<kStages - 2>();
    block_barrier();  // the first tile and the queries are there
    multiply_keys(tile, shared, stage_of(0), scores);
    block_barrier();
    soften_tile(0);
    for (int i = 0; i < tiles; i++) {
      copy_async_wait<kStages - 3>();
      block_barrier();  // the next tile and the probabilities are there, and nobody reads the values before any more
      load(i + kStages - 1);
      if (i + 1 < tiles) multiply_keys(tile, shared, stage_of(i + 1), scores);
      multiply_values(tile, probabilities, stage_of(i), factors, c.latent, sums);
      block_barrier();
      if (i + 1 < tiles) soften_tile(i + 1);
    }
  } else {
    for (int i = 0; i < tiles; i++) {
      copy_async_wait<kStages - 2>();
      block_barrier();  // the tile is there, and nobody reads the one before any more
      load(i + kStages - 1);
      multiply_keys(tile, shared, stage_of(i), scores);
      block_barrier();
      soften_tile(i);
      block_barrier();
      multiply_values(tile, probabilities, stage_of(i), factors, c.latent, sums);
    }
    block_barrier();  // nobody reads the factors any more
  }

  if (thread_x() % T::kRowThreads == 0) {
    factors[thread_x() / T::kRowThreads] = state.sum > 0 ? 1.f / state.sum : 0.f;
    if (used) {
      float* to = destination(p, work, query, head, c.latent, out, lse, partial_out, partial_lse).lse;
      if (to != nullptr) *to = state.sum > 0 ? (state.max + log2f(state.sum)) * kLn2 : -kInfinity;
    }
  }
  block_barrier();
  const int lane = lane_index();
  MLA_UNROLL
  for (int m = 0; m < kRows / 16; m++) {
    MLA_UNROLL
    for (int half = 0; half < 2; half++) {
      const int in_block = m * 16 + half * 8 + lane / 4, r = first_row + in_block;
      if (!MLA_BOUND(r < work.rows)) continue;
      float* to =
          destination(p, work, r / p.heads, r % p.heads, c.latent, out, lse, partial_out, partial_lse).out;
      const float factor = factors[in_block];
      MLA_UNROLL
      for (int n = 0; n < kColumns / 8; n++) {
        const int column = warp_index() * kColumns + n * 8 + lane % 4 * 2;
        if (MLA_BOUND(column < c.latent)) to[column] = sums[m][n][half * 2] * factor;
        if (MLA_BOUND(column + 1 < c.latent)) to[column + 1] = sums[m][n][half * 2 + 1] * factor;
      }
    }
  }
}

template <class T>
Result launch_attend(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                     const int32_t* plan, const float* q, const void* cache, const int32_t* page_table,
                     const float* slopes, float* out, float* lse, float* partial_out, float* partial_lse) {
  // Rows of a split follow each other: they find its keys in the second-level cache.
  const Grid grid{blocks_for(static_cast<int64_t>(p.max_queries) * p.heads, T::kRows), p.max_splits, 1};
  return MLA_LAUNCH(attend_kernel<T>, grid, kThreads, T{row_width(c)}.end(), stream, p, c, plan, q,
                    static_cast<const uint8_t*>(cache), page_table, slopes, out, lse, partial_out,
                    partial_lse);
}

using Few = Tile<16, 2>;
using More = Tile<32, 3>;
using Many = Tile<64, 3>;

}  // namespace

bool can_attend(const mla_step_params& p, const mla_cache_params& c) {
  return c.latent <= kMaxLatent && Few{row_width(c)}.end() <= p.shared_bytes;
}

Result attend(const Stream& stream, const mla_step_params& p, const mla_cache_params& c, const int32_t* plan,
              const float* q, const void* cache, const int32_t* page_table, const float* slopes, float* out,
              float* lse, float* partial_out, float* partial_lse) {
  bool warpgroups = false;
  if (const Result r = has_warpgroups(stream.device, &warpgroups)) return r;
  if (warpgroups && can_attend_by_warpgroups(p, c))
    return attend_by_warpgroups(stream, p, c, plan, q, cache, page_table, slopes, out, lse, partial_out,
                                partial_lse);
  const int64_t rows = static_cast<int64_t>(p.max_queries) * p.heads;
  const int width = row_width(c);
  auto* launch = rows > 32 && Many{width}.end() <= p.shared_bytes   ? launch_attend<Many>
                 : rows > 16 && More{width}.end() <= p.shared_bytes ? launch_attend<More>
                                                                    : launch_attend<Few>;
  return launch(stream, p, c, plan, q, cache, page_table, slopes, out, lse, partial_out, partial_lse);
}

}  // namespace mla::cuda

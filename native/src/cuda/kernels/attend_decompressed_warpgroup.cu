// Decompressed attention over rebuilt keys and values on the tensor cores of sm_90: a block takes a head and 64 queries for each of its warpgroups,
// which share every key and value that is read.
//
// A warpgroup keeps its rows' scores, probabilities and 128 columns of their outputs in registers: the scores' layout is that of the next
// product's operand. The next tile's keys and values come meanwhile.
#include "cuda/common/async.h"
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/common/warpgroup.h"
#include "cuda/kernels/attend_kinds.h"
#include "cuda/kernels/decompressed.h"
#include "cuda/kernels/queries.h"

namespace mla::cuda {
namespace {

constexpr int kTile = kRebuiltTile;
constexpr int kColumnBytes = kTile * 128;
constexpr int kStages = 2;
static_assert(kTile == 64);

// A row of queries and keys: unrotated, zeros up to here, rotated, zeros up to a multiple of 64.
MLA_BOTH int rope_at(const RebuildTask& t) { return (t.nope + 63) / 64 * 64; }
MLA_BOTH int key_columns(const mla_cache_params& c, const RebuildTask& t) {
  return (rope_at(t) + c.rope + 63) / 64;
}

// KeyColumns: of 64 in a row of queries and keys. Shared memory in bytes.
template <int Groups, int KeyColumns>
struct Block {
  static constexpr int kWarps = 4 * Groups, kThreads = kWarps * kWarp, kRows = 64 * Groups;
  static constexpr int kKeyColumns = KeyColumns, kWidth = KeyColumns * 64;
  static constexpr int kKeysAt = kRows * kWidth * 2;  // of the first stage
  static constexpr int kValuesAt = kKeysAt + kTile * kWidth * 2;
  static constexpr int kStageBytes = kTile * (kWidth + kColumns) * 2;
  static constexpr int kShared = kKeysAt + kStages * kStageBytes;
};

// Begins the copy of the keys and values of kTile tokens: the rebuilt parts and the rotated one, which all heads share. Rows behind the end are
// zero. A lane has one chunk in each column of its rows.
template <class B>
MLA_DEVICE void load_tile(const mla_step_params& p, const mla_cache_params& c, const RebuildTask& t,
                          const Queries& w, int head, int first_column, const Bf16* rebuilt,
                          const uint8_t* cache, const int32_t* pages, int token, uint8_t* keys,
                          uint8_t* values) {
  constexpr int kOwn = kTile / B::kWarps / 4;
  const int chunk = lane_index() % 8 * 16, first = warp_index() * kOwn * 4 + lane_index() / 8;
  const uint8_t* rows[kOwn];
  MLA_UNROLL
  for (int i = 0; i < kOwn; i++) {
    const int own = token + first + i * 4;
    rows[i] = MLA_BOUND(own < w.end) ? row_of(c, cache, pages, own) : nullptr;
  }
  MLA_UNROLL
  for (int i = 0; i < kOwn; i++) {
    const int row = first + i * 4, place = matrix_place(row, lane_index() % 8);
    const bool there = MLA_BOUND(token + row < w.end);
    const auto* own = reinterpret_cast<const uint8_t*>(
        there ? rebuilt + rebuilt_row(t, p.heads, w.index, token + row, head) : rebuilt);
    const auto copy = [&](uint8_t* to, int column, const uint8_t* from, int end) {
      const int at = column * 128 + chunk, bytes = count_bytes(at, end);
      copy_async_16(to + column * kColumnBytes + place, from + (bytes == 0 ? 0 : at), bytes);
    };
    const int plain_columns = rope_at(t) / 64;
    for (int column = 0; column < plain_columns; column++) copy(keys, column, own, there ? t.nope * 2 : 0);
    const uint8_t* rotated = rows[i] == nullptr ? cache : rows[i] + c.rope_offset * 2;
    for (int column = 0; column < B::kKeyColumns - plain_columns; column++)
      copy(keys + plain_columns * kColumnBytes, column, rotated, rows[i] == nullptr ? 0 : c.rope * 2);
    const uint8_t* own_values = there ? own + (t.values_at + first_column) * 2 : own;
    MLA_UNROLL
    for (int column = 0; column < kColumns / 64; column++)
      copy(values, column, own_values, there ? (t.value - first_column) * 2 : 0);
  }
}

// As attend_decompressed_kernel.
template <class B>
MLA_KERNEL(B::kThreads, 1)
attend_decompressed_warpgroup_kernel(mla_step_params p, mla_cache_params c, RebuildTask t,
                                     const int32_t* plan, const float* q, const Bf16* rebuilt,
                                     const uint8_t* cache, const int32_t* page_table, const float* slopes,
                                     float* out, float* lse, RowState* states) {
  if constexpr (kHasWarpgroups) {
    uint8_t* shared = shared_memory();
    const Outputs outputs{block_y(), block_z() % value_blocks(t), out, lse, states};
    const int head = outputs.head, first_column = outputs.first_column();
    Queries w;
    if (!find_queries(p, t, plan, B::kRows, block_x(), block_z() / value_blocks(t), &w)) return;
    const int32_t* pages = page_table + static_cast<int64_t>(w.index) * p.page_table_stride;
    const float slope = slopes == nullptr ? 0.f : slopes[head] * kLog2E;
    const int lane = lane_index(), group = warp_index() / 4, first_row = warp_index() * 16 + lane / 4;

    const auto keys_of = [&](int stage) { return shared + B::kKeysAt + stage * B::kStageBytes; };
    const auto values_of = [&](int stage) { return shared + B::kValuesAt + stage * B::kStageBytes; };
    const auto load = [&](int token, int stage) {
      if (token < w.end)
        load_tile<B>(p, c, t, w, head, first_column, rebuilt, cache, pages, token, keys_of(stage),
                     values_of(stage));
      copy_async_close();
    };
    load(w.begin, 0);
    const QueryRow query_row{t.nope, rope_at(t), c.rope, B::kWidth};
    load_queries<B::kRows, B::kWarps>(
        query_row, are_pairs(query_row, q, p.q_token_stride, p.q_head_stride),
        [&](int i) { return query_of(p, w, q, head, i); },
        [&](int i, int column) {
          return shared + column / 64 * B::kRows * 128 + matrix_place(i, column % 64 / 8) + column % 8 * 2;
        });

    Row rows[2];
    RowState state[2];
    float sums[kColumns / 2] = {};
    MLA_UNROLL
    for (int half = 0; half < 2; half++)
      rows[half] = begin_row(p, t, w, outputs, first_row + half * 8, &state[half],
                             [&](int n, int i) -> float& { return sums[n * 4 + half * 2 + i]; });
    // A tile behind it would change nothing.
    const int group_end = end_of_rows(p, w, group * 64, 64);

    const uint8_t* own_queries = shared + group * 64 * 128;
    for (int token = w.begin, stage = 0; token < w.end; token += kTile, stage ^= 1) {
      copy_async_wait<0>();
      publish_matrices();
      block_barrier();  // the tile is there, and nobody reads the one before any more
      load(token + kTile, stage ^ 1);
      if (token >= group_end) continue;
      float scores[kKeyTiles * 4] = {};
      warpgroup_begin();
      MLA_UNROLL
      for (int column = 0; column < B::kKeyColumns; column++) {
        MLA_UNROLL
        for (int k = 0; k < 4; k++)
          warpgroup_multiply_rows(scores, own_queries + column * B::kRows * 128 + k * 32,
                                  keys_of(stage) + column * kColumnBytes + k * 32);
      }
      warpgroup_wait();
      float factors[2];
      MLA_UNROLL
      for (int half = 0; half < 2; half++)
        factors[half] = soften(
            rows[half], token, p.scale * kLog2E, slope,
            [&](int n, int i) -> float& { return scores[n * 4 + half * 2 + i]; }, &state[half]);
      // Most tiles have no larger score, and most factors are 1.
      if (vote(factors[0] != 1.f || factors[1] != 1.f) != 0) {
        MLA_UNROLL
        for (int j = 0; j < kColumns / 2; j++) sums[j] *= factors[j / 2 % 2];
      }
      uint32_t probabilities[kTile / 16][4];
      MLA_UNROLL
      for (int k = 0; k < kTile / 16; k++) {
        MLA_UNROLL
        for (int i = 0; i < 4; i++)
          probabilities[k][i] = pack_bf16(scores[k * 8 + i * 2], scores[k * 8 + i * 2 + 1]);
      }
      warpgroup_begin();
      MLA_UNROLL
      for (int k = 0; k < kTile / 16; k++)
        warpgroup_multiply_columns(sums, probabilities[k], values_of(stage) + k * 16 * 128, kColumnBytes);
      warpgroup_wait();
    }

    MLA_UNROLL
    for (int half = 0; half < 2; half++)
      end_row(p, t, w, outputs, first_row + half * 8, state[half],
              [&](int n, int i) { return sums[n * 4 + half * 2 + i]; });
  }
}

template <class B>
Result launch_attend(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                     const RebuildTask& t, const int32_t* plan, const float* q, const Bf16* rebuilt,
                     const void* cache, const int32_t* page_table, const float* slopes, float* out,
                     float* lse, RowState* states) {
  const Grid grid{blocks_for(p.max_queries, B::kRows), p.heads, p.max_sequences * value_blocks(t)};
  return MLA_LAUNCH(attend_decompressed_warpgroup_kernel<B>, grid, B::kThreads, B::kShared, stream, p, c, t,
                    plan, q, rebuilt, static_cast<const uint8_t*>(cache), page_table, slopes, out, lse,
                    states);
}

template <int KeyColumns>
constexpr auto launch_few = launch_attend<Block<1, KeyColumns>>;
template <int KeyColumns>
constexpr auto launch_many = launch_attend<Block<2, KeyColumns>>;

// Heads of 64 + 32 (MiniCPM3), 128 + 64 (DeepSeek) and 192 + 64 (GLM), and what else has as many columns.
constexpr int kLeastColumns = 2, kMostColumns = 4;

}  // namespace

bool can_attend_decompressed_by_warpgroups(const mla_step_params& p, const mla_cache_params& c,
                                           const RebuildTask& t) {
  const int columns = key_columns(c, t);
  return columns >= kLeastColumns && columns <= kMostColumns &&
         Block<2, kMostColumns>::kShared <= p.shared_bytes;
}

Result attend_decompressed_by_warpgroups(const Stream& stream, const mla_step_params& p,
                                         const mla_cache_params& c, const RebuildTask& t, const int32_t* plan,
                                         const float* q, const Bf16* rebuilt, const void* cache,
                                         const int32_t* page_table, const float* slopes, float* out,
                                         float* lse, RowState* states) {
  const int columns = key_columns(c, t);
  const bool many = p.max_queries > 64;
  auto* launch = columns == 2   ? many ? launch_many<2> : launch_few<2>
                   : columns == 3 ? many ? launch_many<3> : launch_few<3>
                   : many ? launch_many<4>
                                : launch_few<4>;
  return launch(stream, p, c, t, plan, q, rebuilt, cache, page_table, slopes, out, lse, states);
}

}  // namespace mla::cuda

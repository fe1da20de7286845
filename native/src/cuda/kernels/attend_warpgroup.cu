// Absorbed attention over the paged bf16 cache on the tensor cores of sm_90, for rows of 512 + up to 64: a block takes one split of a sequence's keys
// and 64 of its rows (a query token and a head each).
//
// A tile of 64 tokens lies in shared memory once, as keys for the scores and, transposed by the tensor cores on their way, as values for the
// output. Each of two warpgroups has the scores of half the tile's tokens and half the columns of the output; the largest scores and the
// probabilities pass through shared memory. The next tile comes meanwhile.
#include "cuda/common/async.h"
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/common/warpgroup.h"
#include "cuda/kernels/attend_kinds.h"
#include "cuda/kernels/queries.h"
#include "cuda/kernels/work.h"

namespace mla::cuda {
namespace {

constexpr int kLatent = 512, kMaxRope = 64, kWidth = kLatent + kMaxRope;
constexpr int kRows = 64, kTokens = 64;
constexpr int kGroups = 2, kWarps = 4 * kGroups, kThreads = kWarps * kWarp;
constexpr int kGroupTokens = kTokens / kGroups, kGroupColumns = kLatent / kGroups;
constexpr int kPart = 128;  // columns of a product with values
constexpr int kParts = kGroupColumns / kPart;

// Shared memory in bytes, in columns of 64 (warpgroup.h).
constexpr int kColumnBytes = kTokens * 128, kColumns = kWidth / 64;
constexpr int kStages = 2, kStageBytes = kColumns * kColumnBytes;
constexpr int kStagesAt = kColumns * kRows * 128;  // behind the queries
constexpr int kProbabilitiesAt = kStagesAt + kStages * kStageBytes;
constexpr int kLargestAt = kProbabilitiesAt + kRows * kTokens * 2;  // float (warpgroup, row)
constexpr int kSumsAt = kLargestAt + kGroups * kRows * 4;           // float (warpgroup, row)
constexpr int kShared = kSumsAt + kGroups * kRows * 4;

// Begins the copy of tile `index` of the split; rows behind its end are zero. A lane has one chunk in each column of two rows.
MLA_DEVICE void load_keys(const mla_cache_params& c, const Work& work, const uint8_t* cache,
                          const int32_t* pages, int index, uint8_t* stage) {
  constexpr int kOwn = kTokens / kWarps / 4;
  const int used_bytes = (kLatent + c.rope) * 2, chunk = lane_index() % 8;
  const uint8_t* rows[kOwn];
  MLA_UNROLL
  for (int i = 0; i < kOwn; i++) {
    const int token = work.kv_begin + index * kTokens + (warp_index() * kOwn + i) * 4 + lane_index() / 8;
    rows[i] = MLA_BOUND(token < work.kv_end) ? row_of(c, cache, pages, token) : nullptr;
  }
  MLA_UNROLL
  for (int i = 0; i < kOwn; i++) {
    const int end = rows[i] == nullptr ? 0 : used_bytes;
    const uint8_t* from = (rows[i] == nullptr ? cache : rows[i]) + chunk * 16;
    uint8_t* to = stage + matrix_place((warp_index() * kOwn + i) * 4 + lane_index() / 8, chunk);
    MLA_UNROLL
    for (int column = 0; column < kColumns; column++)
      copy_async_16(to + column * kColumnBytes, from + column * 128,
                    count_bytes(column * 128 + chunk * 16, end));
  }
}

// A row of which a thread has scores and outputs: row lane / 4 of its warp, or lane / 4 + 8.
struct Row {
  int in_block;
  int position, end;  // end: the first key that it does not see
  float slope;
  RowState state;  // its sum: over the tokens of the thread alone
};

// Scores of a row become probabilities relative to its largest score so far; returns what its output so far is multiplied with.
MLA_DEVICE float soften(const float (&scores)[16], int half, float largest, uint8_t* probabilities,
                        int first_column, Row* row) {
  const float max = fmaxf(row->state.max, largest);
  const float base = max == -kInfinity ? 0.f : max;
  const float factor = fast_exp2(row->state.max - base);
  float sum = 0;
  MLA_UNROLL
  for (int n = 0; n < 4; n++) {
    const float low = fast_exp2(scores[n * 4 + half * 2] - base),
                high = fast_exp2(scores[n * 4 + half * 2 + 1] - base);
    sum += low + high;
    const int column = first_column + n * 8;
    *reinterpret_cast<uint32_t*>(probabilities + matrix_place(row->in_block, column / 8) +
                                 lane_index() % 4 * 4) = pack_bf16(low, high);
  }
  row->state.sum = row->state.sum * factor + sum;
  row->state.max = max;
  return factor;
}

// As attend_kernel.
MLA_KERNEL(kThreads, 1)
attend_warpgroup_kernel(mla_step_params p, mla_cache_params c, const int32_t* plan, const float* q,
                        const uint8_t* cache, const int32_t* page_table, const float* slopes, float* out,
                        float* lse, float* partial_out, float* partial_lse) {
  if constexpr (kHasWarpgroups) {
    uint8_t* shared = shared_memory();
    uint8_t* probabilities = shared + kProbabilitiesAt;
    auto* largest = reinterpret_cast<float*>(shared + kLargestAt);
    auto* sums_of = reinterpret_cast<float*>(shared + kSumsAt);
    Work work;
    if (!find_work(p, plan, &work)) return;
    const int first_row = block_x() * kRows;
    if (first_row >= work.rows) return;
    const int32_t* pages = page_table + static_cast<int64_t>(work.index) * p.page_table_stride;
    const int tiles = (work.kv_end - work.kv_begin + kTokens - 1) / kTokens;
    const int lane = lane_index(), group = warp_index() / 4;

    Row rows[2];
    MLA_UNROLL
    for (int half = 0; half < 2; half++) {
      Row& r = rows[half];
      r.in_block = warp_index() % 4 * 16 + half * 8 + lane / 4;
      const int row = first_row + r.in_block, query = row / p.heads;
      const bool used = row < work.rows;
      r.position = work.sequence.kv_tokens - work.sequence.queries + query;
      r.end = used ? end_of(p, work, query) : 0;
      r.slope = slopes == nullptr || !used ? 0.f : slopes[row % p.heads] * kLog2E;
      r.state = {-kInfinity, 0.f};
    }
    const auto stage_of = [&](int i) { return shared + kStagesAt + i % kStages * kStageBytes; };
    const auto load = [&](int i) {
      if (i < tiles) load_keys(c, work, cache, pages, i, stage_of(i));
      copy_async_close();
    };
    load(0);
    const QueryRow query_row{kLatent, kLatent, c.rope, kWidth};
    load_queries<kRows, kWarps>(
        query_row, are_pairs(query_row, q, p.q_token_stride, p.q_head_stride),
        [&](int i) { return query_of(p, work, q, first_row + i); },
        [&](int i, int column) {
          return shared + column / 64 * kRows * 128 + matrix_place(i, column % 64 / 8) + column % 8 * 2;
        });

    float sums[kParts][64] = {};
    for (int i = 0; i < tiles; i++) {
      copy_async_wait<0>();
      publish_matrices();
      block_barrier();  // the tile is there, and nobody reads the one before any more
      load(i + 1);
      const uint8_t* keys = stage_of(i);
      float scores[16] = {};
      warpgroup_begin();
      MLA_UNROLL
      for (int column = 0; column < kColumns; column++) {
        MLA_UNROLL
        for (int k = 0; k < 4; k++)
          warpgroup_multiply_rows(scores, shared + column * kRows * 128 + k * 32,
                                  keys + column * kColumnBytes + group * kGroupTokens * 128 + k * 32);
      }
      warpgroup_wait();

      const int first_token = work.kv_begin + i * kTokens + group * kGroupTokens + lane % 4 * 2;
      MLA_UNROLL
      for (int half = 0; half < 2; half++) {
        const Row& r = rows[half];
        float own = -kInfinity;
        MLA_UNROLL
        for (int n = 0; n < 4; n++) {
          MLA_UNROLL
          for (int side = 0; side < 2; side++) {
            float& x = scores[n * 4 + half * 2 + side];
            const int token = first_token + n * 8 + side;
            x = token < r.end ? x * (p.scale * kLog2E) - r.slope * static_cast<float>(r.position - token)
                              : -kInfinity;
            own = fmaxf(own, x);
          }
        }
        own = warp_max<4>(own);
        if (lane % 4 == 0) largest[group * kRows + r.in_block] = own;
      }
      block_barrier();
      float factors[2];
      MLA_UNROLL
      for (int half = 0; half < 2; half++) {
        const int row = rows[half].in_block;
        factors[half] = soften(scores, half, fmaxf(largest[row], largest[kRows + row]), probabilities,
                               group * kGroupTokens, &rows[half]);
      }
      publish_matrices();
      block_barrier();  // the probabilities are there
      // Most tiles have no larger score, and most factors are 1.
      if (vote(factors[0] != 1.f || factors[1] != 1.f) != 0) {
        MLA_UNROLL
        for (int part = 0; part < kParts; part++) {
          MLA_UNROLL
          for (int j = 0; j < 64; j++) sums[part][j] *= factors[j / 2 % 2];
        }
      }
      const uint8_t* values = keys + group * (kGroupColumns / 64) * kColumnBytes;
      warpgroup_begin();
      MLA_UNROLL
      for (int k = 0; k < kTokens / 16; k++) {
        MLA_UNROLL
        for (int part = 0; part < kParts; part++)
          warpgroup_multiply_columns(sums[part], probabilities + k * 32,
                                     values + part * (kPart / 64) * kColumnBytes + k * 16 * 128,
                                     kColumnBytes);
      }
      warpgroup_wait();
    }

    MLA_UNROLL
    for (int half = 0; half < 2; half++) {
      const float sum = warp_sum<4>(rows[half].state.sum);
      if (lane % 4 == 0) sums_of[group * kRows + rows[half].in_block] = sum;
    }
    block_barrier();
    MLA_UNROLL
    for (int half = 0; half < 2; half++) {
      const Row& r = rows[half];
      const int row = first_row + r.in_block;
      if (!MLA_BOUND(row < work.rows)) continue;
      const Destination to =
          destination(p, work, row / p.heads, row % p.heads, kLatent, out, lse, partial_out, partial_lse);
      const float sum = sums_of[r.in_block] + sums_of[kRows + r.in_block], factor = sum > 0 ? 1.f / sum : 0.f;
      if (group == 0 && lane % 4 == 0 && to.lse != nullptr)
        *to.lse = sum > 0 ? (r.state.max + log2f(sum)) * kLn2 : -kInfinity;
      float* row_out = to.out + group * kGroupColumns + lane % 4 * 2;
      MLA_UNROLL
      for (int part = 0; part < kParts; part++) {
        MLA_UNROLL
        for (int n = 0; n < kPart / 8; n++) {
          row_out[part * kPart + n * 8] = sums[part][n * 4 + half * 2] * factor;
          row_out[part * kPart + n * 8 + 1] = sums[part][n * 4 + half * 2 + 1] * factor;
        }
      }
    }
  }
}

}  // namespace

bool can_attend_by_warpgroups(const mla_step_params& p, const mla_cache_params& c) {
  return c.latent == kLatent && c.rope_offset == kLatent && c.rope <= kMaxRope && kShared <= p.shared_bytes;
}

Result attend_by_warpgroups(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                            const int32_t* plan, const float* q, const void* cache, const int32_t* page_table,
                            const float* slopes, float* out, float* lse, float* partial_out,
                            float* partial_lse) {
  const Grid grid{blocks_for(static_cast<int64_t>(p.max_queries) * p.heads, kRows), p.max_splits, 1};
  return MLA_LAUNCH(attend_warpgroup_kernel, grid, kThreads, kShared, stream, p, c, plan, q,
                    static_cast<const uint8_t*>(cache), page_table, slopes, out, lse, partial_out,
                    partial_lse);
}

}  // namespace mla::cuda

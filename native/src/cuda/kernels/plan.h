// The plan of a step's attention: how each sequence's keys are split, made on the host once a step and read by the kernels of every layer.
#pragma once
#include <cstdint>

#include "cuda/common/both.h"
#include "mla/mla.h"

namespace mla::cuda {

// Shorter splits cost more in merging than they gain in parallel work; more of them than kMaxSplits add partial results alone.
constexpr int kSplitMultiple = 64;
constexpr int kMinSplit = 512;
constexpr int kMaxSplits = 64;
constexpr int kTileRows = 64;
constexpr int kPlanHeader = 8;

// One sequence of the plan.
struct PlannedSequence {
  int32_t first_token;  // of the step's query tokens
  int32_t queries;
  int32_t kv_tokens;
  int32_t split_length;
  int32_t splits;
  int32_t
      partial_row;  // of the workspace's rows; the row of split s, query t, head h is partial_row + (s * queries + t) * heads + h
  int32_t reserved[2];
};
// One split of one sequence: the work of the blocks of one y of a grid.
struct PlannedSplit {
  int32_t sequence, split;
};

// Rows of the workspace that a step's partial results need at most. A sequence has several splits only where its rows have fewer tiles than
// there are multiprocessors, and then about as many blocks as those (split_length below).
inline int64_t partial_rows(const mla_step_params& p) {
  const int64_t of_all = static_cast<int64_t>(p.max_splits) * p.max_queries * p.heads;
  const int64_t of_each = static_cast<int64_t>(2) * kTileRows * p.multiprocessors * p.max_sequences;
  return of_all < of_each ? of_all : of_each;
}

// Where the parts of a plan lie: int32 [0] sequences, [1] splits, [2] rows of the workspace, then three arrays of their greatest length.
struct PlanLayout {
  int64_t sequences, splits, tokens,
      end;  // in int32; tokens (max_tokens): the sequence of a query token, or -1
};
MLA_BOTH PlanLayout plan_layout(const mla_step_params& p) {
  PlanLayout l;
  l.sequences = kPlanHeader;
  l.splits = l.sequences + static_cast<int64_t>(p.max_sequences) * (sizeof(PlannedSequence) / 4);
  l.tokens = l.splits + static_cast<int64_t>(p.max_splits) * (sizeof(PlannedSplit) / 4);
  l.end = l.tokens + p.max_tokens;
  return l;
}

// Tokens of a split: from the sequence's own counts and the device, never from the batch.
inline int split_length(const mla_step_params& p, int queries, int kv_tokens) {
  const int64_t rows = static_cast<int64_t>(queries) * p.heads, tiles = (rows + kTileRows - 1) / kTileRows;
  int64_t wanted = (p.multiprocessors + tiles - 1) / tiles;
  wanted = wanted < 1 ? 1 : wanted > kMaxSplits ? kMaxSplits : wanted;
  int64_t length = (kv_tokens + wanted - 1) / wanted;
  length = length < kMinSplit ? kMinSplit : length;
  return static_cast<int>((length + kSplitMultiple - 1) / kSplitMultiple * kSplitMultiple);
}

}  // namespace mla::cuda

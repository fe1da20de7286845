// What the kernels of decompressed attention on tensor cores share: of each row that a thread has a part of, its begin, its softmax and its end. A
// thread has rows lane / 4 and lane / 4 + 8 of 16, and of each 8 columns of scores and outputs columns 2 (lane % 4) and the next one; score(n, i)
// and sum(n, i) are that i of columns 8 n .., in registers that each kernel lays out as its products want them.
#pragma once
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/rebuild.h"

namespace mla::cuda {

constexpr int kKeyTiles = kRebuiltTile / 8;
constexpr int kColumns = 128;  // of the value, for each block: more of them are other blocks

MLA_BOTH int value_blocks(const RebuildTask& t) { return (t.value + kColumns - 1) / kColumns; }

// A block's head and its columns of the value, and where its results go.
struct Outputs {
  int head, columns;  // columns first_column() .. of the value
  float *out, *lse;
  RowState* states;
  MLA_DEVICE int first_column() const { return columns * kColumns; }
};

struct Row {
  int position;
  int end;  // the first key that it does not see; 0 for a row behind the last query
};

// The query of the block's row, or NULL behind the last one.
MLA_DEVICE const float* query_of(const mla_step_params& p, const Queries& w, const float* q, int head,
                                 int row) {
  if (!MLA_BOUND(row < w.count)) return nullptr;
  return q + static_cast<int64_t>(w.sequence.first_token + w.first + row) * p.q_token_stride +
         head * p.q_head_stride;
}

MLA_DEVICE float* output_of(const mla_step_params& p, const Queries& w, const Outputs& o, int row) {
  return o.out + static_cast<int64_t>(w.sequence.first_token + w.first + row) * p.out_token_stride +
         o.head * p.out_head_stride;
}

// Behind this token no row first .. first + count - 1 of the block sees a key.
MLA_DEVICE int end_of_rows(const mla_step_params& p, const Queries& w, int first, int count) {
  if (first >= w.count) return 0;
  const int last = first + count <= w.count ? first + count - 1 : w.count - 1;
  const int end = w.sequence.kv_tokens - w.sequence.queries + w.first + last + 1;
  return p.causal && end < w.end ? end : w.end;
}

// The block's row; its state and sums go on where the piece before ended.
template <class Sum>
MLA_DEVICE Row begin_row(const mla_step_params& p, const RebuildTask& t, const Queries& w, const Outputs& o,
                         int row, RowState* state, Sum sum) {
  Row r;
  r.position = w.sequence.kv_tokens - w.sequence.queries + w.first + row;
  const int end = p.causal && r.position + 1 < w.end ? r.position + 1 : w.end;
  r.end = row < w.count ? end : 0;
  *state = {-kInfinity, 0.f};
  if (t.first == 0 || !MLA_BOUND(row < w.count)) return r;
  *state = o.states[state_of(p, w.sequence.first_token + w.first + row, o.head, o.columns)];
  const float* from = output_of(p, w, o, row);
  MLA_UNROLL
  for (int n = 0; n < kColumns / 8; n++) {
    MLA_UNROLL
    for (int i = 0; i < 2; i++) {
      const int column = o.first_column() + n * 8 + lane_index() % 4 * 2 + i;
      if (MLA_BOUND(column < t.value)) sum(n, i) = from[column];
    }
  }
  return r;
}

// Scores of a row become probabilities relative to its largest score so far; returns what its output so far is multiplied with.
template <class Score>
MLA_DEVICE float soften(const Row& row, int token, float scale, float slope, Score score, RowState* state) {
  const int first = token + lane_index() % 4 * 2;
  const float distance = static_cast<float>(row.position - first);
  float largest = -kInfinity;
  MLA_UNROLL
  for (int n = 0; n < kKeyTiles; n++) {
    MLA_UNROLL
    for (int i = 0; i < 2; i++) {
      float& x = score(n, i);
      const int offset = n * 8 + i;
      x = first + offset < row.end ? x * scale - slope * (distance - static_cast<float>(offset)) : -kInfinity;
      largest = fmaxf(largest, x);
    }
  }
  const float max = fmaxf(state->max, warp_max<4>(largest));
  const float base = max == -kInfinity ? 0.f : max;
  float sum = 0;
  MLA_UNROLL
  for (int n = 0; n < kKeyTiles; n++) {
    MLA_UNROLL
    for (int i = 0; i < 2; i++) {
      float& x = score(n, i);
      x = fast_exp2(x - base);
      sum += x;
    }
  }
  const float factor = fast_exp2(state->max - base);
  state->sum = state->sum * factor + warp_sum<4>(sum);
  state->max = max;
  return factor;
}

// The row's output, and its state for the next piece or its lse.
template <class Sum>
MLA_DEVICE void end_row(const mla_step_params& p, const RebuildTask& t, const Queries& w, const Outputs& o,
                        int row, const RowState& state, Sum sum) {
  if (!MLA_BOUND(row < w.count)) return;
  const int64_t token = w.sequence.first_token + w.first + row;
  const float factor = output_factor(t, w, state.sum);
  float* to = output_of(p, w, o, row);
  MLA_UNROLL
  for (int n = 0; n < kColumns / 8; n++) {
    MLA_UNROLL
    for (int i = 0; i < 2; i++) {
      const int column = o.first_column() + n * 8 + lane_index() % 4 * 2 + i;
      if (MLA_BOUND(column < t.value)) to[column] = sum(n, i) * factor;
    }
  }
  if (lane_index() % 4 != 0) return;
  if (!w.ends) o.states[state_of(p, token, o.head, o.columns)] = state;
  if (w.ends && o.lse != nullptr && o.columns == 0)
    o.lse[token * p.lse_token_stride + o.head * p.lse_head_stride] = (state.max + log2f(state.sum)) * kLn2;
}

}  // namespace mla::cuda

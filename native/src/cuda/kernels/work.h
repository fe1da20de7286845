// What a block of an attention kernel works on: one split of a sequence's keys, found in the plan, and where its results go.
#pragma once
#include "cuda/common/platform.h"
#include "cuda/kernels/plan.h"

namespace mla::cuda {

// What a block works on.
struct Work {
  PlannedSequence sequence;
  int index;  // of the sequence
  int split;
  int kv_begin, kv_end;  // of its keys
  int rows;              // of the sequence: queries * heads
};

// False where the grid is larger than the plan.
MLA_DEVICE bool find_work(const mla_step_params& p, const int32_t* plan, Work* work) {
  const PlanLayout layout = plan_layout(p);
  if (!MLA_BOUND(block_y() < plan[1])) return false;
  const auto split = reinterpret_cast<const PlannedSplit*>(plan + layout.splits)[block_y()];
  work->index = split.sequence;
  work->split = split.split;
  work->sequence = reinterpret_cast<const PlannedSequence*>(plan + layout.sequences)[split.sequence];
  work->kv_begin = split.split * work->sequence.split_length;
  work->kv_end = work->kv_begin + work->sequence.split_length;
  if (work->kv_end > work->sequence.kv_tokens) work->kv_end = work->sequence.kv_tokens;
  work->rows = work->sequence.queries * p.heads;
  return true;
}

// The first key that row's query does not see.
MLA_DEVICE int end_of(const mla_step_params& p, const Work& work, int query) {
  const int visible =
      p.causal ? work.sequence.kv_tokens - work.sequence.queries + query + 1 : work.sequence.kv_tokens;
  return visible < work.kv_end ? visible : work.kv_end;
}

// The softmax of one row so far, base 2 on tensor cores.
struct RowState {
  float max, sum;
};

// Where the result of a row goes: the outputs where the sequence has one split, else the workspace.
struct Destination {
  float* out;
  float* lse;
};
MLA_DEVICE Destination destination(const mla_step_params& p, const Work& work, int query, int head,
                                   int latent, float* out, float* lse, float* partial_out,
                                   float* partial_lse) {
  if (work.sequence.splits == 1) {
    const int64_t token = work.sequence.first_token + query;
    return {out + token * p.out_token_stride + head * p.out_head_stride,
            lse == nullptr ? nullptr : lse + token * p.lse_token_stride + head * p.lse_head_stride};
  }
  const int64_t row = work.sequence.partial_row +
                      static_cast<int64_t>(work.split * work.sequence.queries + query) * p.heads + head;
  return {partial_out + row * latent, partial_lse + row};
}

// The query of a row of the absorbed form, or NULL behind the last one.
MLA_DEVICE const float* query_of(const mla_step_params& p, const Work& work, const float* q, int row) {
  if (!MLA_BOUND(row < work.rows)) return nullptr;
  return q + (work.sequence.first_token + row / p.heads) * p.q_token_stride + row % p.heads * p.q_head_stride;
}

// The address of a token's row, or NULL where its page is not of the pool.
MLA_DEVICE const uint8_t* row_of(const mla_cache_params& c, const uint8_t* cache, const int32_t* pages,
                                 int token) {
  const int page = pages[token / c.page_size];
  if (!MLA_BOUND(page >= 0 && page < c.page_count)) return nullptr;
  return cache + page * c.page_stride_bytes + token % c.page_size * c.row_stride_bytes;
}

// As row_of for token first + lane, NULL from `end` on: a warp looks up as many rows at once, and hands them around.
MLA_DEVICE const uint8_t* find_row(const mla_cache_params& c, const uint8_t* cache, const int32_t* pages,
                                   int first, int end) {
  const int token = first + lane_index();
  return MLA_BOUND(token < end) ? row_of(c, cache, pages, token) : nullptr;
}

// How many of 16 bytes from `at` on lie before `end`.
MLA_DEVICE int count_bytes(int at, int end) { return at >= end ? 0 : end - at < 16 ? end - at : 16; }

}  // namespace mla::cuda

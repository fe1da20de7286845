// What the kernels of the decompressed form share: where rebuilt rows lie, and what a block works on.
#pragma once
#include "cuda/kernels/rebuild_task.h"
#include "cuda/kernels/work.h"
#include "mla/mla.h"

namespace mla::cuda {

MLA_BOTH int64_t rebuilt_row(const RebuildTask& t, int heads, int sequence, int token, int head) {
  return ((static_cast<int64_t>(sequence) * t.tokens + token - t.first) * heads + head) * t.row;
}

// What a block of decompressed attention works on: some queries of a sequence, and one head.
struct Queries {
  PlannedSequence sequence;
  int index;         // of the sequence
  int first, count;  // of the sequence's queries
  int begin, end;    // of the keys of this piece that any of them sees
  bool ends;         // no later piece has keys for them
};

// False where there is nothing to do. Blocks of a sequence begin with its last queries, which see the most keys.
MLA_DEVICE bool find_queries(const mla_step_params& p, const RebuildTask& t, const int32_t* plan, int size,
                             int block, int sequence, Queries* w) {
  if (sequence >= plan[0]) return false;
  w->index = sequence;
  w->sequence = reinterpret_cast<const PlannedSequence*>(plan + plan_layout(p).sequences)[sequence];
  const int queries = w->sequence.queries, blocks = (queries + size - 1) / size;
  if (block >= blocks) return false;
  w->first = (blocks - 1 - block) * size;
  w->count = queries - w->first < size ? queries - w->first : size;
  const int kv_tokens = w->sequence.kv_tokens;
  const int seen = p.causal ? kv_tokens - queries + w->first + w->count : kv_tokens;
  w->begin = t.first;
  w->ends = seen <= t.first + t.tokens;
  w->end = w->ends ? seen : t.first + t.tokens;
  return w->begin < w->end;
}

// Where a row's state waits between two pieces, by query token, head and block of the value's columns; its output so far, not yet divided by
// the sum, waits in `out`.
MLA_DEVICE int64_t state_of(const mla_step_params& p, int64_t token, int head, int columns) {
  return (columns * static_cast<int64_t>(p.max_tokens) + token) * p.heads + head;
}
// What a row's output is multiplied with where it is written. A row that the last piece does not end has more keys than the caller said.
MLA_DEVICE float output_factor(const RebuildTask& t, const Queries& w, float sum) {
  if (w.ends) return 1.f / sum;
  return t.last ? __builtin_nanf("") : 1.f;
}

}  // namespace mla::cuda

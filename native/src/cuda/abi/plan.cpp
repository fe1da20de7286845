// The plan of a step's attention: how each sequence's keys are split. No device is touched.
#include "cuda/kernels/plan.h"

#include "cuda/abi/device.h"

namespace mla::device {
namespace {

int64_t plan_bytes(const mla_step_params* p) {
  check(p);
  return cuda::plan_layout(*p).end * 4;
}

int splits_of(const mla_step_params& p, int queries, int kv_tokens) {
  if (queries == 0) return 0;
  const int length = cuda::split_length(p, queries, kv_tokens);
  return std::max(1, (kv_tokens + length - 1) / length);
}

int32_t splits(const mla_step_params* p, int32_t queries, int32_t kv_tokens) {
  check(p);
  require_range("queries", queries, 0, p->max_queries);
  require_range("kv_tokens", kv_tokens, queries, 1 << 24);
  return splits_of(*p, queries, kv_tokens);
}

void make_plan(const mla_step_params* p, int32_t sequences, const int32_t* query_begin,
               const int32_t* kv_tokens, void* plan, int64_t bytes) {
  check(p);
  require_range("sequences", sequences, 0, p->max_sequences);
  require_pointer("plan", plan);
  const cuda::PlanLayout layout = cuda::plan_layout(*p);
  require_workspace("plan", bytes, layout.end * 4);
  auto* ints = static_cast<int32_t*>(plan);
  std::fill(ints, ints + layout.end, -1);
  auto* planned = reinterpret_cast<cuda::PlannedSequence*>(ints + layout.sequences);
  auto* all_splits = reinterpret_cast<cuda::PlannedSplit*>(ints + layout.splits);
  int64_t count = 0, partial_rows = 0;
  if (sequences > 0) {
    require_pointer("query_begin", query_begin);
    require_pointer("kv_tokens", kv_tokens);
    require_range("query_begin[0]", query_begin[0], 0, 0);
  }
  for (int32_t i = 0; i < sequences; i++) {
    const std::string index = "[" + std::to_string(i) + "]";
    require_range(("query_begin" + index + " to the next").c_str(),
                  int64_t{query_begin[i + 1]} - query_begin[i], 0, p->max_queries);
    const int queries = query_begin[i + 1] - query_begin[i];
    require_range(("query_begin[" + std::to_string(i + 1) + "]").c_str(), query_begin[i + 1], 0,
                  p->max_tokens);
    require_range(("kv_tokens" + index).c_str(), kv_tokens[i], queries, 1 << 24);
    const int parts = splits_of(*p, queries, kv_tokens[i]);
    require(count + parts <= p->max_splits, "max_splits", p->max_splits,
            "at least the splits of all sequences, which are more");
    planned[i] = {query_begin[i], queries,
                  kv_tokens[i],   queries == 0 ? 1 : cuda::split_length(*p, queries, kv_tokens[i]),
                  parts,          static_cast<int32_t>(partial_rows),
                  {0, 0}};
    for (int s = 0; s < parts; s++) all_splits[count++] = {i, s};
    if (parts > 1) partial_rows += static_cast<int64_t>(parts) * queries * p->heads;
    require(partial_rows <= INT_MAX, "splits * queries * heads", partial_rows, "at most 2147483647");
    std::fill_n(ints + layout.tokens + query_begin[i], queries, i);
  }
  ints[0] = sequences;
  ints[1] = static_cast<int32_t>(count);
  ints[2] = sequences == 0 ? 0 : query_begin[sequences];
}

}  // namespace

void add_plan(mla_device_kernels& table) {
  table.plan_bytes = Call<plan_bytes>::run;
  table.splits = Call<splits>::run;
  table.make_plan = Call<make_plan>::run;
}

}  // namespace mla::device

// The kernels of attention over a bf16 cache that sm_90 has for itself. They have bits of their own: a device computes all of a cache's rows
// with one of them, or none.
#pragma once
#include "cuda/common/runtime.h"
#include "mla/mla.h"

namespace mla::cuda {

// Whether attend_by_warpgroups knows the cache's rows and fits the shared memory.
bool can_attend_by_warpgroups(const mla_step_params& p, const mla_cache_params& c);
// As attend (launches.h).
Result attend_by_warpgroups(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                            const int32_t* plan, const float* q, const void* cache, const int32_t* page_table,
                            const float* slopes, float* out, float* lse, float* partial_out,
                            float* partial_lse);

struct Bf16;
struct RebuildTask;
struct RowState;
bool can_attend_decompressed_by_warpgroups(const mla_step_params& p, const mla_cache_params& c,
                                           const RebuildTask& t);
// As attend_decompressed (launches.h).
Result attend_decompressed_by_warpgroups(const Stream& stream, const mla_step_params& p,
                                         const mla_cache_params& c, const RebuildTask& t, const int32_t* plan,
                                         const float* q, const Bf16* rebuilt, const void* cache,
                                         const int32_t* page_table, const float* slopes, float* out,
                                         float* lse, RowState* states);

}  // namespace mla::cuda

// The kernels of one instruction set without argument checks: what an ISA file defines and src/abi wraps.
#pragma once
#include <stdint.h>

#include "mla/mla.h"

namespace mla {

constexpr int kMaxExperts = 4096;  // arrays of the router on the stack
constexpr int kMaxGroups = 256;
constexpr int kMaxRow = 8192;  // numbers of a padded cache row, on the stack of append

constexpr int kRowMultiple = 16;  // rows of attention that every instruction set computes together

// Picoseconds for a multiply-add of one thread, see mla_kernels.
struct AttentionCosts {
  double absorbed, project, decompressed, rebuild, start;
};

struct RawKernels {
  AttentionCosts costs;
  int64_t (*packed_bytes)(const mla_linear_params&);
  void (*pack)(const mla_linear_params&, const float* x, const int32_t* indices, int row_begin, int row_end,
               void* packed);
  void (*linear)(const mla_linear_params&, const void* packed, const void* weight, const float* bias,
                 int n_begin, int n_end, float* y);
  void (*head_linear)(const mla_head_linear_params&, const float* x, const void* weight, int head_begin,
                      int head_end, int token_begin, int token_end, float* y);
  int64_t (*attention_workspace)(const mla_attention_params&, const mla_cache_params&, int form);
  void (*attend_absorbed)(const mla_attention_params&, const mla_cache_params&, const float* q,
                          const void* cache, const int32_t* page_table, const float* alibi_slopes,
                          int head_begin, int head_end, int query_begin, int query_end, int kv_begin,
                          int kv_end, float* out, float* lse, void* workspace);
  void (*attend_decompressed)(const mla_attention_params&, const mla_cache_params&, const float* q,
                              const void* kv_b, const void* cache, const int32_t* page_table,
                              const float* alibi_slopes, int head_begin, int head_end, int query_begin,
                              int query_end, float* out, float* lse, void* workspace);
  void (*merge)(const mla_merge_params&, const float* partial_out, const float* partial_lse, int token_begin,
                int token_end, int head_begin, int head_end, float* out, float* lse);
  void (*append)(const mla_append_params&, const mla_cache_params&, const float* a, const float* norm_weight,
                 const float* cosines, const float* sines, const int32_t* page_table, int token_begin,
                 int token_end, void* cache);
  void (*rope)(const mla_rope_params&, const float* x, const float* cosines, const float* sines,
               int token_begin, int token_end, float* y);
  void (*rms_norm)(const float* x, int64_t x_stride, const float* weight, float eps, int rows, int width,
                   float* y, int64_t y_stride);
  void (*swiglu)(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, int rows,
                 int width, float* y, int64_t y_stride);
  void (*add)(const float* x, int64_t x_stride, const float* r, int64_t r_stride, float scale, int rows,
              int width, float* y, int64_t y_stride);
  void (*embed)(int type, const void* table, int64_t table_stride, const int32_t* ids, int count, int width,
                float scale, float* y, int64_t y_stride);
  void (*route)(const mla_route_params&, const float* logits, const float* bias, int token_begin,
                int token_end, int32_t* experts_out, float* weights_out);
  void (*combine)(const float* expert_out, int64_t expert_out_stride, const int32_t* slots,
                  const float* weights, const float* shared, int64_t shared_stride, int tokens, int top_k,
                  int width, float* y, int64_t y_stride);
  int64_t (*probe)(int what, int64_t count, const void* memory, int64_t bytes);
};

extern const RawKernels generic_kernels;
#if defined(__x86_64__)
extern const RawKernels avx2_kernels;
extern const RawKernels avx512_kernels;
extern const RawKernels avx512bf16_kernels;
#endif

}  // namespace mla

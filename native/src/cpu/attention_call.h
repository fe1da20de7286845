// A call of attention: what both forms are given.
#pragma once
#include "cpu/attention_state.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct AttentionCall {
  const mla_attention_params& p;
  const mla_cache_params& c;
  const float* q;
  const void* cache;
  const int32_t* page_table;
  const float* alibi_slopes;
  int head_begin, head_end, query_begin, query_end, kv_begin, kv_end;
  float* out;
  float* lse;
  void* workspace;

  MLA_INLINE int first_position() const { return p.kv_tokens - p.query_tokens; }
  MLA_INLINE float slope(int head) const { return alibi_slopes ? alibi_slopes[head] : 0; }
  MLA_INLINE const float* query(int token, int head) const {
    return q + token * p.q_token_stride + head * p.q_head_stride;
  }
  template <class Isa>
  MLA_INLINE void write(const State& s, int row, int token, int head) const {
    write_result<Isa>(s, row, out + token * p.out_token_stride + head * p.out_head_stride,
                      lse + token * p.lse_token_stride + head * p.lse_head_stride);
  }
};

}  // namespace
}  // namespace mla

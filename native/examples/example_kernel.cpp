// Somebody else's kernel for `mla4j bench attention --library`: attention over bf16 latents is the least that it takes. What the table
// lacks, and what is MLA_UNSUPPORTED, is left out of the measurement.
#include <bit>
#include <cmath>

#include "mla/mla.h"

static float bf16(const char* row, int i) {
  return std::bit_cast<float>((uint32_t)((const uint16_t*)row)[i] << 16);
}

static int64_t workspace(const mla_attention_params*, const mla_cache_params*, const mla_head_linear_params*,
                         const mla_head_linear_params*) {
  return 0;
}

static int32_t attend(const mla_attention_params* p, const mla_cache_params* c, const float* q,
                      const void* cache, const int32_t* page_table, const float* slopes, int32_t head_begin,
                      int32_t head_end, int32_t query_begin, int32_t query_end, int32_t kv_begin,
                      int32_t kv_end, float* out, float* lse, void*, int64_t, char*, int32_t) {
  if (c->cache_type != MLA_TYPE_BF16 || slopes || p->key_offset || !p->causal) return MLA_UNSUPPORTED;
  for (int t = query_begin; t < query_end; t++)
    for (int h = head_begin; h < head_end; h++) {
      const float* query = q + t * p->q_token_stride + h * p->q_head_stride;
      float *o = out + t * p->out_token_stride + h * p->out_head_stride, max = -INFINITY, sum = 0;
      for (int i = 0; i < c->latent; i++) o[i] = 0;
      for (int s = kv_begin; s < kv_end && s <= p->kv_tokens - p->query_tokens + t; s++) {
        const char* page = (const char*)cache + page_table[s / c->page_size] * c->page_stride_bytes;
        const char* row = page + s % c->page_size * c->row_stride_bytes;
        float dot = 0;
        for (int i = 0; i < c->latent; i++) dot += query[i] * bf16(row, i);
        for (int i = 0; i < c->rope; i++) dot += query[c->latent + i] * bf16(row, c->rope_offset + i);
        const float next = std::fmax(max, p->scale * dot), old = std::exp(max - next),
                    weight = std::exp(p->scale * dot - next);
        for (int i = 0; i < c->latent; i++) o[i] = old * o[i] + weight * bf16(row, i);
        sum = old * sum + weight;
        max = next;
      }
      for (int i = 0; i < c->latent && sum > 0; i++) o[i] /= sum;
      lse[t * p->lse_token_stride + h * p->lse_head_stride] = max + std::log(sum);
    }
  return MLA_OK;
}

extern "C" const mla_kernels* mla_get_kernels(int32_t abi_version, int32_t isa) {
  static mla_kernels k{sizeof k, MLA_ABI_VERSION, MLA_ISA_GENERIC, 1 << MLA_ISA_GENERIC, 0, 16};
  k.attention_workspace = workspace;
  k.attend_absorbed = attend;
  return abi_version == MLA_ABI_VERSION && isa <= MLA_ISA_GENERIC ? &k : nullptr;
}

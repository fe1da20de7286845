// Somebody else's kernel: all that `mla4j bench attention --library` asks for is attention over bf16 latents. Built with
// src/abi/layout.cpp, which tells how this compiler lays out mla.h. What the table lacks, and what is MLA_UNSUPPORTED, is not measured.
#include <cmath>

#include "abi/layout.h"
#include "mla/mla.h"

static float bf16(const char* row, int i) {
  const uint32_t bits = (uint32_t)((const uint16_t*)row)[i] << 16;
  float value;
  __builtin_memcpy(&value, &bits, sizeof value);
  return value;
}

static int64_t workspace(const mla_attention_params*, const mla_cache_params*, int32_t) { return 0; }

static int32_t attend(const mla_attention_params* p, const mla_cache_params* c, const float* q,
                      const void* cache, const int32_t* page_table, const float* slopes, const float*,
                      const int32_t*, int32_t head_begin, int32_t head_end, int32_t query_begin,
                      int32_t query_end, int32_t kv_begin, int32_t kv_end, float* out, float* lse, void*,
                      int64_t, char*, int32_t) {
  if (c->cache_type != MLA_TYPE_BF16 || slopes || p->key_offset || !p->causal) return MLA_UNSUPPORTED;
  for (int t = query_begin; t < query_end; t++) {
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
  }
  return MLA_OK;
}

static int32_t describe(int32_t subject, char* text, int32_t size) {
  const std::string told[] = {"1.0", "generic", "generic: the only one", mla::layout_text()};
  if (subject < 0 || subject > MLA_DESCRIBE_LAYOUT) return -1;
  if (size > 0) text[told[subject].copy(text, size - 1)] = 0;
  return (int32_t)told[subject].size();
}

extern "C" const mla_kernels* mla_get_kernels(int32_t abi_version, int32_t isa) {
  static mla_kernels k{sizeof k, MLA_ABI_VERSION, MLA_ISA_GENERIC, 1, 1 << MLA_ISA_GENERIC, 0, describe};
  k.attention_workspace = workspace;
  k.attend_absorbed = attend;
  return abi_version == MLA_ABI_VERSION && isa <= MLA_ISA_GENERIC ? &k : nullptr;
}

// Attention over the paged latent cache, absorbed and decompressed.
//
// Both forms are one loop over blocks of tokens and bands of rows: scores, online softmax, values. How keys are brought in and multiplied
// is the structure's matter: PairRows (the bf16 dot or matrix registers), WideRows (float32), or DirectRows where there are few rows.
#pragma once
#include "abi/checks.h"
#include "cpu/attention_absorbed.h"
#include "cpu/attention_call.h"
#include "cpu/attention_decompressed.h"
#include "cpu/raw.h"

namespace mla {
namespace {

// The structure for integers. Probabilities of more than 8 bits need dots of 16, or two products.
template <class Isa, class Function>
MLA_INLINE void with_integers(const mla_attention_params& p, Function f) {
  if constexpr (Isa::kHasMatrix) {
    p.probability_bits == 8 ? f((MatrixIntegers<MatrixDots<Isa, 1>>*)nullptr)
                            : f((MatrixIntegers<MatrixDots<Isa, 2>>*)nullptr);
  } else if constexpr (Isa::kHasByteDots) {
    p.probability_bits == 8 ? f((IntegerRows<ByteDots<Isa>, ByteDots<Isa>>*)nullptr)
                            : f((IntegerRows<ByteDots<Isa>, WordDots<Isa>>*)nullptr);
  } else {
    f((IntegerRows<WordDots<Isa>, WordDots<Isa>>*)nullptr);
  }
}

// Calls f with a null pointer to the structure that the absorbed form of an operation takes, whatever its calls. Latents that are values
// too are worth pairing once in PairRows, from two rows on.
template <class Isa, class Function>
MLA_INLINE void with_absorbed(const mla_attention_params& p, const mla_cache_params& c, Function f) {
  if (uses_integers(p, c)) return with_integers<Isa>(p, f);
  const bool few = (int64_t)p.heads * p.query_tokens <= kDirectRows;
  if constexpr (Isa::kHasBf16Dot) {
    if (uses_pairs<Isa>(p, c))
      return few && p.key_offset && !has_scales(c) ? f((DirectRows<PairedElements<Isa>>*)nullptr)
                                                   : f((PairRows<Isa>*)nullptr);
  }
  if constexpr (Isa::kHasMatrix) {
    if (uses_pairs<Isa>(p, c) && (!few || has_scales(c))) return f((PairRows<Isa>*)nullptr);
  }
  if (!few || has_scales(c)) return f((WideRows<Isa>*)nullptr);
  CacheFormats::with(c.cache_type,
                     [&]<class Format>(Format) { f((DirectRows<WidenedElements<Isa, Format>>*)nullptr); });
}

// The same for the decompressed form.
template <class Isa, class Function>
MLA_INLINE void with_decompressed(const mla_attention_params& p, const mla_cache_params& c, Function f) {
  if constexpr (Isa::kHasBf16Dot || Isa::kHasMatrix) {
    if (uses_pairs<Isa>(p, c)) return f((PairRows<Isa>*)nullptr);
  }
  f((WideRows<Isa>*)nullptr);
}

template <class Isa>
void attend_absorbed(const mla_attention_params* p, const mla_cache_params* c, const float* q,
                     const void* cache, const int32_t* page_table, const float* alibi_slopes, int head_begin,
                     int head_end, int query_begin, int query_end, int kv_begin, int kv_end, float* out,
                     float* lse, void* workspace, int64_t) {
  const AttentionCall call{*p,           *c,         q,        cache,       page_table,
                           alibi_slopes, head_begin, head_end, query_begin, query_end,
                           kv_begin,     kv_end,     out,      lse,         workspace};
  with_absorbed<Isa>(*p, *c, [&]<class Structure>(Structure*) { absorbed_of<Structure>(call); });
}

template <class Isa>
void attend_decompressed(const mla_attention_params* p, const mla_cache_params* c,
                         const mla_head_linear_params* keys, const mla_head_linear_params* values,
                         const float* q, const void* key_weight, const void* key_scales,
                         const void* value_weight, const void* value_scales, const void* cache,
                         const int32_t* page_table, const float* alibi_slopes, int head_begin, int head_end,
                         int query_begin, int query_end, float* out, float* lse, void* workspace, int64_t) {
  const AttentionCall call{*p,         *c,       q,           cache,     page_table, alibi_slopes,
                           head_begin, head_end, query_begin, query_end, 0,          p->kv_tokens,
                           out,        lse,      workspace};
  const LatentUp up{*keys, *values, key_weight, key_scales, value_weight, value_scales};
  with_decompressed<Isa>(*p, *c, [&]<class Structure>(Structure*) { decompressed_of<Structure>(call, up); });
}

template <class Isa>
int64_t attention_workspace(const mla_attention_params* p, const mla_cache_params* c,
                            const mla_head_linear_params* keys, const mla_head_linear_params* values) {
  Carver w{nullptr, 0};
  if (keys == nullptr) {
    const int64_t all = (int64_t)p->heads * p->query_tokens;
    with_absorbed<Isa>(*p, *c, [&]<class Structure>(Structure*) {
      Structure::make(*p, *c, false, all > kMaxRows ? kMaxRows : (int)all, 1, &w);
    });
  } else {
    with_decompressed<Isa>(*p, *c, [&]<class Structure>(Structure*) {
      Structure::make(*p, *c, true, p->query_tokens, kKeyBlocks, &w);
      make_rebuilding<Isa>(*p, *c, *keys, *values, Structure::kTokens, &w);
    });
  }
  return w.used;
}

// ---- checks ----

inline void check_attention(const mla_attention_params* p, const mla_cache_params* c, bool decompressed) {
  check(p, decompressed);
  check(c);
  check_key_offset(p, c);
}

inline void check_ups(const mla_attention_params* p, const mla_cache_params* c,
                      const mla_head_linear_params* keys, const mla_head_linear_params* values) {
  check_up("keys", keys, p->heads, c->latent, p->nope);
  check_up("values", values, p->heads, c->latent, p->value);
  require(values->transposed == 0, "values->transposed", values->transposed, "0");
}

inline bool check_attention_workspace(const mla_attention_params* p, const mla_cache_params* c,
                                      const mla_head_linear_params* keys,
                                      const mla_head_linear_params* values) {
  const bool decompressed = keys != nullptr || values != nullptr;
  check_attention(p, c, decompressed);
  if (decompressed) check_ups(p, c, keys, values);
  return true;
}

inline void check_attention_ranges(const RawKernels& kernels, const AttentionCall& x,
                                   const mla_head_linear_params* keys, const mla_head_linear_params* values,
                                   int64_t workspace_bytes) {
  require_bounds("head", x.head_begin, x.head_end, x.p.heads);
  require_bounds("query", x.query_begin, x.query_end, x.p.query_tokens);
  require_workspace("workspace", workspace_bytes, kernels.attention_workspace(&x.p, &x.c, keys, values));
  require_pointer("workspace", x.workspace);
  if ((uintptr_t)x.workspace % 64 != 0) fail(MLA_INVALID_ARGUMENT, "workspace is not aligned to 64 bytes");
}

inline bool check_attend_absorbed(const RawKernels& kernels, const mla_attention_params* p,
                                  const mla_cache_params* c, const float* q, const void* cache,
                                  const int32_t* page_table, const float* alibi_slopes, int head_begin,
                                  int head_end, int query_begin, int query_end, int kv_begin, int kv_end,
                                  float* out, float* lse, void* workspace, int64_t workspace_bytes) {
  check_attention(p, c, false);
  check_attention_ranges(kernels,
                         {*p, *c, q, cache, page_table, alibi_slopes, head_begin, head_end, query_begin,
                          query_end, kv_begin, kv_end, out, lse, workspace},
                         nullptr, nullptr, workspace_bytes);
  require_bounds("kv", kv_begin, kv_end, p->kv_tokens);
  if (head_begin == head_end || query_begin == query_end) return false;
  require_pointer("q", q);
  require_pointer("out", out);
  require_pointer("lse", lse);
  if (kv_begin < kv_end) require_pointer("cache", cache);
  check_pages(c, page_table, kv_begin, kv_end);
  return true;
}

inline bool check_attend_decompressed(const RawKernels& kernels, const mla_attention_params* p,
                                      const mla_cache_params* c, const mla_head_linear_params* keys,
                                      const mla_head_linear_params* values, const float* q,
                                      const void* key_weight, const void* key_scales,
                                      const void* value_weight, const void* value_scales, const void* cache,
                                      const int32_t* page_table, const float* alibi_slopes, int head_begin,
                                      int head_end, int query_begin, int query_end, float* out, float* lse,
                                      void* workspace, int64_t workspace_bytes) {
  check_attention(p, c, true);
  check_ups(p, c, keys, values);
  check_attention_ranges(kernels,
                         {*p, *c, q, cache, page_table, alibi_slopes, head_begin, head_end, query_begin,
                          query_end, 0, p->kv_tokens, out, lse, workspace},
                         keys, values, workspace_bytes);
  if (head_begin == head_end || query_begin == query_end) return false;
  require_pointer("q", q);
  require_pointer("key_weight", key_weight);
  require_scale_pointer("key_scales", key_scales, keys->scale_rows);
  require_pointer("value_weight", value_weight);
  require_scale_pointer("value_scales", value_scales, values->scale_rows);
  require_pointer("cache", cache);
  require_pointer("out", out);
  require_pointer("lse", lse);
  check_pages(c, page_table, 0, p->kv_tokens);
  return true;
}

}  // namespace
}  // namespace mla

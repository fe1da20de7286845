// The checks of arguments that all tables share: a failure names the argument, what it was and what is allowed.
#pragma once
#include <algorithm>
#include <climits>
#include <cstdint>
#include <cstdio>
#include <string>

#include "cpu/cache.h"
#include "cpu/formats/formats.h"
#include "cpu/limits.h"
#include "mla/mla.h"

namespace mla {

constexpr const char* kVersion = "0.1.0";

struct Failure {
  int32_t status;
  std::string text;
};

[[noreturn]] inline void fail(int32_t status, const std::string& text) { throw Failure{status, text}; }

inline void require(bool condition, const char* name, int64_t value, const std::string& allowed) {
  if (!condition)
    fail(MLA_INVALID_ARGUMENT,
         std::string(name) + " is " + std::to_string(value) + ", but must be " + allowed);
}

inline void require_range(const char* name, int64_t value, int64_t low, int64_t high) {
  require(value >= low && value <= high, name, value,
          "in " + std::to_string(low) + ".." + std::to_string(high));
}

inline void require_pointer(const char* name, const void* p) {
  if (p == nullptr) fail(MLA_INVALID_ARGUMENT, std::string(name) + " is NULL");
}

template <class Params>
void require_struct(const char* name, const Params* params) {
  require_pointer(name, params);
  if (params->struct_size != (int32_t)sizeof(Params))
    fail(MLA_INVALID_ARGUMENT, std::string(name) + "->struct_size is " + std::to_string(params->struct_size) +
                                   ", but must be " + std::to_string(sizeof(Params)));
}

inline void require_bounds(const char* what, int begin, int end, int limit) {
  if (begin < 0 || end < begin || end > limit)
    fail(MLA_INVALID_ARGUMENT, std::string(what) + " range is " + std::to_string(begin) + ".." +
                                   std::to_string(end) + ", but must lie in 0.." + std::to_string(limit));
}

// Rows of at least `least` elements, `stride` apart; their offsets stay far from the limits of 64 bits and of an address space.
inline void require_stride(const char* name, int64_t stride, int64_t count, int64_t least) {
  constexpr int64_t kElements = int64_t{1} << 45;
  if (count > 1) require_range(name, stride, least, kElements / count);
}

inline void require_eps(float eps) {
  if (!(eps >= 0) || eps > 3e38f)
    fail(MLA_INVALID_ARGUMENT, "eps is " + std::to_string(eps) + ", but must be finite and at least 0");
}

inline void require_limit(float limit) {
  // NaN is not above 0 either.
  if (!(limit > 0)) fail(MLA_INVALID_ARGUMENT, "limit is " + std::to_string(limit) + ", but must be above 0");
}
inline void require_compute(int32_t compute) {
  require_range("compute", compute, MLA_COMPUTE_F32, MLA_COMPUTE_INT8);
}
inline void require_type(const char* name, int32_t type) {
  require(WeightFormats::has(type), name, type, "a type of weights, MLA_TYPE_*");
}
// Elements between two rows of a weight: whole blocks of its format. A row may end within a block.
inline void require_blocks(const char* name, int64_t elements, int32_t type) {
  const int block = block_size(type).elements;
  require(elements % block == 0, name, elements,
          "a multiple of " + std::to_string(block) + ", the elements of a block");
}
inline void require_workspace(const char* name, int64_t bytes, int64_t needed) {
  if (bytes < needed)
    fail(MLA_WORKSPACE_TOO_SMALL,
         std::string(name) + " has " + std::to_string(bytes) + " bytes, but needs " + std::to_string(needed));
}

// The scales of a weight of so many columns, where it has any. Their rows go with those of the weight: how many there are in all is known
// to the caller alone.
template <class Params>
void require_scales(const Params* p, int64_t columns) {
  require_range("scale_rows", p->scale_rows, 0, INT_MAX);
  if (p->scale_rows == 0) return;
  require(ScaleFormats::has(p->scale_type), "scale_type", p->scale_type, "a type of scales, MLA_TYPE_*");
  require_range("scale_columns", p->scale_columns, 1, INT_MAX);
  require_stride("scale_stride", p->scale_stride, 2, (columns + p->scale_columns - 1) / p->scale_columns);
}
inline void require_scale_pointer(const char* name, const void* scales, int32_t scale_rows) {
  if (scale_rows > 0) require_pointer(name, scales);
  if (scale_rows == 0 && scales != nullptr)
    fail(MLA_INVALID_ARGUMENT, std::string(name) + " is given, but scale_rows is 0");
}

inline void check(const mla_linear_params* p) {
  require_struct("params", p);
  require_compute(p->compute);
  require_type("weight_type", p->weight_type);
  require_range("rows", p->rows, 0, INT_MAX - 64);
  require_range("k", p->k, 1, 1 << 28);
  require_range("n", p->n, 0, INT_MAX);
  require_stride("x_stride", p->x_stride, p->rows, 0);
  require_stride("weight_stride", p->weight_stride, p->n, p->k);
  require_blocks("weight_stride", p->weight_stride, p->weight_type);
  require_scales(p, p->k);
  require_stride("y_stride", p->y_stride, p->rows, p->n);
}

// What a product of each head says of its weight.
inline void check_head_weight(const mla_head_linear_params* p) {
  require_compute(p->compute);
  require_type("weight_type", p->weight_type);
  require_range("heads", p->heads, 1, 1 << 16);
  require_range("in", p->in, 1, 1 << 16);
  require_range("out", p->out, 1, 1 << 16);
  require_range("transposed", p->transposed, 0, 1);
  const int rows = p->transposed ? p->in : p->out, columns = p->transposed ? p->out : p->in;
  require_stride("weight_head_stride", p->weight_head_stride, p->heads, 0);
  require_stride("weight_stride", p->weight_stride, rows, columns);
  require_blocks("weight_stride", p->weight_stride, p->weight_type);
  require_blocks("weight_head_stride", p->weight_head_stride, p->weight_type);
  require_scales(p, columns);
  if (p->scale_rows == 0) return;
  require_range("scale_head_rows", p->scale_head_rows, 0, INT_MAX);
  require_range("scale_first_row", p->scale_first_row, 0, INT_MAX);
}

inline void check(const mla_embed_params* p) {
  require_struct("params", p);
  require_type("table_type", p->table_type);
  require_range("vocabulary", p->vocabulary, 1, INT_MAX);
  require_range("width", p->width, 1, INT_MAX);
  require_stride("table_stride", p->table_stride, p->vocabulary, p->width);
  require_blocks("table_stride", p->table_stride, p->table_type);
  require_scales(p, p->width);
}

inline void check(const mla_head_linear_params* p) {
  require_struct("params", p);
  check_head_weight(p);
  require_range("tokens", p->tokens, 0, INT_MAX);
  require_stride("x_token_stride", p->x_token_stride, p->tokens, 0);
  require_stride("x_head_stride", p->x_head_stride, p->heads, 0);
  require_stride("y_token_stride", p->y_token_stride, p->tokens, p->out);
  require_stride("y_head_stride", p->y_head_stride, p->heads, p->out);
}

// How latents are stored under scales.
inline void check_scales(const mla_cache_params* c) {
  require(CacheFormats::has(c->rope_type), "rope_type", c->rope_type, "MLA_TYPE_F32 or MLA_TYPE_BF16");
  require(CacheScaleFormats::has(c->scale_type), "scale_type", c->scale_type,
          "MLA_TYPE_F32 or MLA_TYPE_BF16");
  require_range("scale_columns", c->scale_columns, 0, 1 << 16);
  require(c->scale_columns % kCodes == 0, "scale_columns", c->scale_columns, "a multiple of 32");
  require(c->rope_offset % kCodes == 0, "rope_offset", c->rope_offset, "a multiple of 32 under scales");
}

inline void check(const mla_cache_params* c) {
  require_struct("cache_params", c);
  const bool scaled = c->scale_columns != 0;
  if (!(scaled ? CodeFormats::has(c->cache_type) : CacheFormats::has(c->cache_type)))
    fail(WeightFormats::has(c->cache_type) ? MLA_UNSUPPORTED : MLA_INVALID_ARGUMENT,
         "cache_type is " + std::to_string(c->cache_type) + ", but must be " +
             (scaled ? "a type of latents under scales, MLA_TYPE_I8, F8_E4M3 or NL4"
                     : "MLA_TYPE_F32 or MLA_TYPE_BF16"));
  require_range("latent", c->latent, 1, 4096);
  require_range("rope", c->rope, 0, 1024);
  require(c->rope % 2 == 0, "rope", c->rope, "even");
  require_range("rope_offset", c->rope_offset, c->latent, 6144);
  require(c->rope_offset % 2 == 0, "rope_offset", c->rope_offset, "even");
  require_range("page_size", c->page_size, 1, 1 << 20);
  require_range("page_count", c->page_count, 0, INT_MAX);
  require_range("table_of_rows", c->table_of_rows, 0, 1);
  if (scaled) check_scales(c);
  const int64_t key = key_bytes(*c), bytes = bytes_of(scaled ? c->rope_type : c->cache_type, 1);
  const int64_t largest = scaled ? std::max(bytes, bytes_of(c->scale_type, 1)) : bytes;
  require_range("row_stride_bytes", c->row_stride_bytes, key + c->rope * bytes,
                key + (kMaxRow - c->rope_offset) * bytes);
  require((c->row_stride_bytes - key) % largest == 0, "row_stride_bytes", c->row_stride_bytes,
          "a multiple of the element size");
  require_stride("page_stride_bytes", c->page_stride_bytes, std::max<int64_t>(c->page_count, 2),
                 (c->row_stride_bytes + scale_bytes(*c)) * c->page_size);
  require(c->page_stride_bytes % largest == 0, "page_stride_bytes", c->page_stride_bytes,
          "a multiple of the element size");
}

inline void check_key_offset(const mla_attention_params* p, const mla_cache_params* c) {
  if (p->key_offset == 0) return;
  require(p->key_offset == c->rope_offset, "key_offset", p->key_offset,
          "0 or rope_offset, which is " + std::to_string(c->rope_offset));
  require(c->rope > 0, "rope", c->rope, "positive where key_offset is given");
}

inline void check_pages(const mla_cache_params* c, const int32_t* page_table, int64_t begin, int64_t end) {
  if (begin >= end) return;
  require_pointer("page_table", page_table);
  const int tokens = entry_tokens(*c);
  const int64_t entries = (int64_t)c->page_count * (c->table_of_rows ? c->page_size : 1);
  for (int64_t i = begin / tokens; i <= (end - 1) / tokens; i++) {
    if (page_table[i] < 0 || page_table[i] >= entries)
      fail(MLA_INVALID_ARGUMENT, "page_table[" + std::to_string(i) + "] is " + std::to_string(page_table[i]) +
                                     ", but the pool has " + (c->table_of_rows ? "rows" : "pages") + " 0.." +
                                     std::to_string(entries - 1));
  }
}

// One of the products that make keys and values of latents.
inline void check_up(const char* name, const mla_head_linear_params* p, int heads, int latent, int width) {
  const auto named = [&](const char* field) { return std::string(name) + "->" + field; };
  require_struct(name, p);
  require(p->heads == heads, named("heads").c_str(), p->heads, "those of params, " + std::to_string(heads));
  require(p->in == latent, named("in").c_str(), p->in, "latent, " + std::to_string(latent));
  require(p->out == width, named("out").c_str(), p->out, "the width of a head, " + std::to_string(width));
  check_head_weight(p);
}

inline void check(const mla_attention_params* p, bool decompressed) {
  require_struct("params", p);
  require_compute(p->compute);
  require_range("heads", p->heads, 1, 1 << 16);
  require_range("query_tokens", p->query_tokens, 0, 1 << 24);
  require_range("kv_tokens", p->kv_tokens, p->query_tokens, 1 << 24);
  require_range("causal", p->causal, 0, 1);
  require((int64_t)p->heads * p->query_tokens <= INT_MAX, "heads * query_tokens",
          (int64_t)p->heads * p->query_tokens, "at most 2147483647");
  if (decompressed) require(p->key_offset == 0, "key_offset", p->key_offset, "0 in the decompressed form");
  require(p->probability_bits == 8 || p->probability_bits == 15, "probability_bits", p->probability_bits,
          "8 or 15");
  if (!(p->scale > 0) || p->scale > 3e38f)
    fail(MLA_INVALID_ARGUMENT, "scale is " + std::to_string(p->scale) + ", but must be finite and positive");
  require_stride("q_token_stride", p->q_token_stride, p->query_tokens, 0);
  require_stride("q_head_stride", p->q_head_stride, p->heads, 0);
  require_stride("out_token_stride", p->out_token_stride, p->query_tokens, 1);
  require_stride("out_head_stride", p->out_head_stride, p->heads, 1);
  require_stride("lse_token_stride", p->lse_token_stride, p->query_tokens, 1);
  require_stride("lse_head_stride", p->lse_head_stride, p->heads, 1);
  if (decompressed) {
    require_range("nope", p->nope, 1, 1 << 16);
    require_range("value", p->value, 1, 1 << 16);
  }
}

inline void check(const mla_append_params* p, const mla_cache_params* c) {
  require_struct("params", p);
  check(c);
  require_range("tokens", p->tokens, 0, 1 << 24);
  require_range("position", p->position, 0, (1 << 24) - p->tokens);
  require_range("rope_layout", p->rope_layout, MLA_ROPE_PAIRS, MLA_ROPE_HALVES);
  require_eps(p->eps);
  require_stride("latent_and_key_stride", p->latent_and_key_stride, p->tokens, 0);
}

inline void check(const mla_rope_params* p) {
  require_struct("params", p);
  require_range("tokens", p->tokens, 0, INT_MAX);
  require_range("heads", p->heads, 1, INT_MAX);
  require_range("width", p->width, 1, INT_MAX);
  require_range("rope", p->rope, 0, p->width);
  require(p->rope % 2 == 0, "rope", p->rope, "even");
  require_range("rope_layout", p->rope_layout, MLA_ROPE_PAIRS, MLA_ROPE_HALVES);
  require_stride("x_token_stride", p->x_token_stride, p->tokens, 0);
  require_stride("x_head_stride", p->x_head_stride, p->heads, 0);
  require_stride("y_token_stride", p->y_token_stride, p->tokens, p->width);
  require_stride("y_head_stride", p->y_head_stride, p->heads, p->width);
}

inline void check(const mla_route_params* p) {
  require_struct("params", p);
  require_range("tokens", p->tokens, 0, INT_MAX);
  require_range("experts", p->experts, 1, kMaxExperts);
  require_range("top_k", p->top_k, 1, p->experts);
  require_range("score", p->score, MLA_SCORE_SOFTMAX, MLA_SCORE_SIGMOID);
  require_range("groups", p->groups, 1, std::min(kMaxGroups, p->experts));
  require(p->experts % p->groups == 0, "groups", p->groups, "a divisor of experts");
  require(p->groups == 1 || p->group_score != MLA_GROUP_SCORE_TOP2_SUM || p->experts >= 2 * p->groups,
          "groups", p->groups, "at most half of experts where a group's score is the sum of two");
  require_range("kept_groups", p->kept_groups, 1, p->groups);
  require_range("top_k", p->top_k, 1, p->kept_groups * (p->experts / p->groups));
  require_range("group_score", p->group_score, MLA_GROUP_SCORE_MAX, MLA_GROUP_SCORE_TOP2_SUM);
  require_range("group_mask", p->group_mask, MLA_GROUP_MASK_NEGATIVE_INFINITY, MLA_GROUP_MASK_ZERO);
  require_range("renormalize", p->renormalize, 0, 1);
  require_stride("logits_stride", p->logits_stride, p->tokens, 0);
}

inline void check(const mla_delta_params* p) {
  require_struct("params", p);
  require_range("tokens", p->tokens, 0, 1 << 24);
  require_range("heads", p->heads, 1, 1 << 16);
  require_range("width", p->width, 1, kMaxDeltaWidth);
  require_range("decay", p->decay, MLA_DECAY_SOFTPLUS, MLA_DECAY_BOUNDED);
  if (!(p->decay_bound <= 0) || p->decay_bound < -3e38f)
    fail(MLA_INVALID_ARGUMENT,
         "decay_bound is " + std::to_string(p->decay_bound) + ", but must be finite and at most 0");
  require_eps(p->eps);
  const int64_t channels = (int64_t)p->heads * p->width;
  require_stride("query_stride", p->query_stride, p->tokens, 0);
  require_stride("key_stride", p->key_stride, p->tokens, 0);
  require_stride("value_stride", p->value_stride, p->tokens, 0);
  require_stride("decay_stride", p->decay_stride, p->tokens, 0);
  require_stride("beta_stride", p->beta_stride, p->tokens, 0);
  require_stride("gate_stride", p->gate_stride, p->tokens, 0);
  require_stride("out_stride", p->out_stride, p->tokens, channels);
  require_stride("state_head_stride", p->state_head_stride, p->heads,
                 p->width * (p->width + 3 * (kDeltaTaps - 1)));
}

inline void check(const mla_merge_params* p, bool has_lse) {
  require_struct("params", p);
  require_range("parts", p->parts, 1, INT_MAX);
  require_range("tokens", p->tokens, 0, INT_MAX);
  require_range("heads", p->heads, 1, INT_MAX);
  require_range("width", p->width, 1, INT_MAX);
  require_stride("part_stride", p->part_stride, p->parts, 0);
  require_stride("part_token_stride", p->part_token_stride, p->tokens, 0);
  require_stride("part_head_stride", p->part_head_stride, p->heads, 0);
  require_stride("part_lse_stride", p->part_lse_stride, p->parts, 0);
  require_stride("part_lse_token_stride", p->part_lse_token_stride, p->tokens, 0);
  require_stride("part_lse_head_stride", p->part_lse_head_stride, p->heads, 0);
  require_stride("out_token_stride", p->out_token_stride, p->tokens, p->width);
  require_stride("out_head_stride", p->out_head_stride, p->heads, p->width);
  if (has_lse) {
    require_stride("lse_token_stride", p->lse_token_stride, p->tokens, 1);
    require_stride("lse_head_stride", p->lse_head_stride, p->heads, 1);
  }
}

inline void check(const mla_index_params* p, const mla_cache_params* c) {
  require_struct("params", p);
  check(c);
  require_range("heads", p->heads, 1, 1 << 16);
  require_range("query_tokens", p->query_tokens, 0, 1 << 24);
  require_range("kv_tokens", p->kv_tokens, p->query_tokens, 1 << 24);
  require_stride("q_token_stride", p->q_token_stride, p->query_tokens, 0);
  require_stride("q_head_stride", p->q_head_stride, p->heads, 0);
  require_stride("weights_stride", p->weights_stride, p->query_tokens, 0);
  require_stride("scores_stride", p->scores_stride, p->query_tokens, p->kv_tokens);
}

// Runs body; a failure becomes a status and a text.
template <class Body>
int32_t guard(char* error, int32_t error_size, Body body) {
  int32_t status = MLA_INTERNAL_ERROR;
  std::string text;
  try {
    body();
    return MLA_OK;
  } catch (const Failure& f) {
    status = f.status;
    text = f.text;
  } catch (const std::exception& e) {
    text = e.what();
  } catch (...) {
    text = "unknown exception";
  }
  if (error != nullptr && error_size > 0) std::snprintf(error, (size_t)error_size, "%s", text.c_str());
  return status;
}

}  // namespace mla

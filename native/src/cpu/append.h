// Latent rows into the cache: norm of the latent, rotation of the key, rounding, writing.
#pragma once
#include "abi/checks.h"
#include "cpu/cache.h"
#include "cpu/lanes.h"
#include "cpu/limits.h"
#include "cpu/rms_norm.h"
#include "cpu/rope.h"

namespace mla {
namespace {

template <class Isa>
void append(const mla_append_params* params, const mla_cache_params* cache_params,
            const float* latent_and_key, const float* norm_weight, const float* cosines, const float* sines,
            const int32_t* page_table, int token_begin, int token_end, void* cache) {
  const mla_append_params& p = *params;
  const mla_cache_params& c = *cache_params;
  float row[kMaxRow];
  const int pairs = c.rope / 2, width = (int)row_elements(c);
  for (int t = token_begin; t < token_end; t++) {
    const float* from = latent_and_key + t * p.latent_and_key_stride;
    for (int i = 0; i < width; i++) row[i] = 0;
    if (norm_weight) {
      rms_norm_row<Isa>(from, norm_weight, p.eps, c.latent, row);
    } else {
      for (int i = 0; i < c.latent; i++) row[i] = from[i];
    }
    rotate(from + c.latent, cosines + (int64_t)t * pairs, sines + (int64_t)t * pairs, pairs, p.rope_layout,
           row + c.rope_offset);
    store_row<Isa>(c, row, cache_row(c, cache, page_table, p.position + t));
  }
}

inline bool check_append(const mla_append_params* p, const mla_cache_params* c, const float* latent_and_key,
                         const float*, const float* cosines, const float* sines, const int32_t* page_table,
                         int token_begin, int token_end, const void* cache) {
  check(p, c);
  require_bounds("token", token_begin, token_end, p->tokens);
  if (token_begin == token_end) return false;
  require_pointer("latent_and_key", latent_and_key);
  require_pointer("cache", cache);
  if (c->rope > 0) {
    require_pointer("cosines", cosines);
    require_pointer("sines", sines);
  }
  check_pages(c, page_table, (int64_t)p->position + token_begin, (int64_t)p->position + token_end);
  return true;
}

}  // namespace
}  // namespace mla

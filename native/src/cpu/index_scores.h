// Scores of cached keys by the indexer of sparse attention: sum_j weight_j relu(q_j . k_s), in float32.
//
// Heads are lanes, as in WideRows: q is packed once as [dimension][head], a key's element is broadcast. A block of keys is widened once for
// several queries.
#pragma once
#include "abi/checks.h"
#include "cpu/attention_widened.h"
#include "cpu/cache.h"
#include "cpu/lanes.h"
#include "cpu/raw.h"

namespace mla {
namespace {

constexpr int kIndexQueries = 4;  // whose packed heads stay in L2: 64 heads of 128 are 32 KiB each
constexpr int kIndexKeys = 48;    // 48 x 128 floats are 24 KiB

// What a call keeps in its workspace.
template <class Isa>
struct IndexSpace {
  int heads;      // padded to vectors of lanes
  int stride;     // of a widened key
  float* query;   // [query][group of heads][dimension][lanes]
  float* weight;  // [query][heads]
  float* keys;    // [key][stride]
  float* dots;    // [key][lanes of a group]
  float* lanes;   // [lane][stride], while they are packed

  static IndexSpace make(const mla_index_params& p, const mla_cache_params& c, Carver* w) {
    IndexSpace x{};
    x.heads = round_up(p.heads, Isa::L);
    x.stride = round_up(c.latent, Isa::L);
    x.query = w->take<float>((int64_t)kIndexQueries * x.heads * x.stride);
    x.weight = w->take<float>((int64_t)kIndexQueries * x.heads);
    x.keys = w->take<float>((int64_t)kIndexKeys * x.stride);
    x.dots = w->take<float>((int64_t)kIndexKeys * Isa::kScoreVectors * Isa::L);
    x.lanes = w->take<float>((int64_t)Isa::L * x.stride);
    return x;
  }

  // Vectors of lanes in the group that begins at head `first`: as many as registers allow, a power of two.
  MLA_INLINE int vectors_at(int first) const {
    int vectors = Isa::kScoreVectors;
    while (vectors * Isa::L > heads - first) vectors /= 2;
    return vectors;
  }
};

// Query i of a block from its heads, of which those behind the last count nothing.
template <class Isa>
void pack_index_query(const IndexSpace<Isa>& w, const mla_index_params& p, const mla_cache_params& c,
                      const float* q, const float* weights, int i) {
  float* to = w.query + (int64_t)i * w.heads * w.stride;
  for (int first = 0; first < w.heads;) {
    const int vectors = w.vectors_at(first);
    for (int v = 0; v < vectors; v++) {
      for (int r = 0; r < Isa::L; r++) {
        const int head = first + v * Isa::L + r;
        float* lane = w.lanes + (int64_t)r * w.stride;
        for (int d = 0; d < w.stride; d += Isa::L) {
          const int n = head < p.heads ? min_int(Isa::L, c.latent - d) : 0;
          Isa::store(lane + d, n > 0 ? Isa::load(q + head * p.q_head_stride + d, n) : Isa::zero());
        }
      }
      for (int d = 0; d < w.stride; d += Isa::L) {
        F<Isa> x[Isa::L];
#pragma GCC unroll 16
        for (int r = 0; r < Isa::L; r++) x[r] = Isa::load(w.lanes + (int64_t)r * w.stride + d);
        Isa::transpose(x);
#pragma GCC unroll 16
        for (int r = 0; r < Isa::L; r++) Isa::store(to + ((int64_t)(d + r) * vectors + v) * Isa::L, x[r]);
      }
    }
    to += (int64_t)vectors * Isa::L * w.stride;
    first += vectors * Isa::L;
  }
  for (int head = 0; head < w.heads; head++)
    w.weight[i * w.heads + head] = head < p.heads ? weights[head] : 0;
}

// Adds HV vectors of heads to the sums of `tokens` keys: [key] vectors of lanes.
template <class Isa, int HV>
void add_index_group(const IndexSpace<Isa>& w, const mla_cache_params& c, const float* q, const float* weight,
                     int tokens, float* sums) {
  constexpr int TT = Isa::kScoreTokens * Isa::kScoreVectors / HV;
  int t = 0;
  for (; t + TT <= tokens; t += TT)
    score_tile<Isa, HV, TT, 0>(q, w.keys + (int64_t)t * w.stride, w.stride, c.latent,
                               w.dots + t * HV * Isa::L, (const char*)w.dots);
  for (; t < tokens; t++)
    score_tile<Isa, HV, 1, 0>(q, w.keys + (int64_t)t * w.stride, w.stride, c.latent, w.dots + t * HV * Isa::L,
                              (const char*)w.dots);
  F<Isa> factor[HV];
#pragma GCC unroll 4
  for (int v = 0; v < HV; v++) factor[v] = Isa::load(weight + v * Isa::L);
  for (t = 0; t < tokens; t++) {
    F<Isa> a = Isa::load(sums + t * Isa::L);
#pragma GCC unroll 4
    for (int v = 0; v < HV; v++)
      a = Isa::fma(factor[v], Isa::max(Isa::load(w.dots + (t * HV + v) * Isa::L), Isa::zero()), a);
    Isa::store(sums + t * Isa::L, a);
  }
}

// The scores of query i of a block over the widened keys.
template <class Isa>
void index_scores_of(const IndexSpace<Isa>& w, const mla_cache_params& c, int i, int tokens, float* scores) {
  alignas(64) float sums[kIndexKeys * Isa::L];
  for (int t = 0; t < tokens; t++) Isa::store(sums + t * Isa::L, Isa::zero());
  const float* q = w.query + (int64_t)i * w.heads * w.stride;
  const float* weight = w.weight + i * w.heads;
  for (int first = 0; first < w.heads;) {
    const int vectors = w.vectors_at(first);
    if (vectors == 1)
      add_index_group<Isa, 1>(w, c, q, weight + first, tokens, sums);
    else if (vectors == 2)
      add_index_group<Isa, 2>(w, c, q, weight + first, tokens, sums);
    else if constexpr (Isa::kScoreVectors == 4)
      add_index_group<Isa, 4>(w, c, q, weight + first, tokens, sums);
    q += (int64_t)vectors * Isa::L * w.stride;
    first += vectors * Isa::L;
  }
  for (int t = 0; t < tokens; t += 4) {
    F<Isa> x[4];
    for (int j = 0; j < 4; j++) x[j] = Isa::load(sums + min_int(t + j, tokens - 1) * Isa::L);
    float r[4];
    Isa::sum4(x[0], x[1], x[2], x[3], r);
    for (int j = 0; j < min_int(4, tokens - t); j++) scores[t + j] = r[j];
  }
}

template <class Isa>
int64_t index_workspace(const mla_index_params* p, const mla_cache_params* c) {
  Carver w{nullptr, 0};
  IndexSpace<Isa>::make(*p, *c, &w);
  return w.used;
}

template <class Isa>
void index_scores(const mla_index_params* params, const mla_cache_params* cache_params, const float* q,
                  const float* weights, const void* cache, const int32_t* page_table, int query_begin,
                  int query_end, int kv_begin, int kv_end, float* scores, void* workspace, int64_t) {
  const mla_index_params& p = *params;
  const mla_cache_params& c = *cache_params;
  Carver carver{(char*)workspace, 0};
  const IndexSpace<Isa> w = IndexSpace<Isa>::make(p, c, &carver);
  const int first_position = p.kv_tokens - p.query_tokens;
  for (int query = query_begin; query < query_end; query += kIndexQueries) {
    const int queries = min_int(kIndexQueries, query_end - query);
    const int last = min_int(kv_end, first_position + query + queries);
    if (kv_begin >= last) continue;
    for (int i = 0; i < queries; i++)
      pack_index_query(w, p, c, q + (query + i) * p.q_token_stride, weights + (query + i) * p.weights_stride,
                       i);
    for (int begin = kv_begin; begin < last; begin += kIndexKeys) {
      const int tokens = min_int(kIndexKeys, last - begin);
      CacheRows rows(c, cache, page_table, begin, tokens);
      for (int t = 0; t < tokens; t++)
        widen_row<Isa>(c, rows.next(), 0, c.latent, false, w.keys + (int64_t)t * w.stride, w.stride);
      for (int i = 0; i < queries; i++) {
        const int visible = min_int(tokens, first_position + query + i + 1 - begin);
        if (visible > 0) index_scores_of(w, c, i, visible, scores + (query + i) * p.scores_stride + begin);
      }
    }
  }
}

// ---- checks ----

inline bool check_index_workspace(const mla_index_params* p, const mla_cache_params* c) {
  check(p, c);
  return true;
}

inline bool check_index_scores(const RawKernels& kernels, const mla_index_params* p,
                               const mla_cache_params* c, const float* q, const float* weights,
                               const void* cache, const int32_t* page_table, int query_begin, int query_end,
                               int kv_begin, int kv_end, const float* scores, const void* workspace,
                               int64_t workspace_bytes) {
  check(p, c);
  require_bounds("query", query_begin, query_end, p->query_tokens);
  require_bounds("kv", kv_begin, kv_end, p->kv_tokens);
  require_workspace("workspace", workspace_bytes, kernels.index_workspace(p, c));
  require_pointer("workspace", workspace);
  if ((uintptr_t)workspace % 64 != 0) fail(MLA_INVALID_ARGUMENT, "workspace is not aligned to 64 bytes");
  if (query_begin == query_end || kv_begin == kv_end) return false;
  require_pointer("q", q);
  require_pointer("weights", weights);
  require_pointer("cache", cache);
  require_pointer("scores", scores);
  check_pages(c, page_table, kv_begin, kv_end);
  return true;
}

}  // namespace
}  // namespace mla

// Attention over rows that are widened to float32 once per block of tokens.
//
//  - Scores have rows as vector lanes: q is packed once as [dimension][row], a key's element is broadcast. Rows that do not fill a vector
//    are scored with dimensions as lanes instead of padding them.
//  - Values have latent columns as lanes: kRowTile rows x kValueVectors vectors of sums stay in registers over all tokens of a block.
#pragma once
#include "cpu/attention_softmax.h"
#include "cpu/attention_state.h"
#include "cpu/cache.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class I>
struct WideRows {
  typedef I Isa;
  static constexpr int kTokens = 48;  // 48 x 576 floats are 108 KiB: half of a small L2
  static constexpr int kStep = Isa::L;

  State s;
  int value_stride;
  // a block of tokens: [token][key_stride], [token][value_stride]
  const float* keys;
  const float* values;
  float *key_buffer, *value_buffer;  // of several blocks
  Ahead ahead;

  struct Group {
    int first;    // row
    int rows;     // rows in it: lanes, or fewer than L for the remainder
    int vectors;  // vectors of lanes; 0 for the remainder
  };

  // Rows first, first + rows, ... as full vectors, as many at a time as registers allow, then the remainder.
  MLA_INLINE Group group_at(int first) const {
    const int left = s.rows - first;
    int vectors = Isa::kScoreVectors;
    while (vectors > 1 && vectors * Isa::L > left) vectors /= 2;
    return left >= Isa::L ? Group{first, vectors * Isa::L, vectors} : Group{first, left, 0};
  }

  // blocks: how many blocks of tokens have room.
  static WideRows make(const mla_attention_params& p, const mla_cache_params& c, bool decompressed, int rows,
                       int blocks, Carver* w) {
    WideRows x{};
    const bool apart = decompressed || p.key_offset != 0;  // else values are the keys' own memory
    x.s = make_state<Isa>(p, c, decompressed, rows, kStep, !apart, kTokens, w);
    x.ahead.none = (const char*)x.s.scores;
    x.ahead.last = -1;
    x.value_stride = apart ? x.s.out_stride : x.s.key_stride;
    x.key_buffer = w->take<float>((int64_t)blocks * kTokens * x.s.key_stride);
    x.value_buffer = apart ? w->take<float>((int64_t)blocks * kTokens * x.value_stride) : x.key_buffer;
    return x;
  }

  // Block i of the buffers.
  MLA_INLINE void use_block(int i, int) {
    keys = key_buffer + (int64_t)i * kTokens * s.key_stride;
    values = value_buffer + (int64_t)i * kTokens * value_stride;
  }
};

// head(row) is the address of a row's query.
template <class Isa, class Head>
void pack_queries(const WideRows<Isa>& a, const QueryRow& row, Head head) {
  const State& s = a.s;
  const int words = s.key_stride;
  float* lanes = (float*)s.scratch;
  for (int first = 0; first < s.rows;) {
    const typename WideRows<Isa>::Group g = a.group_at(first);
    float* q = (float*)s.query + (int64_t)first * words;
    first += g.rows;
    if (g.vectors == 0) {
      for (int r = 0; r < round_up(g.rows, kRowTile); r++) {
        float* to = q + (int64_t)r * words;
        if (r < g.rows) copy_query<Isa>(words, s.rounds, head(g.first + r), row, to);
        for (int i = 0; r >= g.rows && i < words; i++) to[i] = 0;
      }
      continue;
    }
    for (int v = 0; v < g.vectors; v++) {
      for (int r = 0; r < Isa::L; r++)
        copy_query<Isa>(words, s.rounds, head(g.first + v * Isa::L + r), row, lanes + (int64_t)r * words);
      for (int d = 0; d < words; d += Isa::L) {
        F<Isa> x[Isa::L];
#pragma GCC unroll 16
        for (int r = 0; r < Isa::L; r++) x[r] = Isa::load(lanes + (int64_t)r * words + d);
        Isa::transpose(x);
#pragma GCC unroll 16
        for (int r = 0; r < Isa::L; r++) Isa::store(q + ((int64_t)(d + r) * g.vectors + v) * Isa::L, x[r]);
      }
    }
  }
}

// ---- scores ----

// TT tokens x HV vectors of rows; LD: the distance of keys where it is known at compile time, else 0. Lines from `ahead` on are
// prefetched: half of what the tile reads of a bf16 cache.
template <class Isa, int HV, int TT, int LD>
MLA_INLINE void score_tile(const float* q, const float* k, int stride, int width, float* out,
                           const char* ahead) {
  const int64_t ld = LD ? LD : stride;
  F<Isa> a[TT][HV];
#pragma GCC unroll 32
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 8
    for (int v = 0; v < HV; v++) a[t][v] = Isa::zero();
  const auto add = [&](int d) __attribute__((always_inline)) {
    F<Isa> x[HV];
#pragma GCC unroll 8
    for (int v = 0; v < HV; v++) x[v] = Isa::load(q + ((int64_t)d * HV + v) * Isa::L);
#pragma GCC unroll 32
    for (int t = 0; t < TT; t++) {
      const F<Isa> b = Isa::set1(k[t * ld + d]);
#pragma GCC unroll 8
      for (int v = 0; v < HV; v++) a[t][v] = Isa::fma(x[v], b, a[t][v]);
    }
  };
  int d = 0;
  for (int step = 0; d + 16 <= width; step++) {
    prefetch_lines<TT / 4>(ahead, step);
    for (const int end = d + 16; d < end; d++) add(d);
  }
  for (; d < width; d++) add(d);
#pragma GCC unroll 32
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 8
    for (int v = 0; v < HV; v++) Isa::store(out + (t * HV + v) * Isa::L, a[t][v]);
}

template <int HV, int LD, class Isa>
void score_group(WideRows<Isa>& a, const float* q, int tokens) {
  constexpr int TT = Isa::kScoreTokens * Isa::kScoreVectors / HV;
  const int stride = a.s.key_stride, width = a.s.key_width;
  float* out = a.s.scores;
  int t = 0;
  for (; t + TT <= tokens; t += TT)
    score_tile<Isa, HV, TT, LD>(q, a.keys + (int64_t)t * stride, stride, width, out + t * HV * Isa::L,
                                a.ahead.next(width / 16 * (TT / 4)));
  for (; t + 4 <= tokens; t += 4)
    score_tile<Isa, HV, 4, LD>(q, a.keys + (int64_t)t * stride, stride, width, out + t * HV * Isa::L,
                               a.ahead.none);
  for (; t < tokens; t++)
    score_tile<Isa, HV, 1, LD>(q, a.keys + (int64_t)t * stride, stride, width, out + t * HV * Isa::L,
                               a.ahead.none);
}

// kRowTile rows of the remainder x 4 tokens (fewer at the end: the last is repeated and dropped), dimensions as lanes.
template <class Isa>
MLA_INLINE void score_remainder_tile(const WideRows<Isa>& w, const float* q, const float* const* k, int n,
                                     float* out) {
  const int64_t stride = w.s.key_stride;
  F<Isa> a[kRowTile][4];
#pragma GCC unroll 4
  for (int r = 0; r < kRowTile; r++)
#pragma GCC unroll 4
    for (int t = 0; t < 4; t++) a[r][t] = Isa::zero();
  for (int d = 0; d < stride; d += Isa::L) {
#pragma GCC unroll 4
    for (int t = 0; t < 4; t++) {
      const F<Isa> x = Isa::load(k[t] + d);
#pragma GCC unroll 4
      for (int r = 0; r < kRowTile; r++) a[r][t] = Isa::fma(Isa::load(q + r * stride + d), x, a[r][t]);
    }
  }
  for (int r = 0; r < kRowTile; r++) {
    float sums[4];
    Isa::sum4(a[r][0], a[r][1], a[r][2], a[r][3], sums);
    for (int t = 0; t < n; t++) out[t * Isa::L + r] = sums[t];
  }
}

template <class Isa>
void score_remainder(WideRows<Isa>& w, const float* q, int rows, int tokens) {
  const int64_t stride = w.s.key_stride;
  for (int t = 0; t < tokens; t += 4) {
    const int n = min_int(4, tokens - t);
    const float* k[4];
    for (int i = 0; i < 4; i++) k[i] = w.keys + (t + min_int(i, n - 1)) * stride;
    int r = 0;
    for (; r < rows; r += kRowTile)
      score_remainder_tile(w, q + r * stride, k, n, w.s.scores + t * Isa::L + r);
    for (int i = 0; i < n; i++)
      for (int lane = r; lane < Isa::L; lane++) w.s.scores[(t + i) * Isa::L + lane] = 0;
  }
}

template <int LD, class Isa>
MLA_INLINE void score_any(WideRows<Isa>& a, const typename WideRows<Isa>::Group& g, int tokens) {
  const float* q = (const float*)a.s.query + (int64_t)g.first * a.s.key_stride;
  if (g.vectors == 0)
    score_remainder(a, q, g.rows, tokens);
  else if (g.vectors == 1)
    score_group<1, LD>(a, q, tokens);
  else if (g.vectors == 2)
    score_group<2, LD>(a, q, tokens);
  else if constexpr (Isa::kScoreVectors == 4)
    score_group<4, LD>(a, q, tokens);
}

// ---- values ----

// kRowTile rows x kValueColumns<Isa> columns over the tokens of a block; N lines from `ahead` on are prefetched with every fourth token.
template <class Isa, int LD, int N>
MLA_INLINE void value_tile(const float* p, int lanes, const float* values, int stride, float* out,
                           const float* factor, int tokens, const char* ahead) {
  constexpr int VV = Isa::kValueVectors;
  const int64_t ld = LD ? LD : stride;
  F<Isa> a[kRowTile][VV];
#pragma GCC unroll 4
  for (int h = 0; h < kRowTile; h++) {
    const F<Isa> f = Isa::set1(factor[h]);
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) a[h][v] = Isa::mul(f, Isa::load(out + h * kValueColumns<Isa> + v * Isa::L));
  }
  const auto add = [&](int t) __attribute__((always_inline)) {
    F<Isa> x[VV];
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) x[v] = Isa::load(values + t * ld + v * Isa::L);
#pragma GCC unroll 4
    for (int h = 0; h < kRowTile; h++) {
      const F<Isa> b = Isa::set1(p[(int64_t)t * lanes + h]);
#pragma GCC unroll 4
      for (int v = 0; v < VV; v++) a[h][v] = Isa::fma(x[v], b, a[h][v]);
    }
  };
  int t = 0;
  for (int step = 0; t + 4 <= tokens; step++) {
    prefetch_lines<N>(ahead, step);
    for (const int end = t + 4; t < end; t++) add(t);
  }
  for (; t < tokens; t++) add(t);
#pragma GCC unroll 4
  for (int h = 0; h < kRowTile; h++)
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) Isa::store(out + h * kValueColumns<Isa> + v * Isa::L, a[h][v]);
}

template <int LD, int N, class Isa>
void value_group(WideRows<Isa>& a, const typename WideRows<Isa>::Group& g, int lanes, int tokens) {
  for (int tile = 0; tile < a.s.out_stride / kValueColumns<Isa>; tile++) {
    for (int h = 0; h < g.rows; h += kRowTile)
      value_tile<Isa, LD, N>(a.s.scores + h, lanes, a.values + tile * kValueColumns<Isa>, a.value_stride,
                             sums_at<Isa>(a.s, g.first + h, tile), a.s.factor + g.first + h, tokens,
                             a.ahead.next((tokens / 4 + 2) * N));
  }
}

template <int LD, class Isa>
MLA_INLINE void value_any(WideRows<Isa>& a, const typename WideRows<Isa>::Group& g, int lanes, int tokens) {
  // few row tiles have to prefetch more each
  if (a.s.padded > 8)
    value_group<LD, 1>(a, g, lanes, tokens);
  else
    value_group<LD, 3>(a, g, lanes, tokens);
}

// A block of tokens, which begins at `first` (relative), for rows [begin, end).
template <class Isa>
void attend_rows(WideRows<Isa>& a, int begin, int end, int first, int tokens) {
  const State& s = a.s;
  for (int r = begin; r < end;) {
    const typename WideRows<Isa>::Group g = a.group_at(r);
    r += g.rows;
    const int n = visible_tokens(s, r, first, tokens);
    if (n <= 0) continue;
    const int lanes = g.vectors ? g.vectors * Isa::L : Isa::L;
    if (s.key_stride == 576)
      score_any<576>(a, g, n);
    else
      score_any<0>(a, g, n);
    if (needs_mask(s, g.first, first, n)) mask_scores<Isa>(s, g.first, lanes, first, n, s.scores);
    for (int v = 0; v < lanes; v += Isa::L)
      softmax_vector<Isa>(s, g.first + v, s.scores + v, lanes, n,
                          InPlace<Isa>{s.scores + v, lanes, s.rounds});
    if (a.value_stride == 576)
      value_any<576>(a, g, lanes, n);
    else
      value_any<0>(a, g, lanes, n);
  }
}

}  // namespace
}  // namespace mla

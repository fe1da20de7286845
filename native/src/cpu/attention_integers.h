// Attention over rows of integer codes under scales, by integer dot products: MLA_COMPUTE_INT8 on a cache of I8.
//
//  - A query's latent part is rounded to codes under a scale for each of the row's groups. Sums of a group are exact, so that they have the
//    same value in whichever order; its rotated part is multiplied as bf16.
//  - Rows of queries are vector lanes; a word of a key, two or four codes, is broadcast. A block of tokens is copied once: keys as their
//    dots want them, values with the codes of as many tokens in a word. All rows of the call use the copies.
//  - Probabilities relative to the largest of their block, times the scale of a group of columns, are rounded to integers of 8 or 15 bits.
//    Sums of a block are integers too, and become floats once. Blocks begin at multiples of kIntegerTokens: a cache's tokens fall into the
//    same blocks however a sequence is cut.
#pragma once
#include "cpu/attention_integer_rows.h"
#include "cpu/attention_softmax.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

// ---- scores ----

// What the rotated parts of TT keys give to the scores [token][VV][L] of VV vectors of rows.
template <class K, class V, int VV, int TT, int LD>
MLA_INLINE void rope_score_tile(const IntegerRows<K, V>& a, const uint32_t* q, const uint32_t* keys,
                                float* out) {
  typedef typename K::Isa Isa;
  constexpr int L = Isa::L;
  const int words = LD ? LD : a.key_words;
  F<Isa> sums[TT][VV];
#pragma GCC unroll 16
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 2
    for (int v = 0; v < VV; v++) sums[t][v] = Isa::zero();
  for (int i = a.code_words; i < a.code_words + a.rope_words; i++) {
    F<Isa> x[VV];
#pragma GCC unroll 2
    for (int v = 0; v < VV; v++) x[v] = Isa::load((const float*)q + ((int64_t)i * VV + v) * L);
#pragma GCC unroll 16
    for (int t = 0; t < TT; t++) {
      const F<Isa> one = Isa::set1(((const float*)keys)[t * words + i]);
#pragma GCC unroll 2
      for (int v = 0; v < VV; v++) sums[t][v] = Rope<Isa>::dot(sums[t][v], one, x[v]);
    }
  }
#pragma GCC unroll 16
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 2
    for (int v = 0; v < VV; v++) Isa::store(out + (t * VV + v) * L, sums[t][v]);
}

// The sums of a group of codes times its scales come to the score of a row and a token.
template <class Isa>
MLA_INLINE void add_scaled(typename Isa::I sum, F<Isa> query_scale, float scale, float* to) {
  Isa::store(to, Isa::fma(Isa::mul(Isa::to_floats(sum), query_scale), Isa::set1(scale), Isa::load(to)));
}

// TT tokens x VV vectors of rows: adds to scores [token][VV][L]. N lines from `ahead` on are prefetched with every kIntegerRun codes, into
// the first cache where kNear.
constexpr int kIntegerRun = 32;
template <class K, class V, int VV, int TT, int N, int LD, bool kNear>
MLA_INLINE void integer_score_tile(const IntegerRows<K, V>& a, const typename IntegerRows<K, V>::Group& q,
                                   int token, const uint32_t* keys, float* out, const char* ahead) {
  typedef typename K::Isa Isa;
  constexpr int L = Isa::L;
  const int words = LD ? LD : a.key_words;
  int step = 0;
  for (int g = 0; g < a.key_groups; g++) {
    typename Isa::I sums[TT][VV];
#pragma GCC unroll 16
    for (int t = 0; t < TT; t++) {
      const typename Isa::I start = Isa::set1_int(a.starts[g * kIntegerTokens + token + t]);
#pragma GCC unroll 2
      for (int v = 0; v < VV; v++) sums[t][v] = start;
    }
    const int end = min_int(a.code_words, (g + 1) * a.group_words);
    for (int i = g * a.group_words; i < end;) {
#pragma GCC unroll 16
      for (int line = 0; line < N; line++)
        __builtin_prefetch(ahead + (int64_t)(step * N + line) * 64, 0, kNear ? 3 : 2);
      step++;
      for (const int stop = i + kIntegerRun / K::kShare; i < stop; i++) {
        typename Isa::I x[VV];
#pragma GCC unroll 2
        for (int v = 0; v < VV; v++) x[v] = Isa::load_ints(q.words + ((int64_t)i * VV + v) * L);
#pragma GCC unroll 16
        for (int t = 0; t < TT; t++) {
          const typename Isa::I one = Isa::set1_int((int32_t)keys[t * words + i]);
#pragma GCC unroll 2
          for (int v = 0; v < VV; v++) sums[t][v] = K::dot(sums[t][v], x[v], one);
        }
      }
    }
#pragma GCC unroll 2
    for (int v = 0; v < VV; v++) {
      const F<Isa> scale = Isa::load(q.scales + (g * VV + v) * L);
#pragma GCC unroll 16
      for (int t = 0; t < TT; t++)
        add_scaled<Isa>(sums[t][v], scale, a.scales[g * kIntegerTokens + token + t], out + (t * VV + v) * L);
    }
  }
}

// The same for up to one vector of rows, where a broadcast of each word of a key would be bound by loads: four rows are a vector, whose
// quarter i has their word 4 i + j of a chunk of L. A key's chunk is loaded once, and a shuffle puts its words where the rows have theirs.
template <class K, class V, int Q, int TT, int N>
MLA_INLINE void integer_quad_tile(const IntegerRows<K, V>& a, const typename IntegerRows<K, V>::Group& q,
                                  int token, float* out, const char* ahead) {
  typedef typename K::Isa Isa;
  constexpr int L = Isa::L;
  const uint32_t* words = q.words;
  int column = 0;
  for (int g = 0; g < a.key_groups; g++) {
    typename Isa::I sums[TT][Q];
#pragma GCC unroll 16
    for (int t = 0; t < TT; t++) {
      const typename Isa::I start = Isa::quarter_word(a.starts[g * kIntegerTokens + token + t]);
#pragma GCC unroll 4
      for (int v = 0; v < Q; v++) sums[t][v] = start;
    }
    for (const int end = min_int(a.code_words * 4, column + a.group_columns); column < end; column += 4 * L) {
      typename Isa::I x[TT];
#pragma GCC unroll 16
      for (int t = 0; t < TT; t++) x[t] = Isa::load_ints(a.rows[token + t] + column);
      if (column % 64 == 0) prefetch_lines<N>(ahead, column / 64);
#define MLA_STEP(j)                                                                                     \
  {                                                                                                     \
    typename Isa::I y[Q];                                                                               \
    _Pragma("GCC unroll 4") for (int v = 0; v < Q; v++) y[v] = Isa::load_ints(words + (j * Q + v) * L); \
    _Pragma("GCC unroll 16") for (int t = 0; t < TT; t++) {                                             \
      const typename Isa::I one = Isa::template spread_word<j>(x[t]);                                   \
      _Pragma("GCC unroll 4") for (int v = 0; v < Q; v++) sums[t][v] = K::dot(sums[t][v], y[v], one);   \
    }                                                                                                   \
  }
      MLA_STEP(0)
      MLA_STEP(1)
      MLA_STEP(2)
      MLA_STEP(3)
#undef MLA_STEP
      words += 4 * Q * L;
    }
    const F<Isa> scale = Isa::load(q.scales + g * L);
#pragma GCC unroll 16
    for (int t = 0; t < TT; t++) {
      const typename Isa::I none = Isa::set1_int(0);
      add_scaled<Isa>(Isa::sum_quarter_words(sums[t][0], Q > 1 ? sums[t][Q > 1] : none,
                                             Q > 2 ? sums[t][Q > 2 ? 2 : 0] : none,
                                             Q > 3 ? sums[t][Q > 3 ? 3 : 0] : none),
                      scale, a.scales[g * kIntegerTokens + token + t], out + t * L);
    }
  }
}

template <int Q, class K, class V>
MLA_INLINE void quad_scores(IntegerRows<K, V>& a, const typename IntegerRows<K, V>::Group& q, int token,
                            float* out) {
  constexpr int TT = Q > 2 ? 4 : Q > 1 ? 8 : 16, N = (TT * 5 + 3) / 4;
  for (int t = 0; t < IntegerRows<K, V>::kKeyTile; t += TT)
    integer_quad_tile<K, V, Q, TT, N>(a, q, token + t, out + t * K::Isa::L,
                                      a.ahead.next(a.code_words / 16 * N));
}

template <int VV, int LD, class K, class V>
MLA_INLINE void vector_scores(IntegerRows<K, V>& a, const typename IntegerRows<K, V>::Group& q, int token,
                              const uint32_t* keys, float* out) {
  typedef IntegerRows<K, V> Rows;
  constexpr int TT = Rows::kSums / VV, N = (TT * 5 + 7) / 8, L = K::Isa::L;
  const int words = LD ? LD : a.key_words, steps = a.code_words * K::kShare / kIntegerRun;
  for (int t = 0; t < Rows::kKeyTile; t += TT) {
    rope_score_tile<K, V, VV, TT, LD>(a, q.words, keys + t * words, out + t * VV * L);
    if (Rows::kQuads && VV == 1) continue;
    if (a.ahead.done())
      integer_score_tile<K, V, VV, TT, N, LD, true>(a, q, token + t, keys + t * words, out + t * VV * L,
                                                    (const char*)(keys + (t + TT) * words));
    else
      integer_score_tile<K, V, VV, TT, N, LD, false>(a, q, token + t, keys + t * words, out + t * VV * L,
                                                     a.ahead.next(steps * N));
  }
}

// Scores [token][VV][L] of VV vectors of rows, which begin at `row`; up to the next multiple of kKeyTile tokens.
template <int VV, class K, class V>
void integer_scores(IntegerRows<K, V>& a, int row, int tokens) {
  typedef IntegerRows<K, V> Rows;
  constexpr int kUsual = 160;  // words of a row of 512 codes and 64 bf16
  const auto q = a.group_of(row);
  for (int t = 0; t < tokens; t += Rows::kKeyTile) {
    if (t == a.copied) copy_tokens(a);
    const uint32_t* keys = a.in_place ? (const uint32_t*)a.rows[t] : a.key_of(t);
    float* out = a.s.scores + t * VV * K::Isa::L;
    if (a.key_words == kUsual)
      vector_scores<VV, kUsual>(a, q, t, keys, out);
    else
      vector_scores<VV, 0>(a, q, t, keys, out);
    if constexpr (Rows::kQuads && VV == 1) {
      const int quads = a.quads_at(row);
      if (quads == 4)
        quad_scores<4>(a, q, t, out);
      else if (quads == 3)
        quad_scores<3>(a, q, t, out);
      else if (quads == 2)
        quad_scores<2>(a, q, t, out);
      else
        quad_scores<1>(a, q, t, out);
    }
  }
}

// ---- softmax ----

// The peaks that L rows from `row` on see of the first n tokens of a block, which begins at `first` (relative), and their units.
template <class Isa>
void find_lane_units(IntegerTokens& a, int row, int first, int n, int tokens) {
  constexpr int L = Isa::L, T = kIntegerTokens;
  if (!a.peaks_known) {
    for (int g = 0; g < a.groups; g++) {
      float peak = 0;
      for (int t = g * T; t < g * T + tokens; t++) {
        peak = a.finite[t] > peak ? a.finite[t] : peak;
        a.peaks[t] = peak;
      }
    }
    a.peaks_known = true;
  }
  for (int lane = 0; lane < L; lane++) {
    const float seen = a.s.position[row + lane] - (float)first + 1;
    const int count = a.s.causal && seen < (float)n ? (int)seen : n;
    for (int g = 0; g < a.groups; g++) {
      const float peak = count > 0 ? a.peaks[g * T + count - 1] : 0;
      a.lane_peaks[g * L + lane] = peak;
      a.lane_units[g * L + lane] = a.unit(peak);
    }
  }
}

// 2^x, 0 where that is below the smallest normal number: many times slower to compute with on some processors.
template <class Isa>
MLA_INLINE F<Isa> normal_exp2(F<Isa> x) {
  return Isa::select_less(x, Isa::set1((float)kNormalExponent), Isa::zero(),
                          vector_exp2<Isa, kNormalExponent>(x));
}

// The first n scores x [token][lanes] of L rows become integers, as vector v of those that are scored together; base, sum, the factors of
// the old sums and of the block's follow. kSame: each of the rows sees the whole block; else what they see is in lane_peaks and lane_units.
// A probability below the smallest normal number is that number, which no sum and no integer shows beside the block's largest, 1.
template <bool kSame, class Rows>
void integer_softmax(const Rows& a, int row, int v, float* x, int lanes, int n) {
  typedef typename Rows::Isa Isa;
  typedef typename Rows::Values V;
  constexpr int L = Isa::L;
  constexpr float kLowest = -3.4e38f;
  const State& s = a.s;
  const F<Isa> scale = Isa::set1(s.biased ? 1 : s.scale), hidden = Isa::set1(-__builtin_inff());
  for (int t = n; t < round_up(n, 4); t++) Isa::store(x + t * lanes, hidden);
  F<Isa> m0 = Isa::load(x), m1 = Isa::load(x + lanes);
  for (int t = 2; t < n; t += 2) {
    m0 = Isa::max(m0, Isa::load(x + t * lanes));
    m1 = Isa::max(m1, Isa::load(x + (t + 1) * lanes));
  }
  const F<Isa> block = Isa::mul(Isa::max(m0, m1), scale), old = Isa::load(s.base + row);
  const F<Isa> base = Isa::max(old, block);
  // a row that has seen nothing: -infinity minus this is -infinity, not NaN
  const F<Isa> shift = Isa::sub(Isa::zero(), Isa::max(block, Isa::set1(kLowest)));
  const F<Isa> rebase = Isa::sub(Isa::zero(), Isa::max(base, Isa::set1(kLowest)));
  const F<Isa> kept = normal_exp2<Isa>(Isa::add(old, rebase));
  const F<Isa> added = normal_exp2<Isa>(Isa::add(block, rebase));
  const F<Isa> largest = Isa::set1(a.largest),
               one = Isa::set1(8388608.f);  // 2^23: sums have integers in their low bits
  F<Isa> s0 = Isa::zero(), s1 = s0;
  for (int t = 0; t < n; t += 4) {
    F<Isa> e[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++)
      e[i] = vector_exp2<Isa, kNormalExponent>(Isa::fma(Isa::load(x + (t + i) * lanes), scale, shift));
    s0 = Isa::add(s0, Isa::add(e[0], e[1]));
    s1 = Isa::add(s1, Isa::add(e[2], e[3]));
    for (int g = 0; g < a.groups; g++) {
      typename Isa::I w[4];
#pragma GCC unroll 4
      for (int i = 0; i < 4; i++) {
        const int at = g * kIntegerTokens + t + i;
        F<Isa> weight;
        if constexpr (kSame) {
          weight = Isa::set1(a.weights[at]);
        } else {
          weight = Isa::mul(Isa::set1(a.finite[at]), Isa::load(a.lane_units + g * L));
          weight = Isa::select_less(weight, largest, weight, largest);
        }
        w[i] = Isa::as_ints(Isa::fma(e[i], weight, one));
      }
      V::put(a.probability_words(g, v, t / V::kShare), w);
    }
  }
  Isa::store(s.base + row, base);
  Isa::store(s.factor + row, kept);
  Isa::store(s.sum + row, Isa::fma(Isa::load(s.sum + row), kept, Isa::mul(added, Isa::add(s0, s1))));
  for (int g = 0; g < a.groups; g++) {
    const F<Isa> peak = kSame ? Isa::set1(a.block_peaks[g]) : Isa::load(a.lane_peaks + g * L);
    Isa::store(a.factors_of(g, v), Isa::mul(added, Isa::div(peak, largest)));
  }
}

// ---- values ----

// kRowTile rows x kValueColumns<Isa> columns over the tokens of a block: their old sums times `kept`, plus the block's times `factor`. kSame:
// `kept` is 1, as it is for most blocks of a long text.
template <class V, bool kSame, class Isa = typename V::Isa>
MLA_INLINE void integer_value_tile(const uint32_t* p, const uint32_t* values, float* out, const float* kept,
                                   const float* factor, int steps) {
  constexpr int VV = Isa::kValueVectors, L = Isa::L;
  typename Isa::I a[kRowTile][VV];
#pragma GCC unroll 4
  for (int h = 0; h < kRowTile; h++)
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) a[h][v] = Isa::set1_int(0);
  for (int i = 0; i < kRowTile * VV * L; i += 16) __builtin_prefetch(out + i, 1, 3);
  for (int t = 0; t < steps; t++) {
    typename Isa::I x[VV];
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) x[v] = Isa::load_ints(values + (t * VV + v) * L);
#pragma GCC unroll 4
    for (int h = 0; h < kRowTile; h++) {
      const typename Isa::I one = Isa::set1_int((int32_t)p[t * L + h]);
#pragma GCC unroll 4
      for (int v = 0; v < VV; v++) a[h][v] = V::dot(a[h][v], one, x[v]);
    }
  }
#pragma GCC unroll 4
  for (int h = 0; h < kRowTile; h++) {
    const F<Isa> old = Isa::set1(kept[h]), added = Isa::set1(factor[h]);
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) {
      float* to = out + (h * VV + v) * L;
      const F<Isa> before = kSame ? Isa::load(to) : Isa::mul(old, Isa::load(to));
      Isa::store(to, Isa::fma(Isa::to_floats(a[h][v]), added, before));
    }
  }
}

template <class K, class V>
void integer_values(const IntegerRows<K, V>& a, int row, int rows, int n) {
  typedef typename K::Isa Isa;
  constexpr int L = Isa::L;
  const State& s = a.s;
  const int steps = (n + V::kShare - 1) / V::kShare;
  for (int tile = 0; tile < s.out_stride / kValueColumns<Isa>; tile++) {
    const int g = tile * kValueColumns<Isa> / a.group_columns;
    const uint32_t* values = a.value_words(0, tile * kValueColumns<Isa>);
    for (int r = 0; r < rows; r += kRowTile) {
      const uint32_t* p = a.probability_words(g, r / L, 0) + r % L;
      const float *kept = s.factor + row + r, *factor = a.factors_of(g, r / L) + r % L;
      float* out = sums_at<Isa>(s, row + r, tile);
      if (kept[0] == 1 && kept[1] == 1 && kept[2] == 1 && kept[3] == 1)
        integer_value_tile<V, true>(p, values, out, kept, factor, steps);
      else
        integer_value_tile<V, false>(p, values, out, kept, factor, steps);
    }
  }
}

// A block of tokens, which begins at `first` (relative), for the rows [begin, end).
template <class K, class V>
void attend_rows(IntegerRows<K, V>& a, int begin, int end, int first, int tokens) {
  typedef typename K::Isa Isa;
  constexpr int L = Isa::L;
  const State& s = a.s;
  for (int row = begin; row < end;) {
    const auto group = a.group_of(row);
    const int vectors = group.vectors, rows = min_int(vectors * L, end - row);
    const int n = visible_tokens(s, row + rows, first, tokens);
    if (n > 0) {
      if (vectors == 1)
        integer_scores<1>(a, row, n);
      else
        integer_scores<2>(a, row, n);
      const bool masked = needs_mask(s, row, first, n);
      if (masked) mask_scores<Isa>(s, row, vectors * L, first, n, s.scores);
      for (int v = 0; v < vectors; v++) {
        float* scores = s.scores + v * L;
        if (!masked && n == tokens) {
          integer_softmax<true>(a, row + v * L, v, scores, vectors * L, n);
        } else {
          find_lane_units<Isa>(a, row + v * L, first, n, tokens);
          integer_softmax<false>(a, row + v * L, v, scores, vectors * L, n);
        }
      }
      integer_values(a, row, round_up(rows, kRowTile), n);
    }
    row += vectors * L;
  }
}

// Columns that are not in their order come into it.
template <class V>
void restore_sums(const State& s) {
  typedef typename V::Isa Isa;
  for (int tile = 0; tile < s.out_stride / kValueColumns<Isa>; tile++)
    for (int r = 0; r < s.rows; r++) V::restore(sums_at<Isa>(s, r, tile));
}

template <class K, class V>
void finish_sums(const IntegerRows<K, V>& a) {
  restore_sums<V>(a.s);
}

}  // namespace
}  // namespace mla

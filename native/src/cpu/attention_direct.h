// Attention of few rows, as of heads with keys of their own: each cached element is used a few times only, so that reading it is what takes
// the time.
//
//  - Nothing is copied: scores and values come from the rows where they lie. Scores have dimensions as lanes, four tokens at a time; the
//    softmax has tokens as lanes; values have columns.
//  - A block of tokens and the next one stay in L1: while a block is computed, the next one is loaded, in the order of its addresses and at
//    an even pace: with each step as many lines as the step reads.
#pragma once
#include "cpu/attention_softmax.h"
#include "cpu/attention_state.h"
#include "cpu/cache.h"
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

constexpr int kDirectRows = 4;  // operations of so many rows (queries times heads) are faster this way
template <class Isa>
constexpr int kDirectTile = Isa::L == 16 ? 4 : 2;  // rows whose sums with four keys stay in registers

// Elements of the cache as DirectRows takes them: widened to float32.
template <class I, class Format>
struct WidenedElements {
  typedef I Isa;
  typedef typename Format::Block T;  // of the cache
  typedef float Q;                   // of a packed query
  typedef F<Isa> V;
  static constexpr int kStep = Isa::L;  // elements of a key in a V
  static constexpr int kShare = 1;      // tokens whose probabilities share 4 bytes

  static MLA_INLINE V read(const T* p) { return Format::template read<Isa>(p); }
  static MLA_INLINE V read(const T* p, int n) { return Format::template read<Isa>(p, n); }
  static MLA_INLINE V query(const Q* p) { return Isa::load(p); }
  static MLA_INLINE F<Isa> dot(F<Isa> sum, V a, V b) { return Isa::fma(a, b, sum); }

  // Probabilities of a block, in place of their scores.
  template <int N>
  static MLA_INLINE void put(float* to, const F<Isa> (&e)[N], bool rounds) {
#pragma GCC unroll 4
    for (int v = 0; v < N; v++) Isa::store(to + v * Isa::L, rounds ? Isa::round_bf16(e[v]) : e[v]);
  }

  // Adds the values of two tokens, whose probabilities are at p, to sums of C vectors of columns; `left` columns are there.
  template <int N, int C>
  static MLA_INLINE void add_values(F<Isa> (&a)[N][C], const T* const* rows, int column, int left,
                                    const float* p, int p_stride) {
#pragma GCC unroll 2
    for (int t = 0; t < 2; t++) {
      F<Isa> x[C];
#pragma GCC unroll 4
      for (int v = 0; v < C; v++) {
        const T* from = rows[t] + column + v * Isa::L;
        const int n = left - v * Isa::L;
        x[v] = n >= Isa::L ? Format::template read<Isa>(from)
               : n > 0     ? Format::template read<Isa>(from, n)
                           : Isa::zero();
      }
#pragma GCC unroll 4
      for (int r = 0; r < N; r++) {
        const F<Isa> b = Isa::set1(p[r * p_stride + t]);
#pragma GCC unroll 4
        for (int v = 0; v < C; v++) a[r][v] = Isa::fma(x[v], b, a[r][v]);
      }
    }
  }
};

// Elements of the cache as DirectRows takes them with the bf16 dot: pairs, of two elements of a key or two tokens of a column.
template <class I>
struct PairedElements {
  typedef I Isa;
  typedef uint16_t T;
  typedef uint16_t Q;
  typedef P<Isa> V;
  static constexpr int kStep = 2 * Isa::L;
  static constexpr int kShare = 2;

  static MLA_INLINE V read(const T* p) { return Isa::load_pairs(p); }
  static MLA_INLINE V read(const T* p, int n) { return Isa::load_pairs(p, n); }
  static MLA_INLINE V query(const Q* p) { return Isa::load_pairs(p); }
  static MLA_INLINE F<Isa> dot(F<Isa> sum, V a, V b) { return Isa::dot(sum, a, b); }

  template <int N>
  static MLA_INLINE void put(float* to, const F<Isa> (&e)[N], bool) {
#pragma GCC unroll 4
    for (int v = 0; v < N; v += 2)
      Isa::store_pairs(to + v / 2 * Isa::L,
                       Isa::round_to_pairs(e[v], v + 1 < N ? e[v + 1 < N ? v + 1 : v] : Isa::zero()));
  }

  template <int N, int C>
  static MLA_INLINE void add_values(F<Isa> (&a)[N][C], const T* const* rows, int column, int left,
                                    const float* p, int p_stride) {
#pragma GCC unroll 2
    for (int v = 0; v < C; v += 2) {
      const int n = left - v * Isa::L;
      V x[2], low, high;
#pragma GCC unroll 2
      for (int t = 0; t < 2; t++) {
        const T* from = rows[t] + column + v * Isa::L;
        x[t] = n >= kStep ? Isa::load_pairs(from) : n > 0 ? Isa::load_pairs(from, n) : Isa::no_pairs();
      }
      Isa::interleave(x[0], x[1], &low, &high);
#pragma GCC unroll 4
      for (int r = 0; r < N; r++) {
        uint32_t pair;
        __builtin_memcpy(&pair, p + r * p_stride, 4);
        const V b = Isa::set1_pair(pair);
        a[r][v] = Isa::dot(a[r][v], low, b);
        a[r][v + 1] = Isa::dot(a[r][v + 1], high, b);
      }
    }
  }
};

template <class K>
struct DirectRows {
  typedef typename K::Isa Isa;
  typedef typename K::T T;
  static constexpr int kTokens = 16;
  static constexpr int kLanes = kTokens / Isa::L;  // vectors of a row's scores

  State s;                 // scores: [row][kTokens]
  const T* rows[kTokens];  // of the block; the last one again after it
  int key_offset;
  Ahead ahead;

  static DirectRows make(const mla_attention_params& p, const mla_cache_params& c, bool decompressed,
                         int rows, int, Carver* w) {
    DirectRows x{};
    x.s = make_state<Isa>(p, c, decompressed, rows, K::kStep, false, kTokens, w);
    x.key_offset = p.key_offset;
    x.ahead.none = (const char*)x.s.scores;
    x.ahead.last = -1;
    return x;
  }
};

// head(row) is the address of a row's query.
template <class K, class Head>
void pack_queries(const DirectRows<K>& a, const QueryRow& row, Head head) {
  typedef typename K::Isa Isa;
  const State& s = a.s;
  for (int r = 0; r < s.rows; r++)
    copy_query<Isa>(s.key_stride, s.rounds, head(r), row,
                    (typename K::Q*)s.query + (int64_t)r * s.key_stride);
}

// N rows x 4 tokens. With every 32 elements of the keys, as many lines are loaded as these take.
template <class K, int N>
MLA_INLINE void direct_score_tile(const DirectRows<K>& a, int row, int token, const Lines& ahead) {
  typedef typename K::Isa Isa;
  constexpr int kRun = 32;
  const int stride = a.s.key_stride, width = a.s.key_width;
  const typename K::Q* q = (const typename K::Q*)a.s.query + (int64_t)row * stride;
  const typename K::T* k[4];
#pragma GCC unroll 4
  for (int t = 0; t < 4; t++) k[t] = a.rows[token + t] + a.key_offset;
  F<Isa> sums[N][4];
#pragma GCC unroll 4
  for (int r = 0; r < N; r++)
#pragma GCC unroll 4
    for (int t = 0; t < 4; t++) sums[r][t] = Isa::zero();
  const auto add = [&](int d, auto read) __attribute__((always_inline)) {
    typename K::V x[4];
#pragma GCC unroll 4
    for (int t = 0; t < 4; t++) x[t] = read(k[t] + d);
#pragma GCC unroll 4
    for (int r = 0; r < N; r++) {
      const typename K::V y = K::query(q + r * stride + d);
#pragma GCC unroll 4
      for (int t = 0; t < 4; t++) sums[r][t] = K::dot(sums[r][t], x[t], y);
    }
  };
  const auto whole = [](const typename K::T* p) __attribute__((always_inline)) { return K::read(p); };
  int d = 0;
  for (; d + kRun <= width; d += kRun) {
    load_lines<Isa, 4 * kRun*(int)sizeof(typename K::T) / 64>(ahead, d / kRun);
#pragma GCC unroll 8
    for (int i = 0; i < kRun; i += K::kStep) add(d + i, whole);
  }
  for (; d + K::kStep <= width; d += K::kStep) add(d, whole);
  if (d < width)
    add(d, [&](const typename K::T* p) __attribute__((always_inline)) { return K::read(p, width - d); });
#pragma GCC unroll 4
  for (int r = 0; r < N; r++)
    Isa::sum4(sums[r][0], sums[r][1], sums[r][2], sums[r][3],
              a.s.scores + (row + r) * DirectRows<K>::kTokens + token);
}

// Scores of a row become probabilities relative to the largest score so far; base, sums and the factor of the old sums follow. first: the
// block's first key, relative; keys from `tokens` on do not count.
template <class K>
void direct_softmax(const DirectRows<K>& a, int row, int first, int tokens) {
  typedef typename K::Isa Isa;
  typedef DirectRows<K> D;
  constexpr float kLowest = -3.4e38f;
  alignas(64) static constexpr float kIndex[16] = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
  const State& s = a.s;
  float* scores = s.scores + row * D::kTokens;
  const F<Isa> hidden = Isa::set1(-__builtin_inff()), stored_scale = Isa::set1(s.scale);
  const bool masked = needs_mask(s, row, first, tokens);
  F<Isa> x[D::kLanes];
#pragma GCC unroll 4
  for (int v = 0; v < D::kLanes; v++) {
    const F<Isa> index = Isa::load(kIndex + v * Isa::L);
    x[v] = Isa::load(scores + v * Isa::L);
    if (masked) {
      const F<Isa> distance = Isa::sub(Isa::set1(s.position[row] - (float)first), index);
      if (s.biased)
        x[v] = Isa::sub(Isa::mul(x[v], stored_scale), Isa::mul(Isa::set1(s.slope[row]), distance));
      if (s.causal) x[v] = Isa::select_less(distance, Isa::zero(), hidden, x[v]);
    }
    if (tokens < D::kTokens) x[v] = Isa::select_less(index, Isa::set1((float)tokens), x[v], hidden);
  }
  const float scale = s.biased ? 1 : s.scale, old = s.base[row];
  F<Isa> largest = x[0];
#pragma GCC unroll 4
  for (int v = 1; v < D::kLanes; v++) largest = Isa::max(largest, x[v]);
  const float score = Isa::max_lanes(largest) * scale, base = score > old ? score : old;
  // a row that has seen nothing: -infinity minus this is -infinity, not NaN
  const float shift = base > kLowest ? -base : -kLowest;
  F<Isa> factor = Isa::set1(1);
  if (base != old) factor = vector_exp2<Isa>(Isa::set1(old + shift));
  F<Isa> e[D::kLanes];
#pragma GCC unroll 4
  for (int v = 0; v < D::kLanes; v++)
    e[v] = vector_exp2<Isa>(Isa::fma(x[v], Isa::set1(scale), Isa::set1(shift)));
  K::put(scores, e, s.rounds);
  F<Isa> lanes = e[0];
#pragma GCC unroll 4
  for (int v = 1; v < D::kLanes; v++) lanes = Isa::add(lanes, e[v]);
  Isa::store(s.factor + row, factor, 1);
  s.base[row] = base;
  s.sum[row] = s.sum[row] * s.factor[row] + sum<Isa>(lanes);
}

// N rows x kValueColumns<Isa> columns. As many lines are loaded as the values take.
template <class K, int N, bool kWhole>
MLA_INLINE void direct_value_tile(const DirectRows<K>& a, int row, int tile, int tokens, const Lines& ahead) {
  typedef typename K::Isa Isa;
  constexpr int VV = Isa::kValueVectors, kBytes = kValueColumns<Isa> * (int)sizeof(typename K::T);
  constexpr int kStep = 2 * kBytes >= 64 ? 2 : 4;
  const int column = tile * kValueColumns<Isa>, left = kWhole ? kValueColumns<Isa> : a.s.value_width - column;
  float* out = sums_at<Isa>(a.s, row, tile);
  const float* p = a.s.scores + row * DirectRows<K>::kTokens;
  F<Isa> sums[N][VV];
#pragma GCC unroll 4
  for (int r = 0; r < N; r++) {
    const F<Isa> f = Isa::set1(a.s.factor[row + r]);
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++)
      sums[r][v] = Isa::mul(f, Isa::load(out + r * kValueColumns<Isa> + v * Isa::L));
  }
  for (int t = 0; t < tokens; t += kStep) {
    load_lines<Isa, kStep * kBytes / 64>(ahead, t / kStep);
#pragma GCC unroll 2
    for (int i = t; i < t + kStep; i += 2)
      K::add_values(sums, a.rows + i, column, left, p + i / K::kShare, DirectRows<K>::kTokens);
  }
#pragma GCC unroll 4
  for (int r = 0; r < N; r++)
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) Isa::store(out + r * kValueColumns<Isa> + v * Isa::L, sums[r][v]);
}

// N rows from `row` on over the first `tokens` of a block.
template <class K, int N>
void attend_direct(DirectRows<K>& a, int row, int first, int tokens) {
  typedef DirectRows<K> D;
  constexpr int kBytes = (int)sizeof(typename K::T), kColumns = kValueColumns<typename K::Isa>;
  for (int t = 0; t < tokens; t += 4)
    direct_score_tile<K, N>(a, row, t, a.ahead.load(a.s.key_width / 32 * 4 * 32 * kBytes / 64));
  for (int r = row; r < row + N; r++) direct_softmax(a, r, first, tokens);
  const int whole = a.s.value_width / kColumns;
  for (int tile = 0; tile < whole; tile++)
    direct_value_tile<K, N, true>(a, row, tile, tokens, a.ahead.load(D::kTokens * kColumns * kBytes / 64));
  if (whole * kColumns < a.s.value_width)
    direct_value_tile<K, N, false>(a, row, whole, tokens, Lines{a.ahead.none, 0});
}

// A block of tokens, which begins at `first` (relative), for the rows [begin, end).
template <class K>
void attend_rows(DirectRows<K>& a, int begin, int end, int first, int tokens) {
  const int n = visible_tokens(a.s, end, first, tokens);
  if (n <= 0) return;
  constexpr int kTile = kDirectTile<typename K::Isa>;
  for (int r = begin; r < end; r += kTile) {
    switch (min_int(kTile, end - r)) {
      case 4:
        attend_direct<K, 4>(a, r, first, n);
        break;
      case 3:
        attend_direct<K, 3>(a, r, first, n);
        break;
      case 2:
        attend_direct<K, 2>(a, r, first, n);
        break;
      default:
        attend_direct<K, 1>(a, r, first, n);
        break;
    }
  }
}

}  // namespace
}  // namespace mla

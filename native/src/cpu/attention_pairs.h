// Attention with the bf16 dot product, which multiplies pairs: keys are read where they lie in the cache. In matrix registers:
// attention_matrix.h.
//
//  - Scores: a quad of rows is one vector. Its quarter g has the four rows' pair 4g + j of a chunk of L pairs; a key's chunk is loaded
//    once, and one in-lane shuffle puts its pair 4g + j into all lanes of quarter g. So each load feeds as many dots as there are rows;
//    broadcasting every pair from memory instead is bound by loads where there are few heads. The quarters are added at the end; vectors of
//    four lanes are one, and their dot takes the pair of a lane without a shuffle.
//  - Values need pairs of tokens. The chunks that scores have just loaded are interleaved on the way, once per block, into
//    [column tile][pair][kValueColumns<Isa>], where all rows of the call use them: the row's only movement.
#pragma once
#include "cpu/attention_matrix.h"
#include "cpu/attention_pair_rows.h"
#include "cpu/attention_softmax.h"
#include "cpu/attention_state.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

// Rows of bf16, [rows padded to 4][stride], as groups of up to kPairRows: [chunk][j][quad][L]. fill(row, to) writes a row of `stride` elements.
template <class Isa, class Fill>
MLA_INLINE void pack_quads(int rows, int stride, uint16_t* lines, uint32_t* packed, Fill fill) {
  for (int first = 0; first < rows; first += kPairRows, packed += (int64_t)kPairRows * (stride / 2)) {
    const int quads = (min_int(kPairRows, rows - first) + 3) / 4;
    for (int v = 0; v < quads; v++) {
      for (int r = 0; r < 4; r++) {
        uint16_t* to = lines + (int64_t)r * stride;
        if (first + 4 * v + r < rows)
          fill(first + 4 * v + r, to);
        else
          __builtin_memset(to, 0, 2 * (size_t)stride);
      }
      for (int d = 0; d < stride; d += 2 * Isa::L) {
        P<Isa> x[4];
#pragma GCC unroll 4
        for (int r = 0; r < 4; r++) x[r] = Isa::load_pairs(lines + (int64_t)r * stride + d);
        Isa::transpose_quads(x);
#pragma GCC unroll 4
        for (int j = 0; j < 4; j++)
          Isa::store_pairs(packed + ((int64_t)(d / (2 * Isa::L) * 4 + j) * quads + v) * Isa::L, x[j]);
      }
    }
  }
}

// Groups of rows as scores take them.
template <class Isa, class Fill>
MLA_INLINE void pack_groups(int rows, int stride, uint16_t* lines, uint32_t* packed, Fill fill) {
  if constexpr (Isa::kHasMatrix)
    pack_matrix_groups<Isa>(rows, stride, lines, packed, fill);
  else
    pack_quads<Isa>(rows, stride, lines, packed, fill);
}

// head(row) is the address of a row's query.
template <class Isa, class Head>
void pack_queries(const PairRows<Isa>& a, const QueryRow& row, Head head) {
  const int stride = a.s.key_stride;
  pack_groups<Isa>(a.s.rows, stride, (uint16_t*)a.s.scratch, (uint32_t*)a.s.query,
                   [&](int r, uint16_t* to) { copy_query<Isa>(stride, true, head(r), row, to); });
}

// ---- scores ----

// The next chunk of TT keys, x, times Q quads of rows.
template <class Isa, int Q, int TT>
MLA_INLINE void quad_chunk(const uint32_t* q, const P<Isa> (&x)[TT], F<Isa> (&a)[TT][Q]) {
#define MLA_STEP(j)                                                                                       \
  {                                                                                                       \
    P<Isa> y[Q];                                                                                          \
    _Pragma("GCC unroll 4") for (int v = 0; v < Q; v++) y[v] = Isa::load_pairs(q + (j * Q + v) * Isa::L); \
    _Pragma("GCC unroll 16") for (int t = 0; t < TT; t++) {                                               \
      const P<Isa> b = Isa::template spread<j>(x[t]);                                                     \
      _Pragma("GCC unroll 4") for (int v = 0; v < Q; v++) a[t][v] = Isa::dot(a[t][v], y[v], b);           \
    }                                                                                                     \
  }
  MLA_STEP(0)
  MLA_STEP(1)
  MLA_STEP(2)
  MLA_STEP(3)
#undef MLA_STEP
}

template <class Isa, int TT>
MLA_INLINE void load_chunk(const uint16_t* const* keys, int d, int left, P<Isa> (&x)[TT]) {
#pragma GCC unroll 16
  for (int t = 0; t < TT; t++)
    x[t] = left >= 2 * Isa::L ? Isa::load_pairs(keys[t] + d) : Isa::load_pairs(keys[t] + d, left);
}

// TT tokens x Q quads of rows: out [token][kRows]. values: where the first value_chunks chunks of these tokens are interleaved to. TT / 2
// lines from `ahead` on are prefetched with each chunk: as many again as values prefetch.
template <class Isa, int Q, int TT>
MLA_INLINE void quad_tile(const uint32_t* q, const uint16_t* const* keys, int width, float* out,
                          uint32_t* values, int value_chunks, const char* ahead) {
  constexpr int kChunk = 2 * Isa::L;  // elements
  F<Isa> a[TT][Q];
#pragma GCC unroll 16
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 4
    for (int v = 0; v < Q; v++) a[t][v] = Isa::zero();
  int d = 0;
  for (int i = 0; i < value_chunks; i++, d += kChunk, q += 4 * Q * Isa::L) {
    P<Isa> x[TT];
    load_chunk<Isa, TT>(keys, d, width - d, x);
    if (d % 32 == 0) prefetch_lines<TT / 2>(ahead, d / 32);
    quad_chunk<Isa, Q, TT>(q, x, a);
    uint32_t* to = values + (int64_t)(d / kValueColumns<Isa>)*PairRows<Isa>::kPairs * kValueColumns<Isa> +
                   d % kValueColumns<Isa>;
#pragma GCC unroll 8
    for (int t = 0; t < TT; t += 2) {
      P<Isa> low, high;
      Isa::interleave(x[t], x[t + 1], &low, &high);
      Isa::store_pairs(to + t / 2 * kValueColumns<Isa>, low);
      Isa::store_pairs(to + t / 2 * kValueColumns<Isa> + Isa::L, high);
    }
  }
  for (; d + kChunk <= width; d += kChunk, q += 4 * Q * Isa::L) {
    P<Isa> x[TT];
    load_chunk<Isa, TT>(keys, d, kChunk, x);
    if (d % 32 == 0) prefetch_lines<TT / 2>(ahead, d / 32);
    quad_chunk<Isa, Q, TT>(q, x, a);
  }
  if (d < width) {
    P<Isa> x[TT];
    load_chunk<Isa, TT>(keys, d, width - d, x);
    quad_chunk<Isa, Q, TT>(q, x, a);
  }
#pragma GCC unroll 16
  for (int t = 0; t < TT; t++) {
    const F<Isa> none = Isa::zero();
    const F<Isa> quads[4] = {a[t][0], Q > 1 ? a[t][Q > 1] : none, Q > 2 ? a[t][Q > 2 ? 2 : 0] : none,
                             Q > 3 ? a[t][Q > 3 ? 3 : 0] : none};
    if constexpr (Isa::L == 4) {
#pragma GCC unroll 4
      for (int v = 0; v < 4; v++) Isa::store(out + t * kPairRows + 4 * v, quads[v]);
    } else {
      Isa::store(out + t * kPairRows, Isa::sum_quarters(quads[0], quads[1], quads[2], quads[3]));
    }
  }
}

template <int Q, int TT, class Isa>
void quad_group(PairRows<Isa>& a, const uint16_t* const* keys, int width, const uint32_t* q, int tokens,
                float* out) {
  const int chunks = (a.s.value_width + 2 * Isa::L - 1) / (2 * Isa::L);
  for (int t = 0; t < tokens; t += TT) {
    const bool interleaves = t + TT > a.interleaved;
    quad_tile<Isa, Q, TT>(q, keys + t, width, out + t * kPairRows, a.value_pairs(t / 2, 0),
                          interleaves ? chunks : 0, a.ahead.next(width / 32 * (TT / 2)));
    if (interleaves) a.interleaved = t + TT;
  }
}

// Scores [token][kRows] of a group; tokens up to the next multiple of 16 may be written.
template <class Isa>
void score_group(PairRows<Isa>& a, const uint16_t* const* keys, int width, const uint32_t* q, int quads,
                 int tokens, float* out) {
  if (quads == 4)
    quad_group<4, 4>(a, keys, width, q, tokens, out);
  else if (quads == 3)
    quad_group<3, 4>(a, keys, width, q, tokens, out);
  else if (quads == 2)
    quad_group<2, 8>(a, keys, width, q, tokens, out);
  else
    quad_group<1, 16>(a, keys, width, q, tokens, out);
}

// ---- values ----

// kRowTile rows x kValueColumns<Isa> columns over the pairs of a block; N lines from `ahead` on are prefetched with every second pair.
template <class Isa, int N>
MLA_INLINE void pair_value_tile(const uint32_t* p, const uint32_t* values, float* out, const float* factor,
                                int pairs, const char* ahead) {
  constexpr int VV = Isa::kValueVectors;
  F<Isa> a[kRowTile][VV];
#pragma GCC unroll 4
  for (int h = 0; h < kRowTile; h++) {
    const F<Isa> f = Isa::set1(factor[h]);
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) a[h][v] = Isa::mul(f, Isa::load(out + h * kValueColumns<Isa> + v * Isa::L));
  }
  const auto add = [&](int t) __attribute__((always_inline)) {
    P<Isa> x[VV];
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++)
      x[v] = Isa::load_pairs(values + (int64_t)t * kValueColumns<Isa> + v * Isa::L);
#pragma GCC unroll 4
    for (int h = 0; h < kRowTile; h++) {
      const P<Isa> b = Isa::set1_pair(p[(int64_t)t * kPairRows + h]);
#pragma GCC unroll 4
      for (int v = 0; v < VV; v++) a[h][v] = Isa::dot(a[h][v], x[v], b);
    }
  };
  int t = 0;
  for (; t + 2 <= pairs; t += 2) {
    add(t);
    prefetch_lines<N>(ahead, t / 2);
    add(t + 1);
  }
  if (t < pairs) add(t);
#pragma GCC unroll 4
  for (int h = 0; h < kRowTile; h++)
#pragma GCC unroll 4
    for (int v = 0; v < VV; v++) Isa::store(out + h * kValueColumns<Isa> + v * Isa::L, a[h][v]);
}

// seen: the tokens of the block that each group of the band sees.
template <int N, class Isa>
void value_band(PairRows<Isa>& a, int begin, int end, const int* seen) {
  const State& s = a.s;
  for (int tile = 0; tile < s.out_stride / kValueColumns<Isa>; tile++) {
    const uint32_t* values = a.value_pairs(0, tile * kValueColumns<Isa>);
    for (int r = begin, g = 0; r < end; r += kPairRows, g++) {
      if (seen[g] <= 0) continue;
      const uint32_t* p = a.probabilities + g * PairRows<Isa>::kPairs * kPairRows;
      const int pairs = (seen[g] + 1) / 2;
      for (int h = 0; h < 4 * a.quads_at(r); h += kRowTile)
        pair_value_tile<Isa, N>(p + h, values, sums_at<Isa>(s, r + h, tile), s.factor + r + h, pairs,
                                a.ahead.next(pairs / 2 * N + 2 * N));
    }
  }
}

// A block of tokens, which begins at `first` (relative), for the band of rows [begin, end).
template <class Isa>
void attend_pair_rows(PairRows<Isa>& a, int begin, int end, int first, int tokens) {
  const State& s = a.s;
  int seen[kBandRows / kPairRows] = {};
  for (int r = begin, g = 0; r < end; r += kPairRows, g++) {
    const int n = visible_tokens(s, r + kPairRows, first, tokens);
    seen[g] = n;
    if (n <= 0) continue;
    float* scores = s.scores;
    score_group(a, a.keys, s.key_width, (const uint32_t*)s.query + (int64_t)r * (s.key_stride / 2),
                a.quads_at(r), n, scores);
    if (needs_mask(s, r, first, n)) mask_scores<Isa>(s, r, kPairRows, first, n, scores);
    for (int v = 0; v < 4 * a.quads_at(r); v += Isa::L)
      softmax_vector<Isa>(s, r + v, scores + v, kPairRows, n,
                          InPairs<Isa>{a.probabilities + g * PairRows<Isa>::kPairs * kPairRows + v});
  }
  // few row tiles have to prefetch more each
  if (s.padded > 8)
    value_band<1>(a, begin, end, seen);
  else if (s.padded > 4)
    value_band<2>(a, begin, end, seen);
  else
    value_band<4>(a, begin, end, seen);
}

template <class Isa>
MLA_INLINE void attend_rows(PairRows<Isa>& a, int begin, int end, int first, int tokens) {
  if constexpr (Isa::kHasMatrix)
    attend_matrix_rows(a, begin, end, first, tokens);
  else
    attend_pair_rows(a, begin, end, first, tokens);
}

}  // namespace
}  // namespace mla

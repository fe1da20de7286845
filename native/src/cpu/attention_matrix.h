// Attention on pairs of bf16 in matrix registers (matrix.h).
//
//  - Scores: sixteen keys, where they lie in the cache, are the first operand, sixteen rows' queries, packed once as [pair][row], the second:
//    sums are [token][row], as the softmax takes them.
//  - Values: probabilities of sixteen rows over 32 tokens are the first operand, values, interleaved by two tokens once per block, the
//    second.
#pragma once
#include "cpu/attention_pair_rows.h"
#include "cpu/attention_softmax.h"
#include "cpu/attention_state.h"
#include "cpu/lanes.h"
#include "cpu/matrix.h"

namespace mla {
namespace {

constexpr MatrixShape kWholeMatrix{kMatrixRows, kMatrixBytes};

// Rows of bf16, [rows][stride], as groups of 16: [stride / 2][16][2], zero beyond the rows. fill(row, to) writes a row of `stride` elements.
template <class Isa, class Fill>
MLA_INLINE void pack_matrix_groups(int rows, int stride, uint16_t* lines, uint32_t* packed, Fill fill) {
  constexpr int L = Isa::L;
  for (int first = 0; first < rows; first += kMatrixRows, packed += kMatrixRows * (stride / 2)) {
    for (int r = 0; r < kMatrixRows; r++) {
      uint16_t* to = lines + (int64_t)r * stride;
      if (first + r < rows)
        fill(first + r, to);
      else
        __builtin_memset(to, 0, 2 * (size_t)stride);
    }
    for (int d = 0; d < stride / 2; d += L) {
      for (int r = 0; r < kMatrixRows; r += L) {
        F<Isa> x[L];
#pragma GCC unroll 16
        for (int i = 0; i < L; i++) x[i] = Isa::load((const float*)(lines + (int64_t)(r + i) * stride) + d);
        Isa::transpose(x);
#pragma GCC unroll 16
        for (int i = 0; i < L; i++) Isa::store((float*)packed + (d + i) * kMatrixRows + r, x[i]);
      }
    }
  }
}

// Sixteen keys as an operand.
struct KeyTile {
  const uint16_t* at;
  int64_t stride;  // bytes
};

// The keys of a block as operands: where they lie, or copied where they are not equally spaced or end in the middle of a step.
template <class Isa>
struct KeyTiles {
  KeyTile tiles[PairRows<Isa>::kTokens / kMatrixRows];

  KeyTiles(const PairRows<Isa>& a, const uint16_t* const* keys, int width, int tokens) {
    for (int t = 0; t < tokens; t += kMatrixRows) {
      const uint16_t* const* k = keys + t;
      const int64_t step = k[1] - k[0];
      bool spaced = width % kMatrixElements == 0;
      for (int i = 2; i < kMatrixRows; i++) spaced = spaced && k[i] - k[i - 1] == step;
      tiles[t / kMatrixRows] =
          spaced ? KeyTile{k[0], step * 2} : copied(a, k, width, t, min_int(kMatrixRows, tokens - t));
    }
  }

  // Rows that are not there are those of tokens that are: no score of theirs is used, and no NaN may come from them.
  static KeyTile copied(const PairRows<Isa>& a, const uint16_t* const* keys, int width, int first,
                        int tokens) {
    uint16_t* to = a.tile_buffer + (int64_t)first * a.tile_stride;
    for (int i = 0; i < kMatrixRows; i++) {
      uint16_t* row = to + (int64_t)i * a.tile_stride;
      __builtin_memcpy(row, keys[min_int(i, tokens - 1)], 2 * (size_t)width);
      for (int d = width; d < round_up(width, kMatrixElements); d++) row[d] = 0;
    }
    return {to, a.tile_stride * 2};
  }
};

// Scores [token][16] of A groups of 16 tokens times B groups of rows over `steps` steps; out and q: of each group of rows. 8 A lines from
// `ahead` on are prefetched with each step.
template <class Isa, int A, int B>
MLA_INLINE void matrix_score_tile(const KeyTile* keys, const uint32_t* q, int64_t q_stride, int steps,
                                  float* out, int64_t out_stride, const char* ahead) {
  constexpr int kOperand = kMatrixRows * kMatrixRows;  // words
  each_sum<A, B>([&]<int i, int j>()
                     __attribute__((always_inline)) { Isa::template zero_matrix<2 * i + j>(); });
  for (int s = 0; s < steps; s++) {
    const uint32_t *q0 = q + s * kOperand, *q1 = q0 + q_stride;
    Isa::template load_matrix<kSecondOperand>(q0, kMatrixBytes);
    if constexpr (B > 1) Isa::template load_matrix<kSecondOperand + 1>(q1, kMatrixBytes);
    Isa::template load_matrix<kFirstOperand>(keys[0].at + s * kMatrixElements, keys[0].stride);
    Isa::template add_products_bf16<0, kFirstOperand, kSecondOperand>();
    if constexpr (B > 1) Isa::template add_products_bf16<1, kFirstOperand, kSecondOperand + 1>();
    if constexpr (A > 1) {
      Isa::template load_matrix<kFirstOperand + 1>(keys[1].at + s * kMatrixElements, keys[1].stride);
      Isa::template add_products_bf16<2, kFirstOperand + 1, kSecondOperand>();
      if constexpr (B > 1) Isa::template add_products_bf16<3, kFirstOperand + 1, kSecondOperand + 1>();
    }
    prefetch_lines<4 * A>(ahead, s);
  }
  each_sum<A, B>([&]<int i, int j>() __attribute__((always_inline)) {
    Isa::template store_matrix<2 * i + j>(out + j * out_stride + i * kOperand, kMatrixBytes);
  });
}

// Scores of B groups of rows, [group][token][16].
template <class Isa, int B>
void matrix_scores(PairRows<Isa>& a, const KeyTile* keys, const uint32_t* q, int stride, int tokens,
                   float* out) {
  constexpr int64_t kOut = (int64_t)PairRows<Isa>::kTokens * kMatrixRows;
  const int steps = stride / kMatrixElements;
  const int64_t q_stride = (int64_t)kMatrixRows * (stride / 2);
  for (int t = 0; t < tokens; t += 2 * kMatrixRows) {
    const bool two = tokens - t > kMatrixRows;
    const char* ahead = a.ahead.next(steps * (two ? 8 : 4));
    if (two)
      matrix_score_tile<Isa, 2, B>(keys + t / kMatrixRows, q, q_stride, steps, out + t * kMatrixRows, kOut,
                                   ahead);
    else
      matrix_score_tile<Isa, 1, B>(keys + t / kMatrixRows, q, q_stride, steps, out + t * kMatrixRows, kOut,
                                   ahead);
  }
}

// Probabilities [pair][16], of which `pairs` are there, as operands in their own place: [16 pairs][row][pair], zero beyond.
template <class Isa>
void turn_probabilities(uint32_t* p, int pairs, int steps) {
  constexpr int L = Isa::L;
  for (int s = 0; s < steps; s++, pairs -= kMatrixRows, p += kMatrixRows * kMatrixRows) {
    alignas(64) float turned[kMatrixRows * kMatrixRows];
    for (int i = 0; i < kMatrixRows; i += L) {
      for (int r = 0; r < kMatrixRows; r += L) {
        F<Isa> x[L];
#pragma GCC unroll 16
        for (int j = 0; j < L; j++)
          x[j] = i + j < pairs ? Isa::load((const float*)p + (i + j) * kMatrixRows + r) : Isa::zero();
        Isa::transpose(x);
#pragma GCC unroll 16
        for (int j = 0; j < L; j++) Isa::store(turned + (r + j) * kMatrixRows + i, x[j]);
      }
    }
    __builtin_memcpy(p, turned, sizeof turned);
  }
}

// The old sums of a row times its factor, which mostly is 1.
template <class Isa>
MLA_INLINE void scale_sums(const State& s, int row) {
  const float factor = s.factor[row];
  if (factor == 1) return;
  const F<Isa> f = Isa::set1(factor);
  for (int tile = 0; tile < s.out_stride / kValueColumns<Isa>; tile++) {
    float* at = sums_at<Isa>(s, row, tile);
#pragma GCC unroll 4
    for (int v = 0; v < Isa::kValueVectors; v++)
      Isa::store(at + v * Isa::L, Isa::mul(f, Isa::load(at + v * Isa::L)));
  }
}

// Adds to the sums of A groups of rows in two sixteens of columns; 8 lines from `ahead` on are prefetched with each step.
template <class Isa, int A>
MLA_INLINE void matrix_value_tile(const PairRows<Isa>& a, int row, int column, int steps, const char* ahead) {
  constexpr int kColumns = kValueColumns<Isa>;
  static_assert(kColumns % (2 * kMatrixRows) == 0);
  constexpr int64_t kStride = kColumns * 4, kPairs = PairRows<Isa>::kPairs;
  const auto sums = [&](int i, int j) __attribute__((always_inline)) {
    const int c = column + j * kMatrixRows;
    return sums_at<Isa>(a.s, row + i * kMatrixRows, c / kColumns) + c % kColumns;
  };
  each_sum<A, 2>([&]<int i, int j>() __attribute__((always_inline)) {
    Isa::template load_matrix<2 * i + j>(sums(i, j), kStride);
  });
  const uint32_t *v0 = a.value_pairs(0, column), *v1 = a.value_pairs(0, column + kMatrixRows);
  const uint32_t* p0 = a.probabilities;
  const uint32_t* p1 = p0 + kPairs * kMatrixRows;
  for (int s = 0; s < steps; s++) {
    const int p = s * kMatrixRows * kMatrixRows, v = s * kMatrixRows * kColumns;
    matrix_products<Isa, A, 2>(p0 + p, p1 + p, kMatrixBytes, v0 + v, v1 + v, kStride);
    prefetch_lines<8>(ahead, s);
  }
  each_sum<A, 2>([&]<int i, int j>() __attribute__((always_inline)) {
    Isa::template store_matrix<2 * i + j>(sums(i, j), kStride);
  });
}

// A block of tokens, which begins at `first` (relative), for the band of rows [begin, end).
template <class Isa>
void attend_matrix_rows(PairRows<Isa>& a, int begin, int end, int first, int tokens) {
  typedef PairRows<Isa> Rows;
  constexpr int kScores = Rows::kTokens * kMatrixRows, kProbabilities = Rows::kPairs * kMatrixRows;
  const State& s = a.s;
  Isa::configure_matrix(kWholeMatrix, kWholeMatrix, kWholeMatrix);
  const KeyTiles<Isa> keys(a, a.keys, s.key_width, tokens);
  for (int r = begin, groups; r < end; r += groups * kMatrixRows) {
    groups = 1;
    int seen[2] = {visible_tokens(s, r + kMatrixRows, first, tokens), 0};
    if (seen[0] <= 0) continue;
    if (r + kMatrixRows < end) {
      groups = 2;
      seen[1] = visible_tokens(s, r + 2 * kMatrixRows, first, tokens);
    }
    const int most = seen[groups - 1];  // later rows see more
    const uint32_t* q = (const uint32_t*)s.query + (int64_t)r * (s.key_stride / 2);
    if (groups == 2)
      matrix_scores<Isa, 2>(a, keys.tiles, q, s.key_stride, most, s.scores);
    else
      matrix_scores<Isa, 1>(a, keys.tiles, q, s.key_stride, most, s.scores);
    const int steps = (most + kMatrixElements - 1) / kMatrixElements;
    for (int g = 0; g < groups; g++) {
      const int row = r + g * kMatrixRows, n = seen[g];
      float* scores = s.scores + g * kScores;
      uint32_t* p = a.probabilities + g * kProbabilities;
      if (needs_mask(s, row, first, n)) mask_scores<Isa>(s, row, kMatrixRows, first, n, scores);
      for (int v = 0; v < kMatrixRows; v += Isa::L)
        softmax_vector<Isa>(s, row + v, scores + v, kMatrixRows, n, InPairs<Isa>{p + v});
      turn_probabilities<Isa>(p, (n + 1) / 2, steps);
      for (int i = row; i < row + kMatrixRows; i++) scale_sums<Isa>(s, i);
    }
    for (int column = 0; column < s.value_width; column += 2 * kMatrixRows) {
      const char* ahead = a.ahead.next(steps * 8);
      if (groups == 2)
        matrix_value_tile<Isa, 2>(a, r, column, steps, ahead);
      else
        matrix_value_tile<Isa, 1>(a, r, column, steps, ahead);
    }
  }
  Isa::release_matrix();
}

}  // namespace
}  // namespace mla

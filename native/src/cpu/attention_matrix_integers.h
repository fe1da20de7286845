// Attention over rows of integer codes in matrix registers (matrix.h), in the order of attention_integers.h.
//
//  - Scores: sixteen tokens, where they lie in the cache, are the first operand, sixteen rows' queries, packed once as [four codes][row],
//    the second; sums of a group of codes are stored and become floats, [token][row], in whose lanes the softmax is.
//  - Values: probabilities of sixteen rows over 64 tokens are the first operand, in bytes without a sign, which are one or two planes;
//    codes, interleaved by four tokens while the first rows are scored, the second.
//  - Beside products float32 arithmetic has one port instead of two, so that sums wait until those of several tiles are there.
#pragma once
#include "cpu/attention_integers.h"
#include "cpu/attention_matrix.h"
#include "cpu/lanes.h"
#include "cpu/matrix.h"

namespace mla {
namespace {

constexpr int kMatrixWords = kMatrixRows * kMatrixRows;  // of a register: an operand, or sums

// What codes and integers of probabilities are, in kPlanes bytes each.
template <class I, int kPlanesOf>
struct MatrixDots {
  typedef I Isa;
  typedef int8_t Code;
  static constexpr int kOffset = 0;  // of a query's codes
  static constexpr int kShare = 4;   // codes in a word
  static constexpr int kPlanes = kPlanesOf;
  static constexpr int kPlaneWords = kIntegerTokens / kShare * kMatrixRows;

  // The low bytes of four vectors of integers, and the high ones in the next plane.
  static MLA_INLINE void put(uint32_t* to, const typename Isa::I* x) {
    Isa::store_ints(to, Isa::template join_bytes<0>(x));
    if constexpr (kPlanes == 2) Isa::store_ints(to + kPlaneWords, Isa::template join_bytes<1>(x));
  }
};

template <class V>
struct MatrixIntegers : IntegerTokens {
  typedef typename V::Isa Isa;
  typedef V Values;
  static constexpr int kQuads = kTokens / V::kShare;
  static constexpr int kGroups = 2;  // of rows that are scored together

  int code_steps, rope_steps;  // of a key: kMatrixBytes each
  int query_words;             // of a group of rows
  int interleaved;             // tokens of the block whose values are in place
  uint32_t* queries;           // [group of rows][step][16 words of a row][row]
  float* query_scales;         // [group of rows][key_groups][row]
  char* copies;                // [token][step] keys that are not used where they lie
  int32_t* sums;  // [key_groups][16 tokens of two][group of rows][token][row]; [group][row][column of a tile]
  uint32_t* values;         // [column / kValueColumns][quad][kValueColumns]
  uint32_t* probabilities;  // [group of rows][groups][plane][quad][row], then [16 quads][row][quad]
  float* factors;           // [group of rows][groups][row] of a block's sums

  static MatrixIntegers make(const mla_attention_params& p, const mla_cache_params& c, bool, int rows, int,
                             Carver* w) {
    MatrixIntegers x{};
    x.template make_tokens<Isa>(p, c, rows, w);
    const int64_t columns = round_up(c.latent, kIntegerChunk), padded = padded_rows<Isa>(rows);
    x.code_steps = p.key_offset ? 0 : (int)columns / kMatrixBytes;
    x.rope_steps = round_up(c.rope, kMatrixElements) / kMatrixElements;
    const int steps = x.code_steps + x.rope_steps;
    x.query_words = steps * kMatrixWords;
    x.queries = w->take<uint32_t>(round_up((int)padded, kMatrixRows) / kMatrixRows * (int64_t)x.query_words);
    x.query_scales = w->take<float>(padded * x.key_groups);
    x.copies = w->take<char>((int64_t)kTokens * steps * kMatrixBytes);
    const int64_t tiles = (int64_t)x.key_groups * 2 * kGroups * kMatrixWords,
                  columns_of_tile = (int64_t)V::kPlanes * kGroups * kMatrixRows * kValueColumns<Isa>;
    x.sums = w->take<int32_t>(tiles > columns_of_tile ? tiles : columns_of_tile);
    x.values = w->take<uint32_t>(kQuads * round_up((int)columns, kValueColumns<Isa>));
    x.probabilities = w->take<uint32_t>((int64_t)kGroups * x.groups * V::kPlanes * V::kPlaneWords);
    x.factors = w->take<float>((int64_t)kGroups * x.groups * kMatrixRows);
    return x;
  }

  MLA_INLINE int steps() const { return code_steps + rope_steps; }
  MLA_INLINE const uint32_t* query_of(int row) const {
    return queries + (int64_t)(row / kMatrixRows) * query_words;
  }
  MLA_INLINE float* scales_of(int row) const { return query_scales + (int64_t)row * key_groups; }
  MLA_INLINE uint32_t* value_words(int quad, int column) const {
    return values + ((int64_t)(column / kValueColumns<Isa>)*kQuads + quad) * kValueColumns<Isa> +
           column % kValueColumns<Isa>;
  }
  // Vectors of rows are counted from the first of those that are scored together.
  MLA_INLINE uint32_t* probability_words(int group, int vector, int quad) const {
    const int row = vector * Isa::L;
    return probabilities + (row / kMatrixRows * groups + group) * V::kPlanes * V::kPlaneWords +
           quad * kMatrixRows + row % kMatrixRows;
  }
  MLA_INLINE float* factors_of(int group, int vector) const {
    const int row = vector * Isa::L;
    return factors + (row / kMatrixRows * groups + group) * kMatrixRows + row % kMatrixRows;
  }
};

// ---- queries ----

template <class V, class Head>
void pack_queries(const MatrixIntegers<V>& a, const QueryRow& row, Head head) {
  typedef typename V::Isa Isa;
  constexpr int L = Isa::L;
  const State& s = a.s;
  const int words = a.steps() * kMatrixRows, codes = a.code_steps * kMatrixBytes;
  uint32_t* lines = (uint32_t*)s.scratch;  // [16][words]
  for (int first = 0; first < s.rows; first += kMatrixRows) {
    __builtin_memset(lines, 0, sizeof *lines * (size_t)words * kMatrixRows);
    __builtin_memset(a.scales_of(first), 0, sizeof(float) * (size_t)a.key_groups * kMatrixRows);
    for (int r = 0; r < min_int(kMatrixRows, s.rows - first); r++) {
      uint32_t* line = lines + (int64_t)r * words;
      copy_query<Isa>(s.key_stride, false, head(first + r), row, a.row);
      round_query<V>(a, a.row, codes, (int8_t*)line, a.scales_of(first) + r, kMatrixRows);
      copy_run<Isa>(a.row + a.rope_at, s.key_width - a.rope_at, true, (uint16_t*)((char*)line + codes));
    }
    uint32_t* to = a.queries + (int64_t)(first / kMatrixRows) * a.query_words;
    for (int i = 0; i < words; i += L) {
      for (int r = 0; r < kMatrixRows; r += L) {
        F<Isa> x[L];
#pragma GCC unroll 16
        for (int j = 0; j < L; j++) x[j] = Isa::load((const float*)lines + (int64_t)(r + j) * words + i);
        Isa::transpose(x);
#pragma GCC unroll 16
        for (int j = 0; j < L; j++) Isa::store((float*)to + (i + j) * kMatrixRows + r, x[j]);
      }
    }
  }
}

// ---- scores ----

// Sixteen tokens as operands: codes and rotated parts, rows of which are `stride` bytes apart.
struct TokenTile {
  const char *codes, *rope;
  int64_t stride;
};

// Where they lie; copied where they are not equally spaced, or end in the middle of a step.
template <class V>
TokenTile token_tile(const MatrixIntegers<V>& a, int first, int tokens) {
  const char* const* rows = a.rows + first;
  const int rope = a.s.key_width - a.rope_at;
  const int64_t step = rows[1] - rows[0];
  bool spaced = tokens - first >= kMatrixRows && rope % kMatrixElements == 0;
  for (int i = 2; i < kMatrixRows; i++) spaced = spaced && rows[i] - rows[i - 1] == step;
  if (spaced) return {rows[0], rows[0] + a.rope_bytes, step};
  const int codes = a.code_steps * kMatrixBytes, stride = a.steps() * kMatrixBytes;
  char* to = a.copies + (int64_t)first * stride;
  for (int i = 0; i < kMatrixRows; i++) {
    char* row = to + (int64_t)i * stride;
    __builtin_memcpy(row, rows[i], (size_t)codes);
    __builtin_memcpy(row + codes, rows[i] + a.rope_bytes, 2 * (size_t)rope);
    __builtin_memset(row + codes + 2 * rope, 0, (size_t)(stride - codes - 2 * rope));
  }
  return {to, to + codes, stride};
}

// Values of four tokens from `token` on in kIntegerChunk columns.
template <class V>
MLA_INLINE void interleave_codes(const MatrixIntegers<V>& a, int token, int chunk) {
  ByteDots<typename V::Isa>::interleave(a, a.rows + token, token, chunk);
}

// Adds the products of a step of A x B sums; rows of the first operand are `stride` bytes apart.
template <class Isa, int A, int B, bool kCodes>
MLA_INLINE void token_products(const char* tokens0, const char* tokens1, int64_t stride0, int64_t stride1,
                               const uint32_t* q0, const uint32_t* q1) {
  Isa::template load_matrix<kSecondOperand>(q0, kMatrixBytes);
  Isa::template load_matrix<kFirstOperand>(tokens0, stride0);
  if constexpr (B > 1) Isa::template load_matrix<kSecondOperand + 1>(q1, kMatrixBytes);
  if constexpr (A > 1) Isa::template load_matrix<kFirstOperand + 1>(tokens1, stride1);
  each_sum<A, B>([&]<int i, int j>() __attribute__((always_inline)) {
    if constexpr (kCodes)
      Isa::template add_products_int8<2 * i + j, kFirstOperand + i, kSecondOperand + j, true>();
    else
      Isa::template add_products_bf16<2 * i + j, kFirstOperand + i, kSecondOperand + j>();
  });
}

// Products of A groups of 16 tokens, the first of which is `token`, and B groups of rows: of rotated parts to `out` [token][row] of each
// group, of codes to a.sums. kInterleaves: values come into place. 4 A lines from `ahead` on are prefetched with each step.
template <int A, int B, bool kInterleaves, class V>
MLA_INLINE void score_products(const MatrixIntegers<V>& a, const TokenTile* tiles, int token,
                               const uint32_t* q, float* out, const char* ahead) {
  typedef typename V::Isa Isa;
  constexpr int64_t kOut = (int64_t)kIntegerTokens * kMatrixRows;
  const TokenTile first = tiles[0], second = tiles[A - 1];
  const uint32_t* next = q + a.query_words;
  const auto begin = [&] {
    each_sum<A, B>([&]<int i, int j>()
                       __attribute__((always_inline)) { Isa::template zero_matrix<2 * i + j>(); });
  };
  begin();
  for (int step = 0; step < a.rope_steps; step++) {
    const int at = (a.code_steps + step) * kMatrixWords;
    token_products<Isa, A, B, false>(first.rope + step * kMatrixBytes, second.rope + step * kMatrixBytes,
                                     first.stride, second.stride, q + at, next + at);
    prefetch_lines<4 * A>(ahead, step);
  }
  each_sum<A, B>([&]<int i, int j>() __attribute__((always_inline)) {
    Isa::template store_matrix<2 * i + j>(out + j * kOut + i * kMatrixWords, kMatrixBytes);
  });
  int step = 0;
  for (int g = 0; g < a.key_groups; g++) {
    begin();
    for (const int end = min_int(a.code_steps, step + a.group_columns / kMatrixBytes); step < end; step++) {
      const int at = step * kMatrixWords, column = step * kMatrixBytes;
      token_products<Isa, A, B, true>(first.codes + column, second.codes + column, first.stride,
                                      second.stride, q + at, next + at);
      prefetch_lines<4 * A>(ahead, a.rope_steps + step);
      if constexpr (kInterleaves) {
        for (int t = 0; t < A * kMatrixRows; t += V::kShare) interleave_codes(a, token + t, column);
      }
    }
    int32_t* to = a.sums + g * 4 * kMatrixWords;
    each_sum<A, B>([&]<int i, int j>() __attribute__((always_inline)) {
      Isa::template store_matrix<2 * i + j>(to + (2 * i + j) * kMatrixWords, kMatrixBytes);
    });
  }
}

// Adds the sums of 16 tokens from `token` on, those of each group of codes times its scales, to the scores of the group of rows at `row`.
template <class V>
MLA_INLINE void add_scaled_sums(const MatrixIntegers<V>& a, const int32_t* sums, int row, int token,
                                float* out) {
  typedef typename V::Isa Isa;
  const float* query = a.scales_of(row);
  for (int t = 0; t < kMatrixRows; t++) {
    for (int r = 0; r < kMatrixRows; r += Isa::L) {
      const int at = t * kMatrixRows + r;
      F<Isa> x = Isa::load(out + at);
      for (int g = 0; g < a.key_groups; g++)
        x = Isa::fma(Isa::mul(Isa::to_floats(Isa::load_ints(sums + g * 4 * kMatrixWords + at)),
                              Isa::load(query + g * kMatrixRows + r)),
                     Isa::set1(a.scales[g * kIntegerTokens + token + t]), x);
      Isa::store(out + at, x);
    }
  }
}

template <int A, int B, class V>
MLA_INLINE void score_tile(MatrixIntegers<V>& a, const TokenTile* tiles, int row, int token, float* out) {
  const uint32_t* q = a.query_of(row);
  const char* ahead = a.ahead.next(a.steps() * 4 * A);
  if (token + A * kMatrixRows > a.interleaved) {
    score_products<A, B, true>(a, tiles, token, q, out, ahead);
    a.interleaved = token + A * kMatrixRows;
  } else {
    score_products<A, B, false>(a, tiles, token, q, out, ahead);
  }
  for (int j = 0; j < B; j++)
    for (int i = 0; i < A; i++)
      add_scaled_sums(a, a.sums + (2 * i + j) * kMatrixWords, row + j * kMatrixRows, token + i * kMatrixRows,
                      out + j * kIntegerTokens * kMatrixRows + i * kMatrixWords);
}

// Scores [group of rows][token][16] of B groups of rows.
template <int B, class V>
void token_scores(MatrixIntegers<V>& a, const TokenTile* tiles, int row, int tokens) {
  for (int t = 0; t < tokens; t += 2 * kMatrixRows) {
    float* out = a.s.scores + t * kMatrixRows;
    if (tokens - t > kMatrixRows)
      score_tile<2, B>(a, tiles + t / kMatrixRows, row, t, out);
    else
      score_tile<1, B>(a, tiles + t / kMatrixRows, row, t, out);
  }
}

// ---- values ----

// Products of A groups of rows and the column tile at `column`, sums of which are in a group of scales, to a.sums. 4 lines from `ahead` on
// are prefetched with each step.
template <int A, class V>
MLA_INLINE void value_products(const MatrixIntegers<V>& a, int column, int group, int steps,
                               const char* ahead) {
  typedef typename V::Isa Isa;
  constexpr int kColumns = kValueColumns<Isa>;
  constexpr int64_t kStride = kColumns * 4;
  static_assert(kColumns % (2 * kMatrixRows) == 0);
  const uint32_t* p0 = a.probability_words(group, 0, 0);
  const uint32_t* p1 = a.probability_words(group, kMatrixRows / Isa::L, 0);
  int32_t* to = a.sums;
  int step = 0;
  for (int plane = 0; plane < V::kPlanes; plane++) {
    for (int c = 0; c < kColumns; c += 2 * kMatrixRows) {
      const uint32_t* v = a.value_words(0, column + c);
      each_sum<A, 2>([&]<int i, int j>()
                         __attribute__((always_inline)) { Isa::template zero_matrix<2 * i + j>(); });
      for (int s = 0; s < steps; s++, step++) {
        Isa::template load_matrix<kFirstOperand>(p0 + s * kMatrixWords, kMatrixBytes);
        Isa::template load_matrix<kSecondOperand>(v, kStride);
        Isa::template load_matrix<kSecondOperand + 1>(v + kMatrixRows, kStride);
        if constexpr (A > 1)
          Isa::template load_matrix<kFirstOperand + 1>(p1 + s * kMatrixWords, kMatrixBytes);
        each_sum<A, 2>([&]<int i, int j>() __attribute__((always_inline)) {
          Isa::template add_products_int8<2 * i + j, kFirstOperand + i, kSecondOperand + j, false>();
        });
        prefetch_lines<4>(ahead, step);
        v += kMatrixRows * kColumns;
      }
      each_sum<A, 2>([&]<int i, int j>() __attribute__((always_inline)) {
        Isa::template store_matrix<2 * i + j>(to + i * kMatrixRows * kColumns + c + j * kMatrixRows, kStride);
      });
    }
    p0 += V::kPlaneWords;
    p1 += V::kPlaneWords;
    to += 2 * kMatrixRows * kColumns;
  }
}

// The old sums of a row times its factor, which mostly is 1, plus the block's times theirs.
template <class V>
MLA_INLINE void add_block_sums(const int32_t* sums, float kept, float added, float* out) {
  typedef typename V::Isa Isa;
  constexpr int kPlane = 2 * kMatrixRows * kValueColumns<Isa>;
  const F<Isa> old = Isa::set1(kept), factor = Isa::set1(added);
#pragma GCC unroll 8
  for (int i = 0; i < kValueColumns<Isa>; i += Isa::L) {
    typename Isa::I sum = Isa::load_ints(sums + i);
    if constexpr (V::kPlanes == 2)
      sum = Isa::add_ints(sum, Isa::shift_left(Isa::load_ints(sums + kPlane + i), 8));
    F<Isa> before = Isa::load(out + i);
    if (kept != 1) before = Isa::mul(old, before);
    Isa::store(out + i, Isa::fma(Isa::to_floats(sum), factor, before));
  }
}

// Adds the values of a block to the sums of A groups of rows.
template <int A, class V>
void add_values(MatrixIntegers<V>& a, int row, int tokens) {
  typedef typename V::Isa Isa;
  constexpr int kColumns = kValueColumns<Isa>;
  const State& s = a.s;
  const int steps = (tokens + kMatrixBytes - 1) / kMatrixBytes;
  const int lines = 4 * steps * V::kPlanes * (kColumns / (2 * kMatrixRows));
  for (int column = 0; column < s.out_stride; column += kColumns) {
    const int group = min_int(column / a.group_columns, a.groups - 1);
    value_products<A>(a, column, group, steps, a.ahead.next(lines));
    for (int i = 0; i < A * kMatrixRows; i++)
      add_block_sums<V>(a.sums + i * kColumns, s.factor[row + i],
                        a.factors_of(group, i / kMatrixRows * (kMatrixRows / Isa::L))[i % kMatrixRows],
                        sums_at<Isa>(s, row + i, column / kColumns));
  }
}

// ---- blocks ----

template <class V>
void load_block(MatrixIntegers<V>& a, const AttentionCall& x, int begin, int tokens) {
  load_tokens<typename V::Isa>(a, x, begin, tokens);
  a.interleaved = 0;
  if (a.code_steps > 0) return;
  for (int t = 0; t < tokens; t += V::kShare)
    for (int column = 0; column < a.s.value_width; column += kIntegerChunk) interleave_codes(a, t, column);
  a.interleaved = kIntegerTokens;
}

// The scores of the group of rows at `row`, the i-th of those that were scored together, become operands; n: tokens that its last row sees.
template <class V>
void token_probabilities(MatrixIntegers<V>& a, int row, int i, int first, int n, int tokens) {
  typedef typename V::Isa Isa;
  constexpr int L = Isa::L;
  const State& s = a.s;
  float* scores = s.scores + i * kIntegerTokens * kMatrixRows;
  const bool masked = needs_mask(s, row, first, n);
  if (masked) mask_scores<Isa>(s, row, kMatrixRows, first, n, scores);
  for (int r = 0; r < kMatrixRows; r += L) {
    const int v = (i * kMatrixRows + r) / L;
    if (!masked && n == tokens) {
      integer_softmax<true>(a, row + r, v, scores + r, kMatrixRows, n);
    } else {
      find_lane_units<Isa>(a, row + r, first, n, tokens);
      integer_softmax<false>(a, row + r, v, scores + r, kMatrixRows, n);
    }
  }
  const int steps = (tokens + kMatrixBytes - 1) / kMatrixBytes;
  uint32_t* p = a.probability_words(0, i * kMatrixRows / L, 0);
  for (int plane = 0; plane < a.groups * V::kPlanes; plane++, p += V::kPlaneWords)
    turn_probabilities<Isa>(p, (n + V::kShare - 1) / V::kShare, steps);
}

// A block of tokens, which begins at `first` (relative), for the band of rows [begin, end).
template <class V>
void attend_rows(MatrixIntegers<V>& a, int begin, int end, int first, int tokens) {
  typedef typename V::Isa Isa;
  const State& s = a.s;
  Isa::configure_matrix(kWholeMatrix, kWholeMatrix, kWholeMatrix);
  TokenTile tiles[kIntegerTokens / kMatrixRows];
  for (int t = 0; t < tokens; t += kMatrixRows) tiles[t / kMatrixRows] = token_tile(a, t, tokens);
  for (int r = begin, groups; r < end; r += groups * kMatrixRows) {
    groups = 1;
    int seen[2] = {visible_tokens(s, r + kMatrixRows, first, tokens), 0};
    if (seen[0] <= 0) continue;
    if (r + kMatrixRows < end) {
      groups = 2;
      seen[1] = visible_tokens(s, r + 2 * kMatrixRows, first, tokens);
    }
    const int most = seen[groups - 1];  // later rows see more
    if (groups == 2)
      token_scores<2>(a, tiles, r, most);
    else
      token_scores<1>(a, tiles, r, most);
    for (int i = 0; i < groups; i++) token_probabilities(a, r + i * kMatrixRows, i, first, seen[i], tokens);
    if (groups == 2)
      add_values<2>(a, r, most);
    else
      add_values<1>(a, r, most);
  }
  Isa::release_matrix();
}

template <class V>
void finish_sums(const MatrixIntegers<V>& a) {
  restore_sums<ByteDots<typename V::Isa>>(a.s);
}

}  // namespace
}  // namespace mla

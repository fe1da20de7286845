// Attention over rows of integer codes in matrix registers (matrix.h), in the order of attention_integers.h.
//
//  - Scores: sixteen tokens, where they lie in the cache, are the first operand, sixteen rows' queries, packed once as [four codes][row],
//    the second; sums of a group of codes are stored and become floats, [token][row], in whose lanes the softmax is.
//  - Values: probabilities of sixteen rows over 64 tokens are the first operand, in bytes without a sign, which are one or two planes;
//    codes, interleaved by four tokens while the first rows are scored, the second.
//  - A sum takes all of its products before the next one does, and is stored behind those of the next: in another order, stores take
//    longer than the products. Sixteen tokens are scored at a time, so that operands and sums stay in the first-level cache.
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
  static constexpr int kColumnGroups = kValueColumns<Isa> / kMatrixRows;

  int code_steps, rope_steps;  // of a key: kMatrixBytes each
  int query_words;             // of a group of rows
  int interleaved;             // tokens of the block whose values are in place
  int lines;                   // of the cache that are prefetched with each group of sums
  uint32_t* queries;           // [group of rows][step][16 words of a row][row]
  float* query_scales;         // [group of rows][key_groups][row]
  char* copies;                // [token][step] keys that are not used where they lie
  int32_t* sums;     // [key_groups][group of rows][token][row]; [16 columns of a tile][operand][row][column]
  uint32_t* values;  // [16 columns][quad][column]
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
    const int64_t scored = (int64_t)(1 + x.key_groups) * kGroups,
                  weighted = kColumnGroups * V::kPlanes * kGroups;
    x.sums = w->take<int32_t>((scored > weighted ? scored : weighted) * kMatrixWords);
    x.values = w->take<uint32_t>(kQuads * columns);
    x.probabilities = w->take<uint32_t>((int64_t)kGroups * x.groups * V::kPlanes * V::kPlaneWords);
    x.factors = w->take<float>((int64_t)kGroups * x.groups * kMatrixRows);
    const int64_t pairs = (rows + kGroups * kMatrixRows - 1) / (kGroups * kMatrixRows),
                  sets = pairs * (kTokens / kMatrixRows * (1 + x.key_groups) + columns / kMatrixRows);
    x.lines = (int)((kTokens * c.row_stride_bytes / 64 + sets - 1) / sets);
    return x;
  }

  MLA_INLINE int steps() const { return code_steps + rope_steps; }
  MLA_INLINE const uint32_t* query_of(int row) const {
    return queries + (int64_t)(row / kMatrixRows) * query_words;
  }
  MLA_INLINE float* scales_of(int row) const { return query_scales + (int64_t)row * key_groups; }
  MLA_INLINE uint32_t* value_words(int quad, int column) const {
    return values + ((int64_t)(column / kMatrixRows) * kQuads + quad) * kMatrixRows + column % kMatrixRows;
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

// Values of four tokens from `token` on in the columns [begin, end).
template <class V>
MLA_INLINE void interleave_codes(const MatrixIntegers<V>& a, int token, int begin, int end) {
  typedef typename V::Isa Isa;
  for (int column = begin; column < end; column += 4 * Isa::L) {
    typename Isa::I x[4];
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) x[i] = Isa::load_ints(a.rows[token + i] + column);
    Isa::interleave_bytes(x);
#pragma GCC unroll 4
    for (int i = 0; i < 4; i++) Isa::store_ints(a.value_words(token / V::kShare, column + i * Isa::L), x[i]);
  }
}

MLA_INLINE void prefetch_run(const char* ahead, int lines) {
  for (int i = 0; i < lines; i++) __builtin_prefetch(ahead + (int64_t)i * 64, 0, 2);
}

// The sums of the set before wait in the other two registers for products to end.
struct WaitingSums {
  int32_t* at;  // nullptr: there are none
};
template <class Isa, int R>
MLA_INLINE void store_waiting(const WaitingSums& sums) {
  if (sums.at) Isa::template store_matrix<R ^ 2>(sums.at + (R & 1) * kMatrixWords, kMatrixBytes);
}

// Sum R takes the products of `steps` steps. kKeeps: the first operands are those that the sum before it has left, where there are up to two.
template <class Isa, int R, bool kCodes, bool kKeeps>
MLA_INLINE void token_sum(const char* tokens, int64_t stride, const uint32_t* q, int steps) {
  const auto add = [&]<int A, int B>() __attribute__((always_inline)) {
    if constexpr (kCodes)
      Isa::template add_products_int8<R, A, B, true>();
    else
      Isa::template add_products_bf16<R, A, B>();
  };
  constexpr int kFirst = kFirstOperand, kSecond = kSecondOperand;
  Isa::template zero_matrix<R>();
  for (int s = 0; s < steps; s += 2, tokens += 2 * kMatrixBytes, q += 2 * kMatrixWords) {
    const bool kept = kKeeps && steps <= 2;
    if (!kept) Isa::template load_matrix<kFirst>(tokens, stride);
    Isa::template load_matrix<kSecond>(q, kMatrixBytes);
    add.template operator()<kFirst, kSecond>();
    if (s + 1 == steps) break;
    if (!kept) Isa::template load_matrix<kFirst + 1>(tokens + kMatrixBytes, stride);
    Isa::template load_matrix<kSecond + 1>(q + kMatrixWords, kMatrixBytes);
    add.template operator()<kFirst + 1, kSecond + 1>();
  }
}

// Sums of sixteen tokens and B groups of rows, R and the next register.
template <class Isa, int R, int B, bool kCodes>
MLA_INLINE void token_sums(const char* tokens, int64_t stride, const uint32_t* q, int64_t q_stride, int steps,
                           const WaitingSums& waiting) {
  token_sum<Isa, R, kCodes, false>(tokens, stride, q, steps);
  store_waiting<Isa, R>(waiting);
  if constexpr (B > 1) {
    token_sum<Isa, R + 1, kCodes, true>(tokens, stride, q + q_stride, steps);
    store_waiting<Isa, R + 1>(waiting);
  }
}

// Products of sixteen tokens from `token` on and B groups of rows: of rotated parts, then of each group of codes, to a.sums. kInterleaves:
// values come into place.
template <int B, bool kInterleaves, class V>
MLA_INLINE void score_products(const MatrixIntegers<V>& a, const TokenTile& tile, int token,
                               const uint32_t* q, const char* ahead) {
  typedef typename V::Isa Isa;
  WaitingSums waiting{nullptr};
  token_sums<Isa, 2, B, false>(tile.rope, tile.stride, q + a.code_steps * kMatrixWords, a.query_words,
                               a.rope_steps, waiting);
  waiting.at = a.sums;
  prefetch_run(ahead, a.lines);
  const int steps = a.group_columns / kMatrixBytes;
  const auto add = [&]<int R>(int g) __attribute__((always_inline)) {
    const int begin = g * steps, end = min_int(a.code_steps, begin + steps);
    token_sums<Isa, R, B, true>(tile.codes + begin * kMatrixBytes, tile.stride, q + begin * kMatrixWords,
                                a.query_words, end - begin, waiting);
    waiting.at += B * kMatrixWords;
    prefetch_run(ahead + (int64_t)(g + 1) * a.lines * 64, a.lines);
    if constexpr (kInterleaves) {
      for (int t = token; t < token + kMatrixRows; t += V::kShare)
        interleave_codes(a, t, begin * kMatrixBytes, end * kMatrixBytes);
    }
  };
  for (int g = 0; g < a.key_groups; g += 2) {
    add.template operator()<0>(g);
    if (g + 1 < a.key_groups) add.template operator()<2>(g + 1);
  }
  if (a.key_groups % 2) {
    store_waiting<Isa, 2>(waiting);
    if constexpr (B > 1) store_waiting<Isa, 3>(waiting);
  } else {
    store_waiting<Isa, 0>(waiting);
    if constexpr (B > 1) store_waiting<Isa, 1>(waiting);
  }
}

// Scores of sixteen tokens from `token` on and the group of rows at `row`: the products of the rotated parts, and of each group of codes times
// its scales. Sums of groups are `stride` apart.
template <class V>
MLA_INLINE void add_scaled_sums(const MatrixIntegers<V>& a, const int32_t* sums, int stride, int row,
                                int token, float* out) {
  typedef typename V::Isa Isa;
  const float* query = a.scales_of(row);
  for (int t = 0; t < kMatrixRows; t++) {
    for (int r = 0; r < kMatrixRows; r += Isa::L) {
      const int at = t * kMatrixRows + r;
      F<Isa> x = Isa::load((const float*)sums + at);
      for (int g = 0; g < a.key_groups; g++)
        x = Isa::fma(Isa::mul(Isa::to_floats(Isa::load_ints(sums + (g + 1) * stride + at)),
                              Isa::load(query + g * kMatrixRows + r)),
                     Isa::set1(a.scales[g * kIntegerTokens + token + t]), x);
      Isa::store(out + at, x);
    }
  }
}

// Scores [group of rows][token][16] of B groups of rows.
template <int B, class V>
void token_scores(MatrixIntegers<V>& a, const TokenTile* tiles, int row, int tokens) {
  const uint32_t* q = a.query_of(row);
  for (int t = 0; t < tokens; t += kMatrixRows) {
    const TokenTile& tile = tiles[t / kMatrixRows];
    const char* ahead = a.ahead.next((1 + a.key_groups) * a.lines);
    if (t >= a.interleaved) {
      score_products<B, true>(a, tile, t, q, ahead);
      a.interleaved = t + kMatrixRows;
    } else {
      score_products<B, false>(a, tile, t, q, ahead);
    }
    for (int j = 0; j < B; j++)
      add_scaled_sums(a, a.sums + j * kMatrixWords, B * kMatrixWords, row + j * kMatrixRows, t,
                      a.s.scores + (j * kIntegerTokens + t) * kMatrixRows);
  }
}

// ---- values ----

// Sum R of an operand of probabilities and the sixteen columns that are loaded.
template <class Isa, int R>
MLA_INLINE void value_sum(const uint32_t* p, int steps) {
  constexpr int kFirst = kFirstOperand, kSecond = kSecondOperand;
  Isa::template zero_matrix<R>();
  Isa::template load_matrix<kFirst>(p, kMatrixBytes);
  Isa::template add_products_int8<R, kFirst, kSecond, false>();
  if (steps < 2) return;
  Isa::template load_matrix<kFirst + 1>(p + kMatrixWords, kMatrixBytes);
  Isa::template add_products_int8<R, kFirst + 1, kSecond + 1, false>();
}

// Sums of A groups of rows and the column tile at `column`, which has one scale a token, to a.sums.
template <int A, class V>
MLA_INLINE void value_products(const MatrixIntegers<V>& a, int column, int group, int steps,
                               const char* ahead) {
  typedef typename V::Isa Isa;
  constexpr int kOperands = A * V::kPlanes;  // of probabilities
  static_assert(MatrixIntegers<V>::kColumnGroups % 2 == 0);
  WaitingSums waiting{nullptr};
  const auto operand = [&](int i) __attribute__((always_inline)) {
    return a.probability_words(group, i / V::kPlanes * (kMatrixRows / Isa::L), 0) +
           i % V::kPlanes * V::kPlaneWords;
  };
  const auto add = [&]<int R>(int first) __attribute__((always_inline)) {
    value_sum<Isa, R>(operand(first), steps);
    store_waiting<Isa, R>(waiting);
    if constexpr (kOperands > 1) {
      value_sum<Isa, R + 1>(operand(first + 1), steps);
      store_waiting<Isa, R + 1>(waiting);
    }
    waiting.at = waiting.at ? waiting.at + min_int(kOperands, 2) * kMatrixWords : a.sums;
  };
  const auto load = [&](int c) __attribute__((always_inline)) {
    const uint32_t* v = a.value_words(0, column + c * kMatrixRows);
    Isa::template load_matrix<kSecondOperand>(v, kMatrixBytes);
    Isa::template load_matrix<kSecondOperand + 1>(v + kMatrixWords, kMatrixBytes);
    prefetch_run(ahead + (int64_t)c * a.lines * 64, a.lines);
  };
  for (int c = 0; c < MatrixIntegers<V>::kColumnGroups; c += 2) {
    load(c);
    add.template operator()<0>(0);
    if constexpr (kOperands == 4) {
      add.template operator()<2>(2);
      load(c + 1);
      add.template operator()<0>(0);
      add.template operator()<2>(2);
    } else {
      load(c + 1);
      add.template operator()<2>(0);
    }
  }
  store_waiting<Isa, 0>(waiting);
  if constexpr (kOperands > 1) store_waiting<Isa, 1>(waiting);
}

// The old sums of a row in a column tile times its factor, which mostly is 1, plus the block's times theirs, whose sums for each sixteen
// columns are `stride` apart.
template <class V>
MLA_INLINE void add_block_sums(const int32_t* sums, int stride, float kept, float added, float* out) {
  typedef typename V::Isa Isa;
  const F<Isa> old = Isa::set1(kept), factor = Isa::set1(added);
#pragma GCC unroll 8
  for (int i = 0; i < kValueColumns<Isa>; i += Isa::L) {
    const int32_t* at = sums + i / kMatrixRows * stride + i % kMatrixRows;
    typename Isa::I sum = Isa::load_ints(at);
    if constexpr (V::kPlanes == 2)
      sum = Isa::add_ints(sum, Isa::shift_left(Isa::load_ints(at + kMatrixWords), 8));
    F<Isa> before = Isa::load(out + i);
    if (kept != 1) before = Isa::mul(old, before);
    Isa::store(out + i, Isa::fma(Isa::to_floats(sum), factor, before));
  }
}

// Adds the values of a block to the sums of A groups of rows.
template <int A, class V>
void add_values(MatrixIntegers<V>& a, int row, int tokens) {
  typedef typename V::Isa Isa;
  constexpr int kColumns = kValueColumns<Isa>, kStride = A * V::kPlanes * kMatrixWords;
  const State& s = a.s;
  const int steps = (tokens + kMatrixBytes - 1) / kMatrixBytes;
  for (int column = 0; column < s.out_stride; column += kColumns) {
    const int group = min_int(column / a.group_columns, a.groups - 1);
    float* out = sums_at<Isa>(s, row, column / kColumns);
    for (int i = 0; i < A * kMatrixRows * kColumns; i += 16) __builtin_prefetch(out + i, 1, 3);
    value_products<A>(a, column, group, steps, a.ahead.next(MatrixIntegers<V>::kColumnGroups * a.lines));
    for (int i = 0; i < A; i++) {
      const float* factors = a.factors_of(group, i * (kMatrixRows / Isa::L));
      for (int r = 0; r < kMatrixRows; r++)
        add_block_sums<V>(a.sums + i * V::kPlanes * kMatrixWords + r * kMatrixRows, kStride,
                          s.factor[row + i * kMatrixRows + r], factors[r],
                          out + (i * kMatrixRows + r) * kColumns);
    }
  }
}

// ---- blocks ----

template <class V>
void load_block(MatrixIntegers<V>& a, const AttentionCall& x, int begin, int tokens) {
  load_tokens<typename V::Isa>(a, x, begin, tokens);
  a.interleaved = 0;
  if (a.code_steps > 0) return;
  for (int t = 0; t < tokens; t += V::kShare)
    interleave_codes(a, t, 0, round_up(a.s.value_width, kIntegerChunk));
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

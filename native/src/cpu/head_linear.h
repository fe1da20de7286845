// One small linear per head: W_UK into the query (transposed), W_UV onto the attended latent (plain).
//
// Plain: the reduction of linear.h. Transposed: outputs in lanes, inputs added in order, one by one or, with the bf16 dot, in pairs. Tokens
// are taken a few at a time, packed on the stack in blocks of kBlockK inputs; each token's sums do not notice the others.
#pragma once
#include "abi/checks.h"
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"
#include "cpu/linear.h"

namespace mla {
namespace {

constexpr int kPlainTokens = 16;
constexpr int kTransposedTokens = 4;
// Of packed integers: one row of the most inputs, 2^16, or 16 of 2048.
constexpr int kRoundedBytes = 96 << 10;
static_assert(kRoundedBytes >= (1 << 16) / 32 * rounded_block_bytes(16));
// The same of activations in matrix registers: one row of the most inputs, or 128 of 512.
constexpr int kMatrixPackedBytes = 128 << 10;
static_assert(kMatrixPackedBytes >= (1 << 16) * 2);
// Vectors of outputs of a tile: a single token reads long runs of each weight row, as memory likes it.
template <class Isa>
constexpr int kTokenVectors = Isa::kValueVectors;
template <class Isa>
constexpr int kRowVectors = 4 * Isa::kValueVectors;

// A few tokens of one head, with the strides of a token.
struct HeadTile {
  mla_linear_params p;
  const float* x;
  float* y;
};

// y = x W^T for the tokens of a tile.
template <class K>
void head_plain(HeadTile t, const typename K::Rows& w) {
  alignas(64) float packed[kPlainTokens * kBlockK];
  const int in = t.p.k;
  for (int k = 0; k < in; k += kBlockK) {
    t.p.k = min_int(kBlockK, in - k);
    pack_rows<typename K::Isa, sizeof(typename K::X) == 2>(t.p, t.x + k, nullptr, 0, t.p.rows, packed);
    linear_of<K>({t.p, packed, w.part(0, 1, k), nullptr, k > 0, t.y}, 0, t.p.n);
  }
}

// The same with integers: as many tokens at a time as fit the stack, packed.
template <class Isa>
void head_codes(const HeadTile& t, const StoredRows<Isa>& w) {
  alignas(64) char packed[kRoundedBytes];
  mla_linear_params p = t.p;
  const int64_t row_bytes = (int64_t)rounded_blocks(p.k) * rounded_block_bytes(w.coding.run);
  const int64_t fit = kRoundedBytes / row_bytes;
  for (int i = 0; i < t.p.rows; i += p.rows) {
    p.rows = min_int(t.p.rows - i, fit >= kPlainTokens ? kPlainTokens : fit >= 4 ? (int)fit / 4 * 4 : 1);
    round_rows<Isa>(p, t.x + i * p.x_stride, nullptr, 0, p.rows, packed);
    multiply_codes(w, {packed, p.rows, p.k, nullptr, t.y + i * p.y_stride, p.y_stride}, 0, p.n);
  }
}

// Inputs as the transposed tiles take them: one by one, times weights of a plain format, widened to float32.
template <class I, class Format>
struct OneByOne {
  typedef I Isa;
  typedef float X;
  typedef typename Format::Block W;
  typedef F<Isa> B;
  static constexpr int L = Isa::L;
  static constexpr int kInputs = 1;

  static MLA_INLINE void pack(const float* x, int in, bool rounds, float* packed) {
    for (int i = 0; i < in; i += L) {
      const int n = min_int(L, in - i);
      const F<Isa> v = Isa::load(x + i, n);
      Isa::store(packed + i, rounds ? Isa::round_bf16(v) : v, n);
    }
  }

  // VV vectors of outputs of the weight row at w, of which `columns` are there.
  template <int VV>
  static MLA_INLINE void read(const W* w, int64_t, bool, int columns, F<Isa> (&b)[VV]) {
    if constexpr (VV == 1) {
      b[0] = columns >= L ? Format::template read<Isa>(w) : Format::template read<Isa>(w, columns);
    } else {
#pragma GCC unroll 16
      for (int v = 0; v < VV; v++) b[v] = Format::template read<Isa>(w + v * L);
    }
  }
  static MLA_INLINE F<Isa> broadcast(const X* x) { return Isa::set1(*x); }
  static MLA_INLINE F<Isa> add_product(F<Isa> a, F<Isa> b, F<Isa> s) { return Isa::fma(a, b, s); }
};

// Inputs as the transposed tiles take them with the bf16 dot: two by two, rows of bf16 weights interleaved into pairs.
template <class I>
struct TwoByTwo {
  typedef I Isa;
  typedef uint16_t X;
  typedef Bf16::Block W;
  typedef P<Isa> B;
  static constexpr int L = Isa::L;
  static constexpr int kInputs = 2;

  static MLA_INLINE void pack(const float* x, int in, bool, uint16_t* packed) {
    for (int i = 0; i < in; i += 2 * L) {
      const int n = in - i;
      Isa::store_pairs(packed + i, Isa::round_to_pairs(n >= L ? Isa::load(x + i) : Isa::load(x + i, n),
                                                       n >= 2 * L ? Isa::load(x + i + L)
                                                       : n > L    ? Isa::load(x + i + L, n - L)
                                                                  : Isa::zero()));
    }
  }

  template <int VV>
  static MLA_INLINE void read(const W* w, int64_t w_stride, bool alone, int columns, B (&b)[VV]) {
    if constexpr (VV == 1) {
      const int n = min_int(L, columns);
      B rest;
      Isa::interleave(Isa::load_pairs(w, n), alone ? Isa::no_pairs() : Isa::load_pairs(w + w_stride, n),
                      &b[0], &rest);
    } else {
#pragma GCC unroll 8
      for (int v = 0; v < VV; v += 2)
        Isa::interleave(Isa::load_pairs(w + v * L),
                        alone ? Isa::no_pairs() : Isa::load_pairs(w + w_stride + v * L), &b[v], &b[v + 1]);
    }
  }
  static MLA_INLINE B broadcast(const X* x) {
    uint32_t pair;
    __builtin_memcpy(&pair, x, 4);
    return Isa::set1_pair(pair);
  }
  static MLA_INLINE F<Isa> add_product(B a, B b, F<Isa> s) { return Isa::dot(s, a, b); }
};

// y = x W: TT tokens x VV vectors of outputs over inputs [0, in), added to y where it is not the first block. x: [TT][kBlockK].
template <class K, int TT, int VV>
MLA_INLINE void transposed_tile(const typename K::X* x, int in, const typename K::W* w, int64_t w_stride,
                                int columns, float* y, int64_t y_stride, bool first) {
  typedef typename K::Isa Isa;
  constexpr int L = Isa::L;
  F<Isa> s[TT][VV];
#pragma GCC unroll 4
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 16
    for (int v = 0; v < VV; v++)
      s[t][v] = first ? Isa::zero() : Isa::load(y + t * y_stride + v * L, min_int(L, columns - v * L));
  constexpr int C =
      VV < kTokenVectors<Isa> ? VV : kTokenVectors<Isa>;  // vectors of weights in registers at a time
  auto step = [&](int i, bool alone) __attribute__((always_inline)) {
#pragma GCC unroll 4
    for (int v0 = 0; v0 < VV; v0 += C) {
      typename K::B b[C];
      K::template read<C>(w + i * w_stride + v0 * L, w_stride, alone, columns, b);
#pragma GCC unroll 4
      for (int t = 0; t < TT; t++) {
        const typename K::B a = K::broadcast(x + t * kBlockK + i);
#pragma GCC unroll 4
        for (int v = 0; v < C; v++) s[t][v0 + v] = K::add_product(a, b[v], s[t][v0 + v]);
      }
    }
  };
  int i = 0;
  for (; i + K::kInputs <= in; i += K::kInputs) step(i, false);
  if (i < in) step(i, true);
#pragma GCC unroll 4
  for (int t = 0; t < TT; t++)
#pragma GCC unroll 16
    for (int v = 0; v < VV; v++) Isa::store(y + t * y_stride + v * L, s[t][v], min_int(L, columns - v * L));
}

template <class K, int TT>
void head_transposed(const HeadTile& t, const PlainRows<typename K::W>& w) {
  typedef typename K::Isa Isa;
  constexpr int L = Isa::L, VV = TT == 1 ? kRowVectors<Isa> : kTokenVectors<Isa>;
  alignas(64) typename K::X x[TT * kBlockK];
  for (int i0 = 0; i0 < t.p.k; i0 += kBlockK) {
    const int in = min_int(kBlockK, t.p.k - i0);
    for (int r = 0; r < TT; r++)
      K::pack(t.x + r * t.p.x_stride + i0, in, rounds_to_bf16(t.p.compute), x + r * kBlockK);
    const typename K::W* wi = w.at + i0 * w.stride;
    int j = 0;
    for (; j + VV * L <= t.p.n; j += VV * L)
      transposed_tile<K, TT, VV>(x, in, wi + j, w.stride, VV * L, t.y + j, t.p.y_stride, i0 == 0);
    for (; j < t.p.n; j += L)
      transposed_tile<K, TT, 1>(x, in, wi + j, w.stride, min_int(L, t.p.n - j), t.y + j, t.p.y_stride,
                                i0 == 0);
  }
}

// head_transposed for weights that have to be widened first: some columns of a few rows at a time.
template <class Isa, int TT>
void head_transposed_stored(const HeadTile& t, const StoredRows<Isa>& w) {
  constexpr int L = Isa::L, kRows = 16;
  constexpr int kColumns = 256;  // whole blocks of any format
  typedef OneByOne<Isa, F32> K;
  alignas(64) float widened[kRows * kColumns];
  alignas(64) float x[TT * kBlockK];
  const bool rounds = rounds_to_bf16(t.p.compute);
  for (int i0 = 0; i0 < t.p.k; i0 += kRows) {
    const int in = min_int(kRows, t.p.k - i0);
    for (int r = 0; r < TT; r++) K::pack(t.x + r * t.p.x_stride + i0, in, rounds, x + r * kBlockK);
    for (int j0 = 0; j0 < t.p.n; j0 += kColumns) {
      const int columns = min_int(kColumns, t.p.n - j0);
      for (int i = 0; i < in; i++) w.read(i0 + i, j0, columns, widened + i * kColumns);
      for (int j = 0; j < columns; j += L)
        transposed_tile<K, TT, 1>(x, in, widened + j, kColumns, min_int(L, columns - j), t.y + j0 + j,
                                  t.p.y_stride, i0 == 0);
    }
  }
}

// How many tokens are computed together: at most so many, or exactly so many or one.
struct TokenCut {
  int most;
  bool exactly;
};
constexpr TokenCut kPlainCut{kPlainTokens, false}, kTransposedCut{kTransposedTokens, true};

// Calls f with a few tokens of one head at a time, [begin, end) of those whose first is at x and y.
template <class Function>
MLA_INLINE void over_tokens(const mla_head_linear_params& p, const float* x, float* y, int begin, int end,
                            const TokenCut& cut, Function f) {
  HeadTile tile{};
  tile.p.compute = p.compute;
  tile.p.weight_type = p.weight_type;
  tile.p.scale_rows = p.scale_rows;
  tile.p.scale_columns = p.scale_columns;
  tile.p.k = p.in;
  tile.p.n = p.out;
  tile.p.x_stride = p.x_token_stride;
  tile.p.y_stride = p.y_token_stride;
  for (int t = begin; t < end; t += tile.p.rows) {
    const int left = end - t;
    tile.p.rows = left >= cut.most ? cut.most : cut.exactly ? 1 : left;
    tile.x = x + t * p.x_token_stride;
    tile.y = y + t * p.y_token_stride;
    f(tile);
  }
}

// The rows of a head's matrix.
template <class Isa>
MLA_INLINE StoredRows<Isa> head_rows(const mla_head_linear_params& p, const void* weight, const void* scales,
                                     int head) {
  const char* first = (const char*)weight + bytes_of(p.weight_type, head * p.weight_head_stride);
  return StoredRows<Isa>::of(p.weight_type, first, p.weight_stride,
                             scales_of(p, scales, p.scale_first_row + (int64_t)head * p.scale_head_rows));
}

// x W of one head, by what the weight is.
template <class Isa>
void transposed_head(const mla_head_linear_params& p, const float* x, const StoredRows<Isa>& w, int begin,
                     int end, float* y) {
  const auto tiles = [&]<class K>(K, const PlainRows<typename K::W>& rows) {
    over_tokens(p, x, y, begin, end, kTransposedCut, [&](const HeadTile& tile) {
      if (tile.p.rows == kTransposedTokens)
        head_transposed<K, kTransposedTokens>(tile, rows);
      else
        head_transposed<K, 1>(tile, rows);
    });
  };
  const bool scaled = w.scales.values != nullptr;
  if constexpr (Isa::kHasBf16Dot) {
    if (uses_bf16_dot<Isa>(p.compute, w.type, scaled)) return tiles(TwoByTwo<Isa>{}, plain_rows<Bf16>(w));
  }
  const bool plain = !scaled && PlainFormats::with(w.type, [&]<class Format>(Format) {
    tiles(OneByOne<Isa, Format>{}, plain_rows<Format>(w));
  });
  if (plain) return;
  over_tokens(p, x, y, begin, end, kTransposedCut, [&](const HeadTile& tile) {
    if (tile.p.rows == kTransposedTokens)
      head_transposed_stored<Isa, kTransposedTokens>(tile, w);
    else
      head_transposed_stored<Isa, 1>(tile, w);
  });
}

// y = x W^T of one head in matrix registers, of as many tokens at a time as fit the stack, packed.
template <class Isa>
void matrix_head(const mla_head_linear_params& p, const float* x, const StoredRows<Isa>& w, int begin,
                 int end, float* y) {
  constexpr int kPair = 2 * kMatrixRows;
  alignas(64) uint16_t packed[kMatrixPackedBytes / 2];
  const int fit = kMatrixPackedBytes / 2 / round_up(p.in, kMatrixElements);
  const int most = fit >= kPair ? fit / kPair * kPair : min_int(fit, kMatrixRows);
  over_tokens(p, x, y, begin, end, {most, false}, [&](const HeadTile& t) {
    pack_matrix_rows<Isa>(t.p, t.x, nullptr, 0, t.p.rows, packed);
    multiply_in_matrix<Isa>({t.p, packed, nullptr, t.y}, w, 0, t.p.n);
  });
}

// Tokens [begin, end) of one head, of which token 0 is at x and y.
template <class Isa>
void one_head(const mla_head_linear_params& p, const float* x, const StoredRows<Isa>& w, int begin, int end,
              float* y) {
  if (p.transposed) return transposed_head<Isa>(p, x, w, begin, end, y);
  if constexpr (Isa::kHasMatrix) {
    if (uses_matrix<Isa>(p.compute, p.weight_type, p.scale_rows, p.scale_columns, p.in))
      return matrix_head<Isa>(p, x, w, begin, end, y);
  }
  if (multiplies_codes(p.compute, p.weight_type, p.scale_rows, p.scale_columns, p.in))
    return over_tokens(p, x, y, begin, end, kPlainCut,
                       [&](const HeadTile& tile) { head_codes<Isa>(tile, w); });
  with_product<Isa>(p.compute, w, p.in, [&]<class K>(K, const typename K::Rows& rows) {
    over_tokens(p, x, y, begin, end, kPlainCut, [&](const HeadTile& tile) { head_plain<K>(tile, rows); });
  });
}

template <class Isa>
void head_linear(const mla_head_linear_params* params, const float* x, const void* weight, const void* scales,
                 int head_begin, int head_end, int token_begin, int token_end, float* y) {
  const mla_head_linear_params& p = *params;
  for (int h = head_begin; h < head_end; h++)
    one_head<Isa>(p, x + h * p.x_head_stride, head_rows<Isa>(p, weight, scales, h), token_begin, token_end,
                  y + h * p.y_head_stride);
}

inline bool check_head_linear(const mla_head_linear_params* p, const float* x, const void* weight,
                              const void* scales, int head_begin, int head_end, int token_begin,
                              int token_end, const float* y) {
  check(p);
  require_bounds("head", head_begin, head_end, p->heads);
  require_bounds("token", token_begin, token_end, p->tokens);
  if (head_begin == head_end || token_begin == token_end) return false;
  require_pointer("x", x);
  require_pointer("weight", weight);
  require_scale_pointer("scales", scales, p->scale_rows);
  require_pointer("y", y);
  return true;
}

}  // namespace
}  // namespace mla

// Products with MLA_COMPUTE_INT8 of more than a few rows in matrix registers (matrix.h).
//
// A register takes the sums of 16 rows of activations and 16 weight rows over a block of 32, which go through memory into vectors with weight rows
// in lanes, to be scaled and added in float32. That takes as long as the products, and twice as long between instructions on matrix registers
// (Sapphire Rapids has one port less for it then): so all blocks of a panel are multiplied first, then all are added to outputs that wait in
// vector registers. Sums are stored two products after their own, since one takes that long to end. A panel is 16 weight rows over some blocks,
// unpacked once for all rows of activations; it stays in the first-level cache with the sums and a group of rows.
#pragma once
#include "cpu/integer_lanes.h"
#include "cpu/integer_rows.h"
#include "cpu/lanes.h"
#include "cpu/matrix.h"
#include "cpu/stored_rows.h"

namespace mla {
namespace {

constexpr int kCodeColumns = kMatrixBytes / 4;  // outputs of a register, and of a panel
constexpr int kPanelBlocks = 16;
// Rows of activations whose outputs wait for the next panel of the same weight rows.
constexpr int kCodeChunk = 512;
// Of activations, which stay in the second-level cache.
constexpr int64_t kCodePassBytes = 1 << 20;

// Some rows of float32 results; nullptr where all are zero.
struct CodeSums {
  float* at;
  int64_t stride;
};

// A group of rows of activations and the outputs of a panel.
struct CodeTile {
  const char* x;
  const char* next;  // that of the next tile, to be fetched
  int64_t step;
  const float* panel;
  int blocks;
  int rows, outputs;  // that are there
  CodeSums from, to;
  const float* bias;
};

typedef int32_t BlockSums[kMatrixRows][kCodeColumns];

// What products with a kind of weight are made of.
template <class I, bool kMinima>
struct MatrixCodes {
  typedef I Isa;
  static constexpr int L = Isa::L;
  static constexpr int kVectors = kCodeColumns / L;
  static constexpr int kScales =
      8 * kCodeColumns;  // of a block in a panel, behind its codes; then the minima
  static constexpr int kPanelFloats = kScales + kCodeColumns * (kMinima ? 2 : 1);

  // A block of L weight rows from output `at` of the panel on: codes become signed.
  static MLA_INLINE void store(LaneBlock<Isa> w, int at, float* to) {
    if constexpr (!kMinima && Isa::kCodeOffset != 0) add_to_codes<Isa>(w.x, -Isa::kCodeOffset);
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) Isa::store_ints(to + i * kCodeColumns + at, w.x[i]);
    Isa::store(to + kScales + at, w.scale[0]);
    if constexpr (kMinima) Isa::store(to + kScales + kCodeColumns + at, w.minimum[0]);
  }

  static MLA_INLINE void multiply(const CodeTile& t, BlockSums* sums) {
    const auto turn = [&]<int R>(int b) __attribute__((always_inline)) {
      constexpr int kFirst = kFirstOperand + R % 2, kSecond = kSecondOperand + R % 2;
      if (b < t.blocks) {
        Isa::template load_matrix<kFirst>(t.x + b * t.step, kInt8Block);
        Isa::template load_matrix<kSecond>(t.panel + b * kPanelFloats, kMatrixBytes);
        Isa::template zero_matrix<R>();
        Isa::template add_products_int8<R, kFirst, kSecond>();
      }
      if (b >= 2 && b - 2 < t.blocks) Isa::template store_matrix<(R + 2) % 4>(sums[b - 2], kMatrixBytes);
    };
    for (int b = 0; b < t.blocks + 2; b += 4) {
      turn.template operator()<0>(b);
      turn.template operator()<1>(b + 1);
      turn.template operator()<2>(b + 2);
      turn.template operator()<3>(b + 3);
    }
  }

  template <int kRows>
  static MLA_INLINE void add(const CodeTile& t, const BlockSums* sums, F<Isa> (&f)[kRows][kVectors]) {
    const float* panel = t.panel;
    const char *x = t.x + kMatrixRows * kInt8Block, *next = t.next;
    for (int b = 0; b < t.blocks; b++, panel += kPanelFloats, x += t.step, next += t.step) {
      for (int64_t i = 0; i < t.step; i += 64) __builtin_prefetch(next + i);
#pragma GCC unroll 16
      for (int r = 0; r < kRows; r++) {
        const F<Isa> scale = Isa::as_floats(Isa::load_int(x + 4 * r));
#pragma GCC unroll 4
        for (int v = 0; v < kVectors; v++) {
          const F<Isa> both = Isa::mul(Isa::load(panel + kScales + v * L), scale);
          f[r][v] = Isa::fused(both, Isa::to_floats(Isa::load_ints(&sums[b][r][v * L])), f[r][v]);
          if constexpr (kMinima)
            f[r][v] = Isa::fused(Isa::load(panel + kScales + kCodeColumns + v * L),
                                 Isa::as_floats(Isa::load_int(x + 4 * (kMatrixRows + r))), f[r][v]);
        }
      }
    }
  }
};

// The first kRows rows of a group, of which others are not there.
template <class Codes, int kRows>
MLA_INLINE void code_rows(const CodeTile& t, const BlockSums* sums) {
  typedef typename Codes::Isa Isa;
  constexpr int L = Isa::L;
  const bool whole = t.rows == kRows && t.outputs == kCodeColumns;
  const auto each = [&](auto with) __attribute__((always_inline)) {
#pragma GCC unroll 16
    for (int r = 0; r < kRows; r++)
#pragma GCC unroll 4
      for (int v = 0; v < Codes::kVectors; v++)
        if (whole)
          with(r, v, L);
        else if (r < t.rows && v * L < t.outputs)
          with(r, v, min_int(L, t.outputs - v * L));
  };
  F<Isa> f[kRows][Codes::kVectors];
#pragma GCC unroll 16
  for (int r = 0; r < kRows; r++)
#pragma GCC unroll 4
    for (int v = 0; v < Codes::kVectors; v++) f[r][v] = Isa::zero();
  if (t.from.at)
    each([&](int r, int v, int count) __attribute__((always_inline)) {
      f[r][v] = Isa::load(t.from.at + r * t.from.stride + v * L, count);
    });
  Codes::add(t, sums, f);
  each([&](int r, int v, int count) __attribute__((always_inline)) {
    const F<Isa> sum = t.bias ? Isa::add(f[r][v], Isa::load(t.bias + v * L, count)) : f[r][v];
    Isa::store(t.to.at + r * t.to.stride + v * L, sum, count);
  });
}

template <class Codes>
__attribute__((noinline)) void code_tile(const CodeTile& t) {
  alignas(64) BlockSums sums[kPanelBlocks];
  Codes::multiply(t, sums);
  if (t.rows > kMatrixRows / 2)
    code_rows<Codes, kMatrixRows>(t, sums);
  else
    code_rows<Codes, kMatrixRows / 2>(t, sums);
}

// Outputs [n, n + 16), and no more than n_end, over some blocks.
template <class Source>
__attribute__((noinline)) void fill_code_panel(const Source& source, int n, int n_end, int block, int blocks,
                                               int all_blocks, float* panel) {
  typedef typename Source::Isa Isa;
  typedef MatrixCodes<Isa, Source::kHasMinima> Codes;
  for (int at = 0; at < kCodeColumns; at += Isa::L) {
    const LaneRows<Isa> rows = lane_rows(source.weight, min_int(n + at, n_end - 1), n_end);
    const NextLanes<Isa> next = next_lanes(source.weight, n + kCodeColumns - Isa::L + at, all_blocks);
    for (int b = 0; b < blocks; b += Source::kBlocks)
      source.read(rows, block + b, min_int(Source::kBlocks, blocks - b),
                  [&](int j, const LaneBlock<Isa>& w) __attribute__((always_inline)) {
                    next.fetch(block + b + j);
                    Codes::store(w, at, panel + (int64_t)(b + j) * Codes::kPanelFloats);
                  });
  }
}

// Rows [begin, end), a chunk, and outputs [n, n + 16), and no more than n_end, over blocks [first, last), a pass.
template <class Source>
void code_panels(const Source& source, const RoundedRows& a, int begin, int end, int n, int n_end, int first,
                 int last) {
  typedef MatrixCodes<typename Source::Isa, Source::kHasMinima> Codes;
  alignas(64) float panel[kPanelBlocks * Codes::kPanelFloats];
  alignas(64) float waiting[kCodeChunk * kCodeColumns];
  const int all = rounded_blocks(a.k);
  const int64_t step = matrix_step(Source::kHasMinima);
  for (int block = first; block < last; block += kPanelBlocks) {
    const int blocks = min_int(kPanelBlocks, last - block);
    const bool ends = block + blocks == last;
    fill_code_panel(source, n, n_end, block, blocks, all, panel);
    for (int row = begin; row < end; row += kMatrixRows) {
      const CodeSums waits{waiting + (row - begin) * kCodeColumns, kCodeColumns},
          results{a.y + row * a.y_stride + n, a.y_stride};
      const char* x = a.packed + ((int64_t)row / kMatrixRows * all + block) * step;
      code_tile<Codes>({x, row + kMatrixRows < end ? x + all * step : x, step, panel, blocks,
                        min_int(kMatrixRows, end - row), min_int(kCodeColumns, n_end - n),
                        block == 0       ? CodeSums{nullptr, 0}
                        : block == first ? results
                                         : waits,
                        ends ? results : waits, a.bias && block + blocks == all ? a.bias + n : nullptr});
    }
  }
}

template <class Source>
void product_in_matrix(const Source& source, const RoundedRows& a, int n_begin, int n_end) {
  typedef typename Source::Isa Isa;
  Isa::configure_matrix({kMatrixRows, kMatrixBytes}, {kMatrixRows, kInt8Block},
                        {kInt8Block / 4, kMatrixBytes});
  const int all = rounded_blocks(a.k), chunk = min_int(kCodeChunk, round_up(a.rows, kMatrixRows));
  const int64_t block_bytes = chunk / kMatrixRows * matrix_step(Source::kHasMinima);
  const int pass = round_up((int)(kCodePassBytes / block_bytes), kPanelBlocks);
  for (int begin = 0; begin < a.rows; begin += chunk)
    for (int first = 0; first < all; first += pass)
      for (int n = n_begin; n < n_end; n += kCodeColumns)
        code_panels(source, a, begin, min_int(a.rows, begin + chunk), n, n_end, first,
                    min_int(all, first + pass));
  Isa::release_matrix();
}

}  // namespace
}  // namespace mla

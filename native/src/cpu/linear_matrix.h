// Linear layers in matrix registers: sixteen weight rows, read as they lie, times up to sixteen rows of activations, 32 of k at a time.
//
// An output begins as 0 and takes the products of one step of k after the other (matrix.h), the bias last. Where sums wait in memory
// between two blocks of k, and what other rows and outputs are computed beside them, changes nothing.
//
// Packed activations: groups of 16 rows, or of as many as there are if fewer; within one [k / 2][row][2] bf16, zero beyond k and beyond
// the rows.
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/lanes.h"
#include "cpu/matrix.h"
#include "cpu/stored_rows.h"

namespace mla {
namespace {

// Rows whose activations over a block of k stay in L2 (256 KiB), where all weights of a chunk pass two groups of them at a time.
constexpr int kMatrixBlockRows = 256;
constexpr int kMatrixBlockK = 512;
// Outputs whose sums of a block of rows wait on the stack: 96 KiB.
constexpr int kMatrixChunk = 96;
static_assert(kMatrixBlockRows % 32 == 0 && kMatrixChunk % 32 == 0 && kMatrixBlockK % kMatrixElements == 0);

template <class Isa>
MLA_INLINE bool uses_matrix(int compute, int type, int scale_rows, int scale_columns, int k) {
  return Isa::kHasMatrix && ((rounds_to_bf16(compute) && type == Bf16::kType && scale_rows == 0) ||
                             widens_to_bf16(compute, type, scale_rows, scale_columns, k));
}
template <class Isa>
MLA_INLINE bool uses_matrix(const mla_linear_params& p) {
  return uses_matrix<Isa>(p.compute, p.weight_type, p.scale_rows, p.scale_columns, p.k);
}
MLA_INLINE int matrix_group(int rows) { return min_int(rows, kMatrixRows); }
MLA_INLINE int matrix_groups(int rows) { return (rows + kMatrixRows - 1) / kMatrixRows; }
MLA_INLINE int64_t matrix_group_elements(int rows, int k) {
  return (int64_t)matrix_group(rows) * round_up(k, kMatrixElements);
}
MLA_INLINE int64_t matrix_packed_bytes(int rows, int k) {
  return whole_lines(matrix_groups(rows) * matrix_group_elements(rows, k) * 2);
}

// A group of rows over k elements; those that are nullptr are zeros.
template <class Isa>
void pack_matrix_group(const float* const* rows, int group, int k, uint16_t* packed) {
  constexpr int L = Isa::L;
  const int padded = round_up(k, kMatrixElements);
  for (int at = 0; at < padded; at += 2 * L) {
    const auto read = [&](const float* row, int i) __attribute__((always_inline)) {
      return k - i >= L ? Isa::load(row + i) : k > i ? Isa::load(row + i, k - i) : Isa::zero();
    };
    const auto pairs = [&](const float* row) __attribute__((always_inline)) {
      return row ? Isa::rounded_pairs(read(row, at), read(row, at + L)) : Isa::zero();
    };
    float* to = (float*)packed + (int64_t)at / 2 * group;
    if (group == 1) {
      Isa::store(to, pairs(rows[0]));
      continue;
    }
    for (int r = 0; r < group; r += L) {
      F<Isa> v[L];
#pragma GCC unroll 16
      for (int i = 0; i < L; i++) v[i] = r + i < group ? pairs(rows[r + i]) : Isa::zero();
      Isa::transpose(v);
#pragma GCC unroll 16
      for (int i = 0; i < L; i++) Isa::store(to + i * group + r, v[i], min_int(L, group - r));
    }
  }
}

template <class Isa>
void pack_matrix_rows(const mla_linear_params& p, const float* x, const int32_t* indices, int row_begin,
                      int row_end, uint16_t* packed) {
  const int group = matrix_group(p.rows);
  for (int m = row_begin; m < row_end; m += kMatrixRows) {
    const float* rows[kMatrixRows] = {};
    for (int i = m; i < min_int(row_end, m + kMatrixRows); i++)
      rows[i - m] = x + (indices ? indices[i] : i) * p.x_stride;
    pack_matrix_group<Isa>(rows, group, p.k, packed + m / kMatrixRows * matrix_group_elements(p.rows, p.k));
  }
}

// Lines of weight rows that are read next, one after the other as they lie, which memory likes best.
struct NextLines {
  const char* at = nullptr;
  int64_t stride = 0;  // bytes
  int lines = 0;       // of a row
  int rows = 0;
  int line = 0;

  static MLA_INLINE NextLines of(const PlainRows<uint16_t>& w, int n, int rows, int k, int kc) {
    return {(const char*)(w.at + n * w.stride + k), w.stride * 2, (kc * 2 + 63) / 64, rows};
  }
  MLA_INLINE void fetch(int count) {
    for (; count > 0 && rows > 0; count--) {
      __builtin_prefetch(at + (int64_t)line * 64, 0, 2);
      if (++line < lines) continue;
      line = 0;
      at += stride;
      rows--;
    }
  }
};

// Packed activations, and where the results of a linear layer go.
template <class Isa>
struct MatrixRows {
  const mla_linear_params& p;
  const uint16_t* packed;
  const float* bias;
  float* y;

  MLA_INLINE const uint16_t* group(int g, int k) const {
    return packed + g * matrix_group_elements(p.rows, p.k) + (int64_t)k * matrix_group(p.rows);
  }

  // Writes rows [m, m + rows), at most 16, of `columns` outputs from n on; sums: [output][16 rows], readable up to output 31.
  void write(const float* sums, int m, int rows, int n, int columns) const {
    constexpr int L = Isa::L;
    for (int c = 0; c < columns; c += L) {
      const int count = min_int(L, columns - c);
      const F<Isa> b = bias ? Isa::load(bias + n + c, count) : Isa::zero();
      for (int t = 0; t < rows; t += L) {
        F<Isa> v[L];
#pragma GCC unroll 16
        for (int i = 0; i < L; i++) v[i] = Isa::load(sums + (c + i) * kMatrixRows + t);
        Isa::transpose(v);
        float* to = y + (m + t) * p.y_stride + n + c;
        for (int i = 0; i < min_int(L, rows - t); i++, to += p.y_stride)
          Isa::store(to, bias ? Isa::add(v[i], b) : v[i], count);
      }
    }
  }

  // The same where there is one row: sums[0 .. columns) are its outputs.
  void write_one(const float* sums, int n, int columns) const {
    for (int c = 0; c < columns; c++) y[n + c] = bias ? sums[c] + bias[n + c] : sums[c];
  }
};

// A linear layer whose weights are bf16 as they lie.
template <class Isa>
struct MatrixLayer : MatrixRows<Isa> {
  PlainRows<uint16_t> w;

  // Weight rows [n, n + height) beyond the last whole step of k, filled up with zeros.
  MLA_INLINE void copy_tail(int n, int height, uint16_t* to) const {
    const int k = this->p.k, whole = k / kMatrixElements * kMatrixElements;
    for (int i = 0; i < height; i++) {
      const uint16_t* from = w.at + (n + i) * w.stride + whole;
      for (int j = 0; j < kMatrixElements; j++) to[i * kMatrixElements + j] = whole + j < k ? from[j] : 0;
    }
  }
};

// ---- up to sixteen rows: weights pass once, from memory ----

// 32 weight rows that are read side by side are as many streams, which a processor's own prefetcher follows better than anything that could
// be told it. Only where rows are shorter than this does it help to prefetch the next ones, in four runs.
constexpr int kShortRow = 1024;
constexpr int kRuns = 4;

// Outputs n[0 .. T), each with the height - 1 behind it, of all rows. sums: [T][16][rows].
template <class Isa, int T>
MLA_INLINE void few_rows_products(const MatrixLayer<Isa>& layer, const int* n, int height, NextLines* next,
                                  int lines, float* sums) {
  const mla_linear_params& p = layer.p;
  const int group = p.rows;
  alignas(64) uint16_t tails[T][kMatrixRows * kMatrixElements];
  const uint16_t* at[T];
  Isa::template zero_matrix<0>();
  if constexpr (T > 1) Isa::template zero_matrix<1>();
  for (int i = 0; i < T; i++) at[i] = layer.w.at + n[i] * layer.w.stride;
  const auto step = [&](int k, int64_t stride) __attribute__((always_inline)) {
    Isa::template load_matrix<kSecondOperand>(layer.group(0, k), group * 4);
    Isa::template load_matrix<kFirstOperand>(at[0], stride);
    Isa::template add_products_bf16<0, kFirstOperand, kSecondOperand>();
    if constexpr (T > 1) {
      Isa::template load_matrix<kFirstOperand + 1>(at[1], stride);
      Isa::template add_products_bf16<1, kFirstOperand + 1, kSecondOperand>();
    }
  };
  int k = 0;
  for (; k + kMatrixElements <= p.k; k += kMatrixElements) {
    step(k, layer.w.stride * 2);
    for (int i = 0; i < kRuns; i++) next[i].fetch(lines);
    for (int i = 0; i < T; i++) at[i] += kMatrixElements;
  }
  if (k < p.k) {
    for (int i = 0; i < T; i++) {
      layer.copy_tail(n[i], height, tails[i]);
      at[i] = tails[i];
    }
    step(k, kMatrixBytes);
  }
  Isa::template store_matrix<0>(sums, group == 1 ? 4 : kMatrixBytes);
  if constexpr (T > 1)
    Isa::template store_matrix<1>(sums + 2 * kMatrixRows * kMatrixRows, group == 1 ? 4 : kMatrixBytes);
}

template <class Isa>
void few_matrix_rows(const MatrixLayer<Isa>& layer, int n_begin, int n_end, int height) {
  const mla_linear_params& p = layer.p;
  constexpr int kSums = 2 * kMatrixRows * kMatrixRows;  // of an operand, and room behind it
  alignas(64) float sums[2 * kSums];
  const int steps = p.k / kMatrixElements > 0 ? p.k / kMatrixElements : 1;
  for (int at = n_begin; at < n_end; at += 2 * kMatrixRows) {
    const int two = min_int(2 * kMatrixRows, n_end - at),
              next_rows = min_int(2 * kMatrixRows, n_end - at - two);
    // the last ones go back to where as many rows are there as a register holds
    const int n[2] = {min_int(at, n_end - height), min_int(at + kMatrixRows, n_end - height)};
    NextLines next[kRuns];
    for (int i = 0; p.k < kShortRow && i < kRuns; i++) {
      const int begin = next_rows * i / kRuns, end = next_rows * (i + 1) / kRuns;
      next[i] = NextLines::of(layer.w, at + two + begin, end - begin, 0, p.k);
    }
    const int lines = (next[0].lines * 2 * kMatrixRows / kRuns + steps - 1) / steps;
    if (two > kMatrixRows)
      few_rows_products<Isa, 2>(layer, n, height, next, lines, sums);
    else
      few_rows_products<Isa, 1>(layer, n, height, next, lines, sums);
    for (int i = 0; i < (two > kMatrixRows ? 2 : 1); i++) {
      const int first = at + i * kMatrixRows, skipped = first - n[i], columns = height - skipped;
      if (p.rows > 1)
        layer.write(sums + i * kSums + skipped * kMatrixRows, 0, p.rows, first, columns);
      else
        layer.write_one(sums + i * kSums + skipped, first, columns);
    }
  }
}

// ---- more rows ----

// Weights of up to two registers times activations of up to two over a block of k.
template <class Isa>
struct MatrixPanel {
  const uint16_t* w[2];
  int64_t w_stride;  // bytes
  const uint16_t* tails[2];
  const uint16_t* x[2];
  float* sums[2][2];
  int kc;
  bool first;  // the sums begin here
};

template <class Isa, int A, int B>
MLA_INLINE void panel_products(const MatrixPanel<Isa>& p, NextLines& next, int lines) {
  each_sum<A, B>([&]<int i, int j>() __attribute__((always_inline)) {
    if (p.first)
      Isa::template zero_matrix<2 * i + j>();
    else
      Isa::template load_matrix<2 * i + j>(p.sums[i][j], kMatrixBytes);
  });
  const auto step = [&](int k, const uint16_t* w0, const uint16_t* w1, int64_t stride)
                        __attribute__((always_inline)) {
                          matrix_products<Isa, A, B>(w0, w1, stride, p.x[0] + k * kMatrixRows,
                                                     p.x[1] + k * kMatrixRows, kMatrixBytes);
                        };
  int k = 0;
  for (; k + kMatrixElements <= p.kc; k += kMatrixElements) {
    step(k, p.w[0] + k, p.w[1] + k, p.w_stride);
    next.fetch(lines);
  }
  if (k < p.kc) step(k, p.tails[0], p.tails[1], kMatrixBytes);
  each_sum<A, B>([&]<int i, int j>() __attribute__((always_inline)) {
    Isa::template store_matrix<2 * i + j>(p.sums[i][j], kMatrixBytes);
  });
}

// Rows [m, m + rows), a block, of a chunk of outputs [n, n + columns) over a block of k; the rows of tile t of weights begin at at[t].
template <class Isa>
void chunk_products(const MatrixLayer<Isa>& layer, int m, int rows, const int* at, int tiles, int k,
                    const uint16_t* tails, NextLines next, float* sums) {
  constexpr int kSums = kMatrixRows * kMatrixRows;
  const mla_linear_params& p = layer.p;
  const int groups = matrix_groups(rows), kc = min_int(kMatrixBlockK, p.k - k);
  const int steps = ((groups + 1) / 2) * ((tiles + 1) / 2) * (kc / kMatrixElements);
  const int lines = steps > 0 ? (next.lines * next.rows + steps - 1) / steps : 0;
  for (int g = 0; g < groups; g += 2) {
    for (int t = 0; t < tiles; t += 2) {
      const int b = min_int(2, groups - g), a = min_int(2, tiles - t);
      MatrixPanel<Isa> panel{};
      panel.w_stride = layer.w.stride * 2;
      panel.kc = kc;
      panel.first = k == 0;
      for (int i = 0; i < a; i++) {
        panel.w[i] = layer.w.at + at[t + i] * layer.w.stride + k;
        panel.tails[i] = tails + (t + i) * kMatrixRows * kMatrixElements;
        for (int j = 0; j < b; j++) panel.sums[i][j] = sums + ((t + i) * groups + g + j) * kSums;
      }
      for (int j = 0; j < b; j++) panel.x[j] = layer.group(m / kMatrixRows + g + j, k);
      if (a == 2 && b == 2)
        panel_products<Isa, 2, 2>(panel, next, lines);
      else if (a == 2)
        panel_products<Isa, 2, 1>(panel, next, lines);
      else if (b == 2)
        panel_products<Isa, 1, 2>(panel, next, lines);
      else
        panel_products<Isa, 1, 1>(panel, next, lines);
    }
  }
}

template <class Isa>
void matrix_block(const MatrixLayer<Isa>& layer, int m, int rows, int n_begin, int n_end, int height) {
  constexpr int kSums = kMatrixRows * kMatrixRows, kTiles = kMatrixChunk / kMatrixRows;
  const mla_linear_params& p = layer.p;
  // one register's sums more: what is written may be read from where its neighbour's begin
  alignas(64) float sums[kMatrixBlockRows * kMatrixChunk + kSums];
  alignas(64) uint16_t tails[kTiles * kMatrixRows * kMatrixElements];
  const int groups = matrix_groups(rows);
  for (int n = n_begin; n < n_end; n += kMatrixChunk) {
    const int columns = min_int(kMatrixChunk, n_end - n), tiles = (columns + kMatrixRows - 1) / kMatrixRows;
    int at[kTiles];
    for (int t = 0; t < tiles; t++) {
      at[t] = min_int(n + t * kMatrixRows, n_end - height);
      if (p.k % kMatrixElements != 0)
        layer.copy_tail(at[t], height, tails + t * kMatrixRows * kMatrixElements);
    }
    for (int k = 0; k < p.k; k += kMatrixBlockK) {
      const int next_k = k + kMatrixBlockK < p.k ? k + kMatrixBlockK : 0,
                next_n = next_k > 0 ? n : n + columns;
      const NextLines next = NextLines::of(layer.w, next_n, min_int(kMatrixChunk, n_end - next_n), next_k,
                                           min_int(kMatrixBlockK, p.k - next_k));
      chunk_products(layer, m, rows, at, tiles, k, tails, next, sums);
    }
    for (int t = 0; t < tiles; t++) {
      const int first = n + t * kMatrixRows, skipped = first - at[t];
      for (int g = 0; g < groups; g++)
        layer.write(sums + (t * groups + g) * kSums + skipped * kMatrixRows, m + g * kMatrixRows,
                    min_int(kMatrixRows, rows - g * kMatrixRows), first, height - skipped);
    }
  }
}

// Outputs [n_begin, n_end) of all rows.
template <class Isa>
void multiply_matrix(const MatrixLayer<Isa>& layer, int n_begin, int n_end) {
  const int rows = layer.p.rows, group = matrix_group(rows);
  const int height = min_int(kMatrixRows, n_end - n_begin);
  Isa::configure_matrix({height, group * 4}, {height, kMatrixBytes}, {kMatrixRows, group * 4});
  if (rows <= kMatrixRows) {
    few_matrix_rows(layer, n_begin, n_end, height);
  } else {
    for (int m = 0; m < rows; m += kMatrixBlockRows)
      matrix_block(layer, m, min_int(kMatrixBlockRows, rows - m), n_begin, n_end, height);
  }
  Isa::release_matrix();
}

}  // namespace
}  // namespace mla

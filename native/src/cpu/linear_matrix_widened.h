// Linear layers in matrix registers whose weights become bf16, exactly, some rows and a piece of k at a time: 8-bit floats, with scales.
//
// An output is a sum over pieces of k, which end at multiples of kMatrixBlockK and of the columns of a scale. A piece is products added to 0
// as linear_matrix.h adds them; then sum = fma(scale, piece, sum), from 0 on, the bias last.
#pragma once
#include "cpu/linear_matrix.h"

namespace mla {
namespace {

template <class Isa>
struct WidenedLayer : MatrixRows<Isa> {
  const StoredRows<Isa>& w;

  // Where the piece that begins at k ends, no further than `end`.
  MLA_INLINE int piece_end(int k, int end) const {
    const int of_block = kMatrixBlockK - k % kMatrixBlockK,
              of_scale = w.scale_columns() - k % w.scale_columns();
    const int next = k + min_int(of_block, of_scale);
    return min_int(next, end);
  }

  // Weight rows [n, n + rows), of 16, over kc of k as bf16, [step][16][kMatrixElements], zero beyond the rows and kc. What lies `ahead` bytes
  // behind each line is fetched.
  MLA_INLINE void widen(int n, int rows, int k, int kc, int64_t ahead, uint16_t* to) const {
    constexpr int kStep = kMatrixRows * kMatrixElements, kPair = 2 * Isa::L;
    const uint8_t* from = w.bytes_at(n, k);
    int i = 0;
    for (; i < rows; i++, from += w.row_bytes, to += kMatrixElements) {
      uint16_t* at = to;
      int j = 0;
      for (; j + 2 * kMatrixElements <= kc; j += 2 * kMatrixElements, at += 2 * kStep) {
        __builtin_prefetch(from + j + ahead, 0, 2);
#pragma GCC unroll 8
        for (int e = 0; e < 2 * kMatrixElements; e += kPair)
          Isa::store_pairs(at + e / kMatrixElements * kStep + e % kMatrixElements,
                           Isa::widen_f8(from + j + e));
      }
      for (; j < kc; j += kMatrixElements, at += kStep) {
        __builtin_memset(at, 0, kMatrixBytes);
        w.read_bf16(n + i, k + j, min_int(kMatrixElements, kc - j), at);
      }
    }
    for (; i < kMatrixRows; i++, to += kMatrixElements)
      for (int j = 0; j < kc; j += kMatrixElements) __builtin_memset(to + j * kMatrixRows, 0, kMatrixBytes);
  }

  // The scales of weight rows [n, n + rows) of the piece that begins at k; beyond the rows, up to `count`, the last one's.
  MLA_INLINE void read_scales(int n, int rows, int count, int k, float* to) const {
    for (int i = 0; i < count;) {
      const int64_t shared = w.rows_of_scale(n + i);
      const int end = shared < rows - i ? i + (int)shared : count;
      const float scale = w.scale(n + i, k);
      for (; i < end; i++) to[i] = scale;
    }
  }
};

// Sums of 16 outputs, [output][16 rows], and a piece's that are added to them.
template <class Isa>
MLA_INLINE void add_scaled(const float* piece, const float* scales, float* sums) {
#pragma GCC unroll 4
  for (int i = 0; i < kMatrixRows; i++) {
    const F<Isa> scale = Isa::set1(scales[i]);
#pragma GCC unroll 4
    for (int r = 0; r < kMatrixRows; r += Isa::L) {
      const int at = i * kMatrixRows + r;
      Isa::store(sums + at, Isa::fused(scale, Isa::load(piece + at), Isa::load(sums + at)));
    }
  }
}

// The same of one row, [output].
template <class Isa>
MLA_INLINE void add_scaled_row(const float* piece, const float* scales, float* sums) {
#pragma GCC unroll 4
  for (int i = 0; i < kMatrixRows; i += Isa::L)
    Isa::store(sums + i, Isa::fused(Isa::load(scales + i), Isa::load(piece + i), Isa::load(sums + i)));
}

// Up to 16 rows: weights pass once, from memory, a line of 32 rows of them widened at a time, beside the products of the line before.
template <class Isa>
void few_widened_rows(const WidenedLayer<Isa>& layer, int n_begin, int n_end) {
  constexpr int kTiles = 2, kOutputs = kTiles * kMatrixRows, kSums = kMatrixRows * kMatrixRows, kLine = 64;
  constexpr int kAhead = 512;  // bytes of a row; behind its end as much of the row that is read next
  const mla_linear_params& p = layer.p;
  const int group = p.rows, last = p.k > kAhead ? p.k - kAhead : 0;
  const int64_t stride = group == 1 ? 4 : kMatrixBytes;
  alignas(64) uint16_t widened[kTiles][kMatrixRows * kLine];
  alignas(64) float piece[kTiles * kSums] = {}, sums[kTiles * kSums], scales[kOutputs];
  for (int n = n_begin; n < n_end; n += kOutputs) {
    const int columns = min_int(kOutputs, n_end - n), tiles = (columns + kMatrixRows - 1) / kMatrixRows;
    for (int i = 0; i < kTiles * kSums; i += Isa::L) Isa::store(sums + i, Isa::zero());
    for (int k = 0, end; k < p.k; k = end) {
      end = layer.piece_end(k, p.k);
      layer.read_scales(n, columns, kOutputs, k, scales);
      Isa::template zero_matrix<0>();
      Isa::template zero_matrix<2>();
      for (int line = k; line < end; line += kLine) {
        const int elements = min_int(kLine, end - line);
        const int64_t ahead = line < last ? kAhead : kOutputs * layer.w.row_bytes - last;
        for (int t = 0; t < tiles; t++)
          layer.widen(n + t * kMatrixRows, min_int(kMatrixRows, columns - t * kMatrixRows), line, elements,
                      ahead, widened[t]);
        for (int j = 0; j < elements; j += kMatrixElements) {
          const uint16_t *first = widened[0] + j * kMatrixRows, *second = widened[1] + j * kMatrixRows,
                         *x = layer.group(0, line + j);
          if (tiles == 2)
            matrix_products<Isa, 2, 1>(first, second, kMatrixBytes, x, nullptr, group * 4);
          else
            matrix_products<Isa, 1, 1>(first, nullptr, kMatrixBytes, x, nullptr, group * 4);
        }
      }
      Isa::template store_matrix<0>(piece, stride);
      Isa::template store_matrix<2>(piece + kSums, stride);
      for (int t = 0; t < tiles; t++) {
        const float* of_tile = scales + t * kMatrixRows;
        group == 1 ? add_scaled_row<Isa>(piece + t * kSums, of_tile, sums + t * kSums)
                   : add_scaled<Isa>(piece + t * kSums, of_tile, sums + t * kSums);
      }
    }
    for (int t = 0; t < tiles; t++) {
      const int first = n + t * kMatrixRows, count = min_int(kMatrixRows, n_end - first);
      group == 1 ? layer.write_one(sums + t * kSums, first, count)
                 : layer.write(sums + t * kSums, 0, group, first, count);
    }
  }
}

// A chunk of outputs over a block of k, widened.
struct WidenedChunk {
  static constexpr int kTiles = kMatrixChunk / kMatrixRows;
  static constexpr int kPieces = kMatrixBlockK / kMatrixElements;

  alignas(64) uint16_t weights[kTiles][kMatrixRows * kMatrixBlockK];
  alignas(64) float scales[kPieces][kTiles * kMatrixRows];
  int begins[kPieces + 1];  // of pieces, from the block's begin on
  int pieces;

  // Outputs [n, n + columns) over the block of k that begins at k. The block that comes next is fetched.
  template <class Isa>
  void fill(const WidenedLayer<Isa>& layer, int n, int columns, int k) {
    const int tiles = (columns + kMatrixRows - 1) / kMatrixRows, left = layer.p.k - k,
              kc = min_int(kMatrixBlockK, left);
    const int64_t ahead = left > kc ? kc : kTiles * kMatrixRows * layer.w.row_bytes - k;
    for (int t = 0; t < tiles; t++)
      layer.widen(n + t * kMatrixRows, min_int(kMatrixRows, columns - t * kMatrixRows), k, kc, ahead,
                  weights[t]);
    begins[0] = 0;
    for (pieces = 0; begins[pieces] < kc; pieces++) {
      layer.read_scales(n, columns, tiles * kMatrixRows, k + begins[pieces], scales[pieces]);
      begins[pieces + 1] = layer.piece_end(k + begins[pieces], k + kc) - k;
    }
  }
};

// Adds the products of tiles [t, t + A) of a chunk times B groups of rows at x to sums[i][j].
template <class Isa, int A, int B>
MLA_INLINE void chunk_tile(const WidenedChunk& chunk, int t, const uint16_t* const* x, float* (&sums)[2][2]) {
  constexpr int kSums = kMatrixRows * kMatrixRows;
  alignas(64) float piece[4][kSums];
  for (int i = 0; i < chunk.pieces; i++) {
    each_sum<A, B>([&]<int a, int b>()
                       __attribute__((always_inline)) { Isa::template zero_matrix<2 * a + b>(); });
    for (int k = chunk.begins[i]; k < chunk.begins[i + 1]; k += kMatrixElements)
      matrix_products<Isa, A, B>(chunk.weights[t] + k * kMatrixRows,
                                 chunk.weights[t + A - 1] + k * kMatrixRows, kMatrixBytes,
                                 x[0] + k * kMatrixRows, x[1] + k * kMatrixRows, kMatrixBytes);
    each_sum<A, B>([&]<int a, int b>() __attribute__((always_inline)) {
      Isa::template store_matrix<2 * a + b>(piece[2 * a + b], kMatrixBytes);
    });
    each_sum<A, B>([&]<int a, int b>() __attribute__((always_inline)) {
      add_scaled<Isa>(piece[2 * a + b], chunk.scales[i] + (t + a) * kMatrixRows, sums[a][b]);
    });
  }
}

// Rows [m, m + rows), a block, of all outputs.
template <class Isa>
void widened_block(const WidenedLayer<Isa>& layer, int m, int rows, int n_begin, int n_end) {
  constexpr int kSums = kMatrixRows * kMatrixRows;
  const mla_linear_params& p = layer.p;
  alignas(64) float sums[kMatrixBlockRows * kMatrixChunk];
  WidenedChunk chunk;
  const int groups = matrix_groups(rows);
  for (int n = n_begin; n < n_end; n += kMatrixChunk) {
    const int columns = min_int(kMatrixChunk, n_end - n), tiles = (columns + kMatrixRows - 1) / kMatrixRows;
    for (int i = 0; i < groups * tiles * kSums; i += Isa::L) Isa::store(sums + i, Isa::zero());
    for (int k = 0; k < p.k; k += kMatrixBlockK) {
      chunk.fill(layer, n, columns, k);
      for (int g = 0; g < groups; g += 2)
        for (int t = 0; t < tiles; t += 2) {
          const int a = min_int(2, tiles - t), b = min_int(2, groups - g);
          const uint16_t* x[2];
          float* to[2][2];
          for (int j = 0; j < 2; j++) {
            x[j] = layer.group(m / kMatrixRows + min_int(g + j, groups - 1), k);
            for (int i = 0; i < 2; i++)
              to[i][j] = sums + (min_int(t + i, tiles - 1) * groups + min_int(g + j, groups - 1)) * kSums;
          }
          if (a == 2 && b == 2)
            chunk_tile<Isa, 2, 2>(chunk, t, x, to);
          else if (a == 2)
            chunk_tile<Isa, 2, 1>(chunk, t, x, to);
          else if (b == 2)
            chunk_tile<Isa, 1, 2>(chunk, t, x, to);
          else
            chunk_tile<Isa, 1, 1>(chunk, t, x, to);
        }
    }
    for (int t = 0; t < tiles; t++)
      for (int g = 0; g < groups; g++)
        layer.write(sums + (t * groups + g) * kSums, m + g * kMatrixRows,
                    min_int(kMatrixRows, rows - g * kMatrixRows), n + t * kMatrixRows,
                    min_int(kMatrixRows, columns - t * kMatrixRows));
  }
}

// Outputs [n_begin, n_end) of all rows.
template <class Isa>
void multiply_widened(const WidenedLayer<Isa>& layer, int n_begin, int n_end) {
  const int rows = layer.p.rows, group = matrix_group(rows);
  Isa::configure_matrix({kMatrixRows, group * 4}, {kMatrixRows, kMatrixBytes}, {kMatrixRows, group * 4});
  if (rows <= kMatrixRows) {
    few_widened_rows(layer, n_begin, n_end);
  } else {
    for (int m = 0; m < rows; m += kMatrixBlockRows)
      widened_block(layer, m, min_int(kMatrixBlockRows, rows - m), n_begin, n_end);
  }
  Isa::release_matrix();
}

// Outputs [n_begin, n_end) of all rows, of any weight for which uses_matrix holds.
template <class Isa>
void multiply_in_matrix(const MatrixRows<Isa>& rows, const StoredRows<Isa>& weight, int n_begin, int n_end) {
  if (weight.type == Bf16::kType)
    multiply_matrix<Isa>({rows, plain_rows<Bf16>(weight)}, n_begin, n_end);
  else
    multiply_widened<Isa>({rows, weight}, n_begin, n_end);
}

}  // namespace
}  // namespace mla

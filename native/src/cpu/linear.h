// Linear layers: y = x W^T + bias.
//
// One output is one fixed reduction over k, whatever rows and ranges a call has: k in lanes, blocks of kBlockK, each summed by one tree
// over its lanes, the blocks added in order to zero, the bias last. So a GEMV, a GEMM and a grouped GEMM give the same bits.
//
// Rows are taken in blocks whose packed activations stay in L2, outputs in chunks whose sums stay in L1; a panel of a few weight rows
// over a block of k is multiplied with all rows of the block while the next panel is fetched. So memory is read all the time, even where
// a panel is computed with for longer than it takes to read. Few rows read the weights as several long streams.
//
// Packed activations: blocks of kBlockRows rows; within one, blocks of kBlockK of k; within one, groups of up to 4 rows; within a group
// [k / step][row][step], zero beyond k and beyond the rows. step is L floats, or 2 L bf16 where the bf16 dot is used.

#pragma once
#include "abi/checks.h"
#include "cpu/formats/formats.h"
#include "cpu/integer_linear.h"
#include "cpu/lanes.h"
#include "cpu/linear_matrix.h"
#include "cpu/linear_matrix_widened.h"
#include "cpu/linear_tile.h"
#include "cpu/raw.h"

namespace mla {
namespace {

constexpr int kGroupRows = 4;
constexpr int kBlockRows = 128;
// Up to this many rows memory is what a layer waits for: the range of outputs is cut into as many runs of weight rows, each of them
// contiguous, and the runs are read side by side. One stream waits at every page, since the processor does not look beyond it, and at
// activations that do not stay in L1 beside it; neighbouring rows as streams, a power of two apart, get into each other's way.
constexpr int kStreamedRows = 2 * kGroupRows;
// The same where weights are multiplied as they lie: more groups read a piece of a stream, and fetch the next one meanwhile.
constexpr int kStreamedPairRows = 8 * kGroupRows;
constexpr int kStreams = 4;
static_assert(kBlockRows % 16 == 0);

template <class Isa>
MLA_INLINE bool uses_bf16_dot(int compute, int weight_type, bool scaled) {
  return Isa::kHasBf16Dot && rounds_to_bf16(compute) && weight_type == Bf16::kType && !scaled;
}
// Whether a linear layer multiplies pairs of bf16.
template <class Isa>
MLA_INLINE bool multiplies_pairs(const mla_linear_params& p) {
  return Isa::kHasBf16Dot &&
         (uses_bf16_dot<Isa>(p.compute, p.weight_type, p.scale_rows > 0) || widens_to_bf16(p));
}
MLA_INLINE int group_rows(int rows) { return min_int(rows, kGroupRows); }
template <class Isa>
MLA_INLINE int k_step(bool pairs) {
  return pairs ? 2 * Isa::L : Isa::L;
}

template <class Isa>
int64_t packed_bytes(const mla_linear_params* params) {
  const mla_linear_params& p = *params;
  if (multiplies_codes(p)) return whole_lines(rounded_bytes(p.rows, p.k, coding_of(p.weight_type).run));
  if (uses_matrix<Isa>(p)) return matrix_packed_bytes(p.rows, p.k);
  const int group = group_rows(p.rows);
  if (group == 0) return 0;
  const int64_t groups = (p.rows + group - 1) / group;
  return whole_lines(groups * group * (int64_t)round_up(p.k, k_step<Isa>(multiplies_pairs<Isa>(p))) *
                     (multiplies_pairs<Isa>(p) ? 2 : 4));
}

// The element of the packed form at which row m and block of k `k` begin, m and k the first of a group and a block.
MLA_INLINE int64_t packed_at(int rows, int padded_k, int m, int k) {
  const int begin = m / kBlockRows * kBlockRows;
  const int block_rows = min_int(kBlockRows, round_up(rows, group_rows(rows)) - begin);
  return (int64_t)begin * padded_k + (int64_t)block_rows * k +
         (int64_t)(m - begin) * min_int(kBlockK, padded_k - k);
}

template <class Isa, bool kPairs>
void pack_rows(const mla_linear_params& p, const float* x, const int32_t* indices, int row_begin, int row_end,
               void* packed) {
  constexpr int L = Isa::L;
  const int group = group_rows(p.rows), padded_k = round_up(p.k, k_step<Isa>(kPairs));
  const bool rounds = rounds_to_bf16(p.compute);
  // the last group is padded with rows of zeros
  const int padded_end = row_end == p.rows ? round_up(row_end, group) : row_end;
  for (int i = row_begin; i < padded_end; i++) {
    const float* row = i < row_end ? x + (indices ? indices[i] : i) * p.x_stride : nullptr;
    const int lane_row = i % group;
    for (int k0 = 0; k0 < padded_k; k0 += kBlockK) {
      const int64_t start = packed_at(p.rows, padded_k, i - lane_row, k0);
      const int end = min_int(padded_k, k0 + kBlockK);
      const int whole = row ? min_int(p.k, end) : k0;  // beyond it, zeros are read
      auto read = [&](int k) __attribute__((always_inline)) {
        return whole - k >= L ? Isa::load(row + k) : whole > k ? Isa::load(row + k, whole - k) : Isa::zero();
      };
      if constexpr (kPairs) {
        uint16_t* out = (uint16_t*)packed + start + lane_row * 2 * L;
        for (int k = k0; k < end; k += 2 * L, out += group * 2 * L)
          Isa::store_pairs(out, Isa::round_to_pairs(read(k), read(k + L)));
      } else {
        float* out = (float*)packed + start + lane_row * L;
        for (int k = k0; k < end; k += L, out += group * L) {
          const F<Isa> v = read(k);
          Isa::store(out, rounds ? Isa::round_bf16(v) : v);
        }
      }
    }
  }
}

// The same, or as registers of a matrix take them.
template <class Isa>
void pack_any_rows(const mla_linear_params& p, const float* x, const int32_t* indices, int row_begin,
                   int row_end, void* packed) {
  if constexpr (Isa::kHasMatrix) {
    if (uses_matrix<Isa>(p))
      return pack_matrix_rows<Isa>(p, x, indices, row_begin, row_end, (uint16_t*)packed);
  }
  if constexpr (Isa::kHasBf16Dot) {
    if (multiplies_pairs<Isa>(p)) return pack_rows<Isa, true>(p, x, indices, row_begin, row_end, packed);
  }
  pack_rows<Isa, false>(p, x, indices, row_begin, row_end, packed);
}

// Whether activations that are packed for one layer suit another one of the same width.
template <class Isa>
MLA_INLINE bool packs_alike(const mla_linear_params& a, const mla_linear_params& b) {
  return multiplies_pairs<Isa>(a) == multiplies_pairs<Isa>(b) && uses_matrix<Isa>(a) == uses_matrix<Isa>(b);
}

// A panel: N weight rows over kc of k, with the rows of a block.
template <class K>
struct Panel {
  const typename K::X* x;  // the packed rows over this k
  int rows;
  int group;           // rows in a packed group
  int64_t group_step;  // between packed groups
  typename K::Rows w;
  int kc;
  float* sums;  // row 0, the panel's first output
};

template <int N, class K, class Fetched>
MLA_INLINE void group_tile(const Panel<K>& p, int g, const float* widened, const Fetched& ahead) {
  const typename K::X* x = p.x + g * p.group_step;
  float* sums = p.sums + g * kGroupRows * kChunk;
  switch (min_int(kGroupRows, p.rows - g * kGroupRows)) {
    case 4:
      K::template tile<4, N>(x, p.group, p.w, widened, p.kc, ahead, sums);
      break;
    case 3:
      K::template tile<3, N>(x, p.group, p.w, widened, p.kc, ahead, sums);
      break;
    case 2:
      K::template tile<2, N>(x, p.group, p.w, widened, p.kc, ahead, sums);
      break;
    default:
      K::template tile<1, N>(x, p.group, p.w, widened, p.kc, ahead, sums);
      break;
  }
}

// next: the panel of which next_rows rows are fetched meanwhile, spread over the groups.
template <int N, class K>
MLA_INLINE void panel_tiles(const Panel<K>& p, const float* widened, const typename K::Rows& next,
                            int next_rows) {
  const int groups = (p.rows + kGroupRows - 1) / kGroupRows;
  for (int g = 0; g < groups; g++) {
    const int begin = next_rows * g / groups, end = next_rows * (g + 1) / groups;
    group_tile<N>(p, g, widened, K::next(next, begin, end));
  }
}

// What a linear layer is made of.
template <class K>
struct Layer {
  const mla_linear_params& p;
  const void* packed;
  typename K::Rows weight;
  const float* bias;
  bool adds;  // to y, instead of writing it
  float* y;

  // `rows` rows from m on and the weight rows n, n + step, .. over the block of k that begins at k.
  MLA_INLINE Panel<K> panel(int m, int rows, int n, int step, int k, float* sums) const {
    const int group = group_rows(p.rows), padded_k = round_up(p.k, K::kStep);
    return Panel<K>{(const typename K::X*)packed + packed_at(p.rows, padded_k, m, k),
                    rows,
                    group,
                    (int64_t)group * min_int(kBlockK, padded_k - k),
                    weight.part(n, step, k),
                    min_int(kBlockK, p.k - k),
                    sums};
  }
};

// Outputs [n_begin, n_end), panels of N, for rows [m, m + rows), a block.
template <class K, int N>
void block_of(Layer<K> layer, int m, int rows, int n_begin, int n_end) {
  typedef typename K::Isa Isa;
  constexpr int L = Isa::L;
  static_assert(kChunk % N == 0 && kChunk % L == 0);
  const mla_linear_params& p = layer.p;
  alignas(64) float widened[K::kUsesPanel ? N * kBlockK : 1];
  alignas(64) float sums[kBlockRows * kChunk];
  const int blocks = (p.k + kBlockK - 1) / kBlockK;
  for (int n = n_begin; n < n_end; n += kChunk) {
    const int columns = min_int(kChunk, n_end - n), panels = columns / N;
    for (int i = 0; i < rows * kChunk; i += L) Isa::store(sums + i, Isa::zero());
    for (int i = 0; i < panels * blocks; i++) {
      const int column = i % panels * N;
      const Panel<K> part = layer.panel(m, rows, n + column, 1, i / panels * kBlockK, sums + column);
      const bool last = i + 1 == panels * blocks;
      const int next_row = last ? n + kChunk : n + (i + 1) % panels * N;
      const typename K::Rows next = layer.weight.part(next_row, 1, last ? 0 : (i + 1) / panels * kBlockK);
      const int next_rows = next_row < n_end ? min_int(N, n_end - next_row) : 0;
      if (K::kUsesPanel) K::template fill_panel<N>(part.w, part.kc, widened);
      panel_tiles<N, K>(part, K::kUsesPanel ? widened : nullptr, next, next_rows);
    }
    for (int column = panels * N; column < columns; column++)
      for (int block = 0; block < blocks; block++) {
        const Panel<K> part = layer.panel(m, rows, n + column, 1, block * kBlockK, sums + column);
        if (!K::kReadsRows) K::template fill_panel<1>(part.w, part.kc, widened);
        panel_tiles<1, K>(part, K::kReadsRows ? nullptr : widened, layer.weight, 0);
      }
    for (int i = 0; i < rows; i++) {
      for (int j = 0; j < columns; j += L) {
        const int count = min_int(L, columns - j);
        float* to = layer.y + (m + i) * p.y_stride + n + j;
        F<Isa> s = Isa::load(sums + i * kChunk + j);
        if (layer.adds) s = Isa::add(Isa::load(to, count), s);
        if (layer.bias) s = Isa::add(s, Isa::load(layer.bias + n + j, count));
        Isa::store(to, s, count);
      }
    }
  }
}

template <class K>
constexpr int most_streamed_rows() {
  return K::kUsesPanel ? kStreamedRows : kStreamedPairRows;
}

// Outputs n, n + step, .. (N of them) of a few rows.
template <int N, class K>
MLA_INLINE void few_rows_outputs(Layer<K> layer, int n, int step) {
  const mla_linear_params& p = layer.p;
  float sums[most_streamed_rows<K>() * kChunk];
  alignas(64) float widened[K::kReadsRows ? 1 : N * kBlockK];
  for (int i = 0; i < p.rows; i++)
    for (int j = 0; j < N; j++) sums[i * kChunk + j] = 0;
  for (int k = 0; k < p.k; k += kBlockK) {
    const Panel<K> part = layer.panel(0, p.rows, n, step, k, sums);
    if (!K::kReadsRows) K::template fill_panel<N>(part.w, part.kc, widened);
    const float* panel = K::kReadsRows ? nullptr : widened;
    group_tile<N>(part, 0, panel, Nothing{});
    // The first group has waited for the panel; the others fetch what comes next in each stream.
    const bool last = k + kBlockK >= p.k;
    const typename K::Rows next = layer.weight.part(last ? n + 1 : n, step, last ? 0 : k + kBlockK);
    const int others = (p.rows - 1) / kGroupRows, fetched = others > 1 ? N : 0;
    for (int g = 1; g <= others; g++)
      group_tile<N>(part, g, panel, K::next(next, fetched * (g - 1) / others, fetched * g / others));
  }
  for (int i = 0; i < p.rows; i++) {
    for (int j = 0; j < N; j++) {
      float* to = layer.y + i * p.y_stride + n + j * step;
      float s = sums[i * kChunk + j];
      if (layer.adds) s = *to + s;
      if (layer.bias) s = s + layer.bias[n + j * step];
      *to = s;
    }
  }
}

template <int N, class K>
void few_rows(Layer<K> layer, int n_begin, int n_end) {
  const int run = (n_end - n_begin) / N;
  for (int n = n_begin; n < n_begin + run; n++) few_rows_outputs<N, K>(layer, n, run);
  for (int n = n_begin + N * run; n < n_end; n++) few_rows_outputs<1, K>(layer, n, 1);
}

template <class K>
void linear_of(Layer<K> layer, int n_begin, int n_end) {
  constexpr int kColumns = K::Isa::kTileColumns;
  const int rows = layer.p.rows;
  if (rows < kGroupRows) return few_rows<kStreams, K>(layer, n_begin, n_end);
  // a whole group's activations are as long as its streams: as many of these share them as the registers hold
  if (rows <= most_streamed_rows<K>()) return few_rows<kColumns, K>(layer, n_begin, n_end);
  for (int m = 0; m < rows; m += kBlockRows)
    block_of<K, kColumns>(layer, m, min_int(kBlockRows, rows - m), n_begin, n_end);
}

// Calls f with the kind of product that a weight takes, and its rows as that kind reads them.
template <class Isa, class Function>
MLA_INLINE void with_product(int compute, const StoredRows<Isa>& w, int k, Function f) {
  const bool scaled = w.scales.values != nullptr;
  const SomeRows<Isa> rows{&w, 0, 1, 0};
  if constexpr (Isa::kHasBf16Dot) {
    if (uses_bf16_dot<Isa>(compute, w.type, scaled)) return f(Pairs<Isa>{}, plain_rows<Bf16>(w));
    if (widens_to_bf16(compute, w.type, scaled ? w.scales.rows : 0, w.scales.columns, k))
      return f(WidenedPairs<Isa>{}, rows);
  }
  const bool plain = !scaled && PlainFormats::with(w.type, [&]<class Format>(Format) {
    f(Widened<Isa, Format>{}, plain_rows<Format>(w));
  });
  if (!plain) f(Unpacked<Isa>{}, rows);
}

template <class Isa>
void multiply(const mla_linear_params& p, const void* packed, const StoredRows<Isa>& weight,
              const float* bias, int n_begin, int n_end, float* y) {
  if constexpr (Isa::kHasMatrix) {
    if (uses_matrix<Isa>(p))
      return multiply_in_matrix<Isa>({p, (const uint16_t*)packed, bias, y}, weight, n_begin, n_end);
  }
  with_product<Isa>(p.compute, weight, p.k, [&]<class K>(K, const typename K::Rows& rows) {
    linear_of<K>({p, packed, rows, bias, false, y}, n_begin, n_end);
  });
}

template <class Isa>
void linear(const mla_linear_params* params, const void* packed, const void* weight, const void* scales,
            const float* bias, int n_begin, int n_end, float* y) {
  const mla_linear_params& p = *params;
  const auto rows = StoredRows<Isa>::of(p.weight_type, weight, p.weight_stride, scales_of(p, scales));
  if (multiplies_codes(p))
    return multiply_codes(rows, {(const char*)packed, p.rows, p.k, bias, y, p.y_stride}, n_begin, n_end);
  multiply<Isa>(p, packed, rows, bias, n_begin, n_end, y);
}

template <class Isa>
void pack(const mla_linear_params* params, const float* x, const int32_t* indices, int row_begin, int row_end,
          void* packed, int64_t) {
  const mla_linear_params& p = *params;
  if (multiplies_codes(p)) return round_rows<Isa>(p, x, indices, row_begin, row_end, (char*)packed);
  pack_any_rows<Isa>(p, x, indices, row_begin, row_end, packed);
}

inline bool check_packed_bytes(const mla_linear_params* p) {
  check(p);
  return true;
}

inline bool check_pack(const RawKernels& kernels, const mla_linear_params* p, const float* x,
                       const int32_t* indices, int row_begin, int row_end, const void* packed,
                       int64_t packed_bytes) {
  check(p);
  require_bounds("row", row_begin, row_end, p->rows);
  require(row_begin % 16 == 0, "row_begin", row_begin, "a multiple of 16");
  require(row_end % 16 == 0 || row_end == p->rows, "row_end", row_end, "a multiple of 16 or rows");
  if (row_begin == row_end) return false;
  require_pointer("x", x);
  require_pointer("packed", packed);
  require_workspace("packed", packed_bytes, kernels.packed_bytes(p));
  if (indices != nullptr) {
    const int64_t highest = p->x_stride > 0 ? (int64_t{1} << 60) / p->x_stride : INT_MAX;
    for (int i = row_begin; i < row_end; i++) {
      if (indices[i] < 0 || indices[i] > highest)
        fail(MLA_INVALID_ARGUMENT, "indices[" + std::to_string(i) + "] is " + std::to_string(indices[i]) +
                                       ", but must be a row of x");
    }
  }
  return true;
}

inline bool check_linear(const mla_linear_params* p, const void* packed, const void* weight,
                         const void* scales, const float*, int n_begin, int n_end, const float* y) {
  check(p);
  require_bounds("n", n_begin, n_end, p->n);
  if (n_begin == n_end || p->rows == 0) return false;
  require_pointer("packed", packed);
  require_pointer("weight", weight);
  require_scale_pointer("scales", scales, p->scale_rows);
  require_pointer("y", y);
  return true;
}

}  // namespace
}  // namespace mla

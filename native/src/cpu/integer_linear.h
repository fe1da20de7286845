// Products with MLA_COMPUTE_INT8, as mla.h defines them.
//
// One output is one sum over the runs of its weight row from the first on, whatever rows and ranges a call has: weight rows stand in lanes, so
// that a sum is never split, only stored between two passes over k. One row of activations is integer_gemv.h's; a few pass by a block of weights
// in registers, many by a panel of 32 weight rows (16 or 8 where registers are fewer) and a pass of k that is unpacked once and stays in the
// second-level cache.
#pragma once
#include "cpu/integer_gemv.h"
#include "cpu/integer_lanes.h"
#include "cpu/integer_rows.h"
#include "cpu/lanes.h"
#include "cpu/stored_rows.h"

namespace mla {
namespace {

// Blocks of a pass over k: shorter ones cost more loads and stores of sums, longer ones do not fit the cache beside the activations.
constexpr int kPassBlocks = 64;

// What products with a kind of weight are made of.
template <class I, int kRunLength, bool kMinima>
struct CodeProduct {
  typedef I Isa;
  static constexpr int L = Isa::L;
  static constexpr int kRuns = kInt8Block / kRunLength;
  static constexpr int kBlockBytes = rounded_block_bytes(kRunLength);
  static constexpr int kFours = 8 / kRuns;  // of a run

  // Adds a block of weights times that of row r in a group of R at x.
  template <int R, bool kTwoSums>
  static MLA_INLINE F<Isa> add(F<Isa> f, const LaneBlock<Isa>& w, const char* x, int r) {
    const char* numbers = x + R * kInt8Block + 4 * r;
    const F<Isa> scale = Isa::as_floats(Isa::load_int(numbers));
#pragma GCC unroll 2
    for (int run = 0; run < kRuns; run++) {
      const typename Isa::I of_run = Isa::load_int(numbers + 4 * R * (1 + run));
      typename Isa::I s = kMinima || Isa::kCodeOffset == 0 ? Isa::set1_int(0) : of_run;
      typename Isa::I t = Isa::set1_int(0);
#pragma GCC unroll 8
      for (int i = 0; i < kFours; i++) {
        const typename Isa::I q = Isa::load_int(x + r * kInt8Block + 4 * (run * kFours + i));
        if (kTwoSums && i % 2 == 1)
          t = Isa::template dot_codes<!kMinima>(t, w.x[run * kFours + i], q);
        else
          s = Isa::template dot_codes<!kMinima>(s, w.x[run * kFours + i], q);
      }
      if (kTwoSums) s = Isa::add_ints(s, t);
      f = Isa::fused(Isa::mul(w.scale[run], scale), Isa::to_floats(s), f);
      if constexpr (kMinima) f = Isa::fused(w.minimum[run], Isa::as_floats(of_run), f);
    }
    return f;
  }

  // A panel: for each block [8][V] vectors of codes, [run][V] of scales, and as many of minima.
  template <int V>
  static constexpr int kPanelFloats = (8 + kRuns * (kMinima ? 2 : 1)) * V * L;

  template <int V>
  static MLA_INLINE void store(const LaneBlock<Isa>& w, int v, float* to) {
#pragma GCC unroll 8
    for (int i = 0; i < 8; i++) Isa::store_ints(to + (i * V + v) * L, w.x[i]);
#pragma GCC unroll 2
    for (int run = 0; run < kRuns; run++) {
      Isa::store(to + ((8 + run) * V + v) * L, w.scale[run]);
      if constexpr (kMinima) Isa::store(to + ((8 + kRuns + run) * V + v) * L, w.minimum[run]);
    }
  }

  // Adds `blocks` blocks of a panel times those of G groups of 4 rows to the sums.
  template <int G, int V>
  static MLA_INLINE void tile(const char* x, int64_t group_bytes, const float* panel, int blocks,
                              F<Isa> (&f)[4 * G][V]) {
    constexpr int R = kRoundedGroup;
    for (int b = 0; b < blocks; b++, x += R * kBlockBytes, panel += kPanelFloats<V>) {
#pragma GCC unroll 2
      for (int run = 0; run < kRuns; run++) {
        typename Isa::I s[R * G][V];
#pragma GCC unroll 8
        for (int r = 0; r < R * G; r++) {
          const typename Isa::I first =
              kMinima || Isa::kCodeOffset == 0
                  ? Isa::set1_int(0)
                  : Isa::load_int(x + r / R * group_bytes + R * kInt8Block + 4 * (R * (1 + run) + r % R));
#pragma GCC unroll 2
          for (int v = 0; v < V; v++) s[r][v] = first;
        }
#pragma GCC unroll 8
        for (int i = run * kFours; i < (run + 1) * kFours; i++) {
          typename Isa::I w[V];
#pragma GCC unroll 2
          for (int v = 0; v < V; v++) w[v] = Isa::load_ints(panel + (i * V + v) * L);
#pragma GCC unroll 8
          for (int r = 0; r < R * G; r++) {
            const typename Isa::I q = Isa::load_int(x + r / R * group_bytes + r % R * kInt8Block + 4 * i);
#pragma GCC unroll 2
            for (int v = 0; v < V; v++) s[r][v] = Isa::template dot_codes<!kMinima>(s[r][v], w[v], q);
          }
        }
#pragma GCC unroll 8
        for (int r = 0; r < R * G; r++) {
          const char* numbers = x + r / R * group_bytes + R * kInt8Block + 4 * (r % R);
          const F<Isa> scale = Isa::as_floats(Isa::load_int(numbers));
#pragma GCC unroll 2
          for (int v = 0; v < V; v++) {
            const F<Isa> both = Isa::mul(Isa::load(panel + ((8 + run) * V + v) * L), scale);
            f[r][v] = Isa::fused(both, Isa::to_floats(s[r][v]), f[r][v]);
            if constexpr (kMinima)
              f[r][v] = Isa::fused(Isa::load(panel + ((8 + kRuns + run) * V + v) * L),
                                   Isa::as_floats(Isa::load_int(numbers + 4 * R * (1 + run))), f[r][v]);
          }
        }
      }
    }
  }
};

template <class Isa>
MLA_INLINE void finish_outputs(const RoundedRows& a, int row, int n, int count, F<Isa> f) {
  if (a.bias) f = Isa::add(f, count == Isa::L ? Isa::load(a.bias + n) : Isa::load(a.bias + n, count));
  float* to = a.y + row * a.y_stride + n;
  count == Isa::L ? Isa::store(to, f) : Isa::store(to, f, count);
}

// The same for outputs that need not be neighbours; a row that fills the lanes up has the value of the one that it repeats.
template <class Isa>
MLA_INLINE void finish_lanes(const RoundedRows& a, int row, const LaneRows<Isa>& rows, F<Isa> f) {
  alignas(64) float of_lanes[Isa::L];
  Isa::store(of_lanes, f);
  float* to = a.y + row * a.y_stride;
  for (int r = 0; r < Isa::L; r++) {
    const int64_t n = rows.index[r];
    to[n] = a.bias ? of_lanes[r] + a.bias[n] : of_lanes[r];
  }
}

// Fetches the weights of the next lanes of rows into the second-level cache, as much of them as was computed with: in order of their
// addresses, which the processor's own prefetching does not see where sixteen rows are read side by side.
template <class Isa>
struct NextLanes {
  const char* at;
  int64_t step;  // bytes for a block of 32

  MLA_INLINE void fetch(int block) const {
    const char* line = at + block * step;
    for (int64_t i = 0; i < step; i += 64) __builtin_prefetch(line + i, 0, 2);
  }
};

template <class Isa>
MLA_INLINE NextLanes<Isa> next_lanes(const StoredRows<Isa>& w, int n, int blocks) {
  return {w.weight + (n + Isa::L) * w.row_bytes, Isa::L * w.row_bytes / blocks};
}

// Up to so many rows are multiplied by rows of a weight that are far apart (RowRuns). For more, whose time is not that of reading, results that
// are no neighbours cost more than that saves.
constexpr int kFewApart = 4;

// Sums of G groups of R rows times Isa::L rows of a weight; fetch(b) is called for each block.
template <class Source, int R, int G, class Fetch>
MLA_INLINE void add_few(const Source& source, const RoundedRows& a,
                        const LaneRows<typename Source::Isa>& rows, F<typename Source::Isa> (&f)[R * G],
                        Fetch fetch) {
  typedef typename Source::Isa Isa;
  typedef CodeProduct<Isa, Source::kRun, Source::kHasMinima> Product;
  constexpr int kStep = R * Product::kBlockBytes;
  const int blocks = rounded_blocks(a.k);
  const int64_t group_bytes = (int64_t)blocks * kStep;
#pragma GCC unroll 16
  for (int r = 0; r < R * G; r++) f[r] = Isa::zero();
  for (int block = 0; block < blocks; block += Source::kBlocks)
    source.read(rows, block, min_int(Source::kBlocks, blocks - block),
                [&](int j, const LaneBlock<Isa>& w) __attribute__((always_inline)) {
                  fetch(block + j);
                  const char* x = a.packed + (int64_t)(block + j) * kStep;
#pragma GCC unroll 16
                  for (int r = 0; r < R * G; r++)
                    f[r] = Product::template add<R, R * G <= 4>(f[r], w, x + r / R * group_bytes, r % R);
                });
}

// G groups of R rows.
template <class Source, int R, int G>
void few_rounded(const Source& source, const RoundedRows& a, int n_begin, int n_end) {
  typedef typename Source::Isa Isa;
  const int blocks = rounded_blocks(a.k);
  F<Isa> f[R * G];
  if constexpr (R * G <= kFewApart) {
    const int64_t share = (source.weight.row_bytes << 16) / blocks;
    const RowRuns<Isa> runs(source.weight, n_begin, n_end);
    for (int step = 0; step < runs.steps; step++) {
      const LaneRows<Isa> rows = runs.rows(step);
      const NextRows<Isa> next = runs.next(step);
      add_few<Source, R, G>(source, a, rows, f, [&](int block) __attribute__((always_inline)) {
        next.fetch_share(block * share, share);
      });
#pragma GCC unroll 16
      for (int r = 0; r < R * G; r++)
        if (r < a.rows) finish_lanes(a, r, rows, f[r]);
    }
  } else {
    for (int n = n_begin; n < n_end; n += Isa::L) {
      const NextLanes<Isa> next = next_lanes(source.weight, n, blocks);
      add_few<Source, R, G>(source, a, lane_rows(source.weight, n, n_end), f,
                            [&](int block) __attribute__((always_inline)) { next.fetch(block); });
#pragma GCC unroll 16
      for (int r = 0; r < R * G; r++)
        if (r < a.rows) finish_outputs<Isa>(a, r, n, min_int(Isa::L, n_end - n), f[r]);
    }
  }
}

// Rows [row, row + 4 G) and the outputs of a panel of V vectors over `blocks` blocks from `block` on.
template <class Product, int G, int V>
void panel_rounded(const RoundedRows& a, int row, int n, int n_end, int block, int blocks,
                   const float* panel) {
  typedef typename Product::Isa Isa;
  constexpr int L = Isa::L, R = kRoundedGroup;
  const int64_t group_bytes = (int64_t)rounded_blocks(a.k) * R * Product::kBlockBytes;
  const char* x = a.packed + row / R * group_bytes + (int64_t)block * R * Product::kBlockBytes;
  const bool last = block + blocks == rounded_blocks(a.k),
             whole = row + R * G <= a.rows && n + V * L <= n_end;
  F<Isa> f[R * G][V];
#pragma GCC unroll 8
  for (int r = 0; r < R * G; r++)
#pragma GCC unroll 2
    for (int v = 0; v < V; v++) {
      const float* from = a.y + (row + r) * a.y_stride + n + v * L;
      const int count = min_int(L, n_end - n - v * L);
      f[r][v] = block == 0                      ? Isa::zero()
                : whole                         ? Isa::load(from)
                : row + r < a.rows && count > 0 ? Isa::load(from, count)
                                                : Isa::zero();
    }
  Product::template tile<G, V>(x, group_bytes, panel, blocks, f);
  RoundedRows to = a;
  if (!last) to.bias = nullptr;
#pragma GCC unroll 8
  for (int r = 0; r < R * G; r++)
#pragma GCC unroll 2
    for (int v = 0; v < V; v++) {
      const int count = min_int(L, n_end - n - v * L);
      if (whole || (row + r < a.rows && count > 0))
        finish_outputs<Isa>(to, row + r, n + v * L, count, f[r][v]);
    }
}

// Outputs [n, n + V vectors), and no more than n_end, of all rows over a pass of k.
template <class Source, int V>
void pass_rounded(const Source& source, const RoundedRows& a, int n, int n_end, int block, int blocks,
                  float* panel) {
  typedef typename Source::Isa Isa;
  typedef CodeProduct<Isa, Source::kRun, Source::kHasMinima> Product;
  constexpr int G = V == 1 && Isa::kCodeVectors == 2 ? 2 : 1;
  for (int v = 0; v < V; v++) {
    const int first = min_int(n + v * Isa::L, n_end - 1);
    const LaneRows<Isa> rows = lane_rows(source.weight, first, n_end);
    const NextLanes<Isa> next = next_lanes(source.weight, first, rounded_blocks(a.k));
    for (int b = 0; b < blocks; b += Source::kBlocks)
      source.read(rows, block + b, min_int(Source::kBlocks, blocks - b),
                  [&](int j, const LaneBlock<Isa>& w) __attribute__((always_inline)) {
                    next.fetch(block + b + j);
                    Product::template store<V>(w, v,
                                               panel + (int64_t)(b + j) * Product::template kPanelFloats<V>);
                  });
  }
  int row = 0;
  for (; row + 4 * G <= round_up(a.rows, 4); row += 4 * G)
    panel_rounded<Product, G, V>(a, row, n, n_end, block, blocks, panel);
  if (row < a.rows) panel_rounded<Product, 1, V>(a, row, n, n_end, block, blocks, panel);
}

template <class Source>
void many_rounded(const Source& source, const RoundedRows& a, int n_begin, int n_end) {
  typedef typename Source::Isa Isa;
  typedef CodeProduct<Isa, Source::kRun, Source::kHasMinima> Product;
  constexpr int V = Isa::kCodeVectors, L = Isa::L;
  alignas(64) float panel[kPassBlocks * Product::template kPanelFloats<V>];
  const int all = rounded_blocks(a.k);
  for (int block = 0; block < all; block += kPassBlocks) {
    const int blocks = min_int(kPassBlocks, all - block);
    for (int n = n_begin; n < n_end; n += V * L) {
      if (V > 1 && n_end - n <= L)
        pass_rounded<Source, 1>(source, a, n, n_end, block, blocks, panel);
      else
        pass_rounded<Source, V>(source, a, n, n_end, block, blocks, panel);
    }
  }
}

template <class Source>
void rounded_product(const Source& source, const RoundedRows& a, int n_begin, int n_end) {
  constexpr int kFew = Source::Isa::kFewRounded;
  switch (a.rows) {
    case 1:
      return few_rounded<Source, 1, 1>(source, a, n_begin, n_end);
    case 2:
      return few_rounded<Source, 2, 1>(source, a, n_begin, n_end);
    case 3:
      return few_rounded<Source, 3, 1>(source, a, n_begin, n_end);
    case 4:
      return few_rounded<Source, 4, 1>(source, a, n_begin, n_end);
    default:
      break;
  }
  if constexpr (kFew > 4) {
    if (a.rows <= 8) return few_rounded<Source, 4, 2>(source, a, n_begin, n_end);
    if (a.rows <= 12) return few_rounded<Source, 4, 3>(source, a, n_begin, n_end);
    if (a.rows <= kFew) return few_rounded<Source, 4, 4>(source, a, n_begin, n_end);
  }
  many_rounded(source, a, n_begin, n_end);
}

// As RawKernels has it.
template <class Isa>
void multiply_codes(int type, const void* weight, int64_t row_bytes, const Scales& scales,
                    const RoundedRows& a, int n_begin, int n_end) {
  if (n_begin >= n_end) return;
  const auto stored = StoredRows<Isa>::apart(type, weight, row_bytes, scales);
  if (a.rows == 1 &&
      multiply_side_by_side(stored, a.packed, rounded_blocks(a.k), n_begin, n_end,
                            [&](const LaneRows<Isa>& rows, F<Isa> f)
                                __attribute__((always_inline)) { finish_lanes(a, 0, rows, f); }))
    return;
  with_codes(stored, a.k, [&](const auto& source) { rounded_product(source, a, n_begin, n_end); });
}

// The same by whoever has the code.
template <class Isa>
MLA_INLINE void multiply_codes(const StoredRows<Isa>& w, const RoundedRows& a, int n_begin, int n_end) {
  if constexpr (Isa::kIntegers != nullptr)
    Isa::kIntegers->multiply_codes(w.type, w.weight, w.row_bytes, w.scales, a, n_begin, n_end);
  else
    multiply_codes<Isa>(w.type, w.weight, w.row_bytes, w.scales, a, n_begin, n_end);
}

}  // namespace
}  // namespace mla

// Rows of weights of integer codes with the rows in lanes: blocks of 32 elements of Isa::L rows at a time, as products with MLA_COMPUTE_INT8
// take them.
//
// A format may have
//   lanes<Isa>   reads a block of its own of Isa::L rows where it lies and calls emit(j, lanes) for each of the first `blocks` blocks of 32
// Others, and weights with a plane of scales, are read row by row (codes) and turned round.
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/formats/lanes.h"
#include "cpu/integer_rows.h"
#include "cpu/lanes.h"
#include "cpu/stored_rows.h"

namespace mla {
namespace {

// Isa::L rows, those beyond the last one again the last.
template <class Isa>
struct LaneRows {
  const uint8_t* at[Isa::L];
  int64_t index[Isa::L];
};

template <class Isa>
MLA_INLINE LaneRows<Isa> lane_rows(const StoredRows<Isa>& weight, int n, int n_end) {
  LaneRows<Isa> rows;
  for (int r = 0; r < Isa::L; r++) {
    rows.index[r] = min_int(n + r, n_end - 1);
    rows.at[r] = (const uint8_t*)weight.weight + rows.index[r] * weight.row_bytes;
  }
  return rows;
}

// Rows [begin, end) as Isa::L runs of neighbours. A step takes one row of each run: the processor's own prefetching sees that each of them is
// read from one end to the other, which it does not where rows that lie side by side are read so.
template <class Isa>
struct RowRuns {
  static constexpr int L = Isa::L;
  const StoredRows<Isa>& weight;
  int begin, end, steps;
  int starts[L];  // which row of its run is the first

  MLA_INLINE RowRuns(const StoredRows<Isa>& of, int from, int to)
      : weight(of), begin(from), end(to), steps((to - from + L - 1) / L) {
    // Runs of an even number of rows may all begin in one set of the first-level cache: each starts a row further on than the one before it.
    for (int run = 0; run < L; run++) starts[run] = steps % 2 == 0 ? run % steps : 0;
  }

  MLA_INLINE int row(int step, int run) const {
    const int of_run = starts[run] + step;
    return begin + run * steps + (of_run < steps ? of_run : of_run - steps);
  }
  MLA_INLINE LaneRows<Isa> rows(int step) const {
    LaneRows<Isa> rows;
    for (int r = 0; r < L; r++) {
      rows.index[r] = min_int(row(step, r), end - 1);
      rows.at[r] = (const uint8_t*)weight.weight + rows.index[r] * weight.row_bytes;
    }
    return rows;
  }
  // The rows of the next step, or those that as many rows behind these begin with.
  MLA_INLINE NextRows<Isa> next(int step) const {
    const bool last = step + 1 == steps;
    NextRows<Isa> next;
    for (int r = 0; r < L; r++)
      next.at[r] =
          weight.weight + (row(last ? 0 : step + 1, r) + (last ? end - begin : 0)) * weight.row_bytes;
    return next;
  }
};

// Read where they lie.
template <class I, class Format>
struct InLanes {
  typedef I Isa;
  static constexpr int kRun = Format::kRun;
  static constexpr bool kHasMinima = Format::kHasMinima;
  static constexpr int kBlocks = Format::kElements / kInt8Block;  // of 32 that are read together

  const StoredRows<Isa>& weight;

  template <class Emit>
  MLA_INLINE void read(const LaneRows<Isa>& rows, int block, int blocks, Emit emit) const {
    Format::template lanes<Isa>(rows.at, block / kBlocks * (int64_t)sizeof(typename Format::Block), blocks,
                                emit);
  }
};

// Read row by row.
template <class I, int kRunLength, bool kMinima>
struct Turned {
  typedef I Isa;
  static constexpr int L = Isa::L;
  static constexpr int kRun = kRunLength;
  static constexpr bool kHasMinima = kMinima;
  static constexpr int kBlocks = 8;

  const StoredRows<Isa>& weight;
  int k;

  template <class Emit>
  MLA_INLINE void read(const LaneRows<Isa>& rows, int block, int blocks, Emit emit) const {
    constexpr int kElements = kBlocks * kInt8Block, kRuns = kElements / kRun,
                  kRunsOfBlock = kInt8Block / kRun;
    alignas(64) uint8_t codes[L][kElements];
    alignas(64) float scales[kRuns][L], minima[kRuns][L];
    fill(rows, block * kInt8Block, min_int(kElements, k - block * kInt8Block), codes, scales, minima);
    const uint8_t* turned[L];
    for (int r = 0; r < L; r++) turned[r] = codes[r];
    for (int j = 0; j < blocks; j++) {
      LaneBlock<Isa> b;
      Isa::row_eighths(turned, j * kInt8Block, b.x);
      if (Isa::kCodeOffset != 0 && !kHasMinima) add_to_codes<Isa>(b.x, Isa::kCodeOffset);
#pragma GCC unroll 2
      for (int run = 0; run < kRunsOfBlock; run++) {
        b.scale[run] = Isa::load(scales[j * kRunsOfBlock + run]);
        if constexpr (kHasMinima) b.minimum[run] = Isa::load(minima[j * kRunsOfBlock + run]);
      }
      emit(j, b);
    }
  }

  template <size_t kElements, size_t kRuns>
  __attribute__((noinline)) void fill(const LaneRows<Isa>& rows, int from, int count,
                                      uint8_t (&codes)[L][kElements], float (&scales)[kRuns][L],
                                      float (&minima)[kRuns][L]) const {
    const int runs = (count + kInt8Block - 1) / kInt8Block * (kInt8Block / kRun);
    for (int r = 0; r < L; r++) {
      float s[kRuns], m[kRuns];
      weight.read_codes(rows.index[r], from, count, (int8_t*)codes[r], s, m);
      for (int run = 0; run < runs; run++) {
        scales[run][r] = s[run];
        if (kHasMinima) minima[run][r] = m[run];
      }
    }
  }
};

// Calls f with the way in which a weight is read.
template <class Isa, class Function>
MLA_INLINE void with_codes(const StoredRows<Isa>& w, int k, Function f) {
  bool in_place = false;
  if constexpr (Isa::kReadsLanes) {
    if (w.scales.values == nullptr)
      WeightFormats::with(w.type, [&]<class Format>(Format) {
        if constexpr (kHasLanes<Format>) {
          in_place = true;
          f(InLanes<Isa, Format>{w});
        }
      });
  }
  if (in_place) return;
  if (w.coding.run == 32)
    w.coding.has_minima ? f(Turned<Isa, 32, true>{w, k}) : f(Turned<Isa, 32, false>{w, k});
  else
    w.coding.has_minima ? f(Turned<Isa, 16, true>{w, k}) : f(Turned<Isa, 16, false>{w, k});
}

}  // namespace
}  // namespace mla

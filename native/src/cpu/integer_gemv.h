// One row of activations with MLA_COMPUTE_INT8: as many rows of a weight as a vector has lanes side by side, each with k in lanes, so that
// their bytes are multiplied as they lie. Four sums of each row and block are left, which become one lane a row by a transposed addition:
// a fraction of what turning the bytes themselves would be. The float sum of an output is that of integer_linear.h, block by block.
//
// A format has
//   pieces<Isa>       where its blocks have 32 elements: the codes of the first 16 elements of Isa::kQuarters blocks and of the other 16, or, where
//                     kPieces is 1, of all 32 of half as many blocks; a code of kZero<Isa> stands for 0, and where that is 0 and there are no
//                     minima codes are signed
//   kSmallSums        how often sums of a block fit 16 bits while they are added: see Isa::join_pairs
//   side_by_side<Isa> where its blocks have 256: the products of all blocks of each row
#pragma once
#include "cpu/formats/formats.h"
#include "cpu/formats/lanes.h"
#include "cpu/integer_lanes.h"
#include "cpu/integer_rows.h"
#include "cpu/lanes.h"
#include "cpu/stored_rows.h"

namespace mla {
namespace {

// Whether a format has pieces, and at least one block is as long as those of a vector.
template <class Isa, class Format>
constexpr bool kHasWholePieces = [] {
  if constexpr (requires { Format::kPieces; }) return Isa::kQuarters * Format::kPieces >= 2;
  return false;
}();
template <class Format>
constexpr bool kStandsSideBySide = requires { Format::kSideBySide; };

// A row of rounded activations, blocks of kBytes.
template <int kRun>
struct RoundedRow {
  static constexpr int kBytes = rounded_block_bytes(kRun);
  const char* at;

  template <class Isa>
  MLA_INLINE F<Isa> scale(int block) const {
    return Isa::as_floats(Isa::load_int(at + block * kBytes + kInt8Block));
  }
  // Of a run: what its minimum is multiplied with.
  template <class Isa>
  MLA_INLINE F<Isa> scaled_sum(int block) const {
    return Isa::as_floats(Isa::load_int(at + block * kBytes + kInt8Block + 4));
  }
};

// Formats of blocks of 32, some blocks of each row at a time.
template <class Isa, class Format>
struct SmallBlocks {
  typedef typename Isa::I I;
  static constexpr int L = Isa::L, Q = Isa::kQuarters, kPieces = Format::kPieces,
                       kBytes = sizeof(typename Format::Block), kZero = Format::template kZero<Isa>;
  static constexpr int kBlocks = Q * kPieces / 2;  // at a time
  static constexpr bool kMinima = Format::kHasMinima, kSigned = kZero == 0 && !kMinima;
  typedef RoundedRow<32> Row;

  // The binary16 numbers of some blocks, rows in lanes.
  struct Halves {
    uint16_t scales[kBlocks][L], minima[kMinima ? kBlocks : 1][L];

    MLA_INLINE void gather(const uint8_t* const* rows, int64_t at, int r) {
#pragma GCC unroll 4
      for (int i = 0; i < kBlocks; i++) {
        __builtin_memcpy(&scales[i][r], rows[r] + at + i * kBytes, 2);
        if (kMinima) __builtin_memcpy(&minima[i][r], rows[r] + at + i * kBytes + 2, 2);
      }
    }
  };

  // Adds the first `count` of kBlocks blocks. Meanwhile the halves of those at `at_next` are gathered, in scalar registers: loads would wait
  // long for smaller stores just before them.
  static MLA_INLINE F<Isa> add(F<Isa> f, const uint8_t* const* rows, int64_t at, Row x, const Halves& halves,
                               int count, int64_t at_next, Halves& next, const NextRows<Isa>& ahead) {
    I q[kPieces], first = Isa::set1_int(0);
    if constexpr (kPieces == 1) {
      q[0] = Isa::template thirty_twos<Row::kBytes>(x.at);
      first = less_offset<Isa, kZero>(q[0]);
    } else {
      q[0] = Isa::template sixteens<Row::kBytes>(x.at);
      q[1] = Isa::template sixteens<Row::kBytes>(x.at + 16);
      first = Isa::add_ints(less_offset<Isa, kZero>(q[0]), less_offset<Isa, kZero>(q[1]));
    }
    const auto product = [&](int r) __attribute__((always_inline)) {
      next.gather(rows, at_next, r);
      I codes[kPieces], s = first;
      Format::template pieces<Isa>(rows[r] + at, codes);
#pragma GCC unroll 2
      for (int i = 0; i < kPieces; i++) s = Isa::template dot_codes<kSigned>(s, codes[i], q[i]);
      return s;
    };
    constexpr int kPart = kBlocks * kBytes;
    ahead.template fetch_rest<kPart>(at);
    RowSums<Isa, Format::kSmallSums> of_rows;
#pragma GCC unroll 8
    for (int r = 0; r < L; r += 2) {
      ahead.template fetch<kPart>(at, r);
      ahead.template fetch<kPart>(at, r + 1);
      const I a = product(r);
      of_rows.add(r / 2, a, product(r + 1));
    }
    I sums[Q];
    of_rows.finish(sums);
#pragma GCC unroll 4
    for (int i = 0; i < kBlocks; i++) {
      if (i >= count) break;
      const I s = kPieces == 1 ? Isa::add_ints(sums[2 * i], sums[2 * i + 1]) : sums[i];
      const F<Isa> scale = Isa::mul(Isa::widen_f16(halves.scales[i]), x.template scale<Isa>(i));
      f = Isa::fused(scale, Isa::to_floats(s), f);
      if constexpr (kMinima)
        f = Isa::fused(Isa::widen_f16(halves.minima[i]), x.template scaled_sum<Isa>(i), f);
    }
    return f;
  }

  // The last blocks, fewer than kBlocks: in copies that are long enough.
  static __attribute__((noinline)) F<Isa> add_last(F<Isa> f, const uint8_t* const* rows, int64_t at, Row x,
                                                   int count, const NextRows<Isa>& ahead) {
    alignas(64) uint8_t copies[L][kBlocks * kBytes] = {};
    alignas(64) char of_x[kBlocks * Row::kBytes] = {};
    alignas(64) Halves halves, unused;
    const uint8_t* copied[L];
    for (int r = 0; r < L; r++) {
      __builtin_memcpy(copies[r], rows[r] + at, (size_t)(count * kBytes));
      copied[r] = copies[r];
      halves.gather(copied, 0, r);
    }
    __builtin_memcpy(of_x, x.at, (size_t)(count * Row::kBytes));
    return add(f, copied, 0, {of_x}, halves, count, 0, unused, ahead);
  }

  static MLA_INLINE F<Isa> product(const uint8_t* const* rows, const NextRows<Isa>& ahead, int blocks,
                                   Row x) {
    alignas(64) Halves halves[2];
    F<Isa> f = Isa::zero();
    if (blocks >= kBlocks)
      for (int r = 0; r < L; r++) halves[0].gather(rows, 0, r);
    int b = 0;
    int64_t at = 0;
    for (int turn = 0; b + kBlocks <= blocks; b += kBlocks, turn ^= 1) {
      const int64_t next = at + (b + 2 * kBlocks <= blocks ? kBlocks * kBytes : 0);
      f = add(f, rows, at, {x.at + b * Row::kBytes}, halves[turn], kBlocks, next, halves[turn ^ 1], ahead);
      at += kBlocks * kBytes;
    }
    return b < blocks ? add_last(f, rows, at, {x.at + b * Row::kBytes}, blocks - b, ahead) : f;
  }
};

// Formats of blocks of 256.
template <class Isa, class Format>
struct LargeBlocks {
  typedef RoundedRow<Format::kRun> Row;

  static MLA_INLINE F<Isa> product(const uint8_t* const* rows, const NextRows<Isa>& ahead, int blocks,
                                   Row x) {
    return Format::template side_by_side<Isa>(rows, ahead, blocks / (Format::kElements / kInt8Block), x);
  }
};

// finish(rows, f) takes the sums of Isa::L outputs.
template <class Products, class Isa, class Finish>
void outputs_side_by_side(const StoredRows<Isa>& weight, const char* x, int blocks, int n_begin, int n_end,
                          Finish finish) {
  const RowRuns<Isa> runs(weight, n_begin, n_end);
  for (int step = 0; step < runs.steps; step++) {
    const LaneRows<Isa> rows = runs.rows(step);
    finish(rows, Products::product(rows.at, runs.next(step), blocks, {x}));
  }
}

// Whether a product of one row was computed so.
template <class Isa, class Finish>
MLA_INLINE bool multiply_side_by_side(const StoredRows<Isa>& weight, const char* x, int blocks, int n_begin,
                                      int n_end, Finish finish) {
  bool done = false;
  if constexpr (Isa::kReadsLanes) {
    if (weight.scales.values == nullptr)
      WeightFormats::with(weight.type, [&]<class Format>(Format) {
        if constexpr (kHasWholePieces<Isa, Format>) {
          outputs_side_by_side<SmallBlocks<Isa, Format>>(weight, x, blocks, n_begin, n_end, finish);
          done = true;
        } else if constexpr (kStandsSideBySide<Format>) {
          if (blocks % (Format::kElements / kInt8Block) != 0) return;
          outputs_side_by_side<LargeBlocks<Isa, Format>>(weight, x, blocks, n_begin, n_end, finish);
          done = true;
        }
      });
  }
  return done;
}

}  // namespace
}  // namespace mla

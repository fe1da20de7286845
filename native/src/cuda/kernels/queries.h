// Queries on their way to shared memory, where tensor cores take them.
#pragma once
#include "cuda/common/number.h"
#include "cuda/common/platform.h"

namespace mla::cuda {

// How a row of a query lies in shared memory: `plain` elements, zeros up to `rope_at`, `rope` elements, zeros up to `width`.
struct QueryRow {
  int plain, rope_at, rope, width;

  // The element of a query that stands in a column, or -1.
  MLA_DEVICE int element(int column) const {
    if (column < plain) return column;
    const int rotated = column - rope_at;
    return rotated >= 0 && rotated < rope ? plain + rotated : -1;
  }
};

// Whether two neighbours of a query can be read at once, from wherever an even element of it is.
MLA_DEVICE bool are_pairs(const QueryRow& r, const float* q, int64_t token_stride, int64_t head_stride) {
  return reinterpret_cast<uint64_t>(q) % sizeof(Pair) == 0 &&
         (token_stride | head_stride | r.plain | r.rope_at | r.rope) % 2 == 0;
}

// Rows of queries as bf16. row_of(i): row i of the block, or NULL for one of zeros. place(i, column): where its elements column and column + 1
// go. Several rows are read at once: one after the other, each would wait for the memory.
template <int Rows, int Warps, class RowOf, class Place>
MLA_DEVICE void load_queries(const QueryRow& r, bool pairs, RowOf row_of, Place place) {
  constexpr int kOwn = Rows / Warps, kAtOnce = kOwn < 8 ? kOwn : 8;
  static_assert(kOwn * Warps == Rows && kOwn % kAtOnce == 0);
  for (int first = 0; first < kOwn; first += kAtOnce) {
    const float* from[kAtOnce];
    MLA_UNROLL
    for (int i = 0; i < kAtOnce; i++) from[i] = row_of(warp_index() + (first + i) * Warps);
    for (int column = 2 * lane_index(); column < r.width; column += 2 * kWarp) {
      const int low_at = r.element(column), high_at = r.element(column + 1);
      Pair values[kAtOnce];
      MLA_UNROLL
      for (int i = 0; i < kAtOnce; i++) {
        values[i] = {0.f, 0.f};
        if (from[i] == nullptr) continue;
        if (pairs) {
          if (low_at >= 0) values[i] = *reinterpret_cast<const Pair*>(from[i] + low_at);
        } else {
          if (low_at >= 0) values[i].low = from[i][low_at];
          if (high_at >= 0) values[i].high = from[i][high_at];
        }
      }
      MLA_UNROLL
      for (int i = 0; i < kAtOnce; i++) {
        uint8_t* to = place(warp_index() + (first + i) * Warps, column);
        *reinterpret_cast<uint32_t*>(to) = pack_bf16(values[i].low, values[i].high);
      }
    }
  }
}

}  // namespace mla::cuda

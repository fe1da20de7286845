// What the kernels of a linear with weights (n, k) share: the order in which they add, the same for every number of rows, so that a row has the
// same bits in each of them; which rows a block has; and how operands lie in shared memory.
//
// k is cut into segments, each of which is one chain of products of 16, and their sums are added in order. Few rows need the segments, so that
// enough warps read the weights; many rows go through them one after the other.
#pragma once
#include "cuda/common/matrix.h"
#include "cuda/common/number.h"
#include "cuda/kernels/linear_task.h"

namespace mla::cuda {

constexpr int kGroup = 32;                    // of k: 64 bytes of a row of weights, two products
constexpr int kOutTile = 16, kTokenTile = 8;  // of a product

struct Segments {
  int count, length;
};
// From the weight's shape alone: about as many warps for few rows as keep a memory busy, where k allows it.
MLA_BOTH Segments segments_of(int n, int k) {
  constexpr int kWarps = 800, kMost = 4, kLeast = 512;
  int count = 1;
  while (count < kMost && n / kOutTile * count < kWarps && k / (2 * count) >= kLeast) count *= 2;
  return {count, (k + count * kGroup - 1) / (count * kGroup) * kGroup};
}

// The tokens and the weight of a block's tile: rows row .. end of x, through `indices` where they are not NULL, and of y.
struct LinearTile {
  int row, end;
  const Bf16* weight;
};
// False where the grid is larger than the groups (launches.h).
MLA_DEVICE bool find_tile(const LinearTask& t, const int32_t* groups, const Bf16* weight, int tokens,
                          LinearTile* tile) {
  *tile = {block_y() * tokens, t.rows, weight + block_z() * t.weight_head_stride};
  if (groups == nullptr) return true;
  if (!MLA_BOUND(block_y() < groups[0])) return false;
  const int32_t* group = groups + 1 + block_y() * 3;
  *tile = {group[1], group[2], tile->weight + group[0] * t.group_stride};
  return true;
}
// The row of x of the tile's row `token`, or of its last one: what is computed of it then is not written.
MLA_DEVICE int token_row(const LinearTile& tile, const int32_t* indices, int token) {
  const int row = tile.row + token < tile.end ? tile.row + token : tile.end - 1;
  return indices == nullptr ? row : indices[row];
}
MLA_DEVICE const Bf16* weight_row(const LinearTask& t, const LinearTile& tile, int out) {
  return tile.weight + (out < t.n ? out : t.n - 1) * t.weight_stride;
}

// Where chunk 0 .. Chunks - 1 of 16 bytes of a row of weights lies: exchanged so that the eight rows of a matrix lie in different banks.
template <int Chunks>
MLA_DEVICE int weight_place(int row, int chunk) {
  const int exchange = Chunks >= 8 ? row % 8 : row / (8 / Chunks) % Chunks;
  return (row * Chunks + (chunk ^ exchange)) * 16;
}

// How many of `size` elements from k on are there.
MLA_DEVICE int count_of(int k, int end, int size) { return k >= end ? 0 : end - k < size ? end - k : size; }

// Elements of a row that is not aligned, or ends: zeros behind `count`.
MLA_DEVICE void copy_weights(uint8_t* to, const Bf16* from, int count) {
  for (int i = 0; i < 8; i++) reinterpret_cast<uint16_t*>(to)[i] = MLA_BOUND(i < count) ? from[i].bits : 0;
}

// The fragment of 16 k: rows out .. out + 15 of weights in shared memory, chunks 2 step and 2 step + 1 of each.
template <int Chunks>
MLA_DEVICE void load_weights(uint32_t (&a)[4], const uint8_t* weights, int out, int step) {
  const int lane = lane_index();
  load_matrix(a, weights + weight_place<Chunks>(out + lane % 16, step * 2 + lane / 16));
}

}  // namespace mla::cuda

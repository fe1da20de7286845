// Sums over a block.
#pragma once
#include "cuda/common/sync.h"

namespace mla::cuda {

// The sum of x over the block, the same bits in every thread: within warps, then over the warps in order. scratch: a float32 of shared
// memory for each warp, not used by anything else until the block has met again.
MLA_DEVICE float block_sum(float x, float* scratch) {
  x = warp_sum(x);
  if (lane_index() == 0) scratch[warp_index()] = x;
  block_barrier();
  float sum = 0;
  for (int w = 0; w < block_threads() / kWarp; w++) sum += scratch[w];
  return sum;
}

}  // namespace mla::cuda

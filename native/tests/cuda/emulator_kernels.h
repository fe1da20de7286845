// Small kernels, most of them wrong in one way, to show what the emulator reports.
#pragma once
#include "cuda/common/runtime.h"

namespace mla::test {

enum class Wrong {
  kNothing,
  kNoBarrier,           // between the writes of one warp and the reads of another
  kNoWarpBarrier,       // between lanes of a warp
  kOverwrites,          // what other threads may still read
  kUninitialised,       // shared memory
  kBehindShared,        // reads behind the block's shared memory
  kBehindDevice,        // reads behind device memory
  kWritesBehindDevice,  // writes behind device memory
  kTwoBarriers,         // half of the block is at another barrier
  kExits,               // one thread never comes to the barrier
  kDivergentExchange,   // half a warp exchanges
  kNoWait,              // reads what a copy brings, without waiting
  kWaitsForFewer,       // waits for the first group, reads the second
  kNoBarrierAfterWait,  // reads what another thread's copy brought, after only waiting
  kNeverWaits,          // ends with a copy under way
  kCopiesOver,          // copies to where other threads may still read
  kMisaligned,          // copies from an address that is not a multiple of 16
};
// 64 threads; y (64) = x (64) of thread + 1, through shared memory where `wrong` is kNothing.
cuda::Result launch_wrong(const cuda::Stream& stream, Wrong wrong, const float* x, float* y);

// d (16, 8) float32 = a (16, 16) b (16, 8) + d, both bf16 and row-major, by load_matrix, load_matrix_transposed and multiply_add.
cuda::Result launch_multiply(const cuda::Stream& stream, const uint16_t* a, const uint16_t* b, float* d);

}  // namespace mla::test

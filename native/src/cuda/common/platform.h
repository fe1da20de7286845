// What a kernel is and where a thread stands in its grid: the language itself under nvcc, the emulator under a host compiler.
#pragma once
#include <cstdint>

#include "cuda/common/both.h"

#if defined(__CUDACC__)

// MLA_KERNEL(threads, blocks) name(...): at most `threads` in a block, at least `blocks` of them resident on a multiprocessor.
#define MLA_KERNEL(threads, blocks) __global__ void __launch_bounds__(threads, blocks)
#define MLA_DEVICE __device__ __forceinline__
// A condition that keeps an access inside its memory; the emulator can leave it out, to show that it finds the access.
#define MLA_BOUND(condition) (condition)
#define MLA_UNROLL _Pragma("unroll")
#define MLA_NO_UNROLL _Pragma("unroll 1")

namespace mla::cuda {

__device__ __forceinline__ int thread_x() { return static_cast<int>(threadIdx.x); }
__device__ __forceinline__ int block_x() { return static_cast<int>(blockIdx.x); }
__device__ __forceinline__ int block_y() { return static_cast<int>(blockIdx.y); }
__device__ __forceinline__ int block_z() { return static_cast<int>(blockIdx.z); }
__device__ __forceinline__ int block_threads() { return static_cast<int>(blockDim.x); }

// The block's dynamic shared memory, as many bytes as its launch asks for.
__device__ __forceinline__ uint8_t* shared_memory() {
  extern __shared__ __align__(1024) uint8_t mla_shared_memory[];
  return mla_shared_memory;
}

}  // namespace mla::cuda

#else

#include "cuda_emulator/device.h"

#define MLA_KERNEL(threads, blocks) void
#define MLA_DEVICE inline
#define MLA_BOUND(condition) (::mla::emulator::bound({__FILE__, __LINE__}) || (condition))
#define MLA_UNROLL
#define MLA_NO_UNROLL

namespace mla::cuda {

inline int thread_x() { return emulator::position().thread; }
inline int block_x() { return emulator::position().block[0]; }
inline int block_y() { return emulator::position().block[1]; }
inline int block_z() { return emulator::position().block[2]; }
inline int block_threads() { return emulator::position().threads; }
inline uint8_t* shared_memory() { return emulator::shared_memory(); }

}  // namespace mla::cuda

#endif

namespace mla::cuda {

constexpr int kWarp = 32;

MLA_DEVICE int lane_index() { return thread_x() % kWarp; }
MLA_DEVICE int warp_index() { return thread_x() / kWarp; }

}  // namespace mla::cuda

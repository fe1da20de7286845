// A launch: a kernel with its grid, on a stream.
#pragma once
#include <atomic>

#include "cuda/common/platform.h"
#include "cuda/common/runtime.h"

namespace mla::cuda {

struct Grid {
  int x, y, z;
};

// The devices on which a kernel may have all of a block's shared memory: to ask again costs as much as a launch.
using SharedAllowed = std::atomic<uint64_t>;

// The kernel and its arguments as one call; returns a code of runtime.h. `shared`: bytes of dynamic shared memory of each block.
#define MLA_LAUNCH(kernel, grid, threads, shared, stream, ...)                                        \
  [&] {                                                                                               \
    static ::mla::cuda::SharedAllowed allowed;                                                        \
    return ::mla::cuda::launch(#kernel, kernel, allowed, grid, threads, shared, stream, __VA_ARGS__); \
  }()

// Blocks of `size` that cover `count`.
inline int blocks_for(int64_t count, int64_t size) { return static_cast<int>((count + size - 1) / size); }

#if defined(__CUDACC__)

constexpr int kSharedWithoutAsking = 48 * 1024;

template <class... Parameters, class... Arguments>
Result launch(const char* name, void (*kernel)(Parameters...), SharedAllowed& allowed, Grid grid, int threads,
              int shared, const Stream& stream, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return {0, name};
  cudaError_t code = cudaSuccess;
  const uint64_t device = stream.device < 64 ? uint64_t{1} << stream.device : 0;
  if (shared > kSharedWithoutAsking && (allowed.load(std::memory_order_relaxed) & device) == 0) {
    int all = 0;
    code = cudaDeviceGetAttribute(&all, cudaDevAttrMaxSharedMemoryPerBlockOptin, stream.device);
    if (code == cudaSuccess)
      code = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, all);
    if (code == cudaSuccess) allowed.fetch_or(device, std::memory_order_relaxed);
  }
  if (code == cudaSuccess) {
    kernel<<<dim3(grid.x, grid.y, grid.z), threads, shared, static_cast<cudaStream_t>(stream.handle)>>>(
        static_cast<Parameters>(arguments)...);
    code = cudaGetLastError();
  }
  return {static_cast<int>(code), name};
}

#else

template <class... Parameters, class... Arguments>
Result launch(const char* name, void (*kernel)(Parameters...), SharedAllowed&, Grid grid, int threads,
              int shared, const Stream& stream, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return {0, name};
  return {emulator::launch(name, kernel, {{grid.x, grid.y, grid.z}, threads, shared}, stream.handle,
                           static_cast<Parameters>(arguments)...),
          name};
}

#endif

}  // namespace mla::cuda

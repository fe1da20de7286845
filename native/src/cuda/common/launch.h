// A launch: a kernel with its grid, on a stream.
#pragma once
#include "cuda/common/platform.h"
#include "cuda/common/runtime.h"

namespace mla::cuda {

struct Grid {
  int x, y, z;
};

// The kernel and its arguments as one call; returns a code of runtime.h. `shared`: bytes of dynamic shared memory of each block.
#define MLA_LAUNCH(kernel, grid, threads, shared, stream, ...) \
  ::mla::cuda::launch(#kernel, kernel, grid, threads, shared, stream, __VA_ARGS__)

// Blocks of `size` that cover `count`.
inline int blocks_for(int64_t count, int64_t size) { return static_cast<int>((count + size - 1) / size); }

#if defined(__CUDACC__)

constexpr int kSharedWithoutAsking = 48 * 1024;

template <class... Parameters, class... Arguments>
Result launch(const char* name, void (*kernel)(Parameters...), Grid grid, int threads, int shared,
              const Stream& stream, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return {0, name};
  cudaError_t code = cudaSuccess;
  if (shared > kSharedWithoutAsking)
    code = cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared);
  if (code == cudaSuccess) {
    kernel<<<dim3(grid.x, grid.y, grid.z), threads, shared, static_cast<cudaStream_t>(stream.handle)>>>(
        static_cast<Parameters>(arguments)...);
    code = cudaGetLastError();
  }
  return {static_cast<int>(code), name};
}

#else

template <class... Parameters, class... Arguments>
Result launch(const char* name, void (*kernel)(Parameters...), Grid grid, int threads, int shared,
              const Stream& stream, Arguments... arguments) {
  if (grid.x == 0 || grid.y == 0 || grid.z == 0) return {0, name};
  return {emulator::launch(name, kernel, {{grid.x, grid.y, grid.z}, threads, shared}, stream.handle,
                           static_cast<Parameters>(arguments)...),
          name};
}

#endif

}  // namespace mla::cuda

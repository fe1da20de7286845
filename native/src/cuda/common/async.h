// Copies from global to shared memory that arrive later (cp.async): issued by each thread, closed into groups, waited for by the same thread.
// Other threads see what arrived after a barrier behind the wait.
#pragma once
#include "cuda/common/platform.h"

namespace mla::cuda {

#if defined(__CUDACC__)

// 16 bytes to `shared` (aligned to 16): the first `bytes` (0 .. 16) of `global` (aligned to 16, not read where bytes is 0), then zeros.
MLA_DEVICE void copy_async_16(void* shared, const void* global, int bytes) {
  const auto to = static_cast<uint32_t>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;\n" ::"r"(to), "l"(global), "r"(bytes)
               : "memory");
}
// Closes the group of the copies issued since the last one.
MLA_DEVICE void copy_async_close() { asm volatile("cp.async.commit_group;\n" ::: "memory"); }
// Waits until at most the newest `Pending` groups of this thread are under way.
template <int Pending>
MLA_DEVICE void copy_async_wait() {
  asm volatile("cp.async.wait_group %0;\n" ::"n"(Pending) : "memory");
}

#else

inline void copy_async_16(void* shared, const void* global, int bytes, MLA_CALLER) {
  emulator::copy_async(shared, global, bytes, {file, line});
}
inline void copy_async_close() { emulator::copy_async_close(); }
template <int Pending>
inline void copy_async_wait(MLA_CALLER) {
  emulator::copy_async_wait(Pending, {file, line});
}

#endif

}  // namespace mla::cuda

// Where threads meet: barriers of the block, of some of its warps and of a warp; exchange of registers within a warp.
// All of them are met by all threads that they are for; the emulator reports a thread that is elsewhere.
#pragma once
#include <cmath>

#include "cuda/common/platform.h"

namespace mla::cuda {

#if defined(__CUDACC__)

constexpr unsigned kAllLanes = 0xffffffffu;

// Orders the shared and global memory accesses of a block's threads.
MLA_DEVICE void block_barrier() { __syncthreads(); }
// Orders the accesses of the lanes of a warp.
MLA_DEVICE void warp_barrier() { __syncwarp(); }
// The value of lane (lane ^ mask). Orders no memory.
MLA_DEVICE float exchange_xor(float value, int mask) { return __shfl_xor_sync(kAllLanes, value, mask); }
MLA_DEVICE int exchange_xor(int value, int mask) { return __shfl_xor_sync(kAllLanes, value, mask); }
// The value of lane `from`. Orders no memory.
MLA_DEVICE float exchange_from(float value, int from) { return __shfl_sync(kAllLanes, value, from); }
MLA_DEVICE int exchange_from(int value, int from) { return __shfl_sync(kAllLanes, value, from); }
// Bit i: the condition of lane i.
MLA_DEVICE uint32_t vote(bool condition) { return __ballot_sync(kAllLanes, condition); }
MLA_DEVICE int count_bits(uint32_t bits) { return __popc(bits); }

#else

inline void block_barrier(MLA_CALLER) { emulator::block_barrier({file, line}); }
inline void warp_barrier(MLA_CALLER) { emulator::warp_barrier({file, line}); }
inline float exchange_xor(float value, int mask, MLA_CALLER) {
  return emulator::exchange(value, lane_index() ^ mask, {file, line});
}
inline int exchange_xor(int value, int mask, MLA_CALLER) {
  return emulator::exchange(value, lane_index() ^ mask, {file, line});
}
inline float exchange_from(float value, int from, MLA_CALLER) {
  return emulator::exchange(value, from, {file, line});
}
inline int exchange_from(int value, int from, MLA_CALLER) {
  return emulator::exchange(value, from, {file, line});
}
inline uint32_t vote(bool condition, MLA_CALLER) { return emulator::vote(condition, {file, line}); }
inline int count_bits(uint32_t bits) { return __builtin_popcount(bits); }

#endif

// A pointer of lane `from`.
MLA_DEVICE const uint8_t* exchange_from(const uint8_t* value, int from) {
  const auto bits = reinterpret_cast<uint64_t>(value);
  const auto low = static_cast<uint32_t>(exchange_from(static_cast<int>(bits), from));
  const auto high = static_cast<uint32_t>(exchange_from(static_cast<int>(bits >> 32), from));
  return reinterpret_cast<const uint8_t*>(static_cast<uint64_t>(high) << 32 | low);
}

// Sum and maximum over groups of `Width` lanes (a power of two), the same bits in each lane of a group.
template <int Width = kWarp>
MLA_DEVICE float warp_sum(float x) {
  MLA_UNROLL
  for (int mask = Width / 2; mask > 0; mask /= 2) x += exchange_xor(x, mask);
  return x;
}
template <int Width = kWarp>
MLA_DEVICE float warp_max(float x) {
  MLA_UNROLL
  for (int mask = Width / 2; mask > 0; mask /= 2) x = fmaxf(x, exchange_xor(x, mask));
  return x;
}

}  // namespace mla::cuda

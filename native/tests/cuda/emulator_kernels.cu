#include "cuda/common/async.h"
#include "cuda/common/launch.h"
#include "cuda/common/matrix.h"
#include "cuda/common/sync.h"
#include "cuda/emulator_kernels.h"

namespace mla::test {
namespace {

using namespace mla::cuda;

constexpr int kThreads = 64;

MLA_KERNEL(kThreads, 1) wrong_kernel(Wrong wrong, const float* x, float* y) {
  auto* shared = reinterpret_cast<float*>(shared_memory());  // 2 * 64
  const int i = thread_x(), next = (i + 1) % kThreads, lane_next = i / kWarp * kWarp + (i + 1) % kWarp;
  switch (wrong) {
    case Wrong::kNothing:
    case Wrong::kNoBarrier:
    case Wrong::kOverwrites:
      shared[i] = 0;
      block_barrier();
      shared[i] = x[i];
      if (wrong != Wrong::kNoBarrier) block_barrier();
      y[i] = shared[next];
      if (wrong == Wrong::kOverwrites) shared[i] = 0;
      break;
    case Wrong::kNoWarpBarrier:
      shared[i] = 0;
      warp_barrier();
      shared[i] = x[i];
      y[i] = shared[lane_next];
      break;
    case Wrong::kUninitialised:
      if (i != 5) shared[i] = x[i];
      block_barrier();
      y[i] = shared[i];
      break;
    case Wrong::kBehindShared:
      y[i] = shared[2 * kThreads + i];
      break;
    case Wrong::kBehindDevice:
      y[i] = x[i + 1];
      break;
    case Wrong::kWritesBehindDevice:
      y[i + 1] = x[i];
      break;
    case Wrong::kTwoBarriers:
      if (i < kWarp)
        block_barrier();
      else
        block_barrier();
      break;
    case Wrong::kExits:
      if (i == 7) return;
      block_barrier();
      break;
    case Wrong::kDivergentExchange:
      if (i % kWarp < 16) y[i] = exchange_xor(x[i], 1);
      break;
    case Wrong::kNoWait:
    case Wrong::kWaitsForFewer:
    case Wrong::kNoBarrierAfterWait:
    case Wrong::kNeverWaits:
    case Wrong::kCopiesOver:
    case Wrong::kMisaligned: {
      const bool copies = i < kThreads / 4;
      if (wrong == Wrong::kCopiesOver) {
        shared[i] = x[i];
        block_barrier();
        y[i] = shared[next];
      }
      if (copies) copy_async_16(shared + 4 * i, x + 4 * i + (wrong == Wrong::kMisaligned ? 1 : 0), 16);
      copy_async_close();
      if (copies) copy_async_16(shared + kThreads + 4 * i, x + 4 * i, 12);
      copy_async_close();
      if (wrong == Wrong::kNeverWaits) return;
      if (wrong == Wrong::kWaitsForFewer)
        copy_async_wait<1>();
      else if (wrong != Wrong::kNoWait)
        copy_async_wait<0>();
      if (wrong != Wrong::kNoBarrierAfterWait) block_barrier();
      y[i] = shared[kThreads + i];
      break;
    }
  }
}

MLA_KERNEL(kWarp, 1) multiply_kernel(const uint16_t* a, const uint16_t* b, float* d) {
  auto* shared_a = reinterpret_cast<uint16_t*>(shared_memory());
  uint16_t* shared_b = shared_a + 16 * 16;
  const int lane = lane_index();
  for (int i = lane; i < 16 * 16; i += kWarp) shared_a[i] = a[i];
  for (int i = lane; i < 16 * 8; i += kWarp) shared_b[i] = b[i];
  warp_barrier();
  uint32_t fa[4], fb[4];
  // tiles of a: rows 0 .. 7 and 8 .. 15 of columns 0 .. 7, then of columns 8 .. 15
  load_matrix(fa, shared_a + lane % 16 * 16 + lane / 16 * 8);
  // tiles of b: k 0 .. 7 and 8 .. 15; the other two addresses are not used
  load_matrix_transposed(fb, shared_b + lane % 16 * 8);
  const int row = lane / 4, column = lane % 4 * 2;
  float fd[4] = {d[row * 8 + column], d[row * 8 + column + 1], d[(row + 8) * 8 + column],
                 d[(row + 8) * 8 + column + 1]};
  multiply_add(fd, fa, fb[0], fb[1]);
  for (int i = 0; i < 4; i++) d[(row + i / 2 * 8) * 8 + column + i % 2] = fd[i];
}

}  // namespace

Result launch_wrong(const Stream& stream, Wrong wrong, const float* x, float* y) {
  return MLA_LAUNCH(wrong_kernel, (Grid{1, 1, 1}), kThreads, 2 * kThreads * 4, stream, wrong, x, y);
}

Result launch_multiply(const Stream& stream, const uint16_t* a, const uint16_t* b, float* d) {
  return MLA_LAUNCH(multiply_kernel, (Grid{1, 1, 1}), kWarp, (16 * 16 + 16 * 8) * 2, stream, a, b, d);
}

}  // namespace mla::test

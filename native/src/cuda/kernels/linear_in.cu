// y = x W (+ bias) on tensor cores, for weights (k, n): bf16, and activations that are rounded to bf16 on their way to shared memory.
//
// A block computes kOut outputs of kTokens tokens. Weights are the 16-row operand and tokens the 8-column one, so that a single token wastes
// only what is not read from memory. Steps of 128 in k: warp w has outputs w / 4 and slice w % 4 of each step, 32 of k; the four slices are
// added in order at the end. A result is the same sequence of operations with any number of tokens and either size of block.
#include "cuda/common/async.h"
#include "cuda/common/launch.h"
#include "cuda/common/matrix.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/linear_kinds.h"
#include "cuda/kernels/linear_task.h"

namespace mla::cuda {
namespace {

constexpr int kWarps = 8;
constexpr int kThreads = kWarps * kWarp;
constexpr int kSlices = 4;
constexpr int kStep = kSlices * 32;

// OutTiles, TokenTiles: of 16 outputs and 8 tokens, for each warp.
template <int OutTiles, int TokenTiles, int Stages>
struct Block {
  static constexpr int kOutTiles = OutTiles, kTokenTiles = TokenTiles, kStages = Stages;
  static constexpr int kOut = kWarps / kSlices * OutTiles * 16;
  static constexpr int kTokens = TokenTiles * 8;
  // Bytes of rows in shared memory, padded by 16 so that the rows of an 8 x 8 tile lie in different banks.
  static constexpr int kWeightRows = kStep;
  static constexpr int kWeightColumns = kOut;
  static constexpr int kWeightStride = kWeightColumns * 2 + 16;
  static constexpr int kTokenStride = kStep * 2 + 16;
  static constexpr int kTokensAt = kWeightRows * kWeightStride;
  static constexpr int kStageBytes = kTokensAt + kTokens * kTokenStride;
  static constexpr int kSumBytes = kSlices * kOut * kTokens * 4;  // in the place of the stages, at the end
  static constexpr int kShared = Stages * kStageBytes > kSumBytes ? Stages* kStageBytes : kSumBytes;
};

// Begins the copy of the weights of outputs out.. and k.. to a stage; what lies outside is zero.
template <class B>
MLA_DEVICE void load_weights(const LinearTask& t, const Bf16* weight, int out, int k, uint8_t* stage) {
  constexpr int kChunks = B::kWeightColumns / 8;
  for (int i = thread_x(); i < B::kWeightRows * kChunks; i += kThreads) {
    const int row = i / kChunks, column = i % kChunks * 8, left = t.n - out - column;
    uint8_t* to = stage + row * B::kWeightStride + column * 2;
    const bool inside = MLA_BOUND(k + row < t.k);
    const int count = !inside || left <= 0 ? 0 : left < 8 ? left : 8;
    const Bf16* from = weight + (k + row) * t.weight_stride + out + column;
    if (t.aligned) {
      copy_async_16(to, count == 0 ? weight : from, count * 2);
    } else {
      for (int j = 0; j < 8; j++) reinterpret_cast<uint16_t*>(to)[j] = j < count ? from[j].bits : 0;
    }
  }
}

// Rounds the activations of rows row.. and k.. into a stage.
template <class B>
MLA_DEVICE void load_tokens(const LinearTask& t, const float* x, int row, int k, uint8_t* stage) {
  for (int i = thread_x(); i < B::kTokens * kStep / 2; i += kThreads) {
    const int token = i / (kStep / 2), column = k + i % (kStep / 2) * 2;
    float low = 0, high = 0;
    if (MLA_BOUND(row + token < t.rows)) {
      const float* from = x + (row + token) * t.x_stride;
      if (MLA_BOUND(column < t.k)) low = from[column];
      if (MLA_BOUND(column + 1 < t.k)) high = from[column + 1];
    }
    reinterpret_cast<uint32_t*>(stage + B::kTokensAt + token * B::kTokenStride)[i % (kStep / 2)] =
        pack_bf16(low, high);
  }
}

// The warp's products of its slice of a step.
template <class B>
MLA_DEVICE void multiply_step(const uint8_t* stage, float (&sums)[B::kOutTiles][B::kTokenTiles][4]) {
  const int lane = lane_index(), slice = warp_index() % kSlices,
            out = warp_index() / kSlices * B::kOutTiles * 16;
  uint32_t b[B::kTokenTiles][4];
  MLA_UNROLL
  for (int n = 0; n < B::kTokenTiles; n++)
    load_matrix(b[n],
                stage + B::kTokensAt + (n * 8 + lane % 8) * B::kTokenStride + slice * 64 + lane / 8 * 16);
  MLA_UNROLL
  for (int half = 0; half < 2; half++) {
    MLA_UNROLL
    for (int m = 0; m < B::kOutTiles; m++) {
      uint32_t a[4];
      load_matrix_transposed(a, stage +
                                    (slice * 32 + half * 16 + lane / 16 * 8 + lane % 8) * B::kWeightStride +
                                    (out + m * 16 + lane / 8 % 2 * 8) * 2);
      MLA_UNROLL
      for (int n = 0; n < B::kTokenTiles; n++)
        multiply_add(sums[m][n], a, b[n][half * 2], b[n][half * 2 + 1]);
    }
  }
}

// x (rows, k); weight (k, n); bias (n) or NULL; y (rows, n).
template <class B>
MLA_KERNEL(kThreads, 1)
linear_in_kernel(LinearTask t, const float* x, const Bf16* weight, const float* bias, float* y) {
  uint8_t* shared = shared_memory();
  const int row = block_y() * B::kTokens;
  x += block_z() * t.x_head_stride;
  y += block_z() * t.y_head_stride;
  weight += block_z() * t.weight_head_stride;
  const int out = block_x() * B::kOut, steps = (t.k + kStep - 1) / kStep;
  float sums[B::kOutTiles][B::kTokenTiles][4] = {};

  MLA_UNROLL
  for (int i = 0; i < B::kStages - 1; i++) {
    if (i < steps) {
      load_weights<B>(t, weight, out, i * kStep, shared + i * B::kStageBytes);
      load_tokens<B>(t, x, row, i * kStep, shared + i * B::kStageBytes);
    }
    copy_async_close();
  }
  int stage = 0;
  for (int i = 0; i < steps; i++) {
    copy_async_wait<B::kStages - 2>();
    block_barrier();  // the step is there, and nobody reads the one before any more
    const int ahead = i + B::kStages - 1, free_stage = stage == 0 ? B::kStages - 1 : stage - 1;
    if (ahead < steps) {
      load_weights<B>(t, weight, out, ahead * kStep, shared + free_stage * B::kStageBytes);
      load_tokens<B>(t, x, row, ahead * kStep, shared + free_stage * B::kStageBytes);
    }
    copy_async_close();
    multiply_step<B>(shared + stage * B::kStageBytes, sums);
    stage = stage + 1 == B::kStages ? 0 : stage + 1;
  }

  block_barrier();  // the stages become the sums of the slices, (slice, token, out)
  auto* slices = reinterpret_cast<float*>(shared);
  const int lane = lane_index(), slice = warp_index() % kSlices,
            first = warp_index() / kSlices * B::kOutTiles * 16;
  MLA_UNROLL
  for (int m = 0; m < B::kOutTiles; m++) {
    MLA_UNROLL
    for (int n = 0; n < B::kTokenTiles; n++) {
      MLA_UNROLL
      for (int i = 0; i < 4; i++) {
        const int token = n * 8 + lane % 4 * 2 + i % 2, o = first + m * 16 + lane / 4 + i / 2 * 8;
        slices[(slice * B::kTokens + token) * B::kOut + o] = sums[m][n][i];
      }
    }
  }
  block_barrier();
  for (int i = thread_x(); i < B::kTokens * B::kOut; i += kThreads) {
    const int token = i / B::kOut, o = out + i % B::kOut;
    float sum = slices[i];
    MLA_UNROLL
    for (int s = 1; s < kSlices; s++) sum += slices[s * B::kTokens * B::kOut + i];
    if (MLA_BOUND(row + token < t.rows) && MLA_BOUND(o < t.n))
      y[(row + token) * t.y_stride + o] = bias == nullptr ? sum : sum + bias[o];
  }
}

// The block for few tokens keeps more weights on their way, the one for many reads them less often.
using Few = Block<1, 1, 4>;
using Many = Block<4, 4, 2>;

template <class B>
Result launch_block(const Stream& stream, const LinearTask& t, int heads, const float* x, const Bf16* weight,
                    const float* bias, float* y) {
  return MLA_LAUNCH(linear_in_kernel<B>,
                    (Grid{blocks_for(t.n, B::kOut), blocks_for(t.rows, B::kTokens), heads}), kThreads,
                    B::kShared, stream, t, x, weight, bias, y);
}

}  // namespace

int linear_in_tile(int rows) { return rows <= Few::kTokens ? Few::kTokens : Many::kTokens; }

Result linear_in(const Stream& stream, const LinearTask& t, int heads, const float* x, const Bf16* weight,
                 const float* bias, float* y) {
  return (t.rows <= Few::kTokens ? launch_block<Few> : launch_block<Many>)(stream, t, heads, x, weight, bias,
                                                                           y);
}

}  // namespace mla::cuda

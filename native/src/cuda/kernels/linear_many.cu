// y = x W^T for many rows: a block multiplies tiles of both that come to shared memory by copies, some steps ahead. Activations stay float32 until
// a warp takes them into its registers, where they are rounded.
#include "cuda/common/async.h"
#include "cuda/common/launch.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/linear_kinds.h"
#include "cuda/kernels/linear_order.h"

namespace mla::cuda {
namespace {

constexpr int kStages = 4;
constexpr int kTokenStride =
    kGroup * 4 + 32;  // bytes: what half a warp reads at once lies in different banks

// OutWarps x TokenWarps warps with 64 outputs and TokenTiles * 8 tokens each. General: with rows that are not aligned too.
template <int OutWarps, int TokenWarps, int TokenTiles, bool General>
struct Many {
  static constexpr bool kGeneral = General;
  static constexpr int kOutTiles = 4, kTokenTiles = TokenTiles;
  static constexpr int kOutWarps = OutWarps, kThreads = OutWarps * TokenWarps * kWarp;
  static constexpr int kWarpOut = kOutTiles * kOutTile, kWarpTokens = TokenTiles * kTokenTile;
  static constexpr int kOut = OutWarps * kWarpOut, kTokens = TokenWarps * kWarpTokens;
  static constexpr int kTokensAt = kOut * kGroup * 2, kStageBytes = kTokensAt + kTokens * kTokenStride;
  static constexpr int kShared = kStages * kStageBytes;
  // A thread copies the same 16 bytes of every kWeightRows-th row of weights, and of every kTokenRows-th of tokens.
  static constexpr int kWeightChunks = kGroup / 8, kTokenChunks = kGroup / 4;
  static constexpr int kWeightRows = kThreads / kWeightChunks, kTokenRows = kThreads / kTokenChunks;
  static constexpr int kOwnWeights = kOut / kWeightRows, kOwnTokens = kTokens / kTokenRows;
  static_assert(kOwnWeights * kWeightRows == kOut && kOwnTokens * kTokenRows == kTokens);
};

// As linear_few_kernel. y is where the sums of the segments before wait.
template <class M>
MLA_KERNEL(M::kThreads, 1)
linear_many_kernel(LinearTask t, const float* x, const int32_t* indices, const int32_t* groups,
                   const Bf16* weight, const float* bias, float* y) {
  uint8_t* shared = shared_memory();
  LinearTile tile;
  if (!find_tile(t, groups, weight, M::kTokens, &tile)) return;
  const Segments segments = segments_of(t.n, t.k);
  const int steps = (t.k + kGroup - 1) / kGroup, segment_steps = segments.length / kGroup;

  const int own_out = thread_x() / M::kWeightChunks, weight_chunk = thread_x() % M::kWeightChunks;
  const int own_token = thread_x() / M::kTokenChunks, token_chunk = thread_x() % M::kTokenChunks;
  const Bf16* weights[M::kOwnWeights];
  const float* tokens[M::kOwnTokens];
  MLA_UNROLL
  for (int i = 0; i < M::kOwnWeights; i++)
    weights[i] = weight_row(t, tile, block_x() * M::kOut + own_out + i * M::kWeightRows) + weight_chunk * 8;
  MLA_UNROLL
  for (int i = 0; i < M::kOwnTokens; i++)
    tokens[i] = x + block_z() * t.x_head_stride +
                token_row(tile, indices, own_token + i * M::kTokenRows) * t.x_stride + token_chunk * 4;
  const auto load = [&](int step, uint8_t* stage) {
    const int k = step * kGroup, weight_count = count_of(k + weight_chunk * 8, t.k, 8),
              token_count = count_of(k + token_chunk * 4, t.k, 4);
    const int weight_k = weight_count == 0 ? 0 : k, token_k = token_count == 0 ? 0 : k;
    const auto place_of_weight = [&](int i) {
      return stage + weight_place<M::kWeightChunks>(own_out + i * M::kWeightRows, weight_chunk);
    };
    const auto place_of_token = [&](int i) {
      return stage + M::kTokensAt + (own_token + i * M::kTokenRows) * kTokenStride + token_chunk * 16;
    };
    MLA_UNROLL
    for (int i = 0; i < M::kOwnWeights; i++) {
      if (!M::kGeneral || t.aligned)
        copy_async_16(place_of_weight(i), weights[i] + weight_k, weight_count * 2);
      else
        copy_weights(place_of_weight(i), weights[i] + weight_k, weight_count);
    }
    MLA_UNROLL
    for (int i = 0; i < M::kOwnTokens; i++) {
      if (!M::kGeneral || t.x_aligned) {
        copy_async_16(place_of_token(i), tokens[i] + token_k, token_count * 4);
      } else {
        for (int j = 0; j < 4; j++)
          reinterpret_cast<float*>(place_of_token(i))[j] =
              MLA_BOUND(j < token_count) ? tokens[i][token_k + j] : 0.f;
      }
    }
  };

  MLA_UNROLL
  for (int i = 0; i < kStages - 1; i++) {
    if (i < steps) load(i, shared + i * M::kStageBytes);
    copy_async_close();
  }
  const int lane = lane_index(), warp_out = warp_index() % M::kOutWarps * M::kWarpOut,
            warp_token = warp_index() / M::kOutWarps * M::kWarpTokens;
  for (int segment = 0; segment < segments.count; segment++) {
    const int first_step = segment * segment_steps,
              end_step = first_step + segment_steps < steps ? first_step + segment_steps : steps;
    float sums[M::kOutTiles][M::kTokenTiles][4] = {};
    for (int i = first_step; i < end_step; i++) {
      copy_async_wait<kStages - 2>();
      block_barrier();  // the step is there, and nobody reads the one before any more
      const int ahead = i + kStages - 1;
      if (ahead < steps) load(ahead, shared + ahead % kStages * M::kStageBytes);
      copy_async_close();
      const uint8_t* stage = shared + i % kStages * M::kStageBytes;
      const uint8_t* b_rows = stage + M::kTokensAt + (warp_token + lane / 4) * kTokenStride + lane % 4 * 8;
      MLA_UNROLL
      for (int half = 0; half < 2; half++) {
        uint32_t a[M::kOutTiles][4];
        MLA_UNROLL
        for (int m = 0; m < M::kOutTiles; m++)
          load_weights<M::kWeightChunks>(a[m], stage, warp_out + m * kOutTile, half);
        MLA_UNROLL
        for (int n = 0; n < M::kTokenTiles; n++) {
          const uint8_t* from = b_rows + n * kTokenTile * kTokenStride + half * 64;
          const Pair low = *reinterpret_cast<const Pair*>(from),
                     high = *reinterpret_cast<const Pair*>(from + 32);
          const uint32_t b0 = pack_bf16(low.low, low.high), b1 = pack_bf16(high.low, high.high);
          MLA_UNROLL
          for (int m = 0; m < M::kOutTiles; m++) multiply_add(sums[m][n], a[m], b0, b1);
        }
      }
    }
    // y holds the sum of the segments before.
    const bool last = segment + 1 == segments.count;
    const int first_out = block_x() * M::kOut + warp_out + lane / 4;
    MLA_UNROLL
    for (int n = 0; n < M::kTokenTiles; n++) {
      MLA_UNROLL
      for (int side = 0; side < 2; side++) {
        const int row = tile.row + warp_token + n * kTokenTile + lane % 4 * 2 + side;
        if (!MLA_BOUND(row < tile.end)) continue;
        float* to = y + block_z() * t.y_head_stride + row * t.y_stride + first_out;
        MLA_UNROLL
        for (int some = 0; some < M::kOutTiles; some += 4) {
          float before[8];  // several before the first sum, which would wait for each
          MLA_UNROLL
          for (int i = 0; i < 8; i++) {
            const int out = (some + i / 2) * kOutTile + i % 2 * 8;
            before[i] = segment > 0 && MLA_BOUND(first_out + out < t.n) ? to[out] : 0.f;
          }
          MLA_UNROLL
          for (int i = 0; i < 8; i++) {
            const int out = (some + i / 2) * kOutTile + i % 2 * 8;
            if (!MLA_BOUND(first_out + out < t.n)) continue;
            float sum = sums[some + i / 2][n][i % 2 * 2 + side];
            if (segment > 0) sum = before[i] + sum;
            to[out] = last && bias != nullptr ? sum + bias[first_out + out] : sum;
          }
        }
      }
    }
  }
}

template <class M>
Result launch_many(const Stream& stream, const LinearTask& t, int tiles, int heads, const float* x,
                   const int32_t* indices, const int32_t* groups, const Bf16* weight, const float* bias,
                   float* y) {
  return MLA_LAUNCH(linear_many_kernel<M>, (Grid{blocks_for(t.n, M::kOut), tiles, heads}), M::kThreads,
                    M::kShared, stream, t, x, indices, groups, weight, bias, y);
}

using Large = Many<4, 2, 6, false>;
using Small = Many<2, 2, 4, true>;
// Blocks of the large kind that keep a large GPU busy.
constexpr int kEnoughBlocks = 96;

}  // namespace

bool has_large_tiles(const LinearTask& t, int heads) {
  return t.aligned && t.x_aligned && t.shared_bytes >= Large::kShared &&
         static_cast<int64_t>(blocks_for(t.n, Large::kOut)) * blocks_for(t.rows, Large::kTokens) * heads >=
             kEnoughBlocks;
}

LaunchTiles* linear_of_64() { return launch_many<Small>; }
LaunchTiles* linear_of_96() { return launch_many<Large>; }

}  // namespace mla::cuda

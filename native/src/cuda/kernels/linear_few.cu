// y = x W^T for few rows: nothing counts but the bandwidth of the memory that has the weights. Each warp copies those of its outputs to a ring of
// its own in shared memory, 256 bytes of each row at once and as far ahead as the latency needs, and waits for no other warp; the activations
// come from the first-level cache into registers, a step ahead of the products that take them.
#include "cuda/common/async.h"
#include "cuda/common/launch.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/linear_kinds.h"
#include "cuda/kernels/linear_order.h"

namespace mla::cuda {
namespace {

constexpr int kWarps = 4;
constexpr int kThreads = kWarps * kWarp;
constexpr int kStep = 128;  // of k, a stage of the ring
constexpr int kChunks = kStep / 8;
constexpr int kGroups = kStep / kGroup;
constexpr int kStages = 4;
constexpr int kStageBytes = kOutTile * kStep * 2;
constexpr int kRingBytes = kStages * kStageBytes;
constexpr int kShared = kWarps * kRingBytes;
constexpr int kRowStep = kWarp / kChunks,
              kOwnRows = kOutTile / kRowStep;  // a lane copies a chunk of each of its rows

// TokenTiles: of a warp. Ahead: groups whose activations are on their way.
template <int TokenTiles, int Ahead>
struct Few {
  static constexpr int kTokenTiles = TokenTiles, kTokens = TokenTiles * kTokenTile, kAhead = Ahead;
  static_assert(kGroups % kAhead == 0);
  static_assert(kTokens * kOutTile * 4 <= kRingBytes);  // the sums take the place of the ring, at the end
};

// What a lane gives to the products of a group: k = 2 (lane % 4) .. + 1 of each eight, of token lane / 4 of each tile.
template <class F>
struct Activations {
  Pair x[F::kTokenTiles][kGroup / 8];
};

// x (rows, k) or rows of it by `indices`; weight (n, k); bias (n) or NULL; y (rows, n). With `groups` (launches.h) the rows of a block and its
// weight are of one expert.
template <class F>
MLA_KERNEL(kThreads, 3)
linear_few_kernel(LinearTask t, const float* x, const int32_t* indices, const int32_t* groups,
                  const Bf16* weight, const float* bias, float* y) {
  LinearTile tile;
  if (!find_tile(t, groups, weight, F::kTokens, &tile)) return;
  // Warps of the same outputs, one for each segment, follow each other.
  const Segments segments = segments_of(t.n, t.k);
  const int lane = lane_index(), segment = warp_index() % segments.count;
  const int first_out = (block_x() * (kWarps / segments.count) + warp_index() / segments.count) * kOutTile;
  const int begin = segment * segments.length, left = t.k - begin,
            length = segments.length < left ? segments.length : left;
  const int steps = (length + kStep - 1) / kStep;
  uint8_t* ring = shared_memory() + warp_index() * kRingBytes;

  const int own_row = lane / kChunks, own_chunk = lane % kChunks;
  const Bf16* weights[kOwnRows];
  int places[kOwnRows];
  MLA_UNROLL
  for (int i = 0; i < kOwnRows; i++) {
    weights[i] = weight_row(t, tile, first_out + own_row + i * kRowStep) + begin + own_chunk * 8;
    places[i] = weight_place<kChunks>(own_row + i * kRowStep, own_chunk);
  }
  const auto load = [&](int step) {
    uint8_t* stage = ring + step % kStages * kStageBytes;
    const int k = step * kStep, count = count_of(k + own_chunk * 8, length, 8);
    if (t.aligned) {
      const int at = count == 0 ? 0 : k;
      MLA_UNROLL
      for (int i = 0; i < kOwnRows; i++) copy_async_16(stage + places[i], weights[i] + at, count * 2);
    } else {
      MLA_NO_UNROLL
      for (int i = own_row; i < kOutTile; i += kRowStep)
        copy_weights(stage + weight_place<kChunks>(i, own_chunk),
                     weight_row(t, tile, first_out + i) + begin + k + own_chunk * 8, count);
    }
  };

  const float* tokens[F::kTokenTiles];
  MLA_UNROLL
  for (int n = 0; n < F::kTokenTiles; n++)
    tokens[n] = x + block_z() * t.x_head_stride +
                token_row(tile, indices, n * kTokenTile + lane / 4) * t.x_stride + begin + lane % 4 * 2;
  const auto fetch = [&](int k, Activations<F>& a) {
    MLA_UNROLL
    for (int n = 0; n < F::kTokenTiles; n++) {
      MLA_UNROLL
      for (int i = 0; i < kGroup / 8; i++) a.x[n][i] = *reinterpret_cast<const Pair*>(tokens[n] + k + i * 8);
    }
  };
  const auto fetch_guarded = [&](int k, Activations<F>& a) {
    MLA_UNROLL
    for (int n = 0; n < F::kTokenTiles; n++) {
      MLA_UNROLL
      for (int i = 0; i < kGroup / 8; i++) {
        const int at = k + i * 8, own = at + lane % 4 * 2;
        a.x[n][i].low = MLA_BOUND(own < length) ? tokens[n][at] : 0.f;
        a.x[n][i].high = MLA_BOUND(own + 1 < length) ? tokens[n][at + 1] : 0.f;
      }
    }
  };
  float sums[F::kTokenTiles][4] = {};
  const int own_place = weight_place<kChunks>(lane % 16, lane / 16);
  const auto multiply = [&](const uint8_t* stage, int group, const Activations<F>& a) {
    MLA_UNROLL
    for (int half = 0; half < 2; half++) {
      uint32_t w[4];
      load_matrix(w, stage + (own_place ^ (group * 2 + half) * 32));
      MLA_UNROLL
      for (int n = 0; n < F::kTokenTiles; n++)
        multiply_add(sums[n], w, pack_bf16(a.x[n][half * 2].low, a.x[n][half * 2].high),
                     pack_bf16(a.x[n][half * 2 + 1].low, a.x[n][half * 2 + 1].high));
    }
  };

  MLA_UNROLL
  for (int i = 0; i < kStages - 1; i++) {
    if (i < steps) load(i);
    copy_async_close();
  }
  const auto await = [&](int step) {
    copy_async_wait<kStages - 2>();
    warp_barrier();  // the step is there, and no lane reads the one before any more
    if (step + kStages - 1 < steps) load(step + kStages - 1);
    copy_async_close();
    return ring + step % kStages * kStageBytes;
  };
  // Steps whose activations, and those of the step behind, are there without a look at each.
  const int whole = t.x_aligned ? length / kStep : 0;
  Activations<F> ahead[F::kAhead];
  if (whole > 0) {
    MLA_UNROLL
    for (int g = 0; g < F::kAhead; g++) fetch(g * kGroup, ahead[g]);
  }
  for (int step = 0; step + 1 < whole; step++) {
    const uint8_t* stage = await(step);
    MLA_UNROLL
    for (int g = 0; g < kGroups; g++) {
      const Activations<F> now = ahead[g % F::kAhead];
      fetch(step * kStep + (g + F::kAhead) * kGroup, ahead[g % F::kAhead]);
      multiply(stage, g, now);
    }
  }
  for (int step = whole > 0 ? whole - 1 : 0; step < steps; step++) {
    const uint8_t* stage = await(step);
    MLA_UNROLL
    for (int g = 0; g < kGroups; g++) {
      if (step * kStep + g * kGroup >= length) continue;
      if (step >= whole || g >= F::kAhead) fetch_guarded(step * kStep + g * kGroup, ahead[g % F::kAhead]);
      multiply(stage, g, ahead[g % F::kAhead]);
    }
  }

  warp_barrier();  // the ring becomes the sums, (token, out)
  auto* own = reinterpret_cast<float*>(ring);
  MLA_UNROLL
  for (int n = 0; n < F::kTokenTiles; n++) {
    MLA_UNROLL
    for (int i = 0; i < 4; i++)
      own[(n * kTokenTile + lane % 4 * 2 + i % 2) * kOutTile + lane / 4 + i / 2 * 8] = sums[n][i];
  }
  block_barrier();
  if (segment != 0) return;
  for (int i = lane; i < F::kTokens * kOutTile; i += kWarp) {
    const int row = tile.row + i / kOutTile, out = first_out + i % kOutTile;
    if (!MLA_BOUND(row < tile.end) || !MLA_BOUND(out < t.n)) continue;
    float sum = own[i];
    for (int s = 1; s < segments.count; s++) sum += own[s * kRingBytes / 4 + i];
    y[block_z() * t.y_head_stride + row * t.y_stride + out] = bias == nullptr ? sum : sum + bias[out];
  }
}

template <class F>
Result launch_few(const Stream& stream, const LinearTask& t, int tiles, int heads, const float* x,
                  const int32_t* indices, const int32_t* groups, const Bf16* weight, const float* bias,
                  float* y) {
  const int outs = kWarps / segments_of(t.n, t.k).count * kOutTile;
  return MLA_LAUNCH(linear_few_kernel<F>, (Grid{blocks_for(t.n, outs), tiles, heads}), kThreads, kShared,
                    stream, t, x, indices, groups, weight, bias, y);
}

}  // namespace

LaunchTiles* linear_of_8() { return launch_few<Few<1, 4>>; }
LaunchTiles* linear_of_16() { return launch_few<Few<2, 2>>; }

}  // namespace mla::cuda

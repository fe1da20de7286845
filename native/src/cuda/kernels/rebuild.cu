// Rebuilt keys and values of a piece of each sequence: the latents of its tokens times the rows of latent_up, for every head.
//
// On tensor cores a block computes kTokens tokens and kOut rows of a head's latent_up, an ordinary product of two bf16 matrices whose rows both come
// by copies: 128 x 128 multiplies 64 FLOP for each byte that it takes from the second-level cache. In float32 a warp computes one number of
// 32 tokens, lanes in turn.
#include "cuda/common/async.h"
#include "cuda/common/launch.h"
#include "cuda/common/matrix.h"
#include "cuda/common/number.h"
#include "cuda/common/sync.h"
#include "cuda/kernels/launches.h"
#include "cuda/kernels/rebuild.h"

namespace mla::cuda {
namespace {

constexpr int kTokens = 128, kOut = 128;
constexpr int kTokenWarps = 2, kOutWarps = 4;
constexpr int kThreads = kTokenWarps * kOutWarps * kWarp;
constexpr int kTokenTiles = kTokens / kTokenWarps / 16, kOutTiles = kOut / kOutWarps / 8;  // of a warp
constexpr int kStep = 32;
constexpr int kStages = 4;
// Padded by 16: the rows of an 8 x 8 tile lie in different banks.
constexpr int kStride = kStep * 2 + 16;
constexpr int kStageBytes = (kTokens + kOut) * kStride;
constexpr int kRowThreads = kStep / 8;  // that copy a row of a step
constexpr int kOwnRows = kTokens * kRowThreads / kThreads;
static_assert(kTokens == kOut && kOwnRows * kThreads == kTokens * kRowThreads);

// The tokens of the piece that a sequence has: end of them, or 0.
MLA_DEVICE int piece_end(const mla_step_params& p, const RebuildTask& t, const int32_t* plan, int sequence) {
  if (sequence >= plan[0]) return 0;
  const auto s = reinterpret_cast<const PlannedSequence*>(plan + plan_layout(p).sequences)[sequence];
  if (s.queries == 0) return 0;
  return s.kv_tokens < t.first + t.tokens ? s.kv_tokens : t.first + t.tokens;
}

// weight: (heads, nope + value, latent); rebuilt: see rebuild.h. nope, value and latent are multiples of 8.
MLA_KERNEL(kThreads, 2)
rebuild_kernel(mla_step_params p, mla_cache_params c, RebuildTask t, const int32_t* plan,
               const uint8_t* cache, const int32_t* page_table, const Bf16* weight, Bf16* rebuilt) {
  uint8_t* shared = shared_memory();
  const int sequence = block_z(), tiles = (t.nope + t.value + kOut - 1) / kOut;
  const int head = block_y() / tiles, out = block_y() % tiles * kOut, token = t.first + block_x() * kTokens;
  const int end = piece_end(p, t, plan, sequence);
  if (token >= end) return;

  // This thread copies chunk thread % kRowThreads of rows thread / kRowThreads, + kThreads / kRowThreads, ...
  const int own = thread_x() / kRowThreads, chunk = thread_x() % kRowThreads * 8;
  const int32_t* pages = page_table + static_cast<int64_t>(sequence) * p.page_table_stride;
  const uint8_t* latents[kOwnRows];
  const Bf16* weights[kOwnRows];
  MLA_UNROLL
  for (int i = 0; i < kOwnRows; i++) {
    const int row = own + i * (kThreads / kRowThreads);
    latents[i] = MLA_BOUND(token + row < end) ? row_of(c, cache, pages, token + row) : nullptr;
    weights[i] = MLA_BOUND(out + row < t.nope + t.value)
                     ? weight + head * t.weight_head_stride + (out + row) * t.weight_stride
                     : nullptr;
  }
  const int steps = (c.latent + kStep - 1) / kStep;
  const auto load = [&](int step, uint8_t* stage) {
    const int k = step * kStep + chunk;
    const bool inside = MLA_BOUND(k < c.latent);
    MLA_UNROLL
    for (int i = 0; i < kOwnRows; i++) {
      uint8_t* to = stage + (own + i * (kThreads / kRowThreads)) * kStride + chunk * 2;
      const bool token_there = inside && latents[i] != nullptr,
                 weight_there = inside && weights[i] != nullptr;
      copy_async_16(to, token_there ? latents[i] + k * 2 : cache, token_there ? 16 : 0);
      copy_async_16(to + kTokens * kStride, weight_there ? weights[i] + k : weight, weight_there ? 16 : 0);
    }
  };

  MLA_UNROLL
  for (int i = 0; i < kStages - 1; i++) {
    if (i < steps) load(i, shared + i * kStageBytes);
    copy_async_close();
  }
  const int lane = lane_index(), first_token = warp_index() % kTokenWarps * (kTokens / kTokenWarps),
            first_out = warp_index() / kTokenWarps * (kOut / kOutWarps);
  float sums[kTokenTiles][kOutTiles][4] = {};
  const bool has_work = token + first_token < end && out + first_out < t.nope + t.value;
  for (int i = 0; i < steps; i++) {
    copy_async_wait<kStages - 2>();
    block_barrier();  // the step is there, and nobody reads the one before any more
    const int ahead = i + kStages - 1;
    if (ahead < steps) load(ahead, shared + ahead % kStages * kStageBytes);
    copy_async_close();
    if (!has_work) continue;
    const uint8_t* stage = shared + i % kStages * kStageBytes;
    const uint8_t* a_row = stage + (first_token + lane % 16) * kStride + lane / 16 * 16;
    const uint8_t* b_row = stage + (kTokens + first_out + lane % 8) * kStride + lane / 8 * 16;
    uint32_t b[kOutTiles][4];
    MLA_UNROLL
    for (int n = 0; n < kOutTiles; n++) load_matrix(b[n], b_row + n * 8 * kStride);
    MLA_UNROLL
    for (int half = 0; half < 2; half++) {
      MLA_UNROLL
      for (int m = 0; m < kTokenTiles; m++) {
        uint32_t a[4];
        load_matrix(a, a_row + m * 16 * kStride + half * 32);
        MLA_UNROLL
        for (int n = 0; n < kOutTiles; n++) multiply_add(sums[m][n], a, b[n][half * 2], b[n][half * 2 + 1]);
      }
    }
  }

  MLA_UNROLL
  for (int m = 0; m < kTokenTiles; m++) {
    MLA_UNROLL
    for (int half = 0; half < 2; half++) {
      const int row = token + first_token + m * 16 + half * 8 + lane / 4;
      if (!MLA_BOUND(row < end)) continue;
      auto* to = reinterpret_cast<uint32_t*>(rebuilt + rebuilt_row(t, p.heads, sequence, row, head));
      MLA_UNROLL
      for (int n = 0; n < kOutTiles; n++) {
        const int o = out + first_out + n * 8 + lane % 4 * 2,
                  column = o < t.nope ? o : t.values_at + o - t.nope;
        if (MLA_BOUND(o < t.nope + t.value))
          to[column / 2] = pack_bf16(sums[m][n][half * 2], sums[m][n][half * 2 + 1]);
      }
    }
  }
}

constexpr int kPlainWarps = 4, kPlainThreads = kPlainWarps * kWarp, kPlainTokens = 32;

template <class C, class W, class R>
struct Types {
  using Cached = C;
  using Weight = W;
  using Rebuilt = R;
};

template <class T>
MLA_KERNEL(kPlainThreads, 1)
rebuild_f32_kernel(mla_step_params p, mla_cache_params c, RebuildTask t, const int32_t* plan,
                   const uint8_t* cache, const int32_t* page_table, const typename T::Weight* weight,
                   typename T::Rebuilt* rebuilt) {
  const int sequence = block_z(), tiles = (t.nope + t.value + kPlainWarps - 1) / kPlainWarps;
  const int head = block_y() / tiles, o = block_y() % tiles * kPlainWarps + warp_index();
  const int token = t.first + block_x() * kPlainTokens, end = piece_end(p, t, plan, sequence);
  if (token >= end || !MLA_BOUND(o < t.nope + t.value)) return;
  const int32_t* pages = page_table + static_cast<int64_t>(sequence) * p.page_table_stride;
  const auto* w = weight + head * t.weight_head_stride + o * t.weight_stride;
  const int column = o < t.nope ? o : t.values_at + o - t.nope;
  for (int i = 0; i < kPlainTokens && MLA_BOUND(token + i < end); i++) {
    const auto* latent = reinterpret_cast<const typename T::Cached*>(row_of(c, cache, pages, token + i));
    float sum = 0;
    if (latent != nullptr) {
      for (int k = lane_index(); k < c.latent; k += kWarp)
        sum = fmaf(to_float(latent[k]), to_float(w[k]), sum);
    }
    sum = warp_sum(sum);
    if (lane_index() != 0) continue;
    auto* to = rebuilt + rebuilt_row(t, p.heads, sequence, token + i, head) + column;
    if constexpr (sizeof *to == 2)
      *to = to_bf16(sum);
    else
      *to = sum;
  }
}

template <class T>
Result launch_f32(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                  const RebuildTask& t, const int32_t* plan, const void* cache, const int32_t* page_table,
                  const void* weight, void* rebuilt) {
  const Grid grid{blocks_for(t.tokens, kPlainTokens), p.heads * blocks_for(t.nope + t.value, kPlainWarps),
                  p.max_sequences};
  return MLA_LAUNCH(rebuild_f32_kernel<T>, grid, kPlainThreads, 0, stream, p, c, t, plan,
                    static_cast<const uint8_t*>(cache), page_table,
                    static_cast<const typename T::Weight*>(weight),
                    static_cast<typename T::Rebuilt*>(rebuilt));
}

}  // namespace

Result rebuild(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
               const RebuildTask& t, const int32_t* plan, const void* cache, const int32_t* page_table,
               const Bf16* weight, Bf16* rebuilt) {
  const Grid grid{blocks_for(t.tokens, kTokens), p.heads * blocks_for(t.nope + t.value, kOut),
                  p.max_sequences};
  return MLA_LAUNCH(rebuild_kernel, grid, kThreads, kStages * kStageBytes, stream, p, c, t, plan,
                    static_cast<const uint8_t*>(cache), page_table, weight, rebuilt);
}

Result rebuild_f32(const Stream& stream, const mla_step_params& p, const mla_cache_params& c,
                   const RebuildTask& t, int weight_type, bool rounds, const int32_t* plan, const void* cache,
                   const int32_t* page_table, const void* weight, void* rebuilt) {
  const bool widens = weight_type == MLA_TYPE_BF16;
  auto* launch = widens ? &launch_f32<Types<Bf16, Bf16, float>> : &launch_f32<Types<Bf16, float, float>>;
  if (c.cache_type == MLA_TYPE_F32)
    launch = widens ? &launch_f32<Types<float, Bf16, float>> : &launch_f32<Types<float, float, float>>;
  else if (rounds)
    launch = widens ? &launch_f32<Types<Bf16, Bf16, Bf16>> : &launch_f32<Types<Bf16, float, Bf16>>;
  return launch(stream, p, c, t, plan, cache, page_table, weight, rebuilt);
}

}  // namespace mla::cuda

// Latent rows into the cache in one pass: norm of the latent, rotation of the key, rounding, zeros into the padding. A block for a token.
#include "cuda/common/block.h"
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/kernels/launches.h"

namespace mla::cuda {
namespace {

constexpr int kThreads = 128;

template <class Stored>
MLA_DEVICE Stored stored(float x) {
  if constexpr (sizeof(Stored) == 2)
    return to_bf16(x);
  else
    return x;
}

template <class Stored>
MLA_KERNEL(kThreads, 1)
append_kernel(mla_append_params p, mla_cache_params c, const float* latent_and_key, const float* norm_weight,
              const float* cosines, const float* sines, const int32_t* slots, uint8_t* cache) {
  auto* scratch = reinterpret_cast<float*>(shared_memory());
  const int64_t token = block_x();
  const int slot = slots[token], page = slot / c.page_size;
  if (!MLA_BOUND(slot >= 0 && page < c.page_count)) return;
  const float* from = latent_and_key + token * p.latent_and_key_stride;
  auto* row =
      reinterpret_cast<Stored*>(cache + page * c.page_stride_bytes + slot % c.page_size * c.row_stride_bytes);

  float factor = 1;
  if (norm_weight != nullptr) {
    float squares = 0;
    for (int i = thread_x(); i < c.latent; i += kThreads) squares = fmaf(from[i], from[i], squares);
    factor = 1.f / sqrtf(block_sum(squares, scratch) / static_cast<float>(c.latent) + p.eps);
  }
  for (int i = thread_x(); i < c.latent; i += kThreads)
    row[i] = stored<Stored>(norm_weight == nullptr ? from[i] : norm_weight[i] * (from[i] * factor));

  const int pairs = c.rope / 2;
  for (int i = thread_x(); i < pairs; i += kThreads) {
    const int first = p.rope_layout == MLA_ROPE_PAIRS ? 2 * i : i;
    const int second = p.rope_layout == MLA_ROPE_PAIRS ? first + 1 : first + pairs;
    const float x = from[c.latent + first], y = from[c.latent + second];
    const float cosine = cosines[token * pairs + i], sine = sines[token * pairs + i];
    row[c.rope_offset + first] = stored<Stored>(x * cosine - y * sine);
    row[c.rope_offset + second] = stored<Stored>(y * cosine + x * sine);
  }

  for (int i = c.latent + thread_x(); i < c.rope_offset; i += kThreads) row[i] = stored<Stored>(0.f);
  const int width = static_cast<int>(c.row_stride_bytes / sizeof(Stored));
  for (int i = c.rope_offset + c.rope + thread_x(); i < width; i += kThreads) row[i] = stored<Stored>(0.f);
}

}  // namespace

Result append(const Stream& stream, const mla_append_params& p, const mla_cache_params& c,
              const float* latent_and_key, const float* norm_weight, const float* cosines, const float* sines,
              const int32_t* slots, void* cache) {
  const Grid grid{p.tokens, 1, 1};
  constexpr int kShared = kThreads / kWarp * 4;
  if (c.cache_type == MLA_TYPE_BF16)
    return MLA_LAUNCH(append_kernel<Bf16>, grid, kThreads, kShared, stream, p, c, latent_and_key, norm_weight,
                      cosines, sines, slots, static_cast<uint8_t*>(cache));
  return MLA_LAUNCH(append_kernel<float>, grid, kThreads, kShared, stream, p, c, latent_and_key, norm_weight,
                    cosines, sines, slots, static_cast<uint8_t*>(cache));
}

}  // namespace mla::cuda

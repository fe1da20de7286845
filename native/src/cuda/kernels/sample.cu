// A token from logits as temperature, top-k and top-p say, on the device, so that only its id comes back. A block for each row.
//
// The k-th largest logit, and the smallest one with which the probabilities reach p, are found bit by bit over the order of float32 as an
// integer: 32 passes over the row, each a count or a sum of a fixed order. Then threads add up their own stretch of the row, and the one in
// which the drawn number lies looks for it.
#include "cuda/common/block.h"
#include "cuda/common/launch.h"
#include "cuda/common/number.h"
#include "cuda/kernels/launches.h"

namespace mla::cuda {
namespace {

// Threads of a block, for rows of up to kFewLogits and for wider ones.
constexpr int kFew = 256, kMany = 1024, kFewLogits = 8192;

// Rises as x does; 0 for NaN.
MLA_DEVICE uint32_t key_of(float x) {
  const uint32_t bits = bits_of_float(x);
  if (x != x) return 0;
  return bits >> 31 ? ~bits : bits | 0x80000000u;
}

// The largest key such that the sum of value(key, x) over all x of at least it reaches `wanted`; 0 where even all of them do not.
// scratch: two float32 for each warp.
template <int Threads, class Value>
MLA_DEVICE uint32_t threshold(const float* row, int width, float wanted, float* scratch, Value value) {
  uint32_t found = 0;
  MLA_NO_UNROLL
  for (int bit = 31; bit >= 0; bit--) {
    const uint32_t tried = found | 1u << bit;
    float sum = 0;
    for (int i = thread_x(); i < width; i += Threads) {
      if (key_of(row[i]) >= tried) sum += value(row[i]);
    }
    // by turns in its halves: slower warps may still read the one before
    if (block_sum(sum, scratch + bit % 2 * (Threads / kWarp)) >= wanted) found = tried;
  }
  return found;
}

// logits (rows, width), uniform (rows) in [0, 1), ids_out (rows).
template <int Threads>
MLA_KERNEL(Threads, 1)
sample_kernel(const float* logits, int64_t logits_stride, int width, float temperature, int top_k,
              float top_p, const float* uniform, int32_t* ids_out) {
  constexpr int kWarps = Threads / kWarp;
  auto* scratch = reinterpret_cast<float*>(shared_memory());  // 2 * kWarps
  float* sums = scratch + 2 * kWarps;                         // Threads
  const float* row = logits + block_x() * logits_stride;

  float max = -kInfinity;
  for (int i = thread_x(); i < width; i += Threads) max = fmaxf(max, row[i]);
  max = warp_max(max);
  if (lane_index() == 0) scratch[warp_index()] = max;
  block_barrier();
  for (int w = 0; w < kWarps; w++) max = fmaxf(max, scratch[w]);
  const auto weight = [&](float x) { return x == x ? expf((x - max) / temperature) : 0.f; };

  uint32_t least = 1;  // key of the smallest logit that may be drawn
  if (top_k > 0 && top_k < width)
    least = threshold<Threads>(row, width, static_cast<float>(top_k), scratch, [](float) { return 1.f; });
  if (top_p < 1) {
    float total = 0;
    for (int i = thread_x(); i < width; i += Threads) {
      if (key_of(row[i]) >= least) total += weight(row[i]);
    }
    total = block_sum(total, scratch + kWarps);
    block_barrier();
    const uint32_t reaching = threshold<Threads>(row, width, top_p * total, scratch, weight);
    if (reaching > least) least = reaching;
  }
  if (least == 0) least = 1;

  const int stretch = (width + Threads - 1) / Threads, begin = thread_x() * stretch;
  const int end = begin + stretch < width ? begin + stretch : width;
  float sum = 0;
  for (int i = begin; i < end; i++) {
    if (key_of(row[i]) >= least) sum += weight(row[i]);
  }
  sums[thread_x()] = sum;
  block_barrier();
  if (thread_x() != 0) return;
  float total = 0;
  MLA_NO_UNROLL
  for (int t = 0; t < Threads; t++) total += sums[t];
  const float wanted = uniform[block_x()] * total;
  float reached = 0;
  int drawn = -1, chosen = 0;
  MLA_NO_UNROLL
  for (int t = 0; t < Threads; t++) {
    if (sums[t] == 0) continue;
    drawn = t;  // the last one with a weight, where rounding leaves the number behind all of them
    if (reached + sums[t] > wanted) break;
    reached += sums[t];
  }
  for (int i = drawn * stretch; drawn >= 0 && i < width && i < (drawn + 1) * stretch; i++) {
    if (key_of(row[i]) < least || weight(row[i]) == 0) continue;
    chosen = i;
    reached += weight(row[i]);
    if (reached > wanted) break;
  }
  ids_out[block_x()] = chosen;
}

}  // namespace

Result sample(const Stream& stream, const float* logits, int64_t logits_stride, int rows, int width,
              float temperature, int top_k, float top_p, const float* uniform, int32_t* ids_out) {
  const bool few = width <= kFewLogits;
  const int threads = few ? kFew : kMany, shared = (2 * threads / kWarp + threads) * 4;
  if (few)
    return MLA_LAUNCH(sample_kernel<kFew>, (Grid{rows, 1, 1}), threads, shared, stream, logits, logits_stride,
                      width, temperature, top_k, top_p, uniform, ids_out);
  return MLA_LAUNCH(sample_kernel<kMany>, (Grid{rows, 1, 1}), threads, shared, stream, logits, logits_stride,
                    width, temperature, top_k, top_p, uniform, ids_out);
}

}  // namespace mla::cuda

// The positions of the k largest scores of each row, in rising order; of equal ones the lower is taken, and NaN is the smallest.
//
// The k-th largest is found digit by digit, the highest first: how many scores share the digits that are known says what the next one is.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

// A number that is the larger the larger the score; 0 and -0 are equal.
MLA_INLINE uint32_t order_key(float score) {
  if (score != score) return 0;
  int32_t bits;
  const float x = score + 0.f;
  __builtin_memcpy(&bits, &x, sizeof bits);
  return (uint32_t)(bits ^ ((bits >> 31) | INT32_MIN));
}

// The largest digit such that those of `counts` above it are fewer than `left`, which become fewer by them.
inline uint32_t digit_of(const int32_t* counts, int digits, int* left) {
  int digit = digits - 1;
  for (; counts[digit] < *left; digit--) *left -= counts[digit];
  return (uint32_t)digit;
}

inline void top_k_row(const float* scores, int n, int k, int32_t* chosen) {
  constexpr int kBits = 11, kLowBits = 32 - 2 * kBits;
  int32_t counts[1 << kBits] = {};
  int left = k;
  for (int s = 0; s < n; s++) counts[order_key(scores[s]) >> (32 - kBits)]++;
  const uint32_t high = digit_of(counts, 1 << kBits, &left);
  for (int32_t& x : counts) x = 0;
  for (int s = 0; s < n; s++) {
    const uint32_t key = order_key(scores[s]);
    if (key >> (32 - kBits) == high) counts[(key >> kLowBits) & ((1 << kBits) - 1)]++;
  }
  const uint32_t middle = high << kBits | digit_of(counts, 1 << kBits, &left);
  for (int32_t& x : counts) x = 0;
  for (int s = 0; s < n; s++) {
    const uint32_t key = order_key(scores[s]);
    if (key >> kLowBits == middle) counts[key & ((1 << kLowBits) - 1)]++;
  }
  const uint32_t kth = middle << kLowBits | digit_of(counts, 1 << kLowBits, &left);
  for (int s = 0, written = 0; written < k; s++) {
    const uint32_t key = order_key(scores[s]);
    const bool equal = key == kth && left > 0;
    chosen[written] = s;
    written += key > kth || equal;
    left -= equal;
  }
}

template <class Isa>
void top_k(const float* scores, int64_t scores_stride, int rows, int first_count, int k, int32_t* chosen) {
  for (int i = 0; i < rows; i++) {
    const int n = first_count + i;
    int32_t* to = chosen + (int64_t)i * k;
    if (n > k) {
      top_k_row(scores + i * scores_stride, n, k, to);
      continue;
    }
    for (int s = 0; s < k; s++) to[s] = s < n ? s : -1;
  }
}

inline bool check_top_k(const float* scores, int64_t scores_stride, int rows, int first_count, int k,
                        const int32_t* chosen) {
  require_range("rows", rows, 0, 1 << 24);
  require_range("first_count", first_count, 0, (1 << 24) + 1 - rows);
  require_range("k", k, 1, 1 << 24);
  if (rows == 0) return false;
  require_pointer("chosen", chosen);
  if (first_count + rows - 1 > k) {
    require_stride("scores_stride", scores_stride, rows, 0);
    require_pointer("scores", scores);
  }
  return true;
}

}  // namespace
}  // namespace mla

// The numbers of a rebuild: keys and values of cached tokens, computed for every head from their latents into a workspace.
#pragma once
#include <cstdint>

namespace mla::cuda {

// A tile of the softmax; what is rebuilt at once is a multiple of it, so that the bits do not depend on how much that is.
constexpr int kRebuiltTile = 64;

// One piece of every sequence: its tokens `first` .. first + tokens, rebuilt and then attended to by the next launch. A rebuilt row is the
// unrotated key of a head (nope), then from element values_at on its value; it is row `(sequence * tokens + token - first) * heads + head`.
struct RebuildTask {
  int32_t nope, value;
  int32_t values_at, row;  // in elements; multiples of 8
  int32_t first, tokens;
  int32_t last;  // 1: the last piece
  int32_t reserved;
  int64_t weight_head_stride, weight_stride;
};

}  // namespace mla::cuda

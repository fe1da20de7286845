// The numbers of a linear operation on a device, for each of its heads or groups.
#pragma once
#include <cstdint>

namespace mla::cuda {

struct LinearTask {
  int32_t rows, k, n;
  int32_t in_out;        // 1: the weight is k x n, else n x k
  int32_t aligned;       // 1: weight rows begin at multiples of 16 bytes
  int32_t x_aligned;     // 1: so do rows of x
  int32_t shared_bytes;  // of the device
  int32_t rounds;        // float32 weights alone: 1: activations are rounded to bf16
  int64_t x_stride, weight_stride, y_stride;
  int64_t x_head_stride, weight_head_stride, y_head_stride;
  int64_t group_stride;  // between the weights of two experts
};

}  // namespace mla::cuda

// y = weight * (x - mean(x)) / sqrt(variance(x) + eps) + bias.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class Isa>
void layer_norm_row(const float* x, const float* weight, const float* bias, float eps, int width, float* y) {
  constexpr int L = Isa::L;
  F<Isa> total = Isa::zero();
  for (int i = 0; i < width; i += L) total = Isa::add(total, Isa::load(x + i, min_int(L, width - i)));
  const F<Isa> mean = Isa::set1(sum<Isa>(total) / (float)width);
  F<Isa> squares = Isa::zero();
  int i = 0;
  for (; i + L <= width; i += L) {
    const F<Isa> a = Isa::sub(Isa::load(x + i), mean);
    squares = Isa::fma(a, a, squares);
  }
  if (i < width) {
    // lanes behind the end are the mean itself, and count nothing
    float rest[L];
    Isa::store(rest, mean);
    for (int j = i; j < width; j++) rest[j - i] = x[j];
    const F<Isa> a = Isa::sub(Isa::load(rest), mean);
    squares = Isa::fma(a, a, squares);
  }
  const float variance = sum<Isa>(squares) / (float)width;
  const F<Isa> factor = Isa::set1(1.f / __builtin_sqrtf(variance + eps));
  for (i = 0; i < width; i += L) {
    const int n = min_int(L, width - i);
    const F<Isa> normed = Isa::mul(Isa::sub(Isa::load(x + i, n), mean), factor);
    Isa::store(y + i, Isa::fma(Isa::load(weight + i, n), normed, Isa::load(bias + i, n)), n);
  }
}

template <class Isa>
void layer_norm(const float* x, int64_t x_stride, const float* weight, const float* bias, float eps, int rows,
                int width, float* y, int64_t y_stride) {
  for (int i = 0; i < rows; i++)
    layer_norm_row<Isa>(x + i * x_stride, weight, bias, eps, width, y + i * y_stride);
}

inline bool check_layer_norm(const float* x, int64_t x_stride, const float* weight, const float* bias,
                             float eps, int rows, int width, const float* y, int64_t y_stride) {
  require_range("rows", rows, 0, INT_MAX);
  require_range("width", width, 1, INT_MAX);
  require_eps(eps);
  require_stride("x_stride", x_stride, rows, 0);
  require_stride("y_stride", y_stride, rows, width);
  if (rows == 0) return false;
  require_pointer("x", x);
  require_pointer("weight", weight);
  require_pointer("bias", bias);
  require_pointer("y", y);
  return true;
}

}  // namespace
}  // namespace mla

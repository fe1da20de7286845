// y = weight * x / sqrt(mean(x^2) + eps).
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class Isa>
void rms_norm_row(const float* x, const float* weight, float eps, int width, float* y) {
  constexpr int L = Isa::L;
  F<Isa> s0 = Isa::zero(), s1 = Isa::zero();
  int i = 0;
  for (; i + 2 * L <= width; i += 2 * L) {
    const F<Isa> a = Isa::load(x + i), b = Isa::load(x + i + L);
    s0 = Isa::fma(a, a, s0);
    s1 = Isa::fma(b, b, s1);
  }
  for (; i < width; i += L) {
    const F<Isa> a = Isa::load(x + i, min_int(L, width - i));
    s0 = Isa::fma(a, a, s0);
  }
  const float mean = sum<Isa>(Isa::add(s0, s1)) / (float)width;
  const F<Isa> factor = Isa::set1(1.f / __builtin_sqrtf(mean + eps));
  for (i = 0; i < width; i += L) {
    const int n = min_int(L, width - i);
    Isa::store(y + i, Isa::mul(Isa::load(weight + i, n), Isa::mul(Isa::load(x + i, n), factor)), n);
  }
}

template <class Isa>
void rms_norm(const float* x, int64_t x_stride, const float* weight, float eps, int rows, int width, float* y,
              int64_t y_stride) {
  for (int i = 0; i < rows; i++) rms_norm_row<Isa>(x + i * x_stride, weight, eps, width, y + i * y_stride);
}

inline bool check_rms_norm(const float* x, int64_t x_stride, const float* weight, float eps, int rows,
                           int width, const float* y, int64_t y_stride) {
  require_range("rows", rows, 0, INT_MAX);
  require_range("width", width, 1, INT_MAX);
  require_eps(eps);
  require_stride("x_stride", x_stride, rows, 0);
  require_stride("y_stride", y_stride, rows, width);
  if (rows == 0) return false;
  require_pointer("x", x);
  require_pointer("weight", weight);
  require_pointer("y", y);
  return true;
}

}  // namespace
}  // namespace mla

// y = x - scale * residual.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class Isa>
void subtract(const float* x, int64_t x_stride, const float* residual, int64_t residual_stride, float scale,
              int rows, int width, float* y, int64_t y_stride) {
  const F<Isa> s = Isa::set1(-scale);
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < width; j += Isa::L) {
      const int n = min_int(Isa::L, width - j);
      Isa::store(
          y + i * y_stride + j,
          Isa::fma(s, Isa::load(residual + i * residual_stride + j, n), Isa::load(x + i * x_stride + j, n)),
          n);
    }
  }
}

inline bool check_subtract(const float* x, int64_t x_stride, const float* residual, int64_t residual_stride,
                           float, int rows, int width, const float* y, int64_t y_stride) {
  require_range("rows", rows, 0, INT_MAX);
  require_range("width", width, 1, INT_MAX);
  require_stride("x_stride", x_stride, rows, 0);
  require_stride("residual_stride", residual_stride, rows, 0);
  require_stride("y_stride", y_stride, rows, width);
  if (rows == 0) return false;
  require_pointer("x", x);
  require_pointer("residual", residual);
  require_pointer("y", y);
  return true;
}

}  // namespace
}  // namespace mla

// y = min(silu(gate), limit) * clamp(up, -limit, limit), silu(g) = g / (1 + exp(-g)).
#pragma once
#include "abi/checks.h"
#include "cpu/activations.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class Isa>
void swiglu(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride, float limit, int rows,
            int width, float* y, int64_t y_stride) {
  const F<Isa> high = Isa::set1(limit), low = Isa::set1(-limit);
  for (int i = 0; i < rows; i++) {
    for (int j = 0; j < width; j += Isa::L) {
      const int n = min_int(Isa::L, width - j);
      const F<Isa> g = silu<Isa>(Isa::load(gate + i * gate_stride + j, n));
      const F<Isa> u = Isa::load(up + i * up_stride + j, n);
      // In this order NaN stays NaN.
      const F<Isa> a = Isa::select_less(high, g, high, g);
      const F<Isa> b = Isa::select_less(high, u, high, Isa::select_less(u, low, low, u));
      Isa::store(y + i * y_stride + j, Isa::mul(a, b), n);
    }
  }
}

inline bool check_swiglu(const float* gate, int64_t gate_stride, const float* up, int64_t up_stride,
                         float limit, int rows, int width, const float* y, int64_t y_stride) {
  require_range("rows", rows, 0, INT_MAX);
  require_range("width", width, 1, INT_MAX);
  require_limit(limit);
  require_stride("gate_stride", gate_stride, rows, 0);
  require_stride("up_stride", up_stride, rows, 0);
  require_stride("y_stride", y_stride, rows, width);
  if (rows == 0) return false;
  require_pointer("gate", gate);
  require_pointer("up", up);
  require_pointer("y", y);
  return true;
}

}  // namespace
}  // namespace mla

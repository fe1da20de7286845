// Rows cut into equal parts, each times a number, its sigmoid, or what of it is above 0.
#pragma once
#include "abi/checks.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class Isa>
void gate(const float* x, int64_t x_stride, const float* gates, int64_t gates_stride, int rows, int width,
          int count, int function, float* y, int64_t y_stride) {
  const F<Isa> one = Isa::set1(1.f);
  const auto factor = [&](F<Isa> g) -> F<Isa> {
    if (function == MLA_GATE_RELU) return Isa::select_less(g, Isa::zero(), Isa::zero(), g);
    if (function == MLA_GATE_IDENTITY) return g;
    return Isa::div(one, Isa::add(one, vector_exp<Isa>(Isa::sub(Isa::zero(), g))));
  };
  const int part = width / count;
  for (int i = 0; i < rows; i++) {
    const float *from = x + i * x_stride, *row_gates = gates + i * gates_stride;
    float* to = y + i * y_stride;
    if (part == 1) {
      for (int j = 0; j < width; j += Isa::L) {
        const int n = min_int(Isa::L, width - j);
        Isa::store(to + j, Isa::mul(Isa::load(from + j, n), factor(Isa::load(row_gates + j, n))), n);
      }
      continue;
    }
    for (int g = 0; g < count; g++) {
      const F<Isa> same = factor(Isa::set1(row_gates[g]));
      for (int j = g * part; j < (g + 1) * part; j += Isa::L) {
        const int n = min_int(Isa::L, (g + 1) * part - j);
        Isa::store(to + j, Isa::mul(Isa::load(from + j, n), same), n);
      }
    }
  }
}

inline bool check_gate(const float* x, int64_t x_stride, const float* gates, int64_t gates_stride, int rows,
                       int width, int count, int function, const float* y, int64_t y_stride) {
  require_range("rows", rows, 0, INT_MAX);
  require_range("width", width, 1, INT_MAX);
  require_range("count", count, 1, width);
  require_range("width % count", width % count, 0, 0);
  require_range("function", function, MLA_GATE_IDENTITY, MLA_GATE_RELU);
  require_stride("x_stride", x_stride, rows, 0);
  require_stride("gates_stride", gates_stride, rows, 0);
  require_stride("y_stride", y_stride, rows, width);
  if (rows == 0) return false;
  require_pointer("x", x);
  require_pointer("gates", gates);
  require_pointer("y", y);
  return true;
}

}  // namespace
}  // namespace mla

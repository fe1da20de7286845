// float32.
#pragma once
#include "cpu/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct F32 {
  static constexpr int kType = MLA_TYPE_F32;
  static constexpr int kElements = 1;
  typedef float Block;

  template <class Isa>
  static MLA_INLINE F<Isa> read(const float* p) {
    return Isa::load(p);
  }
  template <class Isa>
  static MLA_INLINE F<Isa> read(const float* p, int n) {
    return Isa::load(p, n);
  }
  template <class Isa>
  static MLA_INLINE void write(float* p, F<Isa> x, int n) {
    Isa::store(p, x, n);
  }
};

}  // namespace
}  // namespace mla

// bfloat16: the upper half of a float32. Written to nearest even.
#pragma once
#include "cpu/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Bf16 {
  static constexpr int kType = MLA_TYPE_BF16;
  static constexpr int kElements = 1;
  typedef uint16_t Block;

  template <class Isa>
  static MLA_INLINE F<Isa> read(const uint16_t* p) {
    return Isa::widen_bf16(p);
  }
  template <class Isa>
  static MLA_INLINE F<Isa> read(const uint16_t* p, int n) {
    return Isa::widen_bf16(p, n);
  }
  template <class Isa>
  static MLA_INLINE void write(uint16_t* p, F<Isa> x, int n) {
    Isa::store_bf16(p, x, n);
  }
};

}  // namespace
}  // namespace mla

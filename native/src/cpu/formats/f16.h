// IEEE half precision.
#pragma once
#include "cpu/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct F16 {
  static constexpr int kType = MLA_TYPE_F16;
  static constexpr int kElements = 1;
  typedef uint16_t Block;

  template <class Isa>
  static MLA_INLINE F<Isa> read(const uint16_t* p) {
    return Isa::widen_f16(p);
  }
  template <class Isa>
  static MLA_INLINE F<Isa> read(const uint16_t* p, int n) {
    return Isa::widen_f16(p, n);
  }
};

}  // namespace
}  // namespace mla

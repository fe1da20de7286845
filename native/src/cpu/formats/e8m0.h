// A power of two (OCP MX E8M0), of scales alone: 2^(b - 127), all bits set is NaN.
#pragma once
#include "cpu/lanes.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct E8M0 {
  static constexpr int kType = MLA_TYPE_E8M0;
  static constexpr int kElements = 1;
  typedef uint8_t Block;

  template <class Isa>
  static MLA_INLINE F<Isa> read(const uint8_t* p, int n) {
    alignas(64) float lanes[Isa::L] = {};
    for (int i = 0; i < n; i++) {
      // 2^-127 is the subnormal half of the smallest normal number
      const uint32_t bits = p[i] == 0 ? 0x00400000u : p[i] == 0xff ? 0x7fc00000u : (uint32_t)p[i] << 23;
      __builtin_memcpy(lanes + i, &bits, 4);
    }
    return Isa::load(lanes);
  }
};

}  // namespace
}  // namespace mla

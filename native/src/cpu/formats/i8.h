// A signed byte.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct I8 {
  static constexpr int kType = MLA_TYPE_I8;
  static constexpr int kElements = 1;
  static constexpr int kUnit = 32;  // blocks that are widened together
  typedef Bytes<1> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    scaled<Isa>((const int8_t*)b, 32, 1, to);
  }
};

}  // namespace
}  // namespace mla

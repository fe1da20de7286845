// 32 elements d q: d a float, 32 signed bytes.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Toy {
  static constexpr int kType = MLA_TYPE_TOY;
  static constexpr int kElements = 32;
  typedef Bytes<36> Block;
  static constexpr int kRun = 32;
  static constexpr bool kHasMinima = false;

  template <class Isa>
  static MLA_INLINE void codes(const Block* block, int8_t* q, float* scales, float*) {
    __builtin_memcpy(scales, block->at, 4);
    __builtin_memcpy(q, block->at + 4, 32);
  }
};

}  // namespace
}  // namespace mla

// ggml's Q8_0: d, 32 signed bytes. 32 elements d q.
#pragma once
#include "cpu/formats/blocks.h"
#include "mla/mla.h"

namespace mla {
namespace {

struct Q8_0 {
  static constexpr int kType = MLA_TYPE_Q8_0;
  static constexpr int kElements = 32;
  typedef Bytes<34> Block;

  template <class Isa>
  static MLA_INLINE void widen(const Block* block, float* to) {
    const uint8_t* b = block->at;

    scaled<Isa>((const int8_t*)b + 2, 32, half(b), to);
  }
};

}  // namespace
}  // namespace mla

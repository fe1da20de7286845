// The storage formats, and how kernels get at one by its MLA_TYPE_*. A format is a struct with
//   kType, kElements  its code, and the elements of a Block, the unit that its memory is made of
//   read<Isa>         a vector of floats from a run of blocks, or its first n lanes, where a block is one element
//   widen<Isa>        a block's elements to floats, where it is more: their number is a multiple of 16 and a divisor of 1024
//   write<Isa>        n floats to a run of blocks, for the formats of caches
#pragma once
#include <cstdint>

#include "cpu/formats/bf16.h"
#include "cpu/formats/f16.h"
#include "cpu/formats/f32.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class... Format>
struct FormatList {
  // f(Format{}) for the format of this type, which is one of the list.
  template <class Function>
  static MLA_INLINE void with(int type, Function f) {
    (void)((type == Format::kType ? (f(Format{}), true) : false) || ...);
  }
  static bool has(int type) { return ((type == Format::kType) || ...); }
};

typedef FormatList<F32, Bf16, F16> WeightFormats;
typedef FormatList<F32, Bf16> CacheFormats;

// What memory of a format is made of.
struct BlockSize {
  int elements;
  int bytes;
};

inline BlockSize block_size(int type) {
  BlockSize size{1, 0};
  WeightFormats::with(
      type, [&]<class Format>(Format) { size = {Format::kElements, (int)sizeof(typename Format::Block)}; });
  return size;
}

// Bytes of so many elements, whole blocks.
inline int64_t bytes_of(int type, int64_t elements) {
  const BlockSize block = block_size(type);
  return elements / block.elements * block.bytes;
}

// `elements`, whole blocks, from `first` on to floats.
template <class Isa, class Format>
MLA_INLINE void widen(const typename Format::Block* first, int elements, float* to) {
  if constexpr (Format::kElements == 1) {
    for (int i = 0; i < elements; i += Isa::L) {
      const int n = min_int(Isa::L, elements - i);
      Isa::store(to + i, Format::template read<Isa>(first + i, n), n);
    }
  } else {
    for (int i = 0; i < elements; i += Format::kElements)
      Format::template widen<Isa>(first + i / Format::kElements, to + i);
  }
}

}  // namespace
}  // namespace mla

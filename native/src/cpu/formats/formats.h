// The storage formats, and how kernels get at one by its MLA_TYPE_*. A format is a struct with
//   kType, kElements  its code, and the elements of a Block, the unit that its memory is made of
// Kernels read plain ones where they lie, and are instantiated for each of them:
//   read<Isa>         a vector of floats from a run of elements, or its first n lanes
//   write<Isa>        n floats to a run of elements, for the formats of caches
// Latents of caches may be codes under scales. Such a format has, for a run of kCodes elements:
//   scale             the scale of elements of a largest magnitude, which one of them has with a minus sign, or none
//   each<Isa>         put(i, v) for each vector v of codes from element i on
//   encode<Isa>       floats / scale, rounded to the nearest code
// All others are read by a function that is chosen when a kernel runs. Those of integers under scales have
//   kRun, kHasMinima  how many elements share a scale, 16 or 32, and whether they share a minimum
//   codes<Isa>        the elements of a block, or of kUnit blocks where a block is short, as signed bytes, a multiple of 32, with a scale and
//                     a minimum for each run: an element is scale * code + minimum, its code from 0 to 31 where there are minima
// and the rest
//   widen<Isa>        the same elements as floats, a multiple of 16
#pragma once
#include <cstdint>

#include "cpu/formats/bf16.h"
#include "cpu/formats/e8m0.h"
#include "cpu/formats/f16.h"
#include "cpu/formats/f32.h"
#include "cpu/formats/f4.h"
#include "cpu/formats/f8_e4m3.h"
#include "cpu/formats/i4.h"
#include "cpu/formats/i8.h"
#include "cpu/formats/iq4_nl.h"
#include "cpu/formats/iq4_xs.h"
#include "cpu/formats/mxfp4.h"
#include "cpu/formats/nl4.h"
#include "cpu/formats/q2_k.h"
#include "cpu/formats/q3_k.h"
#include "cpu/formats/q4_0.h"
#include "cpu/formats/q4_1.h"
#include "cpu/formats/q4_k.h"
#include "cpu/formats/q5_0.h"
#include "cpu/formats/q5_1.h"
#include "cpu/formats/q5_k.h"
#include "cpu/formats/q6_k.h"
#include "cpu/formats/q8_0.h"
#include "cpu/lanes.h"

namespace mla {
namespace {

template <class... Format>
struct FormatList {
  // f(Format{}) for the format of this type; false where it is not of the list.
  template <class Function>
  static MLA_INLINE bool with(int type, Function f) {
    return ((type == Format::kType ? (f(Format{}), true) : false) || ...);
  }
  static bool has(int type) { return ((type == Format::kType) || ...); }
};

typedef FormatList<F32, Bf16, F16> PlainFormats;
typedef FormatList<F32, Bf16> CacheFormats;
typedef FormatList<I8, F8_E4M3, Nl4> CodeFormats;  // of latents under scales
typedef FormatList<F32, Bf16> CacheScaleFormats;
typedef FormatList<F32, Bf16, F16, Q4_0, Q4_1, Q5_0, Q5_1, Q8_0, Q2_K, Q3_K, Q4_K, Q5_K, Q6_K, Iq4_NL, Iq4_XS,
                   Mxfp4, F8_E4M3, I8, I4, F4>
    WeightFormats;
typedef FormatList<F32, Bf16, F16, E8M0> ScaleFormats;

// What memory of a format is made of.
struct BlockSize {
  int elements;
  int bytes;
};

inline BlockSize block_size(int type) {
  BlockSize size{1, 0};
  const auto take = [&]<class Format>(Format) {
    size = {Format::kElements, (int)sizeof(typename Format::Block)};
  };
  WeightFormats::with(type, take) || CodeFormats::with(type, take);
  return size;
}

// Bytes of so many elements, whole blocks.
inline int64_t bytes_of(int type, int64_t elements) {
  const BlockSize block = block_size(type);
  return elements / block.elements * block.bytes;
}

template <class Format>
constexpr bool kHasLanes = requires { Format::kReadsLanes; };

template <class Format>
constexpr bool kIsCoded = requires { Format::kRun; };

// Blocks that are read together.
template <class Format>
constexpr int kUnitBlocks = [] {
  if constexpr (requires { Format::kUnit; })
    return Format::kUnit;
  else
    return 1;
}();

// How a type's elements are integers; a run of 0: they are not.
struct Coding {
  int run;
  bool has_minima;
};

inline Coding coding_of(int type) {
  Coding coding{0, false};
  WeightFormats::with(type, [&]<class Format>(Format) {
    if constexpr (kIsCoded<Format>) coding = {Format::kRun, Format::kHasMinima};
  });
  return coding;
}

// Elements from `first`, which begins a block, on to integers, whole blocks of 32 of them. What is behind the last element is unspecified.
typedef void (*ReadCodes)(const void* first, int elements, int8_t* q, float* scales, float* minima);

template <class Isa, class Format>
void read_codes(const void* first, int elements, int8_t* q, float* scales, float* minima) {
  constexpr int kUnit = kUnitBlocks<Format>, kRead = kUnit * Format::kElements, kRun = Format::kRun;
  const auto* block = (const typename Format::Block*)first;
  for (int i = 0; i < elements; i += kRead, block += kUnit) {
    const int left = elements - i;
    if (kUnit > 1 && left < kRead) {
      typename Format::Block rest[kUnit] = {};
      __builtin_memcpy(rest, block,
                       (size_t)((left + Format::kElements - 1) / Format::kElements) * sizeof *rest);
      Format::template codes<Isa>(rest, q + i, scales + i / kRun, minima + i / kRun);
    } else {
      Format::template codes<Isa>(block, q + i, scales + i / kRun, minima + i / kRun);
    }
  }
}

// The elements of a unit of blocks as floats.
template <class Isa, class Format>
MLA_INLINE void widen_unit(const typename Format::Block* block, float* to) {
  if constexpr (kIsCoded<Format>) {
    constexpr int kWidened = kUnitBlocks<Format> * Format::kElements, kRun = Format::kRun;
    alignas(64) int8_t q[kWidened];
    float scales[kWidened / kRun], minima[kWidened / kRun];
    Format::template codes<Isa>(block, q, scales, minima);
    for (int run = 0; run < kWidened / kRun; run++) {
      if constexpr (Format::kHasMinima)
        scaled_plus<Isa>(q + run * kRun, kRun, scales[run], minima[run], to + run * kRun);
      else
        scaled<Isa>(q + run * kRun, kRun, scales[run], to + run * kRun);
    }
  } else {
    Format::template widen<Isa>(block, to);
  }
}

// Elements from `first`, which begins a block, on to floats. The last block may be widened in part.
typedef void (*Widen)(const void* first, int elements, float* to);

template <class Isa, class Format>
void widen(const void* first, int elements, float* to) {
  const auto* block = (const typename Format::Block*)first;
  if constexpr (requires { Format::template read<Isa>(block); }) {
    for (int i = 0; i < elements; i += Isa::L) {
      const int n = min_int(Isa::L, elements - i);
      Isa::store(to + i, Format::template read<Isa>(block + i, n), n);
    }
  } else {
    constexpr int kUnit = kUnitBlocks<Format>;
    constexpr int kWidened = kUnit * Format::kElements;
    static_assert(kWidened % 16 == 0);
    int i = 0;
    for (; i + kWidened <= elements; i += kWidened, block += kUnit) widen_unit<Isa, Format>(block, to + i);
    if (i < elements) {
      typename Format::Block rest[kUnit] = {};
      alignas(64) float widened[kWidened];
      const int blocks = (elements - i + Format::kElements - 1) / Format::kElements;
      __builtin_memcpy(rest, block, (size_t)blocks * sizeof *rest);
      widen_unit<Isa, Format>(rest, widened);
      __builtin_memcpy(to + i, widened, (size_t)(elements - i) * sizeof *to);
    }
  }
}

}  // namespace
}  // namespace mla

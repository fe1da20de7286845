// All kernels, and the table of them that an instruction set's object defines.
#pragma once
#include "cpu/add.h"
#include "cpu/append.h"
#include "cpu/attention.h"
#include "cpu/combine.h"
#include "cpu/delta.h"
#include "cpu/embed.h"
#include "cpu/gate.h"
#include "cpu/head_linear.h"
#include "cpu/index_scores.h"
#include "cpu/layer_norm.h"
#include "cpu/linear.h"
#include "cpu/merge.h"
#include "cpu/probe.h"
#include "cpu/raw.h"
#include "cpu/rms_norm.h"
#include "cpu/rope.h"
#include "cpu/route.h"
#include "cpu/swiglu.h"
#include "cpu/top_k.h"

namespace mla {
namespace {

template <class Isa>
constexpr RawKernels kernels_of() {
  RawKernels kernels{Isa::kSet, Isa::kHasBf16Dot || Isa::kHasMatrix, Isa::kPrefersInt8, nullptr,
#define X(function) function<Isa>,
                     MLA_OPERATIONS(X)
#undef X
  };
  if constexpr (Isa::kIntegers == nullptr) kernels.multiply_codes = multiply_codes<Isa>;
  return kernels;
}

}  // namespace
}  // namespace mla

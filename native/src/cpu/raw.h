// The kernels of one instruction set without argument checks: what an instruction set's object defines and src/abi wraps.
#pragma once
#include <cstdint>

#include "mla/mla.h"

namespace mla {

// The functions of mla_kernels that instruction sets compute, in its order. Each is a template over Isa beside its check in a header of
// its name, or of what it belongs to (kernels.h).
#define MLA_OPERATIONS(X) \
  X(packed_bytes)         \
  X(pack)                 \
  X(linear)               \
  X(head_linear)          \
  X(attention_workspace)  \
  X(attend_absorbed)      \
  X(attend_decompressed)  \
  X(merge)                \
  X(append)               \
  X(rope)                 \
  X(rms_norm)             \
  X(swiglu)               \
  X(gate)                 \
  X(add)                  \
  X(embed)                \
  X(route) X(combine) X(attend_delta) X(layer_norm) X(index_workspace) X(index_scores) X(top_k) X(probe)

// The type of a function of mla_kernels without the error text: void (*)(..) of int32_t (*)(.., char*, int32_t). Those that return a
// count instead of a status keep theirs.
template <class Kept, class... Rest>
struct WithoutError;
template <class... Kept>
struct WithoutError<void(Kept...), char*, int32_t> {
  typedef void (*Type)(Kept...);
};
template <class... Kept, class A, class... Rest>
struct WithoutError<void(Kept...), A, Rest...> : WithoutError<void(Kept..., A), Rest...> {};

template <class Function>
struct Raw {
  typedef Function Type;
};
template <class... A>
struct Raw<int32_t (*)(A...)> : WithoutError<void(), A...> {};

// Picoseconds for a multiply-add of one thread, see mla_kernels.
struct AttentionCosts {
  double absorbed, project, decompressed, rebuild, start;
};

// What is known of an instruction set beside its kernels.
struct InstructionSet {
  const char* needs[11];  // features of a processor, as dispatch.cpp knows them; unused ones are nullptr
  const char* fast_on;    // the feature with which it is faster than those before it; nullptr: always
  const char* why;        // the reason to choose it: it is the newest and fast
  const char* why_slow;   // the reason to choose the one before it: this one is there, but slow,
  const char* why_none;   // .. or not there
  AttentionCosts costs;
};

struct RawKernels {
  InstructionSet set;
  bool has_bf16_dot;
  bool prefers_int8;
#define X(function) Raw<decltype(mla_kernels::function)>::Type function;
  MLA_OPERATIONS(X)
#undef X
};

}  // namespace mla

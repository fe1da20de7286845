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

// Scales of a weight: element (i, j) is multiplied by values[(first + i) / rows, j / columns].
struct Scales {
  const void* values;  // nullptr: none
  int type;
  int rows;
  int columns;
  int64_t stride;  // scales between rows
  int64_t first;   // the row of the plane's matrix that is row 0 of the weight
};

// Rows of activations, rounded to integers and packed (integer_rows.h), and where their results go.
struct RoundedRows {
  const char* packed;
  int rows;
  int k;
  const float* bias;
  float* y;
  int64_t y_stride;
};

struct RawKernels {
  InstructionSet set;
  bool has_bf16_dot;
  bool prefers_int8;
  // y = x W^T + bias with integers for outputs [n_begin, n_end), for those instruction sets too whose Isa::kIntegers is this table: it is
  // most of the code of a table, and theirs would be the same. nullptr where another one has it.
  void (*multiply_codes)(int type, const void* weight, int64_t row_bytes, const Scales& scales,
                         const RoundedRows& a, int n_begin, int n_end);
#define X(function) Raw<decltype(mla_kernels::function)>::Type function;
  MLA_OPERATIONS(X)
#undef X
};

}  // namespace mla

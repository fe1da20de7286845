// Which instruction sets this processor has, and which of them is fast on it.
#pragma once
#include <string>

#include "cpu/raw.h"
#include "instruction_sets.h"

namespace mla {

// The instruction sets that the library was built for, from the oldest to the newest: their places are their numbers in mla.h.
#define X(name) +1
constexpr int kInstructionSets = 0 MLA_INSTRUCTION_SETS(X);
#undef X

const char* isa_name(int isa);

// nullptr where the processor lacks it or there is no such number.
const RawKernels* raw_kernels(int isa);

// Bit i: instruction set i can be used.
int supported_isas();

// The one that MLA_ISA_AUTO means.
int preferred_isa();

// Where the table multiplies bf16 faster than float32.
bool prefers_bf16(int isa);

// Where the table multiplies 8-bit integers faster than either.
bool prefers_int8(int isa);

// One line that says why preferred_isa() is what it is.
std::string preference_reason();

}  // namespace mla

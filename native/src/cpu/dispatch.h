// Which instruction sets this processor has, and which of them is fast on it.
#pragma once
#include <string>

#include "cpu/raw.h"

namespace mla {

const char* isa_name(int isa);

// nullptr where the processor lacks it or the library was built without it.
const RawKernels* raw_kernels(int isa);

// Bit i: MLA_ISA i can be used.
int supported_isas();

// The one that MLA_ISA_AUTO means.
int preferred_isa();

// Where the table multiplies bf16 faster than float32.
bool prefers_bf16(int isa);

// One line that says why preferred_isa() is what it is.
std::string preference_reason();

}  // namespace mla

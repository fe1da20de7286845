// What the processor can do, by the names that instruction sets ask for (InstructionSet::needs).
#pragma once

namespace mla {

// Whether the processor has a feature and the system keeps its registers; false for names of other processors.
bool has_feature(const char* name);

}  // namespace mla

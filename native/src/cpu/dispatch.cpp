// Chooses by what is fast on a processor, not by what is newest: measured on Zen 5, vdpbf16ps does twice the work of a float32 FMA; on
// Emerald Rapids half of it, so bf16 widened to float32 is twice as fast there where the system refuses the matrix registers.
#include "cpu/dispatch.h"

#include <algorithm>
#include <iterator>

#include "cpu/features.h"

namespace mla {

#define X(name) extern const RawKernels name##_kernels;
MLA_INSTRUCTION_SETS(X)
#undef X

namespace {

#define X(name) #name,
const char* const kNames[] = {MLA_INSTRUCTION_SETS(X)};
#undef X

#define X(name) &name##_kernels,
const RawKernels* const kKernels[] = {MLA_INSTRUCTION_SETS(X)};
#undef X

bool is_usable(int isa) {
  const auto& needs = kKernels[isa]->set.needs;
  return std::all_of(std::begin(needs), std::end(needs),
                     [](const char* feature) { return feature == nullptr || has_feature(feature); });
}

bool is_fast(int isa) {
  const char* feature = kKernels[isa]->set.fast_on;
  return feature == nullptr || has_feature(feature);
}

}  // namespace

const char* isa_name(int isa) { return kNames[isa]; }

const RawKernels* raw_kernels(int isa) {
  return isa >= 0 && isa < kInstructionSets && is_usable(isa) ? kKernels[isa] : nullptr;
}

int supported_isas() {
  int bits = 0;
  for (int isa = 0; isa < kInstructionSets; isa++) bits |= is_usable(isa) ? 1 << isa : 0;
  return bits;
}

int preferred_isa() {
  for (int isa = kInstructionSets - 1; isa > MLA_ISA_GENERIC; isa--)
    if (is_usable(isa) && is_fast(isa)) return isa;
  return MLA_ISA_GENERIC;
}

bool prefers_bf16(int isa) { return kKernels[isa]->has_bf16_dot && is_fast(isa); }

bool prefers_int8(int isa) { return kKernels[isa]->prefers_int8; }

std::string preference_reason() {
  const int isa = preferred_isa(), next = isa + 1;
  // one that is fast on some processors alone has been chosen for being so on this one
  const bool chosen = next == kInstructionSets || kKernels[isa]->set.fast_on != nullptr;
  const char* why = chosen            ? kKernels[isa]->set.why
                    : is_usable(next) ? kKernels[next]->set.why_slow
                                      : kKernels[next]->set.why_none;
  return std::string(kNames[isa]) + ": " + why;
}

}  // namespace mla

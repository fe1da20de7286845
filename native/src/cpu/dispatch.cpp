// Chooses by what is fast on a processor, not by what is newest: measured on Zen 5, vdpbf16ps does twice the work of a float32 FMA; on
// Emerald Rapids half of it, so bf16 widened to float32 is twice as fast there.
#include "cpu/dispatch.h"

namespace mla {

extern const RawKernels generic_kernels, avx2_kernels, avx512_kernels, avx512bf16_kernels;

namespace {

#if defined(__x86_64__)
#define MLA_X86(name) &name##_kernels
#define MLA_CPU(feature) (__builtin_cpu_supports(feature) != 0)
bool is_amd() { return __builtin_cpu_is("amd"); }
#else
#define MLA_X86(name) nullptr
#define MLA_CPU(feature) false
bool is_amd() { return false; }
#endif

bool always() { return true; }
bool has_avx2() { return MLA_CPU("avx2") && MLA_CPU("fma") && MLA_CPU("f16c"); }
bool has_avx512() {
  return has_avx2() && MLA_CPU("avx512f") && MLA_CPU("avx512bw") && MLA_CPU("avx512dq") &&
         MLA_CPU("avx512vl");
}
bool has_avx512bf16() { return has_avx512() && MLA_CPU("avx512bf16"); }

struct InstructionSet {
  const char* name;
  const RawKernels* kernels;  // nullptr where the library was built without it
  bool (*runs)();             // whether the processor has it
  bool (*is_fast)();          // whether it is then faster than those before it
  const char* why;            // .. where it is
  const char* why_not_fast;
  const char* why_not;  // where the processor lacks it
};

// In the order of MLA_ISA_*, from the oldest to the newest.
const InstructionSet kSets[MLA_ISA_COUNT] = {
    {"generic", &generic_kernels, always, always, "", "", ""},
    {"avx2", MLA_X86(avx2), has_avx2, always, "", "", "the processor has no AVX2"},
    {"avx512", MLA_X86(avx512), has_avx512, always, "", "", "the processor has no AVX-512"},
    {"avx512bf16", MLA_X86(avx512bf16), has_avx512bf16, is_amd,
     "AMD multiplies bf16 pairs at twice the float32 rate",
     "the bf16 dot of this processor is slower than float32 FMA on widened bf16",
     "the processor has no bf16 dot"},
};

bool is_usable(const InstructionSet& set) { return set.kernels && set.runs(); }

}  // namespace

const char* isa_name(int isa) { return kSets[isa].name; }

const RawKernels* raw_kernels(int isa) {
  return isa >= 0 && isa < MLA_ISA_COUNT && is_usable(kSets[isa]) ? kSets[isa].kernels : nullptr;
}

int supported_isas() {
  int bits = 0;
  for (int isa = 0; isa < MLA_ISA_COUNT; isa++) bits |= is_usable(kSets[isa]) ? 1 << isa : 0;
  return bits;
}

int preferred_isa() {
  int isa = MLA_ISA_COUNT - 1;
  while (!is_usable(kSets[isa]) || !kSets[isa].is_fast()) isa--;
  return isa;
}

bool prefers_bf16(int isa) { return kSets[isa].kernels->has_bf16_dot && kSets[isa].is_fast(); }

std::string preference_reason() {
  const int isa = preferred_isa();
  std::string reason = std::string(kSets[isa].name) + ": ";
  if (isa + 1 == MLA_ISA_COUNT) return reason + kSets[isa].why;
  const InstructionSet& next = kSets[isa + 1];
  return reason + (is_usable(next) ? next.why_not_fast : next.why_not);
}

}  // namespace mla

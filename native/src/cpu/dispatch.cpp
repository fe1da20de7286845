// Chooses by what is fast on a processor, not by what is newest: measured on Zen 5, vdpbf16ps does twice the work of a float32 FMA; on
// Emerald Rapids half of it, so bf16 widened to float32 is twice as fast there.
#include "cpu/dispatch.h"

namespace mla {
namespace {

#if defined(__x86_64__)
bool has_avx2() {
  return __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") && __builtin_cpu_supports("f16c");
}
bool has_avx512() {
  return has_avx2() && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
         __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
}
bool has_avx512bf16() { return has_avx512() && __builtin_cpu_supports("avx512bf16"); }
bool has_avx512vnni() { return has_avx512() && __builtin_cpu_supports("avx512vnni"); }
bool has_avxvnni() { return has_avx2() && __builtin_cpu_supports("avxvnni"); }
bool is_amd() { return __builtin_cpu_is("amd"); }
#else
bool has_avx2() { return false; }
bool has_avx512() { return false; }
bool has_avx512bf16() { return false; }
bool has_avx512vnni() { return false; }
bool has_avxvnni() { return false; }
bool is_amd() { return false; }
#endif

}  // namespace

const char* isa_name(int isa) {
  static const char* const kNames[MLA_ISA_COUNT] = {"generic", "avx2", "avx512", "avx512bf16"};
  return kNames[isa];
}

const RawKernels* raw_kernels(int isa) {
  switch (isa) {
    case MLA_ISA_GENERIC:
      return &generic_kernels;
#if defined(__x86_64__)
    case MLA_ISA_AVX2:
      return has_avx2() ? &avx2_kernels : nullptr;
    case MLA_ISA_AVX512:
      return has_avx512() ? &avx512_kernels : nullptr;
    case MLA_ISA_AVX512BF16:
      return has_avx512bf16() ? &avx512bf16_kernels : nullptr;
#endif
    default:
      return nullptr;
  }
}

int supported_isas() {
  int bits = 0;
  for (int isa = 0; isa < MLA_ISA_COUNT; isa++) bits |= raw_kernels(isa) ? 1 << isa : 0;
  return bits;
}

int preferred_isa() {
  if (has_avx512bf16() && is_amd()) return MLA_ISA_AVX512BF16;
  if (has_avx512()) return MLA_ISA_AVX512;
  return has_avx2() ? MLA_ISA_AVX2 : MLA_ISA_GENERIC;
}

bool prefers_bf16(int isa) { return isa == MLA_ISA_AVX512BF16 && is_amd(); }

bool has_int8_dot(int isa) {
  switch (isa) {
    case MLA_ISA_AVX2:
      return has_avxvnni();
    case MLA_ISA_AVX512:
    case MLA_ISA_AVX512BF16:
      return has_avx512vnni();
    default:
      return false;
  }
}

std::string preference_reason() {
  switch (preferred_isa()) {
    case MLA_ISA_AVX512BF16:
      return "avx512bf16: AMD multiplies bf16 pairs at twice the float32 rate";
    case MLA_ISA_AVX512:
      return has_avx512bf16()
                 ? "avx512: the bf16 dot of this processor is slower than float32 FMA on widened bf16"
                 : "avx512: the processor has no bf16 dot";
    case MLA_ISA_AVX2:
      return "avx2: the processor has no AVX-512";
    default:
      return "generic: the processor has no AVX2";
  }
}

}  // namespace mla

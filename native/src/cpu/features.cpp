// Asked of the processor (x86-64) or of the system (AArch64), since not every compiler's run-time library knows __builtin_cpu_supports.
#include "cpu/features.h"

#include <cstdint>
#include <cstring>

#if defined(__x86_64__)
#include <cpuid.h>
#if defined(__linux__)
#include <sys/syscall.h>
#include <unistd.h>
#endif
#elif defined(__aarch64__) && defined(__linux__)
#include <sys/auxv.h>
#elif defined(__aarch64__) && defined(__APPLE__)
#include <sys/sysctl.h>
#endif

namespace mla {
namespace {

struct Feature {
  const char* name;
  bool there;
};

#if defined(__x86_64__)

struct Leaf {
  uint32_t eax = 0, ebx = 0, ecx = 0, edx = 0;
};

Leaf leaf(uint32_t number, uint32_t part) {
  Leaf x;
  __get_cpuid_count(number, part, &x.eax, &x.ebx, &x.ecx, &x.edx);
  return x;
}

// Whether the system lets this process use matrix registers. Linux keeps them for processes that have asked; a refusal means that it
// knows them not, or that some thread's stack for signals is too small for them. Other systems are not asked.
bool may_use_matrix() {
#if defined(__linux__)
  constexpr int kAsk = 0x1023, kTileData = 18;  // ARCH_REQ_XCOMP_PERM, the component's number
  static const bool may = syscall(SYS_arch_prctl, kAsk, kTileData) == 0;
  return may;
#else
  return false;
#endif
}

bool find(const char* name) {
  const auto bit = [](uint32_t word, int n) { return (word >> n & 1) != 0; };
  const Leaf vendor = leaf(0, 0), basic = leaf(1, 0), extended = leaf(7, 0);
  const Leaf more = extended.eax >= 1 ? leaf(7, 1) : Leaf{};
  uint32_t kept = 0, upper = 0;
  if (bit(basic.ecx, 27)) asm volatile("xgetbv" : "=a"(kept), "=d"(upper) : "c"(0));
  const bool ymm = (kept & 0x6) == 0x6;
#if defined(__APPLE__)
  const bool zmm = ymm;  // the system keeps them from their first use on, and says so only then
#else
  const bool zmm = (kept & 0xe6) == 0xe6;
#endif
  // those of the registers that the system keeps, which is asked where they are needed alone
  const auto amx = [&](int n) {
    return (kept >> 17 & 3) == 3 && bit(extended.edx, 24) && bit(extended.edx, n) && may_use_matrix();
  };
  const bool asks_for_amx = std::strncmp(name, "amx", 3) == 0;
  const Feature features[] = {
      {"amd", vendor.ebx == 0x68747541 && vendor.edx == 0x69746e65 && vendor.ecx == 0x444d4163},
      {"fma", ymm && bit(basic.ecx, 12)},
      {"f16c", ymm && bit(basic.ecx, 29)},
      {"avx2", ymm && bit(extended.ebx, 5)},
      {"avxvnni", ymm && bit(more.eax, 4)},
      {"avx512f", zmm && bit(extended.ebx, 16)},
      {"avx512dq", zmm && bit(extended.ebx, 17)},
      {"avx512bw", zmm && bit(extended.ebx, 30)},
      {"avx512vl", zmm && bit(extended.ebx, 31)},
      {"avx512vnni", zmm && bit(extended.ecx, 11)},
      {"avx512bf16", zmm && bit(more.eax, 5)},
      {"amxbf16", asks_for_amx && amx(22)},
      {"amxint8", asks_for_amx && amx(25)},
  };
  for (const Feature& feature : features)
    if (std::strcmp(feature.name, name) == 0) return feature.there;
  return false;
}

#elif defined(__aarch64__) && (defined(__linux__) || defined(__APPLE__))

#if defined(__linux__)
constexpr unsigned long kFirst = 16, kSecond = 26;  // AT_HWCAP, AT_HWCAP2
#define MLA_FEATURE(word, bit, name) ((getauxval(word) >> bit & 1) != 0)
#else
bool told(const char* name) {
  int there = 0;
  size_t size = sizeof there;
  return sysctlbyname(name, &there, &size, nullptr, 0) == 0 && there != 0;
}
#define MLA_FEATURE(word, bit, name) told("hw.optional.arm." name)
#endif

bool find(const char* name) {
  const Feature features[] = {
      {"dotprod", MLA_FEATURE(kFirst, 20, "FEAT_DotProd")},
      {"i8mm", MLA_FEATURE(kSecond, 13, "FEAT_I8MM")},
      {"bf16", MLA_FEATURE(kSecond, 14, "FEAT_BF16")},
  };
  for (const Feature& feature : features)
    if (std::strcmp(feature.name, name) == 0) return feature.there;
  return false;
}

#else

bool find(const char*) { return false; }

#endif

}  // namespace

bool has_feature(const char* name) { return find(name); }

}  // namespace mla

// The exported function and its tables: every call checks its arguments, runs the kernel of its instruction set, and turns a failure into
// a status and a text.
#include <array>
#include <cstdio>
#include <string>
#include <tuple>
#include <utility>

#include "abi/checks.h"
#include "abi/layout.h"
#include "cpu/dispatch.h"
#include "cpu/kernels.h"
#include "mla/mla.h"

namespace mla {
namespace {

std::string text_of(int isa, int32_t subject) {
  switch (subject) {
    case MLA_DESCRIBE_VERSION:
      return kVersion;
    case MLA_DESCRIBE_ISA:
      return isa_name(isa);
    case MLA_DESCRIBE_REASON:
      return preference_reason();
    case MLA_DESCRIBE_LAYOUT:
      return layout_text();
    case MLA_DESCRIBE_ISAS: {
      std::string names;
      for (int i = 0; i < kInstructionSets; i++) names += std::string(i == 0 ? "" : " ") + isa_name(i);
      return names;
    }
    default:
      fail(MLA_INVALID_ARGUMENT, "unknown subject");
  }
}

template <int I>
int32_t describe(int32_t subject, char* text, int32_t size) {
  try {
    const std::string s = text_of(I, subject);
    if (text != nullptr && size > 0) std::snprintf(text, (size_t)size, "%s", s.c_str());
    return (int32_t)s.size();
  } catch (...) {
    return -1;
  }
}

template <int I>
const RawKernels& raw() {
  static const RawKernels& kernels = *raw_kernels(I);
  return kernels;
}

// A check is given the kernels where it asks for them, to know the size of a workspace.
template <class Check, class... A>
bool passes(const RawKernels& kernels, Check check, A... arguments) {
  if constexpr (std::is_invocable_v<Check, const RawKernels&, A...>)
    return check(kernels, arguments...);
  else
    return check(arguments...);
}

// A function of mla_kernels that checks its arguments and runs `kernel` of the instruction set I where there is something to do. One with
// a status gives an error text, one with a count -1.
template <int I, auto kernel, auto check, class Function>
struct Checked;
template <int I, auto kernel, auto check, class... A>
struct Checked<I, kernel, check, int32_t (*)(A...)> {
  static int32_t call(A... arguments) {
    const std::tuple<A...> all(arguments...);
    constexpr size_t kCount = sizeof...(A) - 2;
    return guard(std::get<kCount>(all), std::get<kCount + 1>(all), [&] {
      [&]<size_t... i>(std::index_sequence<i...>) {
        const RawKernels& kernels = raw<I>();
        if (passes(kernels, check, std::get<i>(all)...)) (kernels.*kernel)(std::get<i>(all)...);
      }(std::make_index_sequence<kCount>{});
    });
  }
};
template <int I, auto kernel, auto check, class... A>
struct Checked<I, kernel, check, int64_t (*)(A...)> {
  static int64_t call(A... arguments) {
    int64_t result = -1;
    guard(nullptr, 0, [&] {
      const RawKernels& kernels = raw<I>();
      if (passes(kernels, check, arguments...)) result = (kernels.*kernel)(arguments...);
    });
    return result;
  }
};

template <int I>
const mla_kernels* table() {
  const AttentionCosts& costs = raw<I>().set.costs;
  static const mla_kernels kernels = {(int32_t)sizeof(mla_kernels),
                                      MLA_ABI_VERSION,
                                      I,
                                      supported_isas(),
                                      prefers_bf16(I) ? 1 : 0,
                                      prefers_int8(I) ? 1 : 0,
                                      kRowMultiple,
                                      costs.absorbed,
                                      costs.project,
                                      costs.decompressed,
                                      costs.rebuild,
                                      costs.start,
                                      describe<I>,
#define X(function) \
  Checked<I, &RawKernels::function, check_##function, decltype(mla_kernels::function)>::call,
                                      MLA_OPERATIONS(X)
#undef X
  };
  return &kernels;
}

template <int... I>
const mla_kernels* table_of(int isa, std::integer_sequence<int, I...>) {
  const std::array<const mla_kernels* (*)(), kInstructionSets> tables = {table<I>...};
  return tables[(size_t)isa]();
}

}  // namespace
}  // namespace mla

extern "C" const mla_kernels* mla_get_kernels(int32_t abi_version, int32_t isa) {
  using namespace mla;
  if (abi_version != MLA_ABI_VERSION) return nullptr;
  if (isa == MLA_ISA_AUTO) isa = preferred_isa();
  if (raw_kernels(isa) == nullptr) return nullptr;
  return table_of(isa, std::make_integer_sequence<int, kInstructionSets>{});
}

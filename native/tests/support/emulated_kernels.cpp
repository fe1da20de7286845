#include "support/emulated_kernels.h"

#include <cstring>

#include "cpu/attention.h"
#include "support/emulated_matrix.h"

namespace mla::test {
namespace {

// A function of the library in the shape that the table has: with the error buffer behind, which valid calls leave alone.
template <auto Function>
struct Succeeding;
template <class... Arguments, void (*Function)(Arguments...)>
struct Succeeding<Function> {
  static int32_t call(Arguments... arguments, char*, int32_t) {
    Function(arguments...);
    return MLA_OK;
  }
};

}  // namespace

const mla_kernels* emulated_matrix_kernels() {
  static const mla_kernels table = [] {
    mla_kernels t = *mla_get_kernels(MLA_ABI_VERSION, MLA_ISA_GENERIC);
    t.describe = [](int32_t, char* text, int32_t size) {
      constexpr char kName[] = "emulated_matrix";
      if (size > 0) {
        std::strncpy(text, kName, static_cast<size_t>(size) - 1);
        text[size - 1] = 0;
      }
      return static_cast<int32_t>(sizeof kName - 1);
    };
    t.attention_workspace = attention_workspace<EmulatedMatrix>;
    t.attend_absorbed = Succeeding<attend_absorbed<EmulatedMatrix>>::call;
    t.attend_decompressed = Succeeding<attend_decompressed<EmulatedMatrix>>::call;
    return t;
  }();
  return &table;
}

}  // namespace mla::test

// The calls of fuzz_test.cpp as libFuzzer wants them: it changes bytes, by what of the library they reach, and a call is what they say
// (scripts/fuzz-native --guided).
#include <cstdlib>
#include <iterator>
#include <span>

#include "support/fuzz_calls.h"

namespace mla::test::fuzz {
namespace {

typedef bool (*Call)(Fuzzer&, const mla_kernels&, Random);
#define X(function)                                                                                  \
  [](Fuzzer& fuzzer, const mla_kernels& k, Random random) {                                          \
    return fuzzer.call<Of<&mla_kernels::function>>(k, #function, k.function, random, "these bytes"); \
  },
const Call kCalls[] = {MLA_OPERATIONS(X) X(describe)};
#undef X

}  // namespace
}  // namespace mla::test::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace mla::test;
  static const std::vector<const mla_kernels*> tables = all_kernels();
  static fuzz::Fuzzer fuzzer;
  if (size < 2) return -1;
  const std::span<const uint8_t> bytes(data, size);
  const fuzz::Call call = fuzz::kCalls[bytes[0] % std::size(fuzz::kCalls)];
  if (!call(fuzzer, *tables[bytes[1] % tables.size()], Random(bytes.subspan(2)))) std::abort();
  return 0;
}

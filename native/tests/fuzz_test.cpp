// Whatever numbers a function of the C interface is called with, it answers with a status, and reads and writes nothing but the buffers that
// mla.h says it has. MLA_FUZZ_CALLS=10000000 makes so many calls (scripts/fuzz-native), MLA_TEST_SEED the same ones again,
// and MLA_FUZZ_FUNCTION=linear only those of one function, from the seed on that a failure names.
#include <csignal>
#include <cstdlib>

#include "support/fuzz_calls.h"

namespace mla::test::fuzz {
namespace {

TEST(Fuzz, HostileNumbersAreRefusedOrComputedWithinTheirBuffers) {
  const char* calls = std::getenv("MLA_FUZZ_CALLS");
  const char* given = std::getenv("MLA_TEST_SEED");
  uint64_t seed = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  const int64_t wanted = calls ? std::strtoll(calls, nullptr, 0) : 100'000;
  for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::signal(s, print_call);
  Fuzzer fuzzer;
  const std::vector<const mla_kernels*> tables = all_kernels();
  const char* only = std::getenv("MLA_FUZZ_FUNCTION");
  int64_t made = 0;
  while (made < wanted) {
#define X(function)                                                                          \
  if (only == nullptr || std::string(only) == #function) {                                   \
    for (const mla_kernels* k : tables) {                                                    \
      if (!fuzzer.call<Of<&mla_kernels::function>>(*k, #function, k->function, Random(seed), \
                                                   "seed " + std::to_string(seed)))          \
        return;                                                                              \
    }                                                                                        \
    made += (int64_t)tables.size();                                                          \
    seed++;                                                                                  \
  }
    MLA_OPERATIONS(X) X(describe)
#undef X
  }
  for (int s : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT}) ::signal(s, SIG_DFL);
  std::printf("%lld calls: %lld computed or counted, %lld refused\n", (long long)made,
              (long long)fuzzer.computed(), (long long)fuzzer.refused());
  if (only != nullptr || made < 10'000) return;
  EXPECT_GT(fuzzer.computed(), made / 5);
  EXPECT_GT(fuzzer.refused(), made / 5);
}

}  // namespace
}  // namespace mla::test::fuzz

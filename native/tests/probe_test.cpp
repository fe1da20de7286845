// The probes: what they count, and what they refuse.
#include <vector>

#include "support/kernels.h"

namespace mla::test {
namespace {

class Probe : public KernelTest {};

TEST_P(Probe, CountsWhatItRepeats) {
  const std::string isa = describe(&kernels(), MLA_DESCRIBE_ISA);
  for (int what : {MLA_PROBE_FMA_F32, MLA_PROBE_DOT_BF16, MLA_PROBE_DOT_INT8}) {
    const int64_t one = kernels().probe(what, 1, nullptr, 0);
    if (one == -1) {
      EXPECT_NE(what, MLA_PROBE_FMA_F32);
      EXPECT_FALSE(what == MLA_PROBE_DOT_BF16 && (isa == "avx512bf16" || isa == "avx512amx"));
      EXPECT_EQ(kernels().probe(what, 1000, nullptr, 0), -1);
      continue;
    }
    const int lanes = isa == "generic" ? 4 : isa == "avx2" ? 8 : 16;
    const int products = what == MLA_PROBE_FMA_F32 ? 1 : what == MLA_PROBE_DOT_BF16 ? 2 : 4;
    EXPECT_GT(one, 0);
    EXPECT_EQ(one % (2 * products * lanes), 0);
    EXPECT_EQ(kernels().probe(what, 0, nullptr, 0), 0);
    EXPECT_EQ(kernels().probe(what, 1000, nullptr, 0), 1000 * one);
  }
}

TEST_P(Probe, ReadsEveryByteAsOftenAsAsked) {
  for (int64_t bytes : {int64_t{0}, int64_t{64}, int64_t{576}, int64_t{4096 + 64}}) {
    std::vector<char> memory(static_cast<size_t>(bytes) + 1);
    EXPECT_EQ(kernels().probe(MLA_PROBE_READ, 1, memory.data(), bytes), bytes);
    EXPECT_EQ(kernels().probe(MLA_PROBE_READ, 7, memory.data(), bytes), 7 * bytes);
  }
}

TEST_P(Probe, RefusesWhatItDoesNotKnow) {
  const char memory[128] = {};
  EXPECT_EQ(kernels().probe(-1, 1, memory, 64), -1);
  EXPECT_EQ(kernels().probe(MLA_PROBE_READ + 1, 1, memory, 64), -1);
  EXPECT_EQ(kernels().probe(MLA_PROBE_FMA_F32, -1, nullptr, 0), -1);
  EXPECT_EQ(kernels().probe(MLA_PROBE_READ, 1, nullptr, 64), -1);
  EXPECT_EQ(kernels().probe(MLA_PROBE_READ, 1, memory, 65), -1);
  EXPECT_EQ(kernels().probe(MLA_PROBE_READ, 1, memory, -64), -1);
}

MLA_TEST_ALL_KERNELS(Probe);

}  // namespace
}  // namespace mla::test

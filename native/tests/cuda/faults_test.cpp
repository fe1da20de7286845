// Errors below the C interface: each allocation and each launch of a run fails in turn, and the device is lost. The caller gets a status and
// a text, nothing leaks, and the next run works.
#include <gtest/gtest.h>

#include "cuda/cases.h"
#include "cuda/device.h"
#include "cuda_emulator/control.h"

namespace mla::test {
namespace {

class Faults : public testing::TestWithParam<Case> {
 protected:
  void SetUp() override {
    stream();  // lives on: not a leak
    emulator::reset();
    before_ = emulator::counters();
  }
  void TearDown() override { emulator::reset(); }

  // What the run throws, or nothing.
  std::string failure() {
    try {
      GetParam().run();
      return "";
    } catch (const std::exception& e) {
      return e.what();
    }
  }
  void expect_nothing_leaked() {
    emulator::reset();
    const emulator::Counters now = emulator::counters();
    EXPECT_EQ(now.live_allocations, before_.live_allocations);
    EXPECT_EQ(now.live_handles, before_.live_handles);
  }
  emulator::Counters before_{};
};

TEST_P(Faults, EachAllocation) {
  const std::vector<uint8_t> expected = GetParam().run();
  const int64_t count = emulator::counters().allocations - before_.allocations;
  ASSERT_GT(count, 0);
  for (int64_t n = 0; n < count; n++) {
    emulator::fail_allocation(n);
    const std::string text = failure();
    EXPECT_NE(text.find("allocate: the device has not "), std::string::npos) << n << ": " << text;
    expect_nothing_leaked();
    ASSERT_EQ(GetParam().run(), expected);
  }
}

TEST_P(Faults, EachLaunch) {
  const std::vector<uint8_t> expected = GetParam().run();
  const int64_t count = emulator::counters().launches - before_.launches;
  ASSERT_GT(count, 0);
  for (int64_t n = 0; n < count; n++) {
    emulator::fail_launch(n);
    const std::string text = failure();
    EXPECT_NE(text.find("_kernel"), std::string::npos) << n << ": " << text;
    EXPECT_NE(text.find("unspecified launch failure (719)"), std::string::npos) << n << ": " << text;
    expect_nothing_leaked();
    ASSERT_EQ(GetParam().run(), expected);
  }
}

TEST_P(Faults, ALostDevice) {
  emulator::lose_device();
  const std::string text = failure();
  EXPECT_NE(text.find("unavailable (46)"), std::string::npos) << text;
  expect_nothing_leaked();
  EXPECT_EQ(failure(), "");
}

INSTANTIATE_TEST_SUITE_P(, Faults, testing::ValuesIn(cases()), [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace mla::test

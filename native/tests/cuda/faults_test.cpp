// Errors below the C interface: each allocation and each launch of a run fails in turn, and the device is lost at once and at each launch. The
// caller gets a status and a text, nothing leaks, and the next run works.
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
    EXPECT_NE(text.find(": too many resources requested for launch (701)"), std::string::npos)
        << n << ": " << text;
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

TEST_P(Faults, ADeviceThatIsLostAtEachLaunch) {
  GetParam().run();
  const int64_t count = emulator::counters().launches - before_.launches;
  for (int64_t n = 0; n < count; n++) {
    emulator::lose_device_at(n);
    const std::string text = failure();
    EXPECT_NE(text.find("_kernel"), std::string::npos) << n << ": " << text;
    EXPECT_NE(text.find("unavailable (46)"), std::string::npos) << n << ": " << text;
    expect_nothing_leaked();
  }
  EXPECT_EQ(failure(), "");
}

// A device that is lost stays lost: each sort of call tells it, and names itself.
TEST(LostDevice, IsToldByEachCall) {
  void* memory = nullptr;
  DEVICE_CALL(allocate, 0, 64, &memory);
  stream();
  emulator::lose_device();
  char error[256] = "";
  float x[4] = {};
  EXPECT_EQ(device().add(stream(), x, 4, x, 4, 1.f, 1, 4, x, 4, error, sizeof error), MLA_DEVICE_LOST);
  EXPECT_STREQ(error, "use_device: CUDA-capable device is unavailable (46)");
  EXPECT_EQ(device().allocate(0, 64, &memory, error, sizeof error), MLA_DEVICE_LOST);
  EXPECT_EQ(device().synchronize(stream(), error, sizeof error), MLA_DEVICE_LOST);
  const int64_t live = emulator::counters().live_allocations;
  EXPECT_EQ(device().release(0, memory, error, sizeof error), MLA_DEVICE_LOST);
  EXPECT_EQ(emulator::counters().live_allocations, live - 1) << "freed all the same";
  emulator::reset();
  DEVICE_CALL(synchronize, stream());
}

INSTANTIATE_TEST_SUITE_P(, Faults, testing::ValuesIn(cases()), [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace mla::test

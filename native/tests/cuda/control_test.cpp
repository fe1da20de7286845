// The emulator's control by name and from the environment, as callers in other languages use it.
#include "cuda_emulator/control.h"

#include <dlfcn.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>

#include "cuda/device.h"
#include "cuda/emulator_kernels.h"

namespace mla::test {
namespace {

template <class Function>
Function* named(const char* name, Function*) {
  auto* found = reinterpret_cast<Function*>(dlsym(RTLD_DEFAULT, name));
  EXPECT_NE(found, nullptr) << name;
  return found;
}
#define NAMED(function) named(#function, function)

int32_t add(std::string* text) {
  DeviceArray<float> x(std::vector<float>(4, 1.f));
  char error[256] = "";
  int32_t status =
      device().add(stream(), x.data(), 4, x.data(), 4, 1.f, 1, 4, x.data(), 4, error, sizeof error);
  if (status == MLA_OK) status = device().synchronize(stream(), error, sizeof error);
  *text = error;
  return status;
}

TEST(EmulatorControl, IsFoundByName) {
  std::string text;
  NAMED(mla_emulator_set_seed)(7);
  NAMED(mla_emulator_set_shared_limit)(101376);
  int64_t before[4], after[4];
  NAMED(mla_emulator_counters)(before);
  EXPECT_EQ(add(&text), MLA_OK) << text;
  NAMED(mla_emulator_counters)(after);
  EXPECT_EQ(after[0] - before[0], 1);
  EXPECT_EQ(after[1] - before[1], 1);
  EXPECT_EQ(after[2], before[2]);
  EXPECT_EQ(after[3] - before[3], 1) << "the stream of the tests";

  NAMED(mla_emulator_fail_launch)(0);
  EXPECT_EQ(add(&text), MLA_DEVICE_ERROR);
  EXPECT_EQ(text, "add_kernel: too many resources requested for launch (701)");
  NAMED(mla_emulator_fail_allocation)(0);
  EXPECT_THROW(add(&text), std::runtime_error);
  NAMED(mla_emulator_lose_device_at)(0);
  EXPECT_EQ(add(&text), MLA_DEVICE_LOST);
  EXPECT_EQ(text, "add_kernel: CUDA-capable device is unavailable (46)");
  NAMED(mla_emulator_reset)();
  NAMED(mla_emulator_lose_device)();
  EXPECT_THROW(add(&text), std::runtime_error);
  NAMED(mla_emulator_reset)();
  EXPECT_EQ(add(&text), MLA_OK) << text;
}

TEST(EmulatorControl, LimitsTheMemory) {
  std::string text;
  NAMED(mla_emulator_set_memory_limit)(15);
  EXPECT_THROW(add(&text), std::runtime_error);
  mla_device_info info{};
  info.struct_size = sizeof info;
  EXPECT_EQ(device().info(0, &info, nullptr, 0, nullptr, 0), MLA_OK);
  EXPECT_EQ(info.total_memory, 15);
  EXPECT_EQ(info.free_memory, 15);
  NAMED(mla_emulator_set_memory_limit)(int64_t{8} << 30);
  EXPECT_EQ(add(&text), MLA_OK) << text;
}

TEST(EmulatorControl, HandsReportsOut) {
  DeviceArray<float> x(std::vector<float>(64, 1.f)), y(64);
  launch_wrong(*static_cast<const cuda::Stream*>(stream()), Wrong::kNoBarrier, x.data(), y.data());
  device().synchronize(stream(), nullptr, 0);
  const auto take = NAMED(mla_emulator_take_reports);
  char little[8];
  const int64_t length = take(little, sizeof little);
  EXPECT_STREQ(little, "wrong_k");
  std::string text(static_cast<size_t>(length) + 1, 'x');
  EXPECT_EQ(take(text.data(), length + 1), length);
  EXPECT_NE(text.find("race: "), std::string::npos) << text;
  EXPECT_EQ(text[static_cast<size_t>(length) - 1], '\n');
  EXPECT_EQ(text[static_cast<size_t>(length)], 0);
  EXPECT_EQ(take(text.data(), length + 1), 0);
  emulator::reset();
}

// Runs the process again with a variable; its device begins with the fault.
void expect_fault(const char* variable, const char* value, const char* text) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  setenv(variable, value, 1);
  EXPECT_EXIT(
      {
        std::string told;
        try {
          add(&told);
          add(&told);
        } catch (const std::exception& e) {
          told = e.what();
        }
        std::fprintf(stderr, "told: %s\n", told.c_str());
        std::exit(0);
      },
      testing::ExitedWithCode(0), text);
  unsetenv(variable);
}

TEST(EmulatorEnvironment, FailsAnAllocation) {
  expect_fault("MLA4J_EMULATOR_FAIL_ALLOCATION", "1", "told: allocate: the device has not 16 bytes left");
}
TEST(EmulatorEnvironment, FailsALaunch) {
  expect_fault("MLA4J_EMULATOR_FAIL_LAUNCH", "1", "told: add_kernel: too many resources");
}
TEST(EmulatorEnvironment, LosesTheDevice) {
  expect_fault("MLA4J_EMULATOR_LOSE_DEVICE", "1", "told: add_kernel: CUDA-capable device is unavailable");
}
TEST(EmulatorEnvironment, IsRefusedWhereItIsNoNumber) {
  expect_fault("MLA4J_EMULATOR_LOSE_DEVICE", "soon",
               "told: .*MLA4J_EMULATOR_LOSE_DEVICE is 'soon', but must be a number from 0");
}

}  // namespace
}  // namespace mla::test

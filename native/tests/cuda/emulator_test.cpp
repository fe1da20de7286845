// The emulator itself: it reports each sort of mistake, and nothing about a kernel without one; its tensor core multiplies.
#include <gtest/gtest.h>

#include "cuda/device.h"
#include "cuda/emulator_kernels.h"
#include "cuda_emulator/control.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

const cuda::Stream& plain_stream() { return *static_cast<const cuda::Stream*>(stream()); }

class Emulator : public testing::Test {
 protected:
  void TearDown() override {
    emulator::reset();
    emulator::set_seed(1);
  }
};

// The report of one wrong kernel under a schedule, or nothing.
std::string report_of(Wrong wrong, uint64_t seed) {
  emulator::reset();
  emulator::set_seed(seed);
  DeviceArray<float> x(std::vector<float>(64, 1.f)), y(64);
  EXPECT_EQ(launch_wrong(plain_stream(), wrong, x.data(), y.data()).code, 0);
  char error[256] = "";
  const int32_t status = device().synchronize(stream(), error, sizeof error);
  const std::vector<std::string> reports = emulator::take_reports();
  EXPECT_EQ(status, reports.empty() ? MLA_OK : MLA_DEVICE_LOST) << error;
  EXPECT_LE(reports.size(), 1u);
  emulator::reset();
  return reports.empty() ? "" : reports[0];
}

TEST_F(Emulator, ReportsEachMistakeUnderEverySchedule) {
  const std::pair<Wrong, const char*> kMistakes[] = {
      {Wrong::kNoBarrier, "race: "},
      {Wrong::kNoWarpBarrier, "race: "},
      {Wrong::kOverwrites, "race: "},
      {Wrong::kUninitialised, "never written"},
      {Wrong::kBehindShared, "of 512 bytes"},
      {Wrong::kBehindDevice, "read of 4 bytes outside of device memory"},
      {Wrong::kWritesBehindDevice, "write of 4 bytes outside of device memory"},
      {Wrong::kTwoBarriers, "others at the one at emulator_kernels.cu:"},
      {Wrong::kExits, "63 threads at the barrier at emulator_kernels.cu:"},
      {Wrong::kDivergentExchange, "32 threads at exchange at emulator_kernels.cu:"},
      {Wrong::kNoWait, "a copy of thread"},
      {Wrong::kWaitsForFewer, "a copy of thread"},
      {Wrong::kNoBarrierAfterWait, ""},
      {Wrong::kNeverWaits, "ends before it has waited"},
      {Wrong::kCopiesOver, ""},
      {Wrong::kMisaligned, "not aligned to 16"},
  };
  for (const auto& [wrong, text] : kMistakes) {
    for (uint64_t seed = 1; seed <= 20; seed++) {
      const std::string report = report_of(wrong, seed);
      ASSERT_NE(report, "") << "mistake " << static_cast<int>(wrong) << " seed " << seed;
      ASSERT_NE(report.find(text), std::string::npos) << report;
      ASSERT_EQ(report.find("wrong_kernel"), 0u) << report;
    }
  }
}

TEST_F(Emulator, NamesBothPlacesOfARace) {
  const std::string report = report_of(Wrong::kNoBarrier, 1);
  const size_t first = report.find("emulator_kernels.cu:"), second = report.rfind("emulator_kernels.cu:");
  EXPECT_NE(first, std::string::npos) << report;
  EXPECT_NE(first, second) << report;
}

TEST_F(Emulator, ReportsNothingAboutARightKernel) {
  for (uint64_t seed = 1; seed <= 200; seed++) ASSERT_EQ(report_of(Wrong::kNothing, seed), "");
}

TEST_F(Emulator, MultipliesMatrices) {
  for_seeds(20, [&](Random& random) {
    std::vector<uint16_t> a(16 * 16), b(16 * 8);
    for (uint16_t& x : a) x = to_bf16(random.real(-1, 1));
    for (uint16_t& x : b) x = to_bf16(random.real(-1, 1));
    const std::vector<float> c = random.reals(16 * 8);
    DeviceArray<uint16_t> da(a), db(b);
    DeviceArray<float> d(c);
    ASSERT_EQ(launch_multiply(plain_stream(), da.data(), db.data(), d.data()).code, 0);
    const std::vector<float> got = d.get();
    for (int i = 0; i < 16; i++) {
      for (int j = 0; j < 8; j++) {
        double expected = c[i * 8 + j], size = std::fabs(expected);
        for (int k = 0; k < 16; k++) {
          const double term = bf16_value(a[i * 16 + k]) * static_cast<double>(bf16_value(b[k * 8 + j]));
          expected += term;
          size += std::fabs(term);
        }
        ASSERT_NEAR(got[i * 8 + j], expected, size * 0x1p-22) << i << ", " << j;
      }
    }
  });
}

// What is larger than the sum of all others decides which bits of them are kept: as on a tensor core, not as in float32.
TEST_F(Emulator, CutsSumsAsTensorCoresDo) {
  std::vector<uint16_t> a(16 * 16, 0), b(16 * 8, to_bf16(1));
  a[0] = to_bf16(1);
  a[1] = to_bf16(0x1.8p-24f);
  a[2] = to_bf16(0x1p-25f);
  DeviceArray<uint16_t> da(a), db(b);
  DeviceArray<float> d(std::vector<float>(16 * 8, 0.f));
  ASSERT_EQ(launch_multiply(plain_stream(), da.data(), db.data(), d.data()).code, 0);
  EXPECT_EQ(d.get()[0], 1.f);  // 1 + 2^-23 if all bits were kept
}

}  // namespace
}  // namespace mla::test

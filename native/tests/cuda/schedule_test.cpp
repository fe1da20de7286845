// Every kernel gives the same bits under many schedules, 30 or what MLA_TEST_SCHEDULES says; and where one of its barriers, waits or checks of
// a bound is left out, the emulator reports it, or a result without the bound is another.
#include <gtest/gtest.h>

#include <cstdlib>

#include "cuda/cases.h"
#include "cuda/device.h"
#include "cuda_emulator/control.h"

namespace mla::test {
namespace {

int schedules() {
  const char* given = std::getenv("MLA_TEST_SCHEDULES");
  return given != nullptr ? std::atoi(given) : 30;
}

class EveryCase : public testing::TestWithParam<Case> {
 protected:
  void TearDown() override {
    emulator::restore();
    emulator::reset();
    emulator::set_seed(1);
  }
};

TEST_P(EveryCase, HasTheSameBitsUnderEverySchedule) {
  const std::vector<uint8_t> expected = GetParam().run();
  const int count = schedules();
  for (int seed = 2; seed <= count; seed++) {
    emulator::set_seed(static_cast<uint64_t>(seed) << 32);
    ASSERT_EQ(GetParam().run(), expected) << "seed " << seed;
  }
  EXPECT_TRUE(emulator::take_reports().empty());
}

// Whether one of a few schedules is reported, or without a bound gives something else; a mistake need not show under each of them.
bool is_reported(const Case& c, const emulator::Omission& place, const std::vector<uint8_t>& expected) {
  for (uint64_t seed = 1; seed <= 5; seed++) {
    emulator::set_seed(seed << 32);
    bool reported = false;
    try {
      reported = c.run() != expected && place.what == "bound";
    } catch (const std::exception&) {
    }
    reported |= !emulator::take_reports().empty();
    emulator::reset();
    if (reported) return true;
  }
  return false;
}

TEST_P(EveryCase, IsReportedWithoutOneOfItsBarriersWaitsOrBounds) {
  emulator::begin_collecting();
  const std::vector<uint8_t> expected = GetParam().run();
  const std::vector<emulator::Omission> places = emulator::end_collecting();
  for (const emulator::Omission& place : places) {
    if (place.what == GetParam().spares) continue;
    emulator::leave_out(place);
    EXPECT_TRUE(is_reported(GetParam(), place, expected))
        << "without the " << place.what << " at " << place.file << ":" << place.line;
    emulator::restore();
  }
  EXPECT_FALSE(places.empty());
  RecordProperty("places", static_cast<int>(places.size()));
}

INSTANTIATE_TEST_SUITE_P(, EveryCase, testing::ValuesIn(cases()), [](const auto& i) { return i.param.name; });

}  // namespace
}  // namespace mla::test

// Random cases: a number of fixed seeds and a fresh one, which a failure prints and MLA_TEST_SEED repeats.
#pragma once
#include <gtest/gtest.h>

#include <cstdint>
#include <cstdlib>
#include <initializer_list>
#include <random>
#include <span>
#include <vector>

namespace mla::test {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  // Whole numbers are what the bytes say, which a fuzzer changes, and once they are used up those of one seed.
  explicit Random(std::span<const uint8_t> bytes) : bytes_(bytes), engine_(0) {}
  int in(int low, int high) {
    if (bytes_.empty()) return std::uniform_int_distribution<int>(low, high)(engine_);
    const uint64_t count = static_cast<uint64_t>(int64_t{high} - low) + 1;
    uint64_t drawn = 0;
    for (uint64_t most = 1; most < count && !bytes_.empty(); most <<= 8, bytes_ = bytes_.subspan(1))
      drawn = drawn << 8 | bytes_.front();
    return static_cast<int>(low + static_cast<int64_t>(drawn % count));
  }
  bool coin() { return in(0, 1) == 1; }
  int of(std::initializer_list<int> choices) {
    return choices.begin()[in(0, static_cast<int>(choices.size()) - 1)];
  }
  float real(float low, float high) { return std::uniform_real_distribution<float>(low, high)(engine_); }
  std::vector<float> reals(size_t count, float low = -1, float high = 1) {
    std::vector<float> values(count);
    for (float& x : values) x = real(low, high);
    return values;
  }
  // Ranges that together are 0 .. count.
  std::vector<int> cuts(int count, int multiple = 1) {
    std::vector<int> at{0};
    while (at.back() < count) {
      const int step = multiple * in(1, std::max(1, count / multiple));
      at.push_back(std::min(count, at.back() + step));
    }
    return at;
  }
  std::mt19937_64& engine() { return engine_; }

 private:
  std::span<const uint8_t> bytes_;
  std::mt19937_64 engine_;
};

// Runs body(random) for seeds 1 .. count and a fresh one; stops at the first that fails.
template <class Body>
void for_seeds(int count, Body body) {
  if (std::getenv("MLA_TEST_QUICK") != nullptr) count = (count + 9) / 10;
  const char* given = std::getenv("MLA_TEST_SEED");
  const uint64_t fresh = given ? std::strtoull(given, nullptr, 0) : std::random_device{}();
  for (int i = 0; i <= count; i++) {
    const uint64_t seed = i < count ? static_cast<uint64_t>(i + 1) : fresh;
    SCOPED_TRACE("seed " + std::to_string(seed) + (i < count ? "" : " (repeat with MLA_TEST_SEED)"));
    Random random(seed);
    body(random);
    if (testing::Test::HasFailure()) return;
  }
}

}  // namespace mla::test

// sample of a device against its definition in double precision.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>

#include "cuda/device.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

TEST(DeviceSample, DrawsFromWhatTopKAndTopPKeep) {
  for_seeds(16, [&](Random& random) {
    const int width = random.of({1, 2, 5, 100, 1023, 1024, 1025, 8193}),
              top_k = random.of({0, 1, 3, 40, 5000});
    const float top_p = random.of({0, 1}) ? 1.f : random.real(0.05f, 0.99f),
                temperature = random.of({1, 2}) * 0.5f;
    std::vector<float> logits = random.reals(width, -4, 4);
    if (width > 1 && random.coin()) logits[random.in(0, width - 1)] = -INFINITY;
    const float uniform = random.real(0, 1);
    std::vector<int> order(width);
    std::iota(order.begin(), order.end(), 0);
    std::sort(order.begin(), order.end(), [&](int a, int b) { return logits[a] > logits[b]; });
    const float max = logits[order[0]];
    const auto weight = [&](int i) { return std::exp((logits[i] - max) / static_cast<double>(temperature)); };
    if (top_k > 0 && top_k < width) order.resize(top_k);
    double total = 0, reached = 0;
    for (const int i : order) total += weight(i);
    size_t kept = 0;
    while (kept < order.size() && (kept == 0 || reached < top_p * total)) reached += weight(order[kept++]);
    // a sum that reaches top_p within a rounding may end one token before or after
    const bool tight = std::fabs(reached - weight(order[kept - 1]) - top_p * total) < 1e-5 * total ||
                       std::fabs(reached - top_p * total) < 1e-5 * total;
    if (tight && top_p < 1) return;
    order.resize(kept);
    std::sort(order.begin(), order.end());
    DeviceArray<float> from(logits), u(std::vector<float>{uniform});
    DeviceArray<int32_t> id(1);
    DEVICE_CALL(sample, stream(), from.data(), width, 1, width, temperature, top_k, top_p, u.data(),
                id.data());
    const int got = id.get()[0];
    double before = 0;
    for (const int i : order) {
      if (i == got) {
        ASSERT_LE(before, uniform * reached + 1e-5 * reached);
        ASSERT_GE(before + weight(i), uniform * reached - 1e-5 * reached);
        return;
      }
      before += weight(i);
    }
    FAIL() << got << " is not one of the " << order.size() << " kept of " << width;
  });
}

TEST(DeviceSample, NanIsNeverDrawn) {
  std::vector<float> logits(50, std::nanf(""));
  logits[31] = 1;
  DeviceArray<float> from(logits), u(std::vector<float>{0.7f});
  DeviceArray<int32_t> id(1);
  DEVICE_CALL(sample, stream(), from.data(), 50, 1, 50, 1.f, 0, 1.f, u.data(), id.data());
  EXPECT_EQ(id.get()[0], 31);
}

}  // namespace
}  // namespace mla::test

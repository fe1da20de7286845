// Any function from any thread at the same time on disjoint outputs: the bits of one thread.
#include <gtest/gtest.h>

#include <atomic>
#include <thread>

#include "support/kernels.h"
#include "support/memory.h"
#include "support/numbers.h"
#include "support/random.h"

namespace mla::test {
namespace {

class Concurrency : public KernelTest {};

TEST_P(Concurrency, ThreadsThatShareALinearGiveTheBitsOfOne) {
  constexpr int kRows = 20, kK = 300, kN = 64, kThreads = 4, kRounds = 20;
  Random random(1);
  mla_linear_params p{};
  p.struct_size = sizeof p;
  p.compute = MLA_COMPUTE_BF16;
  p.weight_type = MLA_TYPE_BF16;
  p.rows = kRows;
  p.k = p.x_stride = p.weight_stride = kK;
  p.n = p.y_stride = kN;
  const Guarded<float> x(random.reals(kRows * kK));
  const Matrix weight(random, MLA_TYPE_BF16, kN, kK, kK);
  Guarded<uint8_t> packed(static_cast<size_t>(kernels().packed_bytes(&p)));
  Guarded<float> one(kRows * kN), many(kRows * kN);
  MLA_CALL(kernels().pack, &p, x.data(), nullptr, 0, kRows, packed.data(), packed.bytes());
  MLA_CALL(kernels().linear, &p, packed.data(), weight.bytes.data(), nullptr, nullptr, 0, kN, one.data());
  for (int round = 0; round < kRounds; round++) {
    many.poison();
    packed.poison();
    std::atomic<int> failures{0};
    std::atomic<int> packers{2};
    std::vector<std::thread> threads;
    for (int i = 0; i < kThreads; i++) {
      threads.emplace_back([&, i] {
        // two threads pack, all wait for them, each multiplies its outputs and makes errors in between
        if (i < 2) {
          failures += kernels().pack(&p, x.data(), nullptr, i * 16, i == 0 ? 16 : kRows, packed.data(),
                                     packed.bytes(), nullptr, 0) != MLA_OK;
          packers--;
        }
        while (packers > 0) std::this_thread::yield();
        char error[64];
        failures += kernels().linear(&p, packed.data(), weight.bytes.data(), nullptr, nullptr, -1, kN,
                                     many.data(), error, 64) != MLA_INVALID_ARGUMENT;
        const int begin = i * kN / kThreads, end = (i + 1) * kN / kThreads;
        failures += kernels().linear(&p, packed.data(), weight.bytes.data(), nullptr, nullptr, begin, end,
                                     many.data(), error, 64) != MLA_OK;
      });
    }
    for (std::thread& t : threads) t.join();
    ASSERT_EQ(failures, 0);
    ASSERT_EQ(std::memcmp(one.data(), many.data(), one.bytes()), 0) << "round " << round;
  }
}

MLA_TEST_ALL_KERNELS(Concurrency);

}  // namespace
}  // namespace mla::test

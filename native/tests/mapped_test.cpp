// Watched memory of a file that gets shorter while it is read.
#include <gtest/gtest.h>

#if defined(__linux__)
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <thread>
#include <vector>

extern "C" void* mla_watch_mapped(size_t address, size_t bytes);
extern "C" void mla_unwatch_mapped(void* flag);

namespace {

constexpr size_t kBytes = 64 << 10;

class Mapped : public testing::Test {
 protected:
  void SetUp() override {
    char name[] = "/tmp/mla-mapped-XXXXXX";
    file_ = mkstemp(name);
    ASSERT_GE(file_, 0);
    unlink(name);
    const std::vector<uint8_t> ones(kBytes, 1);
    ASSERT_EQ(write(file_, ones.data(), kBytes), static_cast<ssize_t>(kBytes));
    bytes_ = static_cast<volatile uint8_t*>(mmap(nullptr, kBytes, PROT_READ, MAP_SHARED, file_, 0));
  }
  void TearDown() override {
    munmap(const_cast<uint8_t*>(bytes_), kBytes);
    close(file_);
  }
  volatile int32_t* watch() {
    return static_cast<volatile int32_t*>(mla_watch_mapped(reinterpret_cast<size_t>(bytes_), kBytes));
  }

  int file_;
  volatile uint8_t* bytes_;
};

TEST_F(Mapped, WhatTheFileHasLostIsZerosAndTold) {
  volatile int32_t* lost = watch();
  ASSERT_NE(lost, nullptr);
  ASSERT_EQ(ftruncate(file_, kBytes / 2), 0);
  EXPECT_EQ(bytes_[kBytes / 2 - 1], 1);
  EXPECT_EQ(*lost, 0);
  std::vector<std::thread> threads;
  for (int i = 0; i < 4; i++) {
    threads.emplace_back([&] {
      for (size_t at = kBytes / 2; at < kBytes; at += 512) EXPECT_EQ(bytes_[at], 0);
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(*lost, 1);
  EXPECT_EQ(bytes_[0], 1);
  mla_unwatch_mapped(const_cast<int32_t*>(lost));
}

TEST_F(Mapped, WhatIsNotWatchedIsLeftToOthers) {
  mla_unwatch_mapped(const_cast<int32_t*>(watch()));
  EXPECT_EXIT(
      {
        if (ftruncate(file_, 0) == 0) exit(bytes_[0]);
      },
      testing::KilledBySignal(SIGBUS), "");
  EXPECT_EXIT(
      {
        signal(SIGBUS, [](int) { _exit(7); });
        if (ftruncate(file_, 0) == 0) exit(bytes_[0]);
      },
      testing::ExitedWithCode(7), "");
}

TEST_F(Mapped, NothingIsNoRange) {
  EXPECT_EQ(mla_watch_mapped(0, 1), nullptr);
  EXPECT_EQ(mla_watch_mapped(reinterpret_cast<size_t>(bytes_), 0), nullptr);
  mla_unwatch_mapped(nullptr);
}

}  // namespace
#endif

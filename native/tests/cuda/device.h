// A device under test: the emulated one, or with MLA_TEST_CUDA_LIBRARY=<libmla4j_cuda.so> the machine's own. Arrays in its memory have
// exactly their size, so that the emulator finds an access behind them, and begin poisoned.
#pragma once
#include <gtest/gtest.h>

#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "mla/mla.h"

namespace mla::test {

// The table, and a stream of device 0 that lives as long as the process.
const mla_device_kernels& device();
void* stream();
// What a block can have of shared memory where a device with `bytes` is wanted: the emulated one has that from now on, a GPU at most its own.
int limit_shared(int bytes);

// DEVICE_CALL throws unless it succeeds.
#define DEVICE_CALL(function, ...)                                                            \
  do {                                                                                        \
    char error_[512] = "";                                                                    \
    const int32_t status_ = mla::test::device().function(__VA_ARGS__, error_, sizeof error_); \
    if (status_ != MLA_OK) throw std::runtime_error(std::string(#function) + ": " + error_);  \
  } while (0)

template <class T>
class DeviceArray {
 public:
  explicit DeviceArray(size_t count) : count_(count) {
    if (count > 0) {
      DEVICE_CALL(allocate, 0, bytes(), &memory_);
      DEVICE_CALL(fill, stream(), memory_, 0xff, bytes());
    }
  }
  explicit DeviceArray(const std::vector<T>& values) : DeviceArray(values.size()) { set(values); }
  DeviceArray(const DeviceArray&) = delete;
  DeviceArray& operator=(const DeviceArray&) = delete;
  ~DeviceArray() {
    if (memory_ != nullptr) device().release(0, memory_, nullptr, 0);
  }

  void set(const std::vector<T>& values) {
    ASSERT_EQ(values.size(), count_);
    DEVICE_CALL(copy, stream(), memory_, values.data(), bytes());
  }
  std::vector<T> get() const {
    std::vector<T> values(count_);
    DEVICE_CALL(copy, stream(), values.data(), memory_, bytes());
    DEVICE_CALL(synchronize, stream());
    return values;
  }
  T* data() { return static_cast<T*>(memory_); }
  const T* data() const { return static_cast<const T*>(memory_); }
  size_t size() const { return count_; }
  int64_t bytes() const { return static_cast<int64_t>(count_ * sizeof(T)); }

 private:
  size_t count_;
  void* memory_ = nullptr;
};

template <class T>
bool is_poison(const T& value) {
  for (size_t i = 0; i < sizeof value; i++) {
    if (reinterpret_cast<const uint8_t*>(&value)[i] != 0xff) return false;
  }
  return true;
}

}  // namespace mla::test

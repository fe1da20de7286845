// Arrays that end where an unmapped page begins, poisoned all over: reading past the end crashes, reading a gap gives NaN, writing before
// the beginning or into a gap is found.
#pragma once
#include <gtest/gtest.h>
#include <sys/mman.h>

#include <cstdint>
#include <cstring>
#include <new>
#include <vector>

namespace mla::test {

template <class T>
class Guarded {
 public:
  explicit Guarded(size_t count) : count_(count), bytes_(count * sizeof(T)) {
    inner_ = (bytes_ + kPage - 1) / kPage * kPage;
    base_ = static_cast<uint8_t*>(
        mmap(nullptr, inner_ + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED) throw std::bad_alloc();
    if (inner_ > 0 && mprotect(base_ + kPage, inner_, PROT_READ | PROT_WRITE) != 0) throw std::bad_alloc();
    poison();
  }
  explicit Guarded(const std::vector<T>& values) : Guarded(values.size()) {
    if (bytes_ > 0) std::memcpy(data(), values.data(), bytes_);
  }
  Guarded(const Guarded&) = delete;
  Guarded& operator=(const Guarded&) = delete;
  ~Guarded() {
    for (const uint8_t* p = base_ + kPage; p < reinterpret_cast<uint8_t*>(data()); p++) {
      if (*p != kPoison) {
        ADD_FAILURE() << "a byte was written " << reinterpret_cast<uint8_t*>(data()) - p
                      << " bytes before an array of " << bytes_;
        break;
      }
    }
    munmap(base_, inner_ + 2 * kPage);
  }

  T* data() { return reinterpret_cast<T*>(base_ + kPage + inner_ - bytes_); }
  const T* data() const { return const_cast<Guarded*>(this)->data(); }
  size_t size() const { return count_; }
  int64_t bytes() const { return static_cast<int64_t>(bytes_); }
  T& operator[](size_t i) { return data()[i]; }
  const T& operator[](size_t i) const { return data()[i]; }
  void poison() { std::memset(base_ + kPage, kPoison, inner_); }
  bool is_poison(size_t i) const {
    const uint8_t* p = reinterpret_cast<const uint8_t*>(data() + i);
    for (size_t j = 0; j < sizeof(T); j++) {
      if (p[j] != kPoison) return false;
    }
    return true;
  }

 private:
  static constexpr size_t kPage = 4096;
  static constexpr uint8_t kPoison = 0xff;  // NaN in float32, bf16 and f16; -1 in integers

  size_t count_;
  size_t bytes_;
  size_t inner_;
  uint8_t* base_;
};

}  // namespace mla::test

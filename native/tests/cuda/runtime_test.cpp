// Memory, streams, events and errors of a device.
#include "cuda/common/runtime.h"

#include <gtest/gtest.h>

#include "cuda/device.h"

namespace mla::test {
namespace {

std::string failure(int32_t expected, int32_t status, const char* error) {
  EXPECT_EQ(status, expected) << error;
  return error;
}

#define EXPECT_FAILURE(status, text, function, ...)                                                  \
  do {                                                                                               \
    char error_[512] = "";                                                                           \
    EXPECT_EQ(failure(status, device().function(__VA_ARGS__, error_, sizeof error_), error_), text); \
  } while (0)

TEST(DeviceTable, IsOfThisVersion) {
  EXPECT_EQ(device().struct_size, static_cast<int32_t>(sizeof(mla_device_kernels)));
  EXPECT_EQ(device().abi_version, MLA_ABI_VERSION);
  EXPECT_EQ(mla_get_device_kernels(MLA_ABI_VERSION + 1), nullptr);
  EXPECT_EQ(mla_get_kernels(MLA_ABI_VERSION, MLA_ISA_AUTO), nullptr);
  char text[16];
  EXPECT_EQ(device().describe(MLA_DESCRIBE_ISA, text, sizeof text), 4);
  EXPECT_STREQ(text, "cuda");
  EXPECT_EQ(device().describe(99, text, sizeof text), -1);
}

TEST(DeviceTable, TellsItsLayout) {
  std::string text(static_cast<size_t>(device().describe(MLA_DESCRIBE_LAYOUT, nullptr, 0)), ' ');
  device().describe(MLA_DESCRIBE_LAYOUT, text.data(), static_cast<int32_t>(text.size()) + 1);
  EXPECT_EQ(text.find("struct mla_append_params 32\n"), 0u);
  EXPECT_NE(text.find("\nstruct mla_device_info 40\n"), std::string::npos);
  EXPECT_NE(text.find("\nmla_device_kernels.allocate 32 i32(i32,i64,ptr,ptr,i32)\n"), std::string::npos);
  EXPECT_NE(text.find("\nmla_get_device_kernels_fn ptr(i32)\n"), std::string::npos);
}

TEST(DeviceTable, TellsTheDevice) {
  int32_t count = 0;
  DEVICE_CALL(count, &count);
  EXPECT_GE(count, 1);
  mla_device_info info{};
  info.struct_size = sizeof info;
  char name[64];
  DEVICE_CALL(info, 0, &info, name, sizeof name);
  EXPECT_GE(info.major, 8);
  EXPECT_GE(info.shared_bytes, 99 * 1024);
  EXPECT_GT(info.total_memory, info.free_memory - 1);
  EXPECT_FAILURE(MLA_INVALID_ARGUMENT,
                 "device is " + std::to_string(count) + ", but must be in 0.." + std::to_string(count - 1),
                 info, count, &info, name, sizeof name);
}

TEST(DeviceMemory, CopiesBetweenAllSorts) {
  std::vector<float> x(1000);
  for (size_t i = 0; i < x.size(); i++) x[i] = static_cast<float>(i);
  DeviceArray<float> a(x), b(x.size());
  void* pinned = nullptr;
  DEVICE_CALL(allocate_host, 0, a.bytes(), &pinned);
  DEVICE_CALL(copy, stream(), b.data(), a.data(), a.bytes());
  DEVICE_CALL(copy, stream(), pinned, b.data(), b.bytes());
  DEVICE_CALL(synchronize, stream());
  EXPECT_EQ(std::memcmp(pinned, x.data(), x.size() * sizeof(float)), 0);
  DEVICE_CALL(fill, stream(), a.data(), 0, a.bytes());
  EXPECT_EQ(a.get(), std::vector<float>(x.size(), 0.f));
  DEVICE_CALL(release_host, 0, pinned);
}

TEST(DeviceMemory, TooMuchIsAnErrorWithItsSize) {
  void* memory = nullptr;
  EXPECT_FAILURE(MLA_OUT_OF_MEMORY, "the device has not 17592186044416 bytes left", allocate, 0,
                 int64_t{1} << 44, &memory);
  EXPECT_EQ(memory, nullptr);
  DeviceArray<float> fine(8);
}

TEST(DeviceStream, AwaitsTheEventOfAnother) {
  void *other = nullptr, *event = nullptr;
  DEVICE_CALL(create_stream, 0, &other);
  DEVICE_CALL(create_event, 0, &event);
  std::vector<float> ones(300, 1.f);
  for (int round = 0; round < 10; round++) {
    DeviceArray<float> x(ones), y(ones.size());
    DEVICE_CALL(synchronize, stream());
    for (int i = 0; i < 5; i++)
      DEVICE_CALL(add, stream(), x.data(), 300, x.data(), 300, 1.f, 1, 300, x.data(), 300);
    DEVICE_CALL(record_event, stream(), event);
    DEVICE_CALL(await_event, other, event);
    DEVICE_CALL(copy, other, y.data(), x.data(), x.bytes());
    DEVICE_CALL(synchronize, other);
    ASSERT_EQ(y.get(), std::vector<float>(300, 32.f));
    DEVICE_CALL(record_event, stream(), event);
    DEVICE_CALL(synchronize_event, 0, event);
  }
  DEVICE_CALL(destroy_event, 0, event);
  DEVICE_CALL(destroy_stream, other);
}

TEST(DeviceErrors, AreLostWhereTheDocumentationOfCudaSaysSo) {
  for (const int code : {46, 214, 220, 226, 700, 702, 710, 714, 715, 716, 717, 718, 719, 721, 911, 999})
    EXPECT_TRUE(cuda::is_lost(code)) << code;
  // invalid value, no memory, no driver, no device, invalid device, invalid handle, launch resources, others
  for (const int code : {0, 1, 2, 9, 35, 100, 101, 400, 701, 720, 900, 901})
    EXPECT_FALSE(cuda::is_lost(code)) << code;
}

TEST(DeviceArguments, AreNamedWhenWrong) {
  DeviceArray<float> x(8);
  EXPECT_FAILURE(MLA_INVALID_ARGUMENT, "stream is NULL", synchronize, nullptr);
  EXPECT_FAILURE(MLA_INVALID_ARGUMENT, "x is NULL", add, stream(), nullptr, 4, x.data(), 4, 1.f, 1, 4,
                 x.data(), 4);
  EXPECT_FAILURE(MLA_INVALID_ARGUMENT, "rows is -1, but must be in 0..2147483647", add, stream(), x.data(), 4,
                 x.data(), 4, 1.f, -1, 4, x.data(), 4);
  EXPECT_FAILURE(MLA_UNSUPPORTED,
                 "table_type is MLA_TYPE_F16, but devices compute with F32 and BF16: convert it first", embed,
                 stream(), MLA_TYPE_F16, x.data(), 4, 2, nullptr, 1, 4, 1.f, x.data(), 4);
  DEVICE_CALL(add, stream(), nullptr, 4, nullptr, 4, 1.f, 0, 4, nullptr, 4);
}

}  // namespace
}  // namespace mla::test

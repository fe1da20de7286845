#include "cuda/device.h"

#include <dlfcn.h>

#include <algorithm>
#include <cstdlib>

namespace mla::test {
namespace {

// The library of the name, or this program itself, which is linked with the emulated one.
void* library() {
  static void* const handle = [] {
    void* opened = dlopen(std::getenv("MLA_TEST_CUDA_LIBRARY"), RTLD_NOW | RTLD_LOCAL);
    if (opened == nullptr) throw std::runtime_error(dlerror());
    return opened;
  }();
  return handle;
}

const mla_device_kernels& open() {
  const auto entry = reinterpret_cast<mla_get_device_kernels_fn>(dlsym(library(), "mla_get_device_kernels"));
  if (entry == nullptr) throw std::runtime_error(dlerror());
  return *entry(MLA_ABI_VERSION);
}

}  // namespace

const mla_device_kernels& device() {
  static const mla_device_kernels& table = open();
  return table;
}

void* stream() {
  static void* const handle = [] {
    void* made = nullptr;
    DEVICE_CALL(create_stream, 0, &made);
    return made;
  }();
  return handle;
}

int limit_shared(int bytes) {
  const auto emulate = reinterpret_cast<void (*)(int32_t)>(dlsym(library(), "mla_emulator_set_shared_limit"));
  if (emulate != nullptr) emulate(bytes);
  mla_device_info info{};
  info.struct_size = sizeof info;
  char name[64];
  DEVICE_CALL(info, 0, &info, name, sizeof name);
  return std::min(bytes, info.shared_bytes);
}

}  // namespace mla::test

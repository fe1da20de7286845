#include "cuda/device.h"

#include <dlfcn.h>

#include <cstdlib>

namespace mla::test {
namespace {

const char* named_library() { return std::getenv("MLA_TEST_CUDA_LIBRARY"); }

const mla_device_kernels& open() {
  mla_get_device_kernels_fn entry = mla_get_device_kernels;
  if (named_library() != nullptr) {
    void* library = dlopen(named_library(), RTLD_NOW | RTLD_LOCAL);
    if (library == nullptr) throw std::runtime_error(dlerror());
    entry = reinterpret_cast<mla_get_device_kernels_fn>(dlsym(library, "mla_get_device_kernels"));
    if (entry == nullptr) throw std::runtime_error(dlerror());
  }
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

bool is_emulated() { return named_library() == nullptr; }

}  // namespace mla::test

// The exported functions of a device library, and what it tells of itself.
#include "cuda/abi/device.h"

#include <cstring>

#include "abi/layout.h"

namespace mla::device {
namespace {

int32_t describe(int32_t subject, char* text, int32_t size) {
  try {
    std::string s;
    int count = 0;
    switch (subject) {
      case MLA_DESCRIBE_VERSION:
        s = kVersion;
        break;
      case MLA_DESCRIBE_ISA:
        s = "cuda";
        break;
      case MLA_DESCRIBE_REASON:
        if (const Result r = cuda::count_devices(&count)) s = cuda::error_text(r.code);
        break;
      case MLA_DESCRIBE_LAYOUT:
        s = layout_text();
        break;
      default:
        return -1;
    }
    if (text != nullptr && size > 0) std::snprintf(text, static_cast<size_t>(size), "%s", s.c_str());
    return static_cast<int32_t>(s.size());
  } catch (...) {
    return -1;
  }
}

const mla_device_kernels* table() {
  static const mla_device_kernels kernels = [] {
    mla_device_kernels t{};
    t.struct_size = sizeof t;
    t.abi_version = MLA_ABI_VERSION;
    t.describe = describe;
    add_memory(t);
    add_rows(t);
    add_linear(t);
    add_plan(t);
    add_attention(t);
    return t;
  }();
  return &kernels;
}

}  // namespace
}  // namespace mla::device

const mla_kernels* mla_get_kernels(int32_t, int32_t) { return nullptr; }

const mla_device_kernels* mla_get_device_kernels(int32_t abi_version) {
  return abi_version == MLA_ABI_VERSION ? mla::device::table() : nullptr;
}

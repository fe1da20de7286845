// The text of MLA_DESCRIBE_LAYOUT of a device library: the params structs, then those of devices, mla_device_kernels and its functions.
#pragma once
#include <string>

namespace mla {

std::string device_layout_text();

}  // namespace mla

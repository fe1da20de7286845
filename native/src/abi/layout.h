// The text of MLA_DESCRIBE_LAYOUT: what the compiler made of mla.h, for the bindings to compare with.
#pragma once
#include <string>

namespace mla {

std::string layout_text();

}  // namespace mla

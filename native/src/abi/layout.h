// The text of MLA_DESCRIBE_LAYOUT: what the compiler made of mla.h, for the bindings to compare with.
#pragma once
#include <string>

namespace mla {

// Lines "struct NAME SIZE", "NAME.FIELD OFFSET TYPE" and "function NAME TYPE(TYPE,...)", types i32, i64, f32, ptr: of the params structs
// and mla_kernels.
std::string layout_text();
// Of the params structs alone.
std::string params_layout_text();

}  // namespace mla

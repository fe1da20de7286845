// The text of MLA_DESCRIBE_LAYOUT: what the compiler made of mla.h, for the bindings to compare with.
#pragma once
#include <string>

namespace mla {

// Lines "struct NAME SIZE FIELD:TYPE@OFFSET ..." and "fn NAME TYPE(TYPE,...)", types i32, i64, f32, ptr.
std::string layout_text();

}  // namespace mla

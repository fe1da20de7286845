// Lines of the text of MLA_DESCRIBE_LAYOUT from the types themselves.
#pragma once
#include <cstddef>
#include <cstdint>
#include <string>
#include <type_traits>

#include "mla/mla.h"

namespace mla {

template <class T>
std::string type_name() {
  if constexpr (std::is_pointer_v<T>)
    return "ptr";
  else if constexpr (std::is_same_v<T, int32_t>)
    return "i32";
  else if constexpr (std::is_same_v<T, int64_t>)
    return "i64";
  else if constexpr (std::is_same_v<T, float>)
    return "f32";
  else
    static_assert(sizeof(T) == 0, "a type that the interface does not allow");
}

template <class R, class... A>
std::string signature(R (*)(A...)) {
  std::string arguments;
  ((arguments += (arguments.empty() ? "" : ",") + type_name<A>()), ...);
  return type_name<R>() + "(" + arguments + ")";
}

#define FIELD(S, f) "\n" #S "." #f " " + std::to_string(offsetof(S, f)) + " " + type_name<decltype(S::f)>()
#define BEGIN(S) "struct " #S " " + std::to_string(sizeof(S))
#define FUNCTION_OF(S, f) "function " #f " " + signature(decltype(S::f){}) + "\n"

}  // namespace mla

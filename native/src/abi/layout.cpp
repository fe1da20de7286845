// Sizes, offsets and signatures from the types themselves; their names from mla.h (layout.cmake).
#include "abi/layout.h"

#include <cstddef>
#include <cstdint>
#include <type_traits>

#include "mla/mla.h"

namespace mla {
namespace {

template <class T>
struct TypeName {
  static_assert(std::is_pointer_v<T>, "a type that the interface does not allow");
  static std::string text() { return "ptr"; }
};
template <>
struct TypeName<int32_t> {
  static std::string text() { return "i32"; }
};
template <>
struct TypeName<int64_t> {
  static std::string text() { return "i64"; }
};
template <>
struct TypeName<float> {
  static std::string text() { return "f32"; }
};
template <>
struct TypeName<double> {
  static std::string text() { return "f64"; }
};
template <class R, class... A>
struct TypeName<R (*)(A...)> {
  static std::string text() {
    std::string arguments;
    ((arguments += (arguments.empty() ? "" : ",") + TypeName<A>::text()), ...);
    return TypeName<R>::text() + "(" + arguments + ")";
  }
};

}  // namespace

std::string layout_text() {
  std::string text;
#define STRUCT(S) text += "struct " #S " " + std::to_string(sizeof(S)) + "\n";
#define FIELD(S, f) \
  text += #S "." #f " " + std::to_string(offsetof(S, f)) + " " + TypeName<decltype(S::f)>::text() + "\n";
#define ENTRY(F) text += #F " " + TypeName<F>::text() + "\n";
#include "layout_names.h"
  return text;
}

}  // namespace mla

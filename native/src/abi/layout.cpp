// Sizes, offsets and signatures from the types themselves; their names from mla.h (layout.cmake).
#include "abi/layout.h"

#include <cstddef>
#include <cstdint>
#include <initializer_list>
#include <string>
#include <type_traits>

#include "mla/mla.h"

namespace mla {
namespace {

template <class T>
constexpr const char* word() {
  if constexpr (std::is_same_v<T, int32_t>) {
    return "i32";
  } else if constexpr (std::is_same_v<T, int64_t>) {
    return "i64";
  } else if constexpr (std::is_same_v<T, float>) {
    return "f32";
  } else if constexpr (std::is_same_v<T, double>) {
    return "f64";
  } else {
    static_assert(std::is_pointer_v<T>, "a type that the interface does not allow");
    return "ptr";
  }
}

// The first word is the type of the result.
std::string signature(std::initializer_list<const char*> words) {
  std::string text = *words.begin();
  for (const char* const* argument = words.begin() + 1; argument != words.end(); argument++)
    text += std::string(argument == words.begin() + 1 ? "(" : ",") + *argument;
  return text + ")";
}

template <class T>
struct Type {
  static std::string text() { return word<T>(); }
};
template <class R, class... A>
struct Type<R (*)(A...)> {
  static std::string text() { return signature({word<R>(), word<A>()...}); }
};

}  // namespace

std::string layout_text() {
  // A table and not code for each line, which takes seconds to compile.
  struct Line {
    const char* name;
    int64_t number;
    std::string (*type)();
  };
#define STRUCT(S) {"struct " #S, sizeof(S), nullptr},
#define FIELD(S, f) {#S "." #f, offsetof(S, f), Type<decltype(S::f)>::text},
#define ENTRY(F) {#F, -1, Type<F>::text},
  static constexpr Line kLines[] = {
#include "layout_names.h"
  };
  std::string text;
  for (const Line& line : kLines) {
    text += line.name;
    if (line.number >= 0) text += " " + std::to_string(line.number);
    if (line.type != nullptr) text += " " + line.type();
    text += "\n";
  }
  return text;
}

}  // namespace mla

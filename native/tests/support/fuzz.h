// Calls of the C interface with hostile numbers: a valid small call is drawn, some of its numbers are changed, and each buffer gets as many
// bytes as mla.h says that such a call reads or writes, with pages that nobody may touch at one end. A buffer that would be too large to
// have is NULL instead, so that only a call that refuses it returns.
#pragma once
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/mman.h>
#include <unistd.h>

#include <algorithm>
#include <climits>
#include <cmath>
#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstring>
#include <limits>
#include <map>
#include <memory>
#include <string>
#include <tuple>
#include <type_traits>
#include <utility>
#include <vector>

#include "mla/mla.h"
#include "support/random.h"

namespace mla::test::fuzz {

__extension__ typedef __int128 Wide;  // no product of three numbers of a call overflows it

// Memory with an unmapped page on both sides, which the buffers of one place in a call share, one call after the other.
class Slot {
 public:
  static constexpr int64_t kCapacity = 4 << 20;

  explicit Slot(uint64_t seed) {
    base_ = static_cast<uint8_t*>(
        mmap(nullptr, kCapacity + 2 * kPage, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0));
    if (base_ == MAP_FAILED || mprotect(base_ + kPage, kCapacity, PROT_READ | PROT_WRITE) != 0)
      throw std::bad_alloc();
    Random random(seed);
    for (int64_t i = 0; i < kCapacity; i += 4) {
      const float x = random.real(-1, 1);
      std::memcpy(base_ + kPage + i, &x, 4);
    }
  }
  Slot(const Slot&) = delete;
  ~Slot() { munmap(base_, kCapacity + 2 * kPage); }

  // The last bytes of the slot, or its first ones; what is beside them is marked.
  void* place(int64_t bytes, int align, bool last) {
    uint8_t* at = base_ + kPage;
    if (last) at += (kCapacity - bytes) / align * align;
    before_ = at - std::min<int64_t>(kMark, at - (base_ + kPage));
    at_ = at;
    end_ = at + bytes;
    after_ = end_ + std::min<int64_t>(kMark, base_ + kPage + kCapacity - end_);
    std::memset(before_, kMarked, static_cast<size_t>(at_ - before_));
    std::memset(end_, kMarked, static_cast<size_t>(after_ - end_));
    return at;
  }
  bool is_untouched_around() const {
    const auto marked = [](uint8_t b) { return b == kMarked; };
    return std::all_of(before_, at_, marked) && std::all_of(end_, after_, marked);
  }

 private:
  static constexpr int64_t kPage = 1 << 16;  // whatever the system's pages are
  static constexpr int64_t kMark = 64;
  static constexpr uint8_t kMarked = 0xa5;
  uint8_t* base_;
  uint8_t *before_ = nullptr, *at_ = nullptr, *end_ = nullptr, *after_ = nullptr;
};

// A buffer of a call. Its subject says how many bytes it has and what whole numbers lie in it.
struct Buffer {
  Wide bytes = 0;
  int align = 4;
  bool is_absent = false;  // optional, and left out
  int64_t ids = -1;        // int32 of 0 .. ids - 1, where it is at least 0
  bool has_end = true;     // whether the call knows how many ids there are
  void* at = nullptr;      // where it lies in this call
};

inline Wide positive(Wide x) { return std::max<Wide>(x, 0); }
// Far beyond every memory, and far from the end of Wide.
inline Wide bounded(Wide x) { return std::clamp<Wide>(x, -(Wide{1} << 62), Wide{1} << 62); }
// Elements from the first to the last one of `count` runs of `width` elements, `stride` apart; 0 where there are none.
inline Wide span(Wide count, Wide stride, Wide width) {
  if (count <= 0 || width <= 0) return 0;
  return bounded(positive((bounded(count) - 1) * bounded(stride)) + bounded(width));
}
inline Wide span(Wide outer, Wide outer_stride, Wide inner, Wide inner_stride, Wide width) {
  return span(outer, outer_stride, span(inner, inner_stride, width));
}

// The numbers of a struct of mla.h, by their names in it.
struct Field {
  size_t offset;
  const char* name;
  int bytes;  // 4 or 8, 0: float
};
inline const std::vector<Field>& fields_of(const std::string& name) {
  static const std::map<std::string, std::vector<Field>> all = [] {
    std::map<std::string, std::vector<Field>> fields;
#define STRUCT(S)
#define ENTRY(F)
#define FIELD(S, f)                                 \
  if constexpr (!std::is_pointer_v<decltype(S::f)>) \
    fields[#S].push_back(                           \
        {offsetof(S, f), #f, std::is_floating_point_v<decltype(S::f)> ? 0 : (int)sizeof(S::f)});
#include "layout_names.h"
#undef STRUCT
#undef ENTRY
#undef FIELD
    return fields;
  }();
  return all.at(name);
}
template <class T>
const char* name_of();
#define STRUCT(S)                   \
  template <>                       \
  inline const char* name_of<S>() { \
    return #S;                      \
  }
#define ENTRY(F)
#define FIELD(S, f)
#include "layout_names.h"
#undef STRUCT
#undef ENTRY
#undef FIELD

// A number that a check may not have thought of, near to what was there or near to a limit.
inline int64_t hostile(Random& random, int64_t was, int64_t low, int64_t high) {
  switch (random.in(0, 5)) {
    case 0:
      return static_cast<int64_t>(std::clamp<Wide>(Wide{was} + random.of({-1, 1, 2, 16, -16}), low, high));
    case 1:
      return std::clamp<int64_t>(random.in(-2, 70), low, high);
    case 2:
      return std::clamp<int64_t>(random.of({INT_MAX, INT_MIN, INT_MAX - 1, INT_MAX - 63, INT_MAX - 64,
                                            INT_MIN + 1, 1 << 30, 1 << 24, -1, 0}),
                                 low, high);
    case 3: {
      const Wide power = Wide{1} << random.in(0, high > INT_MAX ? 63 : 31);
      const Wide x = (random.coin() ? power : -power) + random.in(-1, 1);
      return static_cast<int64_t>(std::clamp<Wide>(x, low, high));
    }
    case 4:
      return random.coin() ? high - random.in(0, 1) : low + random.in(0, 1);
    default:
      return static_cast<int64_t>(std::clamp<Wide>(Wide{was} * random.in(2, 5000), low, high));
  }
}
inline float hostile_float(Random& random) {
  constexpr float kInfinity = std::numeric_limits<float>::infinity();
  const float choices[] = {0.f,           -0.f,  1.f,     -1.f,     kInfinity, -kInfinity,
                           std::nanf(""), 1e38f, 3.4e38f, -3.4e38f, 1e-45f,    1e-30f};
  return choices[random.in(0, (int)std::size(choices) - 1)];
}

// One place of a call at which something can be changed.
struct Place {
  std::string name;
  void* at;
  int bytes;  // 4 or 8: a whole number; 0: a float; -1: a Buffer, -2: the pointer to a struct
};
inline void add_places(std::vector<Place>& places, Buffer& b) { places.push_back({"a pointer", &b, -1}); }
inline void add_places(std::vector<Place>& places, int32_t& x) { places.push_back({"a number", &x, 4}); }
inline void add_places(std::vector<Place>& places, int64_t& x) { places.push_back({"a number", &x, 8}); }
inline void add_places(std::vector<Place>& places, float& x) { places.push_back({"a number", &x, 0}); }

// A struct of a call, or NULL.
template <class T>
struct Params {
  T value{};
  bool is_null = false;
  T* operator->() { return &value; }
};
template <class T>
void add_places(std::vector<Place>& places, Params<T>& p) {
  for (const Field& f : fields_of(name_of<T>()))
    places.push_back({f.name, reinterpret_cast<char*>(&p.value) + f.offset, f.bytes});
  places.push_back({"a struct", &p.is_null, -2});
}

// What is called: draws a valid call, says what bytes it has, and in which order its arguments are.
struct Subject {
  Random* random = nullptr;
  Wide work = 0;  // multiply-adds or so
  virtual ~Subject() = default;
};

// Prints the call that the process dies of.
inline char g_call[256];
inline void print_call(int signal) {
  const ssize_t ignored = write(2, g_call, std::strlen(g_call));
  (void)ignored;
  ::signal(signal, SIG_DFL);
  raise(signal);
}

class Fuzzer {
 public:
  Fuzzer() {
    for (uint64_t i = 0; i < kSlots; i++) slots_.push_back(std::make_unique<Slot>(i));
  }

  // Draws, changes and makes one call of `function`; false where it did what no call may. `source`: where the draws come from.
  template <class S, class Function>
  bool call(const mla_kernels& kernels, const char* name, Function function, Random random,
            const std::string& source) {
    S subject;
    subject.random = &random;
    subject.draw(kernels, random);
    auto arguments = subject.arguments();
    changes_ = change(arguments, random);
    subject.measure(kernels);
    const bool too_much = subject.work > kMaxWork;
    used_ = 0;
    std::snprintf(g_call, sizeof g_call, "fuzzed call of %s, %s: %s\n", name, source.c_str(),
                  changes_.c_str());
    const bool last = random.in(0, 3) > 0;
    std::apply([&](auto&... a) { (place(a, random, last, too_much), ...); }, arguments);
    Buffer error;
    int32_t error_size = random.of({0, 1, 5, 300, -1, INT_MIN});
    error.bytes = positive(error_size), error.align = 1, error.is_absent = random.in(0, 9) == 0;
    place(error, random, last, false);
    int64_t status = 0;
    std::apply(
        [&](auto&... a) {
          if constexpr (std::is_invocable_v<Function, decltype(as_argument(a))..., char*, int32_t>)
            status = function(as_argument(a)..., (char*)error.at, error_size);
          else
            status = function(as_argument(a)...);
        },
        arguments);
    if (!S::is_answer(status)) return failed(name, source, "it returned " + std::to_string(status));
    (status == MLA_OK ? computed_ : refused_)++;
    for (size_t i = 0; i < used_; i++) {
      if (!slots_[i]->is_untouched_around()) return failed(name, source, "it wrote beside a buffer");
    }
    return true;
  }

  int64_t computed() const { return computed_; }
  int64_t refused() const { return refused_; }

 private:
  static constexpr size_t kSlots = 24;
  static constexpr Wide kMaxWork = 1 << 22;

  template <class... A>
  static std::string change(std::tuple<A...>& arguments, Random& random) {
    std::vector<Place> places;
    std::apply([&](auto&... a) { (add_places(places, a), ...); }, arguments);
    std::string text;
    for (int i = random.of({0, 1, 1, 1, 1, 2, 2, 3}); i > 0; i--) {
      const Place& place = places[(size_t)random.in(0, (int)places.size() - 1)];
      text += " " + place.name;
      if (place.bytes == 4) {
        auto* x = static_cast<int32_t*>(place.at);
        *x = static_cast<int32_t>(hostile(random, *x, INT_MIN, INT_MAX));
        text += " = " + std::to_string(*x);
      } else if (place.bytes == 8) {
        auto* x = static_cast<int64_t*>(place.at);
        *x = hostile(random, *x, INT64_MIN, INT64_MAX);
        text += " = " + std::to_string(*x);
      } else if (place.bytes == 0) {
        auto* x = static_cast<float*>(place.at);
        *x = hostile_float(random);
        text += " = " + std::to_string(*x);
      } else if (place.bytes == -1) {
        static_cast<Buffer*>(place.at)->is_absent ^= true;
        text += " changes between NULL and memory";
      } else {
        *static_cast<bool*>(place.at) = true;
        text += " is NULL";
      }
    }
    return text;
  }

  void place(int32_t&, Random&, bool, bool) {}
  void place(int64_t&, Random&, bool, bool) {}
  void place(float&, Random&, bool, bool) {}
  void place(Buffer& b, Random& random, bool last, bool too_much) {
    b.at = nullptr;
    if (b.is_absent || too_much || b.bytes > Slot::kCapacity / 2) return;
    b.at = slots_.at(used_++)->place(static_cast<int64_t>(b.bytes), b.align, last);
    if (b.ids < 0) return;
    auto* ids = static_cast<int32_t*>(b.at);
    const int64_t count = static_cast<int64_t>(b.bytes) / 4,
                  high = std::clamp<int64_t>(b.ids - 1, 0, INT_MAX);
    for (int64_t i = 0; i < count; i++) ids[i] = random.in(0, (int)high);
    if (count == 0 || random.in(0, 7) > 0) return;
    int32_t& id = ids[random.in(0, (int)count - 1)];
    id = b.has_end && random.coin()
             ? static_cast<int32_t>(std::min<int64_t>(b.ids, INT_MAX))
             : static_cast<int32_t>(hostile(random, b.ids, INT_MIN, b.has_end ? INT_MAX : -1));
  }
  template <class T>
  void place(Params<T>& p, Random&, bool last, bool) {
    if (p.is_null) return;
    struct_at_[&p] = slots_.at(used_++)->place(sizeof(T), alignof(T), last);
    std::memcpy(struct_at_[&p], &p.value, sizeof(T));
  }

  struct Pointer {
    void* at;
    template <class T>
    operator T*() const {
      return static_cast<T*>(at);
    }
  };
  static int32_t as_argument(int32_t x) { return x; }
  static int64_t as_argument(int64_t x) { return x; }
  static float as_argument(float x) { return x; }
  static Pointer as_argument(Buffer& b) { return {b.at}; }
  template <class T>
  const T* as_argument(Params<T>& p) {
    return p.is_null ? nullptr : static_cast<const T*>(struct_at_[&p]);
  }

  bool failed(const char* name, const std::string& source, const std::string& what) {
    ADD_FAILURE() << name << ", " << source << ":" << changes_ << ": " << what;
    return false;
  }

  std::vector<std::unique_ptr<Slot>> slots_;
  std::map<const void*, void*> struct_at_;
  size_t used_ = 0;
  std::string changes_;
  int64_t computed_ = 0, refused_ = 0;
};

}  // namespace mla::test::fuzz

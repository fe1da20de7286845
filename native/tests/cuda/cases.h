// One small call of each operation that goes through every branch of its kernels, for tests that run it many times.
#pragma once
#include <cstdint>
#include <functional>
#include <ostream>
#include <string>
#include <vector>

namespace mla::test {

struct Case {
  std::string name;
  // Uploads fixed inputs, runs, and returns the bytes of all outputs. Throws where a call fails.
  std::function<std::vector<uint8_t>()> run;
  // What of its kernels this call does not need: "wait" where nothing is copied.
  std::string spares = "";
};
inline void PrintTo(const Case& c, std::ostream* to) { *to << c.name; }

const std::vector<Case>& cases();

}  // namespace mla::test

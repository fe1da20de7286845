// The tables that this processor can run, as test parameters; calls that must succeed.
#pragma once
#include <gtest/gtest.h>

#include <iterator>
#include <ostream>
#include <sstream>
#include <string>
#include <vector>

#include "mla/mla.h"

// How GoogleTest prints a table; it looks beside the type.
inline void PrintTo(const mla_kernels* kernels, std::ostream* out) {
  char name[32];
  kernels->describe(MLA_DESCRIBE_ISA, name, sizeof name);
  *out << name;
}

namespace mla::test {

inline std::string describe(const mla_kernels* kernels, int32_t subject) {
  std::string text(static_cast<size_t>(kernels->describe(subject, nullptr, 0)) + 1, ' ');
  kernels->describe(subject, text.data(), static_cast<int32_t>(text.size()));
  text.pop_back();
  return text;
}

// The names of all instruction sets of the library, those that this processor lacks included.
inline std::vector<std::string> isa_names() {
  std::stringstream text(describe(mla_get_kernels(MLA_ABI_VERSION, MLA_ISA_GENERIC), MLA_DESCRIBE_ISAS));
  return {std::istream_iterator<std::string>(text), {}};
}

inline std::vector<const mla_kernels*> all_kernels() {
  std::vector<const mla_kernels*> tables;
  for (int isa = 0; isa < (int)isa_names().size(); isa++) {
    if (const mla_kernels* table = mla_get_kernels(MLA_ABI_VERSION, isa)) tables.push_back(table);
  }
  return tables;
}

class KernelTest : public testing::TestWithParam<const mla_kernels*> {
 protected:
  const mla_kernels& kernels() const { return *GetParam(); }
};

#define MLA_TEST_ALL_KERNELS(Suite)                                              \
  INSTANTIATE_TEST_SUITE_P(, Suite, testing::ValuesIn(mla::test::all_kernels()), \
                           [](const auto& i) { return mla::test::describe(i.param, MLA_DESCRIBE_ISA); })

// MLA_CALL(kernels.linear, arguments without the error buffer): fails the test unless the call succeeds.
#define MLA_CALL(function, ...)                                                    \
  do {                                                                             \
    char error_[256] = "";                                                         \
    const int32_t status_ = function(__VA_ARGS__, error_, (int32_t)sizeof error_); \
    ASSERT_EQ(status_, MLA_OK) << error_;                                          \
  } while (0)

}  // namespace mla::test

// The entry point, what a table tells of itself, and that the layout text is complete.
#include <gtest/gtest.h>

#include <cstddef>
#include <cstdio>
#include <sstream>

#include "support/kernels.h"

namespace mla::test {
namespace {

TEST(Abi, GenericAlwaysExistsAndAutoIsASupportedTable) {
  const mla_kernels* generic = mla_get_kernels(MLA_ABI_VERSION, MLA_ISA_GENERIC);
  ASSERT_NE(generic, nullptr);
  EXPECT_TRUE(generic->supported_isas & 1 << MLA_ISA_GENERIC);
  const mla_kernels* best = mla_get_kernels(MLA_ABI_VERSION, MLA_ISA_AUTO);
  ASSERT_NE(best, nullptr);
  EXPECT_TRUE(generic->supported_isas & 1 << best->isa);
  for (int isa = 0; isa < (int)isa_names().size(); isa++)
    EXPECT_EQ(mla_get_kernels(MLA_ABI_VERSION, isa) != nullptr, (generic->supported_isas >> isa & 1) == 1)
        << isa;
}

TEST(Abi, UnknownVersionsAndInstructionSetsHaveNoTable) {
  EXPECT_EQ(mla_get_kernels(MLA_ABI_VERSION + 1, MLA_ISA_GENERIC), nullptr);
  EXPECT_EQ(mla_get_kernels(0, MLA_ISA_AUTO), nullptr);
  for (int isa : {-2, (int)isa_names().size(), 1000, INT32_MIN, INT32_MAX})
    EXPECT_EQ(mla_get_kernels(MLA_ABI_VERSION, isa), nullptr) << isa;
}

class Table : public KernelTest {};

TEST_P(Table, IsComplete) {
  const mla_kernels& k = kernels();
  EXPECT_EQ(k.struct_size, static_cast<int32_t>(sizeof(mla_kernels)));
  EXPECT_EQ(k.abi_version, MLA_ABI_VERSION);
  EXPECT_EQ(&k, mla_get_kernels(MLA_ABI_VERSION, k.isa));
  EXPECT_EQ(k.row_multiple, 16);
  for (const double* cost = &k.cost_absorbed; cost <= &k.cost_start; cost++) EXPECT_GT(*cost, 0);
  EXPECT_TRUE(k.prefers_bf16 == 0 || (k.prefers_bf16 == 1 && k.probe(MLA_PROBE_DOT_BF16, 1, nullptr, 0) > 0));
  const auto* pointers = reinterpret_cast<void* const*>(&k.describe);
  const size_t count = (sizeof(mla_kernels) - offsetof(mla_kernels, describe)) / sizeof(void*);
  for (size_t i = 0; i < count; i++) EXPECT_NE(pointers[i], nullptr) << "function " << i;
}

TEST_P(Table, DescribesItself) {
  const std::vector<std::string> names = isa_names();
  EXPECT_EQ(names.front(), "generic");
  EXPECT_EQ(describe(&kernels(), MLA_DESCRIBE_ISA), names[(size_t)kernels().isa]);
  EXPECT_EQ(describe(&kernels(), MLA_DESCRIBE_VERSION), "0.1.0");
  const std::string reason = describe(&kernels(), MLA_DESCRIBE_REASON);
  EXPECT_EQ(reason.find(names[(size_t)mla_get_kernels(MLA_ABI_VERSION, MLA_ISA_AUTO)->isa] + ": "), 0u)
      << reason;
  EXPECT_EQ(reason.find('\n'), std::string::npos);
}

TEST_P(Table, CutsTextsAndRefusesUnknownSubjects) {
  char text[6] = {'x', 'x', 'x', 'x', 'x', 'x'};
  EXPECT_EQ(kernels().describe(MLA_DESCRIBE_VERSION, text, 4), 5);
  EXPECT_STREQ(text, "0.1");
  EXPECT_EQ(text[4], 'x');
  EXPECT_EQ(kernels().describe(MLA_DESCRIBE_VERSION, text, 0), 5);
  EXPECT_EQ(kernels().describe(MLA_DESCRIBE_VERSION, nullptr, 100), 5);
  EXPECT_EQ(kernels().describe(-1, text, 6), -1);
  EXPECT_EQ(kernels().describe(99, text, 6), -1);
}

// Each struct's fields follow one another at their natural alignment up to its size: none is missing.
TEST_P(Table, TellsTheWholeLayoutOfTheHeader) {
  const std::string text = describe(&kernels(), MLA_DESCRIBE_LAYOUT);
  std::stringstream lines(text);
  std::string line, name;
  int size = 0, end = 0, structs = 0;
  const auto expect_complete = [&] { EXPECT_EQ((end + 7) / 8 * 8, size) << name; };
  while (std::getline(lines, line)) {
    char word[64], type[200], rest;
    int number = 0;
    if (std::sscanf(line.c_str(), "struct %63[a-z_0-9] %d%c", word, &number, &rest) == 2) {
      expect_complete();
      EXPECT_LT(name, word);
      name = word;
      size = number;
      end = 0;
      structs++;
    } else if (std::sscanf(line.c_str(), "%63[a-z_0-9].%*[a-z_0-9] %d %199[^ ]%c", word, &number, type,
                           &rest) == 3) {
      EXPECT_EQ(word, name);
      const int bytes = type == std::string("i32") || type == std::string("f32") ? 4 : 8;
      EXPECT_EQ(number, (end + bytes - 1) / bytes * bytes) << line;
      end = number + bytes;
    } else {
      EXPECT_TRUE(line == "mla_get_kernels_fn ptr(i32,i32)" || line == "mla_get_device_kernels_fn ptr(i32)")
          << line;
    }
  }
  expect_complete();
  EXPECT_EQ(structs, 16);
  EXPECT_NE(text.find("\nmla_get_device_kernels_fn ptr(i32)\n"), std::string::npos);
  EXPECT_NE(text.find("\nmla_get_kernels_fn ptr(i32,i32)\n"), std::string::npos);
  EXPECT_NE(text.find("\nmla_kernels.describe 72 i32(i32,ptr,i32)\n"), std::string::npos);
}

MLA_TEST_ALL_KERNELS(Table);

}  // namespace
}  // namespace mla::test

// The entry point, what a table tells of itself, and that the layout text is what mla.h says.
#include <gtest/gtest.h>

#include <cstddef>
#include <fstream>
#include <map>
#include <regex>
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
  for (int isa = 0; isa < MLA_ISA_COUNT; isa++)
    EXPECT_EQ(mla_get_kernels(MLA_ABI_VERSION, isa) != nullptr, (generic->supported_isas >> isa & 1) == 1)
        << isa;
}

TEST(Abi, UnknownVersionsAndInstructionSetsHaveNoTable) {
  EXPECT_EQ(mla_get_kernels(MLA_ABI_VERSION + 1, MLA_ISA_GENERIC), nullptr);
  EXPECT_EQ(mla_get_kernels(0, MLA_ISA_AUTO), nullptr);
  for (int isa : {-2, MLA_ISA_COUNT, 1000, INT32_MIN, INT32_MAX})
    EXPECT_EQ(mla_get_kernels(MLA_ABI_VERSION, isa), nullptr) << isa;
}

class Table : public KernelTest {};

TEST_P(Table, IsComplete) {
  const mla_kernels& k = kernels();
  EXPECT_EQ(k.struct_size, static_cast<int32_t>(sizeof(mla_kernels)));
  EXPECT_EQ(k.abi_version, MLA_ABI_VERSION);
  EXPECT_EQ(&k, mla_get_kernels(MLA_ABI_VERSION, k.isa));
  const int lanes[MLA_ISA_COUNT] = {4, 8, 16, 16};
  EXPECT_EQ(k.lanes, lanes[k.isa]);
  EXPECT_TRUE(k.prefers_bf16 == 0 || (k.prefers_bf16 == 1 && k.isa == MLA_ISA_AVX512BF16));
  const auto* pointers = reinterpret_cast<void* const*>(&k.describe);
  const size_t count = (sizeof(mla_kernels) - offsetof(mla_kernels, describe)) / sizeof(void*);
  for (size_t i = 0; i < count; i++) EXPECT_NE(pointers[i], nullptr) << "function " << i;
}

TEST_P(Table, DescribesItself) {
  const char* names[MLA_ISA_COUNT] = {"generic", "avx2", "avx512", "avx512bf16"};
  EXPECT_EQ(describe(&kernels(), MLA_DESCRIBE_ISA), names[kernels().isa]);
  EXPECT_EQ(describe(&kernels(), MLA_DESCRIBE_VERSION), "0.1.0");
  const std::string reason = describe(&kernels(), MLA_DESCRIBE_REASON);
  EXPECT_EQ(reason.find(names[mla_get_kernels(MLA_ABI_VERSION, MLA_ISA_AUTO)->isa]), 0u) << reason;
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

// The layout text, derived a second time from the header's own words and natural alignment.
std::string layout_of_header() {
  std::ifstream file(MLA_HEADER);
  std::stringstream buffer;
  buffer << file.rdbuf();
  const std::string text = buffer.str();
  // what follows is of device libraries
  const std::string source = std::regex_replace(text.substr(0, text.find("typedef struct mla_device_info")),
                                                std::regex(R"(/\*[^*]*\*+([^/*][^*]*\*+)*/)"), " ");
  const std::map<std::string, std::pair<std::string, int>> types{
      {"int32_t", {"i32", 4}}, {"int64_t", {"i64", 8}}, {"float", {"f32", 4}}};
  const auto type = [&](const std::string& declaration) -> std::pair<std::string, int> {
    if (declaration.find('*') != std::string::npos) return {"ptr", 8};
    std::smatch word;
    std::regex_search(declaration, word, std::regex(R"(\w+)"));
    return types.at(word.str());
  };
  const auto signature = [&](const std::string& result, const std::string& arguments) {
    std::string text = type(result).first + "(";
    std::stringstream list(arguments);
    std::string argument;
    for (bool first = true; std::getline(list, argument, ','); first = false)
      text += (first ? "" : ",") + type(argument).first;
    return text + ")\n";
  };
  std::string structs, functions;
  const std::regex struct_form(R"(typedef struct (\w+) \{([^}]*)\})");
  const std::regex function_form(R"(^\s*(\w+)\s*\(\*(\w+)\)\(([^)]*)\)\s*$)");
  for (std::sregex_iterator s(source.begin(), source.end(), struct_form), end; s != end; ++s) {
    const std::string name = (*s)[1];
    std::string fields;
    int offset = 0;
    std::stringstream body((*s)[2]);
    std::string declaration;
    while (std::getline(body, declaration, ';')) {
      std::smatch parts;
      std::string field;
      std::pair<std::string, int> kind;
      if (std::regex_match(declaration, parts, function_form)) {
        field = parts[2];
        kind = {"ptr", 8};
        functions += "function " + field + " " + signature(parts[1], parts[3]);
      } else if (std::regex_match(declaration, parts, std::regex(R"(\s*(\w+)\s+(\w+)\s*)"))) {
        field = parts[2];
        kind = types.at(parts[1]);
      } else {
        continue;
      }
      offset = (offset + kind.second - 1) / kind.second * kind.second;
      fields += name + "." + field + " " + std::to_string(offset) + " " + kind.first + "\n";
      offset += kind.second;
    }
    structs += "struct " + name + " " + std::to_string((offset + 7) / 8 * 8) + "\n" + fields;
  }
  return structs + functions + "function mla_get_kernels ptr(i32,i32)\n";
}

TEST_P(Table, TellsTheLayoutOfTheHeader) {
  EXPECT_EQ(describe(&kernels(), MLA_DESCRIBE_LAYOUT), layout_of_header());
}

MLA_TEST_ALL_KERNELS(Table);

}  // namespace
}  // namespace mla::test

// Tables by name: what this machine has, what it refuses in words, ICEPOINT_ISA.
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <stdexcept>

#include "kernels/select.h"

namespace icepoint {
namespace {

TEST(Select, ReferenceAndPortableComeFirst) {
  const std::vector<std::string> names = isas();
  ASSERT_GE(names.size(), 2u);
  EXPECT_EQ(names[0], "reference");
  EXPECT_EQ(names[1], "portable");
  for (const std::string& name : names) EXPECT_EQ(kernels(name).name, name);
}

TEST(Select, RefusesInWords) {
  const auto refusal = [](const std::string& name) -> std::string {
    try {
      kernels(name);
    } catch (const std::invalid_argument& error) {
      return error.what();
    }
    return "";
  };
  for (const std::string name : {"", "sse2", "Portable", "portable "}) {
    EXPECT_NE(refusal(name).find("'" + name + "' is not an instruction set"), std::string::npos)
        << refusal(name);
    EXPECT_NE(refusal(name).find("reference, portable"), std::string::npos) << refusal(name);
  }
  // A name that icepoint knows runs, or is refused as something that this machine lacks.
  for (const std::string name : {"avx2", "avx512vnni", "amx"}) {
    const std::string text = refusal(name);
    if (text.empty())
      EXPECT_EQ(kernels(name).name, name);
    else
      EXPECT_NE(text.find("lacks '" + name + "'"), std::string::npos) << text;
  }
}

// The variable is read once, so each case asks a process of its own (the threadsafe style starts
// the test binary anew): exit code 0 where the table is `expected`, 2 where it is refused.
void expect_choice(const char* variable, const std::string& expected) {
  const auto choose = [&] {
    if (variable == nullptr)
      unsetenv("ICEPOINT_ISA");
    else
      setenv("ICEPOINT_ISA", variable, 1);
    try {
      const bool right = kernels().name == expected;
      setenv("ICEPOINT_ISA", "reference", 1);  // too late
      std::exit(right && kernels().name == expected ? 0 : 1);
    } catch (const std::invalid_argument& error) {
      std::fprintf(stderr, "%s\n", error.what());
      std::exit(2);
    }
  };
  if (expected.empty())
    EXPECT_EXIT(choose(), testing::ExitedWithCode(2), "ICEPOINT_ISA: .*reference, portable");
  else
    EXPECT_EXIT(choose(), testing::ExitedWithCode(0), "");
}

TEST(SelectDeathTest, TheVariableForcesATable) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  expect_choice("reference", "reference");
  expect_choice("portable", "portable");
}

TEST(SelectDeathTest, WithoutTheVariableTheLastTableRuns) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  expect_choice(nullptr, isas().back());
  expect_choice("", isas().back());
}

TEST(SelectDeathTest, AnUnknownNameIsRefused) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  expect_choice("mmx", "");
}

}  // namespace
}  // namespace icepoint

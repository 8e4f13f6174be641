// SPDX-License-Identifier: Apache-2.0
#include "object/yaml.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "object/document.h"

namespace tetrarch::object {
namespace {

using testing::HasSubstr;

struct YamlRow {
  const char* name;
  std::string_view yaml;
  std::string_view json;
};

void PrintTo(const YamlRow& row, std::ostream* out) {
  *out << row.name;
}

// What sigs.k8s.io/yaml makes of each.
constexpr auto kRows = std::to_array<YamlRow>({
    {"map", "a: 1\nb: x\n", R"({"a":1,"b":"x"})"},
    {"nested", "a:\n  b:\n  - 1\n  - c: d\n", R"({"a":{"b":[1,{"c":"d"}]}})"},
    {"flow", "{a: [1, two], b: {}}", R"({"a":[1,"two"],"b":{}})"},
    {"json_passes", "{\"a\": 1}", "{\"a\": 1}"},
    {"empty_document", "", "null"},
    {"empty_value", "a:\n", R"({"a":null})"},
    {"nulls", "[~, null, Null, NULL]", "[null,null,null,null]"},
    {"booleans",
     "[y, Yes, on, TRUE, n, No, off, False]",
     "[true,true,true,true,false,false,false,false]"},
    {"quoted_words", "['yes', \"on\", 'null', '1']", R"(["yes","on","null","1"])"},
    {"words_alike", "[yep, ONN, nil, yES]", R"(["yep","ONN","nil","yES"])"},
    {"whole_numbers",
     "[0, -1, +2, 1_000, 0x1F, 0o17, 010, 0b101, -0x10]",
     "[0,-1,2,1000,31,15,8,5,-16]"},
    {"large_numbers",
     "[+9223372036854775807, 18446744073709551615, -9223372036854775808]",
     "[9223372036854775807,18446744073709551615,-9223372036854775808]"},
    {"floats", "[1.5, .5, 1e3, -2.5E-1, 08]", "[1.5,0.5,1000,-0.25,8]"},
    {"no_numbers",
     "[1.2.3, 0x, 1e, -, +, ., 12a, 0xZZ, -.]",
     R"(["1.2.3","0x","1e","-","+",".","12a","0xZZ","-."])"},
    {"times_stay_text",
     "[2026-11-28, 2026-11-28T05:21:46Z, 12:30:45]",
     R"(["2026-11-28","2026-11-28T05:21:46Z","12:30:45"])"},
    {"tagged", "[!!str 1, !!int \"3\", !other 4]", R"(["1",3,"4"])"},
    {"block_text", "a: |\n  x\n  y\nb: >-\n  x\n  y\n", R"({"a":"x\ny\n","b":"x y"})"},
    {"keys_become_text",
     "1: a\ntrue: b\nyes: c\n'2': d\n1.5: e\n",
     R"({"1":"a","true":"b","true":"c","2":"d","1.5":"e"})"},
    {"duplicates_stay", "a: 1\na: 2\n", R"({"a":1,"a":2})"},
    {"first_document_only", "a: 1\n---\nb: 2\n", R"({"a":1})"},
    {"document_marks", "---\na: 1\n...\n", R"({"a":1})"},
    {"aliases", "a: &x [1, 2]\nb: *x\n", R"({"a":[1,2],"b":[1,2]})"},
    {"alias_as_key", "a: &x k\n*x : 1\n", R"({"a":"k","k":1})"},
    {"merge_key",
     "a: &x {p: 1, q: 2}\nb:\n  <<: *x\n  q: 3\n",
     R"({"a":{"p":1,"q":2},"b":{"q":3,"p":1}})"},
    {"merge_keys", "b:\n  <<: [{p: 1}, {p: 2, q: 3}]\n", R"({"b":{"p":1,"q":3}})"},
    {"quoted_merge_key_is_a_key", "'<<': 1\n", R"({"<<":1})"},
    {"comments", "# first\na: 1  # behind\n", R"({"a":1})"},
    {"unicode", "a: \"\\u00e9 \\U0001F600\"\n", R"({"a":"é 😀"})"},
});

class YamlTest : public testing::TestWithParam<YamlRow> {};

TEST_P(YamlTest, BecomesTheJsonThatClientsExpect) {
  const auto json = json_of_yaml(GetParam().yaml);
  ASSERT_TRUE(json.ok()) << json.error().message;
  EXPECT_EQ(*json, GetParam().json);
  EXPECT_TRUE(Document::parse(*json).ok());
}

INSTANTIATE_TEST_SUITE_P(Table, YamlTest, testing::ValuesIn(kRows), [](const auto& row) {
  return std::string{row.param.name};
});

constexpr auto kRefused = std::to_array<YamlRow>({
    {"no_yaml", "a: b: c\n", "yaml: line 1: "},
    {"open_bracket", "a: [1,\n", "yaml: line "},
    {"unknown_alias", "a: *x\n", "yaml: line 1: "},
    {"in_itself", "a: &x [*x]\n", "contains itself"},
    {"list_as_key", "? [a]\n: 1\n", "a key must be a scalar"},
    {"map_as_key", "{a: 1}: 2\n", "a key must be a scalar"},
    {"null_as_key", "~: 1\n", "a key must not be null"},
    {"infinite", "a: .inf\n", "is no number in JSON"},
    {"merge_of_a_scalar", "a:\n  <<: 1\n", "map merge requires map"},
    {"tab", "a:\n\t- 1\n", "yaml: line 2: "},
});

class YamlRefused : public testing::TestWithParam<YamlRow> {};

TEST_P(YamlRefused, SaysWhereAndWhy) {
  const auto json = json_of_yaml(GetParam().yaml);
  ASSERT_FALSE(json.ok()) << *json;
  EXPECT_EQ(json.error().code, Code::malformed);
  EXPECT_THAT(json.error().message, HasSubstr(GetParam().json));
}

INSTANTIATE_TEST_SUITE_P(Table, YamlRefused, testing::ValuesIn(kRefused), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(Yaml, BoundsWhatAliasesMake) {
  std::string bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n";
  for (int i = 1; i < 12; ++i) {
    bomb += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [";
    for (int k = 0; k < 9; ++k) {
      bomb += (k == 0 ? "*a" : ", *a") + std::to_string(i - 1);
    }
    bomb += "]\n";
  }
  const auto json = json_of_yaml(bomb);
  ASSERT_FALSE(json.ok());
  EXPECT_THAT(json.error().message, HasSubstr("excessive aliasing"));
}

TEST(Yaml, BoundsWhatMergeKeysMake) {
  std::string bomb = "base: &b {";
  for (int i = 0; i < 2000; ++i) {
    bomb += "k" + std::to_string(i) + ": 1, ";
  }
  bomb += "z: 1}\nlist:\n";
  for (int i = 0; i < 100; ++i) {
    bomb += "- {<<: *b}\n";
  }
  EXPECT_FALSE(json_of_yaml(bomb).ok());
}

TEST(Yaml, BoundsDepth) {
  EXPECT_FALSE(json_of_yaml(std::string(5000, '[')).ok());
  // Deep only through aliases.
  std::string chain = "a0: &a0 [x]\n";
  for (int i = 1; i < 2000; ++i) {
    chain += "a" + std::to_string(i) + ": &a" + std::to_string(i) + " [*a" + std::to_string(i - 1) +
             "]\n";
  }
  const auto json = json_of_yaml(chain);
  ASSERT_FALSE(json.ok());
  EXPECT_THAT(json.error().message, HasSubstr("nested too deeply"));
}

}  // namespace
}  // namespace tetrarch::object

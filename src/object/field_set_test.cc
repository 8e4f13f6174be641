// SPDX-License-Identifier: Apache-2.0
#include "object/field_set.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::object {
namespace {

using testing::ElementsAre;

FieldSet set_of(std::string_view json) {
  const auto document = Document::parse(json);
  EXPECT_TRUE(document.ok()) << json;
  auto set = FieldSet::decode((*document)->root());
  EXPECT_TRUE(set.ok()) << json;
  return *std::move(set);
}

std::string text_of(const FieldSet& set) {
  std::string out;
  Writer writer(out);
  set.write(writer);
  return out;
}

std::vector<std::string> paths_of(const FieldSet& set) {
  std::vector<std::string> out;
  set.for_each([&](FieldSet::Path path) { out.push_back(path_text(path)); });
  return out;
}

struct SpellingRow {
  const char* name;
  const char* json;
  const char* canonical;
};

void PrintTo(const SpellingRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kSpellings = std::to_array<SpellingRow>({
    {"empty", "{}", "{}"},
    {"one_leaf", R"({"f:a":{}})", R"({"f:a":{}})"},
    {"self_and_below", R"({"f:a":{"f:b":{},".":{}}})", R"({"f:a":{".":{},"f:b":{}}})"},
    {"self_alone", R"({"f:a":{".":{}}})", R"({"f:a":{}})"},
    {"steps_sorted", R"({"f:b":{},"f:a":{}})", R"({"f:a":{},"f:b":{}})"},
    {"keys_sorted",
     R"({"k:{\"protocol\":\"TCP\", \"containerPort\":80}":{".":{}}})",
     R"({"k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{}})"},
    {"one_step_twice",
     R"({"k:{\"a\":1,\"b\":2}":{"f:x":{}},"k:{\"b\":2,\"a\":1}":{"f:y":{}}})",
     R"({"k:{\"a\":1,\"b\":2}":{"f:x":{},"f:y":{}}})"},
    {"values",
     R"({"v:\"x\"":{},"v: 1 ":{},"v:true":{}})",
     R"({"v:\"x\"":{},"v:1":{},"v:true":{}})"},
    {"index", R"({"i:03":{}})", R"({"i:3":{}})"},
    {"of_a_later_version", R"({"z:whatever":{},"f:a":{}})", R"({"f:a":{}})"},
    {"name_with_dots", R"({"f:a.b/c":{}})", R"({"f:a.b/c":{}})"},
});

class FieldSetSpelling : public testing::TestWithParam<SpellingRow> {};

TEST_P(FieldSetSpelling, BecomesCanonicalAndStaysSo) {
  const auto set = set_of(GetParam().json);
  EXPECT_EQ(text_of(set), GetParam().canonical);
  EXPECT_EQ(set_of(text_of(set)), set);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         FieldSetSpelling,
                         testing::ValuesIn(kSpellings),
                         [](const auto& row) { return std::string{row.param.name}; });

/// Another text of spaces and tabs for each number.
std::string blanks(int number) {
  std::string out;
  for (; number > 0; number /= 2) {
    out += number % 2 == 0 ? " " : "\\t";
  }
  return out;
}

/// Steps in falling order, and one step in many spellings: neither may take time that grows with
/// the square of what a request holds.
TEST(FieldSet, ReadsTensOfThousandsOfStepsInAnyOrder) {
  constexpr int kSteps = 50'000;
  std::string rising = "{";
  std::string falling = "{";
  std::string one = "{";
  for (int i = 0; i < kSteps; ++i) {
    const auto comma = i == 0 ? "" : ",";
    rising += comma + ("\"f:" + std::to_string(kSteps + i)) + "\":{}";
    falling += comma + ("\"f:" + std::to_string(2 * kSteps - 1 - i)) + "\":{}";
    one += comma + ("\"v:" + blanks(i)) + "1\":{\"f:" + std::to_string(i) + "\":{}}";
  }
  const auto decoded = [](const std::string& json) {
    return FieldSet::decode((*Document::parse(json + "}"))->root());
  };

  const auto set = decoded(rising);
  ASSERT_TRUE(set.ok());
  EXPECT_EQ(set->entries().size(), kSteps);
  EXPECT_EQ(*decoded(falling), *set);
  const auto merged = decoded(one);
  ASSERT_TRUE(merged.ok());
  ASSERT_NE(merged->below("v:1"), nullptr);
  EXPECT_EQ(merged->below("v:1")->entries().size(), kSteps);
}

TEST(FieldSet, RefusesWhatIsNoFieldsV1) {
  for (const auto* json : {"[]",
                           "\"x\"",
                           R"({"a":{}})",
                           R"({"f":{}})",
                           R"({"f:a":1})",
                           R"({"k:x":{}})",
                           R"({"k:[1]":{}})",
                           R"({"v:":{}})",
                           R"({"i:x":{}})"}) {
    const auto set = FieldSet::decode((*Document::parse(json))->root());
    ASSERT_FALSE(set.ok()) << json;
    EXPECT_EQ(set.error().code, Code::malformed) << json;
  }
}

TEST(FieldSet, PathsReadAsPeopleWriteThem) {
  const auto set = set_of(
      R"({"f:spec":{"f:containers":{"k:{\"name\":\"x\"}":{".":{},"f:ports":{)"
      R"("k:{\"containerPort\":80,\"protocol\":\"TCP\"}":{}}}},"f:l":{"v:\"a\"":{},"i:2":{}}}})");
  EXPECT_THAT(paths_of(set),
              ElementsAre(".spec.containers[name=\"x\"]",
                          ".spec.containers[name=\"x\"].ports[containerPort=80,protocol=\"TCP\"]",
                          ".spec.l[2]",
                          ".spec.l[=\"a\"]"));
}

struct SetsRow {
  const char* name;
  const char* a;
  const char* b;
  const char* united;
  const char* common;
  const char* left;       ///< subtract
  const char* left_deep;  ///< subtract_deep
};

void PrintTo(const SetsRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kSets = std::to_array<SetsRow>({
    {"apart",
     R"({"f:a":{}})",
     R"({"f:b":{}})",
     R"({"f:a":{},"f:b":{}})",
     "{}",
     R"({"f:a":{}})",
     R"({"f:a":{}})"},
    {"same",
     R"({"f:a":{"f:b":{}}})",
     R"({"f:a":{"f:b":{}}})",
     R"({"f:a":{"f:b":{}}})",
     R"({"f:a":{"f:b":{}}})",
     "{}",
     "{}"},
    {"parent_less_child",
     R"({"f:a":{".":{},"f:b":{}}})",
     R"({"f:a":{"f:b":{}}})",
     R"({"f:a":{".":{},"f:b":{}}})",
     R"({"f:a":{"f:b":{}}})",
     R"({"f:a":{}})",
     R"({"f:a":{}})"},
    {"child_less_parent",
     R"({"f:a":{"f:b":{}}})",
     R"({"f:a":{}})",
     R"({"f:a":{".":{},"f:b":{}}})",
     "{}",
     R"({"f:a":{"f:b":{}}})",
     "{}"},
    {"nothing_less_something", "{}", R"({"f:a":{}})", R"({"f:a":{}})", "{}", "{}", "{}"},
    {"elements",
     R"({"v:1":{},"v:2":{}})",
     R"({"v:2":{},"v:3":{}})",
     R"({"v:1":{},"v:2":{},"v:3":{}})",
     R"({"v:2":{}})",
     R"({"v:1":{}})",
     R"({"v:1":{}})"},
});

class FieldSetAlgebra : public testing::TestWithParam<SetsRow> {};

TEST_P(FieldSetAlgebra, UnitesIntersectsSubtracts) {
  const auto& row = GetParam();
  const auto a = set_of(row.a);
  const auto b = set_of(row.b);
  EXPECT_EQ(text_of(unite(a, b)), row.united);
  EXPECT_EQ(text_of(intersect(a, b)), row.common);
  EXPECT_EQ(text_of(subtract(a, b)), row.left);
  EXPECT_EQ(text_of(subtract_deep(a, b)), row.left_deep);
}

TEST_P(FieldSetAlgebra, AnswersAboutPrintedSetsAsAboutDecodedOnes) {
  const auto a = set_of(GetParam().a);
  const auto b = set_of(GetParam().b);
  const auto printed = Document::from_canonical(text_of(b));
  EXPECT_EQ(a.overlaps(printed->root()), !intersect(a, b).is_empty());
  EXPECT_EQ(a.is_within(printed->root()), subtract(a, b).is_empty());
}

INSTANTIATE_TEST_SUITE_P(Table, FieldSetAlgebra, testing::ValuesIn(kSets), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(FieldSet, FindsPathsAndTheirMembers) {
  const auto set = set_of(R"({"f:a":{"f:b":{"f:c":{}}}})");
  const std::string_view leaf[] = {"f:a", "f:b", "f:c"};
  EXPECT_TRUE(set.has_path(leaf));
  EXPECT_FALSE(set.has_path(FieldSet::Path(leaf).first(2)));
  EXPECT_FALSE(set.has("f:a"));
  EXPECT_NE(set.below("f:a"), nullptr);
  EXPECT_EQ(set.below("f:x"), nullptr);
}

}  // namespace
}  // namespace tetrarch::object

// SPDX-License-Identifier: Apache-2.0
#include "object/selector.h"

#include <array>
#include <ostream>

#include <gtest/gtest.h>

namespace tetrarch::object {
namespace {

struct MatchRow {
  std::string_view name;
  std::string_view selector;
  std::string_view labels;
  bool matches;
};

void PrintTo(const MatchRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kMatchRows = std::to_array<MatchRow>({
    {"empty_matches_all", "", R"({"a":"b"})", true},
    {"empty_matches_none_at_all", "", "null", true},
    {"equal", "a=b", R"({"a":"b"})", true},
    {"double_equal", "a == b", R"({"a":"b"})", true},
    {"equal_other", "a=b", R"({"a":"c"})", false},
    {"equal_absent", "a=b", "{}", false},
    {"equal_empty_value", "a=", R"({"a":""})", true},
    {"equal_empty_value_absent", "a=", "{}", false},
    {"differs", "a!=b", R"({"a":"c"})", true},
    {"differs_absent", "a!=b", "{}", true},
    {"differs_same", "a!=b", R"({"a":"b"})", false},
    {"exists", "a", R"({"a":""})", true},
    {"exists_absent", "a", "{}", false},
    {"not_exists", "!a", "{}", true},
    {"not_exists_present", "!a", R"({"a":"b"})", false},
    {"in", "a in (x, y)", R"({"a":"y"})", true},
    {"in_other", "a in (x,y)", R"({"a":"z"})", false},
    {"notin", "a notin (x,y)", R"({"a":"z"})", true},
    {"notin_absent", "a notin (x,y)", "{}", true},
    {"notin_listed", "a notin (x,y)", R"({"a":"x"})", false},
    {"key_named_in", "in in (in)", R"({"in":"in"})", true},
    {"greater", "a>5", R"({"a":"6"})", true},
    {"greater_not", "a>5", R"({"a":"5"})", false},
    {"less", "a<5", R"({"a":"-1"})", true},
    {"less_no_number", "a<5", R"({"a":"x"})", false},
    {"all_must_hold", "a=b,c!=d,e in (x,y),!f,g", R"({"a":"b","e":"x","g":"1"})", true},
    {"one_fails", "a=b,c!=d,e in (x,y),!f,g", R"({"a":"b","c":"d","e":"x","g":"1"})", false},
    {"prefixed_key", "example.com/a=b", R"({"example.com/a":"b"})", true},
});

class LabelMatchTest : public testing::TestWithParam<MatchRow> {};

TEST_P(LabelMatchTest, MatchesAsWritten) {
  const auto& row = GetParam();
  const auto labels = *Document::parse(row.labels);

  const auto selector = LabelSelector::parse(row.selector);

  ASSERT_TRUE(selector.ok()) << selector.error().message;
  EXPECT_EQ(selector->matches(labels->root()), row.matches);
  EXPECT_EQ(*LabelSelector::parse(selector->text()), *selector) << selector->text();
}

INSTANTIATE_TEST_SUITE_P(Table, LabelMatchTest, testing::ValuesIn(kMatchRows), [](const auto& row) {
  return std::string{row.param.name};
});

struct RefusalRow {
  std::string_view name;
  std::string_view selector;
  std::string_view message;
};

void PrintTo(const RefusalRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kRefusalRows = std::to_array<RefusalRow>({
    {"double_value", "a=b=c", "found '=', expected: ',' or 'end of string'"},
    {"trailing_comma", "a,", "found '', expected: identifier after ','"},
    {"leading_comma", ",a", "found ',', expected: !, identifier, or 'end of string'"},
    {"no_operator",
     "a b",
     "unable to parse requirement: found 'b', expected: in, notin, =, ==, !=, gt, lt"},
    {"negated_with_value", "!a=b", "found '=', expected: ',' or 'end of string'"},
    {"set_without_parenthesis", "a in b", "unable to parse requirement: found 'b' expected: '('"},
    {"set_not_closed", "a in (b", "unable to parse requirement: found '', expected: ',' or ')'"},
    {"set_with_operator",
     "a in (=)",
     "unable to parse requirement: found '=', expected: ',', ')' or identifier"},
    {"value_missing", "a=(b)", "unable to parse requirement: found '(', expected: identifier"},
    {"bang_alone", "!", "unable to parse requirement: found '', expected: identifier"},
    {"bound_no_integer",
     "a>b",
     "unable to parse requirement: values[0]: Invalid value: \"b\": for 'Gt', 'Lt' operators, the "
     "value must be an "
     "integer"},
    {"bad_key",
     "-a=b",
     "unable to parse requirement: <nil>: Invalid value: \"-a\": name part must consist of "
     "alphanumeric characters, "
     "'-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or "
     "'my.name',  or "
     "'123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')"},
    {"bad_value",
     "a=-b",
     "unable to parse requirement: values[0][a]: Invalid value: \"-b\": a valid label must be an "
     "empty string or "
     "consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
     "alphanumeric character "
     "(e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is "
     "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')"},
});

class LabelRefusalTest : public testing::TestWithParam<RefusalRow> {};

TEST_P(LabelRefusalTest, SaysWhatKubernetesSays) {
  const auto selector = LabelSelector::parse(GetParam().selector);

  ASSERT_FALSE(selector.ok());
  EXPECT_EQ(selector.error().message, GetParam().message);
  EXPECT_EQ(selector.error().code, Code::malformed);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         LabelRefusalTest,
                         testing::ValuesIn(kRefusalRows),
                         [](const auto& row) { return std::string{row.param.name}; });

TEST(LabelSelector, ReadsTheObjectForm) {
  const auto document = *Document::parse(
      R"({"matchLabels":{"app":"web"},
          "matchExpressions":[{"key":"tier","operator":"NotIn","values":["db","cache","db"]},
                              {"key":"x","operator":"Exists"},
                              {"key":"b","operator":"DoesNotExist"}]})");

  const auto selector = LabelSelector::from_object(document->root());

  ASSERT_TRUE(selector.ok()) << selector.error().message;
  EXPECT_EQ(selector->text(), "app=web,!b,tier notin (cache,db),x");
  ASSERT_EQ(selector->requirements().size(), 4U);
  EXPECT_EQ(selector->requirements()[2].values, (std::vector<std::string>{"cache", "db"}));
}

TEST(LabelSelector, AbsentObjectMatchesNothingAndEmptyOneEverything) {
  const auto labels = *Document::parse(R"({"a":"b"})");

  EXPECT_FALSE(LabelSelector::from_object(View())->matches(labels->root()));
  EXPECT_TRUE(LabelSelector::from_object(View())->is_nothing());
  const auto empty = *Document::parse("{}");
  EXPECT_TRUE(LabelSelector::from_object(empty->root())->matches(labels->root()));
  EXPECT_TRUE(LabelSelector::from_object(empty->root())->is_everything());
}

TEST(LabelSelector, RefusesBadExpressions) {
  const auto document = *Document::parse(
      R"([{"matchExpressions":[{"key":"a","operator":"Gt","values":["1"]}]},
          {"matchExpressions":[{"key":"a","operator":"In"}]},
          {"matchExpressions":[{"key":"a","operator":"Exists","values":["1"]}]}])");

  const auto message = [&](std::size_t place) {
    return LabelSelector::from_object(document->root().at(place)).error().message;
  };
  EXPECT_EQ(message(0), "\"Gt\" is not a valid label selector operator");
  EXPECT_EQ(message(1),
            "values: Invalid value: []: for 'in', 'notin' operators, values set can't be empty");
  EXPECT_EQ(message(2),
            "values: Invalid value: []: values set must be empty for exists and does not exist");
}

TEST(LabelSelector, MatchesNodeTermsAndLabelsKeptElsewhere) {
  const auto document = *Document::parse(R"([{"key":"cores","operator":"Gt","values":["4"]}])");
  const auto selector = *LabelSelector::from_expressions(document->root());

  const auto cores = [](std::string_view text) {
    return [text](std::string_view key) {
      return key == "cores" ? std::optional(text) : std::nullopt;
    };
  };
  EXPECT_TRUE(selector.matches(cores("8")));
  EXPECT_FALSE(selector.matches(cores("4")));
}

TEST(LabelSelector, OfAMapWantsEveryLabel) {
  const auto map = *Document::parse(R"({"b":"2","a":"1"})");
  const auto labels = *Document::parse(R"({"a":"1","b":"2","c":"3"})");

  const auto selector = LabelSelector::from_map(map->root());

  EXPECT_EQ(selector.text(), "a=1,b=2");
  EXPECT_TRUE(selector.matches(labels->root()));
}

TEST(FieldSelector, ReadsAndMatches) {
  const auto pod = *Document::parse(
      R"({"metadata":{"name":"a,b"},"spec":{"hostNetwork":true},"status":{"phase":"Running"}})");

  const auto selector = FieldSelector::parse(
      "metadata.name==a\\,b,status.phase!=Failed,spec.hostNetwork=true,,spec.nodeName=");

  ASSERT_TRUE(selector.ok()) << selector.error().message;
  EXPECT_TRUE(selector->matches(pod->root()));
  EXPECT_EQ(selector->exact("metadata.name"), "a,b");
  EXPECT_EQ(selector->exact("status.phase"), std::nullopt);
  EXPECT_EQ(*FieldSelector::parse(selector->text()), *selector);
  EXPECT_FALSE(FieldSelector::parse("status.phase!=Running")->matches(pod->root()));
  EXPECT_TRUE(FieldSelector::parse("")->is_everything());
}

TEST(FieldSelector, RefusesWithTheSentencesOfKubernetes) {
  const auto message = [](std::string_view text) {
    return FieldSelector::parse(text).error().message;
  };

  EXPECT_EQ(message("metadata.name"),
            "invalid selector: 'metadata.name'; can't understand 'metadata.name'");
  EXPECT_EQ(message("a=b=c"), "invalid field selector: unescaped character in value: 61");
  EXPECT_EQ(message("a=\\x"), "invalid field selector: invalid escape sequence: \\x");
  EXPECT_EQ(message("a=b\\"), "invalid field selector: invalid escape sequence: \\");
}

}  // namespace
}  // namespace tetrarch::object

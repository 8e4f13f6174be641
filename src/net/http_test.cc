// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::net {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct WordRow {
  std::string_view name;
  std::vector<std::string> values;  ///< of as many Connection headers
  std::string_view word;
  bool has;
};

void PrintTo(const WordRow& row, std::ostream* out) {
  *out << row.name;
}

class WordTest : public testing::TestWithParam<WordRow> {};

TEST_P(WordTest, IsFoundInAnyListWholeAndInAnyCase) {
  Headers headers;
  headers.add("Other", "upgrade");
  for (const auto& value : GetParam().values) {
    headers.add("Connection", value);
  }

  EXPECT_EQ(headers.has_word("connection", GetParam().word), GetParam().has);
}

const WordRow kWords[] = {
    {"alone", {"Upgrade"}, "upgrade", true},
    {"in_a_list", {"keep-alive, Upgrade"}, "upgrade", true},
    {"with_tabs", {"keep-alive,\tUpgrade\t"}, "upgrade", true},
    {"in_the_second_header", {"keep-alive", "upgrade"}, "Upgrade", true},
    {"behind_an_empty_one", {",,upgrade"}, "upgrade", true},
    {"part_of_another", {"upgrades"}, "upgrade", false},
    {"two_words_are_one", {"keep alive"}, "alive", false},
    {"no_header", {}, "upgrade", false},
    {"an_empty_header", {""}, "upgrade", false},
};

INSTANTIATE_TEST_SUITE_P(Table, WordTest, testing::ValuesIn(kWords), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Headers, AreFoundInAnyCaseTheFirstFirst) {
  Headers headers;
  headers.add("Accept", "a");
  headers.add("aCCEPT", "b");

  EXPECT_EQ(headers.get("accept"), "a");
  EXPECT_THAT(headers.all("ACCEPT"), ElementsAre("a", "b"));
  EXPECT_TRUE(headers.contains("accept"));
  EXPECT_FALSE(headers.contains("accep"));
  EXPECT_EQ(headers.get("none"), "");
  EXPECT_THAT(headers.all("none"), IsEmpty());
}

TEST(Headers, CompareOnlyLettersOfAsciiWithoutCase) {
  EXPECT_TRUE(equals_ignoring_case("ABCxyz-1", "abcXYZ-1"));
  EXPECT_FALSE(equals_ignoring_case("a", "ab"));
  EXPECT_FALSE(equals_ignoring_case("[", "{")) << "they differ in the bit that letters do";
  EXPECT_FALSE(equals_ignoring_case("\xC4", "\xE4"));
}

struct QueryRow {
  std::string_view name;
  std::string_view query;
  std::vector<std::string> values;  ///< of "a"
};

void PrintTo(const QueryRow& row, std::ostream* out) {
  *out << row.name;
}

class QueryTest : public testing::TestWithParam<QueryRow> {};

TEST_P(QueryTest, GivesDecodedValuesInTheirOrder) {
  Request request;
  request.query = GetParam().query;

  EXPECT_EQ(request.parameters("a"), GetParam().values);
  EXPECT_EQ(request.parameter("a").has_value(), !GetParam().values.empty());
  if (!GetParam().values.empty()) {
    EXPECT_EQ(*request.parameter("a"), GetParam().values.front());
  }
}

const QueryRow kQueries[] = {
    {"none", "", {}},
    {"another", "b=1", {}},
    {"flag", "a", {""}},
    {"empty_value", "a=", {""}},
    {"value_with_an_equals_sign", "a=b=c", {"b=c"}},
    {"empty_pairs", "&&a=1&", {"1"}},
    {"encoded_separators", "a=1%262%3D3", {"1&2=3"}},
    {"encoded_name", "%61=1", {"1"}},
    {"plus_is_a_space", "a=x+y%2B", {"x y+"}},
    {"badly_encoded", "a=%zz&a=%4&a=%", {"%zz", "%4", "%"}},
    {"no_utf8", "a=%ff", {"\xff"}},
    {"nul", "a=%00b", {std::string("\0b", 2)}},
    {"prefix_of_a_name", "aa=1&a=2", {"2"}},
};

INSTANTIATE_TEST_SUITE_P(Table, QueryTest, testing::ValuesIn(kQueries), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(StatusPhrase, IsKnownForWhatIsAnsweredHere) {
  EXPECT_EQ(status_phrase(100), "Continue");
  EXPECT_EQ(status_phrase(404), "Not Found");
  EXPECT_EQ(status_phrase(507), "Insufficient Storage");
  for (const int none : {0, 99, 299, 418, 508, -1}) {
    EXPECT_EQ(status_phrase(none), "") << none;
  }
}

}  // namespace
}  // namespace tetrarch::net

// SPDX-License-Identifier: Apache-2.0
#include "object/index_set.h"

#include <array>
#include <ostream>
#include <random>
#include <set>

#include <gtest/gtest.h>

namespace tetrarch::object {
namespace {

struct Row {
  std::string_view name;
  std::string_view text;
  std::int64_t count;
  std::string_view printed;
};

void PrintTo(const Row& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kRows = std::to_array<Row>({
    {"nothing", "", 0, ""},
    {"one", "7", 1, "7"},
    {"two_in_a_row", "3,4", 2, "3,4"},
    {"three_in_a_row", "3,4,5", 3, "3-5"},
    {"mixed", "1,3-5,7", 5, "1,3-5,7"},
    {"touching_pieces", "0-2,3-5", 6, "0-5"},
});

class IndexSetTest : public testing::TestWithParam<Row> {};

TEST_P(IndexSetTest, ReadsCountsAndPrints) {
  const auto set = IndexSet::parse(GetParam().text, 100);

  ASSERT_TRUE(set.ok()) << set.error().message;
  EXPECT_EQ(set->count(), GetParam().count);
  EXPECT_EQ(set->text(), GetParam().printed);
  EXPECT_EQ(IndexSet::parse_leniently(set->text(), 100), *set);
}

INSTANTIATE_TEST_SUITE_P(Table, IndexSetTest, testing::ValuesIn(kRows), [](const auto& row) {
  return std::string{row.param.name};
});

struct BadRow {
  std::string_view name;
  std::string_view text;
  std::string_view message;
};

void PrintTo(const BadRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kBad = std::to_array<BadRow>({
    {"word", "a", R"(cannot convert string to integer for index: "a")"},
    {"end_is_a_word", "1-b", R"(cannot convert string to integer for index: "b")"},
    {"too_large", "9,10", R"(too large index: "10")"},
    {"not_growing", "3,3", "non-increasing order, previous: 3, current: 3"},
    {"backwards", "5-3", "non-increasing order, previous: 5, current: 3"},
    {"three_parts",
     "1-2-3",
     R"(the fragment "1-2-3" violates the requirement that an index interval can have at most two )"
     R"(parts separated by '-')"},
});

class BadIndexSetTest : public testing::TestWithParam<BadRow> {};

TEST_P(BadIndexSetTest, SaysWhatIsWrong) {
  const auto set = IndexSet::parse(GetParam().text, 10);

  ASSERT_FALSE(set.ok());
  EXPECT_EQ(set.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(Table, BadIndexSetTest, testing::ValuesIn(kBad), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(IndexSet, LeavesOutWhatMakesNoSenseWhereAStatusSaysIt) {
  EXPECT_EQ(IndexSet::parse_leniently("0,x,2-99,1", 10).text(), "0,2-9");
}

TEST(IndexSet, IsASetOfNumbersInWhateverOrderTheyCome) {
  std::mt19937 random(7);
  IndexSet set;
  std::set<std::int64_t> model;
  for (int i = 0; i < 300; ++i) {
    const auto number = static_cast<std::int64_t>(random() % 100);
    set.add(number);
    model.insert(number);
    ASSERT_EQ(set.count(), static_cast<std::int64_t>(model.size()));
    ASSERT_EQ(IndexSet::parse(set.text(), 100).value(), set);
  }
  for (std::int64_t number = 0; number < 100; ++number) {
    EXPECT_EQ(set.contains(number), model.contains(number));
  }
}

}  // namespace
}  // namespace tetrarch::object

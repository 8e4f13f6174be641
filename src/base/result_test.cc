// SPDX-License-Identifier: Apache-2.0
// Result and the macros around it, ids and chance.
#include "base/result.h"

#include <memory>
#include <set>

#include <gtest/gtest.h>

#include "base/check.h"
#include "base/ids.h"
#include "base/log.h"
#include "base/random.h"

namespace tetrarch {
namespace {

Result<int> half(int number) {
  if (number % 2 != 0) {
    return Error{Code::invalid, "odd", {{"FieldValueInvalid", "must be even", "spec.number"}}};
  }
  return number / 2;
}

Result<int> quarter(int number) {
  TRY(const int once, half(number));
  TRY(const int twice, half(once));
  return twice;
}

Status check_even(int number) {
  TRY_STATUS(half(number));
  return ok();
}

TEST(Result, HoldsAValueOrAnError) {
  EXPECT_EQ(*half(4), 2);
  EXPECT_TRUE(half(4));
  EXPECT_FALSE(half(3));
  EXPECT_EQ(half(3).error().message, "odd");
  EXPECT_EQ(half(3).error().fields[0].field, "spec.number");
  EXPECT_EQ(half(3).value_or(7), 7);
}

TEST(Result, IsPassedOnByTryWithAllThatTheErrorSays) {
  EXPECT_EQ(*quarter(8), 2);
  EXPECT_EQ(quarter(6).error(), half(3).error());
  EXPECT_TRUE(check_even(2).ok());
  EXPECT_EQ(check_even(1).error().code, Code::invalid);
}

TEST(Result, CarriesWhatCanOnlyBeMoved) {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);

  const auto value = std::move(result).value();

  EXPECT_EQ(*value, 5);
}

TEST(Code, HasANameForEachOfItsValues) {
  std::set<std::string_view> names;
  for (int i = 0; i <= static_cast<int>(Code::internal); ++i) {
    names.insert(to_string(static_cast<Code>(i)));
  }

  EXPECT_EQ(names.size(), static_cast<std::size_t>(Code::internal) + 1);
  EXPECT_FALSE(names.contains(""));
}

TEST(CheckDeathTest, EndsTheProcessAndSaysWhatDoesNotHold) {
  testing::GTEST_FLAG(death_test_style) = "threadsafe";
  EXPECT_DEATH(CHECK(1 + 1 == 3), "broken invariant: 1 \\+ 1 == 3 at .*result_test.cc");
  CHECK(1 + 1 == 2);
}

TEST(Ids, AreOrderedAndHashedByTheirText) {
  EXPECT_LT(NodeName("a"), NodeName("b"));
  EXPECT_EQ(std::hash<NodeName>{}(NodeName("a")), std::hash<NodeName>{}(NodeName("a")));
  EXPECT_LT(Revision{9}, Revision{10});
}

TEST(Log, KnowsItsLevelsAndNoOthers) {
  EXPECT_FALSE(log::set_level("loud"));
  EXPECT_TRUE(log::set_level("error"));
  EXPECT_FALSE(log::enabled(log::Level::warning));
  EXPECT_TRUE(log::set_level("debug"));
  EXPECT_TRUE(log::enabled(log::Level::debug));
  EXPECT_TRUE(log::set_level("warn"));
  EXPECT_FALSE(log::enabled(log::Level::info));
  EXPECT_TRUE(log::set_level("info"));
}

/// Counts up.
class FakeRandom final : public Random {
 public:
  std::uint64_t next() override { return next_++; }

 private:
  std::uint64_t next_ = 0x0123456789abcdef;
};

TEST(Random, MakesVersionFourUuids) {
  FakeRandom random;

  EXPECT_EQ(make_uuid(random), "01234567-89ab-4def-8123-456789abcdf0");
  std::set<std::string> made;
  for (int i = 0; i < 1000; ++i) {
    made.insert(make_uuid(system_random()));
  }
  EXPECT_EQ(made.size(), 1000U);
}

TEST(Random, MakesSuffixesOfTheRightLengthAndAlphabet) {
  for (const std::size_t length : {0U, 1U, 5U, 40U}) {
    const std::string suffix = make_suffix(system_random(), length);
    EXPECT_EQ(suffix.size(), length);
    EXPECT_EQ(suffix.find_first_not_of("bcdfghjklmnpqrstvwxz2456789"), std::string::npos);
  }
}

TEST(Random, MakesAnyNumberOfBytes) {
  for (const std::size_t length : {0U, 1U, 7U, 8U, 9U, 32U}) {
    EXPECT_EQ(make_bytes(system_random(), length).size(), length);
  }
  FakeRandom random;
  EXPECT_EQ(make_bytes(random, 9)[0], static_cast<char>(0xef));
}

}  // namespace
}  // namespace tetrarch

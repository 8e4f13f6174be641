// SPDX-License-Identifier: Apache-2.0
#include "object/quantity.h"

#include <array>
#include <limits>
#include <ostream>

#include <gtest/gtest.h>

namespace tetrarch::object {
namespace {

constexpr auto kMax = std::numeric_limits<std::int64_t>::max();

struct QuantityRow {
  std::string_view name;
  std::string_view text;
  std::int64_t value;
  std::int64_t milli;
  std::string_view canonical;
};

void PrintTo(const QuantityRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kRows = std::to_array<QuantityRow>({
    {"zero", "0", 0, 0, "0"},
    {"zero_with_unit", "0Gi", 0, 0, "0"},
    {"millis", "100m", 1, 100, "100m"},
    {"whole_from_millis", "2000m", 2, 2000, "2"},
    {"fraction", "0.5", 1, 500, "500m"},
    {"fraction_without_zero", ".5", 1, 500, "500m"},
    {"trailing_point", "5.", 5, 5000, "5"},
    {"leading_zeros", "007", 7, 7000, "7"},
    {"plus", "+2", 2, 2000, "2"},
    {"negative", "-1500m", -2, -1500, "-1500m"},
    {"kilo", "1000", 1000, 1'000'000, "1k"},
    {"not_kilo", "1024", 1024, 1'024'000, "1024"},
    {"kibi", "1Ki", 1024, 1'024'000, "1Ki"},
    {"gibi_fraction", "1.5Gi", 1'610'612'736, 1'610'612'736'000, "1536Mi"},
    {"mebi_to_gibi", "1024Mi", 1'073'741'824, 1'073'741'824'000, "1Gi"},
    {"small_binary_is_decimal", "0.5Ki", 512, 512'000, "512"},
    {"binary_with_rest_is_decimal", "1025.1Ki", 1'049'703, 1'049'702'400, "1049702400m"},
    {"exponent", "1e3", 1000, 1'000'000, "1e3"},
    {"upper_exponent", "12E6", 12'000'000, 12'000'000'000, "12e6"},
    {"exa", "12E", kMax, kMax, "12E"},
    {"negative_exponent", "5e-3", 1, 5, "5e-3"},
    {"micro_rounds_up", "1u", 1, 1, "1u"},
    {"nano", "1n", 1, 1, "1n"},
    {"below_nano_rounds_up", "0.1n", 1, 1, "1n"},
    {"very_long_fraction",
     "0.3333333333333333333333333333333333333333333333333",
     1,
     334,
     "333333334n"},
    {"binary_is_capped", "20Ei", kMax, kMax, "9223372036854775807"},
    {"largest", "9223372036854775807", kMax, kMax, "9223372036854775807"},
    {"giga", "2G", 2'000'000'000, 2'000'000'000'000, "2G"},
});

class QuantityTest : public testing::TestWithParam<QuantityRow> {};

TEST_P(QuantityTest, ReadsRoundsUpAndPrintsCanonically) {
  const auto& row = GetParam();

  const auto quantity = Quantity::parse(row.text);

  ASSERT_TRUE(quantity.ok()) << quantity.error().message;
  EXPECT_EQ(quantity->value(), row.value);
  EXPECT_EQ(quantity->milli_value(), row.milli);
  EXPECT_EQ(quantity->text(), row.canonical);
  EXPECT_EQ(*Quantity::parse(quantity->text()), *quantity);
}

INSTANTIATE_TEST_SUITE_P(Table, QuantityTest, testing::ValuesIn(kRows), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(Quantity, RefusesWithTheSentencesOfKubernetes) {
  constexpr std::string_view kForm =
      "quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'";
  constexpr std::string_view kSuffix = "unable to parse quantity's suffix";
  for (const std::string_view text :
       {"", "abc", "1.1.M", "0.1mi!", " 1", "1 ", "-", "m", "1Gi ", "1,5"}) {
    const auto quantity = Quantity::parse(text);
    ASSERT_FALSE(quantity.ok()) << text;
    EXPECT_EQ(quantity.error().message, kForm) << text;
    EXPECT_EQ(quantity.error().code, Code::invalid);
  }
  for (const std::string_view text :
       {"1i", ".5i", "0.1mi", "-3.01e-", "1KiKi", "1e", "1MM", "1ki"}) {
    const auto quantity = Quantity::parse(text);
    ASSERT_FALSE(quantity.ok()) << text;
    EXPECT_EQ(quantity.error().message, kSuffix) << text;
  }
}

TEST(Quantity, SurvivesAbsurdExponents) {
  EXPECT_EQ(Quantity::parse("1e999999999999999999999")->value(), kMax);
  EXPECT_EQ(Quantity::parse("-1e2000000000")->value(), std::numeric_limits<std::int64_t>::min());
  EXPECT_EQ(Quantity::parse("1e-99999999999999999999")->text(), "1e-9");
  EXPECT_EQ(Quantity::parse(std::string(5000, '9'))->value(), kMax);
  EXPECT_EQ(Quantity::parse("0." + std::string(5000, '0') + "1Ki")->text(), "1n");
}

TEST(Quantity, AddsSubtractsAndComparesByAmount) {
  const auto a = *Quantity::parse("1Gi");
  const auto b = *Quantity::parse("1024Mi");

  EXPECT_EQ(a, b);
  EXPECT_LT(*Quantity::parse("999m"), *Quantity::parse("1"));
  EXPECT_EQ((a + b).text(), "2Gi");
  EXPECT_EQ((a - b).text(), "0");
  EXPECT_EQ((Quantity() + a).text(), "1Gi");
  EXPECT_EQ((*Quantity::parse("1") - *Quantity::parse("1500m")).text(), "-500m");
}

TEST(Quantity, SaturatesInsteadOfOverflowing) {
  auto sum = *Quantity::parse("1e40");
  const auto start = sum;

  for (int i = 0; i < 100; ++i) {
    sum += start;
  }

  EXPECT_EQ(sum, start);
  EXPECT_EQ(sum.value(), kMax);
}

TEST(Quantity, ReadsStringsAndNumbersFromDocuments) {
  const auto document = *Document::parse(R"({"a":"250m","b":2,"c":0.25,"d":null})");

  EXPECT_EQ(Quantity::from(document->root()["a"])->milli_value(), 250);
  EXPECT_EQ(Quantity::from(document->root()["b"])->milli_value(), 2000);
  EXPECT_EQ(milli_value_of(document->root()["c"]), 250);
  EXPECT_TRUE(Quantity::from(document->root()["d"])->is_zero());
  EXPECT_TRUE(Quantity::from(document->root()["e"])->is_zero());
}

}  // namespace
}  // namespace tetrarch::object

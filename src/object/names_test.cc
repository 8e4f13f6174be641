// SPDX-License-Identifier: Apache-2.0
// Names, and the arithmetic of quantities as users meet it.
#include "object/names.h"

#include <array>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "object/quantity.h"

namespace tetrarch::object {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

using Check = Faults (*)(std::string_view);

struct NameRow {
  Check check;
  std::string text;
  std::string_view says;  ///< part of the fault; empty: none
};

std::vector<NameRow> name_rows() {
  return {
      {label_key_faults, "app", ""},
      {label_key_faults, "app.kubernetes.io/name", ""},
      {label_key_faults, "a/b_c.D-9", ""},
      {label_key_faults, "", "name part must be non-empty"},
      {label_key_faults, "/x", "prefix part must be non-empty"},
      {label_key_faults, "a/", "name part must be non-empty"},
      {label_key_faults, "a/b/c", "a valid label key must consist of"},
      {label_key_faults, "UPPER.io/x", "prefix part a lowercase RFC 1123 subdomain"},
      {label_key_faults, std::string(64, 'a'), "must be no more than 63"},
      {label_key_faults, std::string(63, 'a'), ""},
      {label_value_faults, "", ""},
      {label_value_faults, "v1.2_3-x", ""},
      {label_value_faults, "a b", "a valid label must be an empty string"},
      {label_value_faults, "a-", "a valid label must be an empty string"},
      {label_value_faults, std::string(64, 'a'), "must be no more than 63"},
      {dns_subdomain_faults, "a.b-c.d9", ""},
      {dns_subdomain_faults, "", "a lowercase RFC 1123 subdomain must consist"},
      {dns_subdomain_faults, "a..b", "a lowercase RFC 1123 subdomain must consist"},
      {dns_subdomain_faults, "A", "a lowercase RFC 1123 subdomain must consist"},
      {dns_subdomain_faults, "a_b", "a lowercase RFC 1123 subdomain must consist"},
      {dns_subdomain_faults, std::string(253, 'a'), ""},
      {dns_subdomain_faults, std::string(254, 'a'), "must be no more than 253"},
      {dns_label_faults, "web-1", ""},
      {dns_label_faults, "1web", ""},
      {dns_label_faults, "-web", "a lowercase RFC 1123 label must consist"},
      {dns_label_faults, "a.b", "must not contain dots"},
      {dns_label_faults, std::string(64, 'a'), "must be no more than 63"},
  };
}

TEST(Names, AreTakenOrRefusedWithTheWordsOfKubernetes) {
  for (const NameRow& row : name_rows()) {
    const Faults faults = row.check(row.text);
    if (row.says.empty()) {
      EXPECT_THAT(faults, IsEmpty()) << row.text;
    } else {
      EXPECT_THAT(joined(faults), HasSubstr(row.says)) << row.text;
    }
  }
}

TEST(Names, HaveAsManyFaultsAsThereAre) {
  EXPECT_THAT(label_value_faults(std::string(70, '-')), SizeIs(2));
}

TEST(GoQuoted, EscapesAsGoDoes) {
  EXPECT_EQ(go_quoted("a"), R"("a")");
  EXPECT_EQ(go_quoted("a\"b\\c\n\t"), R"("a\"b\\c\n\t")");
  EXPECT_EQ(go_quoted(""), R"("")");
}

struct SumRow {
  std::string_view a;
  std::string_view b;
  std::string_view sum;
  std::string_view difference;
};

constexpr auto kSums = std::to_array<SumRow>({
    {"1", "1", "2", "0"},
    {"100m", "900m", "1", "-800m"},
    {"1Gi", "512Mi", "1536Mi", "512Mi"},
    {"1Gi", "1G", "2073741824", "73741824"},
    {"0", "1Ki", "1Ki", "-1Ki"},
    {"1k", "1", "1001", "999"},
    {"1n", "1", "1000000001n", "-999999999n"},
    {"1e3", "1e3", "2e3", "0"},
});

TEST(Quantity, AddsAndSubtractsInTheFormatOfTheFirst) {
  for (const auto& row : kSums) {
    const auto a = *Quantity::parse(row.a);
    const auto b = *Quantity::parse(row.b);
    EXPECT_EQ((a + b).text(), row.sum) << row.a << " + " << row.b;
    EXPECT_EQ((a - b).text(), row.difference) << row.a << " - " << row.b;
    EXPECT_EQ(a + b - b, a);
  }
}

TEST(Quantity, IsMadeFromWholeNumbersAndThousandths) {
  EXPECT_EQ(Quantity::of_value(1024, Quantity::Format::binary_si).text(), "1Ki");
  EXPECT_EQ(Quantity::of_value(1024).text(), "1024");
  EXPECT_EQ(Quantity::of_value(-2000).text(), "-2k");
  EXPECT_EQ(Quantity::of_milli(1500).text(), "1500m");
  EXPECT_EQ(Quantity::of_milli(2000).text(), "2");
  EXPECT_TRUE(Quantity::of_milli(0).is_zero());
  EXPECT_TRUE(Quantity::of_milli(-1).is_negative());
  EXPECT_EQ(Quantity::of_milli(-1).value(), -1);
  EXPECT_DOUBLE_EQ(Quantity::of_milli(1500).as_double(), 1.5);
}

}  // namespace
}  // namespace tetrarch::object

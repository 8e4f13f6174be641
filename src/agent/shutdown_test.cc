// SPDX-License-Identifier: Apache-2.0
#include "agent/shutdown.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;
using testing::HasSubstr;

struct OrderRow {
  std::string_view name;
  std::string_view graces;
  std::vector<EndingPod> pods;
  std::vector<EndingGroup> order;
};

void PrintTo(const OrderRow& row, std::ostream* out) {
  *out << row.name;
}

class EndingOrder : public testing::TestWithParam<OrderRow> {};

TEST_P(EndingOrder, IsThatOfKubelet) {
  const auto graces = parse_shutdown_grace(GetParam().graces);

  ASSERT_TRUE(graces.ok()) << graces.error().message;
  EXPECT_EQ(ending_order(GetParam().pods, *graces), GetParam().order);
}

constexpr std::string_view kUsual = "0=20,2000000000=10";

const OrderRow kRows[] = {
    {"usual_pods_before_critical_ones",
     kUsual,
     {{"dns", 2'000'000'000}, {"web", 0}, {"db", 1000}, {"node", 2'000'001'000}},
     {{seconds(20), {"web", "db"}}, {seconds(10), {"dns", "node"}}}},
    {"a_boundary_belongs_to_the_group_that_it_names",
     "10=1,20=2",
     {{"just_below", 19}, {"at", 20}},
     {{seconds(1), {"just_below"}}, {seconds(2), {"at"}}}},
    {"below_the_lowest_is_the_lowest",
     "10=1,20=2",
     {{"negative", -5}, {"ten", 10}},
     {{seconds(1), {"negative", "ten"}}}},
    {"written_in_any_order",
     "1000=30,-10=3,0=20",
     {{"c", 1000}, {"b", 5}, {"a", -7}},
     {{seconds(3), {"a"}}, {seconds(20), {"b"}}, {seconds(30), {"c"}}}},
    {"a_group_without_grace_is_one_still", "0=0,5=9", {{"a", 1}}, {{seconds(0), {"a"}}}},
    {"no_pods", kUsual, {}, {}},
    {"off", "", {{"a", 0}}, {}},
};

INSTANTIATE_TEST_SUITE_P(Table, EndingOrder, testing::ValuesIn(kRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(ShutdownGraces, AddUpToWhatTheMachineWaits) {
  EXPECT_EQ(total_of(*parse_shutdown_grace(kUsual)), seconds(30));
  EXPECT_EQ(total_of({}), seconds(0));
}

TEST(ShutdownGraces, RefuseWhatMeansNothing) {
  for (const std::string_view text :
       {"20", "a=1", "0=x", "0=-1", "0=5,,0=6", "=", "0=3601", "0=1 "}) {
    const auto parsed = parse_shutdown_grace(text);

    ASSERT_FALSE(parsed.ok()) << text;
    EXPECT_THAT(parsed.error().message, HasSubstr("is not PRIORITY=SECONDS"));
  }
  EXPECT_THAT(parse_shutdown_grace("1=2,1=3").error().message,
              HasSubstr("priority 1 is there twice"));
}

}  // namespace
}  // namespace tetrarch::agent

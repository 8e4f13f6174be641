// SPDX-License-Identifier: Apache-2.0
#include "schedule/nodes.h"

#include <random>

#include <gtest/gtest.h>

#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

class NodesTest : public testing::Test {
 protected:
  Place put(const NodeSpec& node) { return nodes_.upsert(a_node(node).root(), is_changed_); }

  Claim claim(const PodSpec& pod) { return claim_of_pod(a_pod(pod).root(), dimensions_); }

  Interner texts_;
  Dimensions dimensions_;
  Nodes nodes_{dimensions_, texts_};
  bool is_changed_ = false;
};

TEST_F(NodesTest, ANodeKeepsItsPlaceWhileItIsKnown) {
  const auto a = put({.name = "a"});
  const auto b = put({.name = "b"});

  EXPECT_EQ(put({.name = "a", .cpu = "9"}), a);
  EXPECT_EQ(nodes_.find("b"), b);
  EXPECT_EQ(nodes_.find("c"), kNowhere);
  EXPECT_EQ(nodes_.count(), 2U);
}

TEST_F(NodesTest, APlaceThatIsFreeIsUsedAgainAndCarriesNothingOver) {
  const auto a =
      put({.name = "a", .labels = R"({"zone":"z"})", .spec = R"({"unschedulable":true})"});
  nodes_.claim(a, claim({.ports = R"([{"hostPort":80}])"}));
  EXPECT_EQ(nodes_.remove("a"), a);
  EXPECT_FALSE(nodes_.is_used(a));

  const auto b = put({.name = "b"});

  EXPECT_EQ(b, a);
  EXPECT_EQ(nodes_.claimed(b, kCpu), 0);
  EXPECT_TRUE(nodes_.labels(b).empty());
  EXPECT_FALSE(nodes_.is_unschedulable(b));
  EXPECT_TRUE(nodes_.ports_are_free(b, claim({.ports = R"([{"hostPort":80}])"})));
  EXPECT_EQ(nodes_.remove("a"), kNowhere);
}

struct ChangeRow {
  std::string_view name;
  NodeSpec after;
  bool is_change;
};

void PrintTo(const ChangeRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<ChangeRow>& change_rows() {
  static const std::vector<ChangeRow> rows = {
      {"nothing", {}, false},
      {"cpu", {.cpu = "5"}, true},
      {"the_same_cpu_in_other_words", {.cpu = "4000m"}, false},
      {"pods", {.pods = "109"}, true},
      {"a_label", {.labels = R"({"a":"b"})"}, true},
      {"a_taint", {.spec = R"({"taints":[{"key":"k","effect":"NoSchedule"}]})"}, true},
      {"a_cordon", {.spec = R"({"unschedulable":true})"}, true},
      {"what_is_not_for_us", {.spec = R"({"podCIDR":"10.42.1.0/24"})"}, false},
  };
  return rows;
}

class ChangeTest : public NodesTest, public testing::WithParamInterface<ChangeRow> {};

TEST_P(ChangeTest, TellsWhetherASchedulerMustLookAgain) {
  put({});
  EXPECT_TRUE(is_changed_);

  put(GetParam().after);

  EXPECT_EQ(is_changed_, GetParam().is_change);
}

INSTANTIATE_TEST_SUITE_P(Table, ChangeTest, testing::ValuesIn(change_rows()), [](const auto& row) {
  return std::string(row.param.name);
});

struct CollisionRow {
  std::string_view name;
  std::string_view taken;
  std::string_view wanted;
  bool is_free;
};

void PrintTo(const CollisionRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr CollisionRow kCollisionRows[] = {
    {"the_same", R"({"hostPort":80})", R"({"hostPort":80})", false},
    {"another_port", R"({"hostPort":80})", R"({"hostPort":81})", true},
    {"another_protocol", R"({"hostPort":80})", R"({"hostPort":80,"protocol":"UDP"})", true},
    {"two_addresses",
     R"({"hostPort":80,"hostIP":"192.0.2.1"})",
     R"({"hostPort":80,"hostIP":"192.0.2.2"})",
     true},
    {"one_address_of_all", R"({"hostPort":80})", R"({"hostPort":80,"hostIP":"192.0.2.2"})", false},
    {"all_addresses_of_one",
     R"({"hostPort":80,"hostIP":"192.0.2.2"})",
     R"({"hostPort":80,"hostIP":"0.0.0.0"})",
     false},
};

class CollisionTest : public NodesTest, public testing::WithParamInterface<CollisionRow> {};

TEST_P(CollisionTest, APortIsGivenOnce) {
  const auto place = put({});
  const auto of = [&](std::string_view port) {
    return claim({.ports = fmt::format("[{}]", port)});
  };
  nodes_.claim(place, of(GetParam().taken));

  EXPECT_EQ(nodes_.ports_are_free(place, of(GetParam().wanted)), GetParam().is_free);

  nodes_.release(place, of(GetParam().taken));
  EXPECT_TRUE(nodes_.ports_are_free(place, of(GetParam().wanted)));
}

INSTANTIATE_TEST_SUITE_P(Table,
                         CollisionTest,
                         testing::ValuesIn(kCollisionRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST_F(NodesTest, FitsExactlyAndNotOneMore) {
  const auto place = put({.cpu = "1", .memory = "100", .pods = "2"});

  EXPECT_TRUE(nodes_.fits(place, claim({.requests = R"({"cpu":"1","memory":"100"})"})));
  EXPECT_FALSE(nodes_.fits(place, claim({.requests = R"({"cpu":"1001m"})"})));
  EXPECT_FALSE(nodes_.fits(place, claim({.requests = R"({"memory":"101"})"})));
  EXPECT_FALSE(nodes_.fits(place, claim({.requests = R"({"x.io/gpu":"1"})"})));
}

TEST_F(NodesTest, WhatIsNotAskedForIsNotLookedAt) {
  const auto place = put({.cpu = "1"});
  nodes_.claim(place, claim({.requests = R"({"cpu":"5"})"}));  // bound by somebody else

  EXPECT_EQ(nodes_.free(place, kCpu), -4000);
  EXPECT_TRUE(nodes_.fits(place, claim({.requests = "{}"})));
  EXPECT_FALSE(nodes_.fits(place, claim({.requests = R"({"cpu":"1m"})"})));
}

TEST_F(NodesTest, MoreFreeRanksHigherAndSoDoesEvenerUse) {
  const auto small = put({.name = "small", .cpu = "2", .memory = "2Gi"});
  const auto large = put({.name = "large", .cpu = "8", .memory = "8Gi"});
  const auto lopsided = put({.name = "lopsided", .cpu = "2", .memory = "64Gi"});
  const auto one = claim({.requests = R"({"cpu":"1","memory":"1Gi"})"});

  EXPECT_GT(nodes_.rank(large, one), nodes_.rank(small, one));
  const auto before = nodes_.rank(large, one);
  nodes_.claim(large, one);
  EXPECT_LT(nodes_.rank(large, one), before);
  nodes_.release(large, one);
  EXPECT_EQ(nodes_.rank(large, one), before);
  const auto uneven = claim({.requests = R"({"cpu":"2","memory":"0"})"});
  const auto even = claim({.requests = R"({"cpu":"1","memory":"32Gi"})"});
  EXPECT_GT(nodes_.rank(lopsided, even), nodes_.rank(lopsided, uneven));
}

TEST_F(NodesTest, RanksStayInTheirRangeWhateverIsClaimed) {
  std::mt19937 random(1);
  for (int i = 0; i < 300; ++i) {
    const auto name = fmt::format("n{}", random() % 5);
    const auto place = put({.name = name, .cpu = fmt::format("{}m", random() % 9000)});
    const auto pod =
        claim({.requests = fmt::format(
                   R"({{"cpu":"{}m","memory":"{}Mi"}})", random() % 5000, random() % 20000)});
    nodes_.claim(place, pod);
    ASSERT_GE(nodes_.rank(place, pod), 0);
    ASSERT_LE(nodes_.rank(place, pod), 20'000);
  }
}

}  // namespace
}  // namespace tetrarch::schedule

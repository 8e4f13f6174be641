// SPDX-License-Identifier: Apache-2.0
#include "agent/network/route_table.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent::network {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

Change route(std::string name,
             std::string_view pods,
             std::string_view address,
             std::string_view transport = "auto") {
  return {{"noderoutes.network.tetrarch.dev", "", std::move(name)},
          Document::from_canonical(
              fmt::format(R"({{"spec":{{"address":"{}","podCIDR":"{}","transport":"{}"}}}})",
                          address,
                          pods,
                          transport))};
}

Change gone(std::string name) {
  return {{"noderoutes.network.tetrarch.dev", "", std::move(name)}, nullptr};
}

const std::vector<Segment> kSegments{{*Ipv4Range::parse("10.90.1.0/24"), 0x0A5A010B, 2, 1500}};

/// "10.42.1.0/24 by 10.90.1.12", and "in VXLAN" where it is.
std::vector<std::string> peers(const RouteTable& table) {
  std::vector<std::string> out;
  for (const auto& peer : table.peers(kSegments)) {
    out.push_back(fmt::format("{} by {}{}",
                              peer.pods.text(),
                              ipv4_text(peer.address),
                              peer.is_direct ? "" : " in VXLAN"));
  }
  return out;
}

TEST(RouteTable, IsPlainWithinASegmentAndVxlanBeyondIt) {
  RouteTable table("m1");
  EXPECT_TRUE(table.apply({route("m1", "10.42.0.0/24", "10.90.1.11"),
                           route("m3", "10.42.2.0/24", "10.90.2.13"),
                           route("m2", "10.42.1.0/24", "10.90.1.12")},
                          true));

  EXPECT_THAT(peers(table),
              ElementsAre("10.42.1.0/24 by 10.90.1.12", "10.42.2.0/24 by 10.90.2.13 in VXLAN"));
  EXPECT_EQ(table.own_address(), 0x0A5A010BU);
}

TEST(RouteTable, KnowsNobodyBeforeItKnowsItself) {
  RouteTable table("m1");
  table.apply({route("m2", "10.42.1.0/24", "10.90.1.12")}, true);

  EXPECT_THAT(peers(table), IsEmpty());
  EXPECT_EQ(table.own_address(), std::nullopt);
}

TEST(RouteTable, LeavesOutNodesOfTheSameMachine) {
  RouteTable table("m1");
  table.apply({route("m1", "10.42.0.0/24", "127.0.0.1"), route("m2", "10.42.1.0/24", "127.0.0.1")},
              true);

  EXPECT_THAT(peers(table), IsEmpty());
}

TEST(RouteTable, EitherEndMaySayHow) {
  struct Row {
    std::string_view own;
    std::string_view other;
    bool is_same_segment;
    bool is_direct;
  };

  for (const auto& row : {Row{"auto", "auto", true, true},
                          Row{"auto", "auto", false, false},
                          Row{"auto", "vxlan", true, false},
                          Row{"vxlan", "auto", true, false},
                          Row{"routes", "auto", false, true},
                          Row{"auto", "routes", false, true},
                          Row{"routes", "vxlan", true, false},
                          Row{"nonsense", "auto", true, true}}) {
    RouteTable table("m1");
    table.apply(
        {route("m1", "10.42.0.0/24", "10.90.1.11", row.own),
         route("m2", "10.42.1.0/24", row.is_same_segment ? "10.90.1.12" : "10.90.2.12", row.other)},
        true);
    ASSERT_EQ(table.peers(kSegments).size(), 1U);
    EXPECT_EQ(table.peers(kSegments).front().is_direct, row.is_direct)
        << row.own << " " << row.other << " " << row.is_same_segment;
  }
}

TEST(RouteTable, SaysWhetherAnythingChanged) {
  RouteTable table("m1");
  table.apply({route("m1", "10.42.0.0/24", "10.90.1.11")}, true);

  EXPECT_FALSE(table.apply({{{"services", "default", "web"}, nullptr}}, false));
  EXPECT_FALSE(table.apply({route("m1", "10.42.0.0/24", "10.90.1.11")}, false));
  EXPECT_TRUE(table.apply({route("m2", "10.42.1.0/24", "10.90.1.12")}, false));
  EXPECT_FALSE(table.apply(
      {route("m1", "10.42.0.0/24", "10.90.1.11"), route("m2", "10.42.1.0/24", "10.90.1.12")},
      true));
  EXPECT_TRUE(table.apply({gone("m2")}, false));
  EXPECT_FALSE(table.apply({gone("m2")}, false));
}

TEST(RouteTable, TakesNoNonsense) {
  RouteTable table("m1");
  table.apply({route("m1", "10.42.0.0/24", "10.90.1.11"),
               route("m2", "10.42.1.0/33", "10.90.1.12"),
               route("m3", "10.42.2.0/24", "somewhere"),
               route("m4", "", "")},
              true);

  EXPECT_THAT(peers(table), IsEmpty());
}

}  // namespace
}  // namespace tetrarch::agent::network

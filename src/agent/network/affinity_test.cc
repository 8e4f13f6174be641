// SPDX-License-Identifier: Apache-2.0
#include "agent/network/affinity.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent::network {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::Pair;

// Seen: nft 1.0.6, `nft -j list sets`.
constexpr std::string_view kSets =
    R"({"nftables": [{"metainfo": {"version": "1.0.6", "json_schema_version": 1}},)"
    R"( {"set": {"family": "ip", "name": "hairpin", "table": "t", "type": ["ipv4_addr", "ipv4_addr"],)"
    R"( "handle": 5, "elem": [{"concat": ["10.42.0.2", "10.42.0.2"]}]}},)"
    R"( {"set": {"family": "ip", "name": "ext_1_10.42.0.2_80", "table": "t", "type": "ipv4_addr",)"
    R"( "handle": 9, "flags": ["timeout", "dynamic"], "timeout": 10800, "elem": [)"
    R"({"elem": {"val": "10.90.1.7", "expires": 10795}}, {"elem": {"val": "10.90.1.8", "expires": 0}}]}},)"
    R"( {"set": {"family": "ip", "name": "ext_2_10.42.0.3_80", "table": "t", "type": "ipv4_addr",)"
    R"( "elem": [{"elem": {"val": "10.90.1.9", "expires": 3}}]}},)"
    R"( {"set": {"family": "ip", "name": "ext_1_10.42.0.2_80", "table": "another", "type": "ipv4_addr",)"
    R"( "elem": [{"elem": {"val": "10.90.1.6", "expires": 5}}]}}]})";

TEST(StickyClients, AreReadFromWhatTheKernelHas) {
  EXPECT_THAT(read_sticky_clients("t", kSets),
              ElementsAre(Pair("ext_1_10.42.0.2_80", ElementsAre(StickyClient{"10.90.1.7", 10795})),
                          Pair("ext_2_10.42.0.3_80", ElementsAre(StickyClient{"10.90.1.9", 3}))));
  EXPECT_THAT(read_sticky_clients("t", ""), IsEmpty());
  EXPECT_THAT(read_sticky_clients("t", R"({"nftables":{}})"), IsEmpty());
}

TEST(StickyClients, ComeBackIntoTheSetsThatThereAreAgain) {
  const std::string batch =
      "add table ip t\nadd set ip t hairpin { type ipv4_addr . ipv4_addr; }\n"
      "add set ip t ext_1_10.42.0.2_80 { type ipv4_addr; flags dynamic,timeout; timeout 60s; }\n";

  HeldClients held;
  held.hold(read_sticky_clients("t", kSets), SteadyPoint(seconds(100)));

  EXPECT_EQ(held.put_back("t", batch, SteadyPoint(seconds(100))),
            "add element ip t ext_1_10.42.0.2_80 { 10.90.1.7 timeout 10795s }\n");
  EXPECT_EQ(held.put_back("t", batch, SteadyPoint(seconds(100))), "") << "once";
}

TEST(StickyClients, ComeBackWithASetThatTheFeedBringsLater) {
  const auto made = [](const char* name) { return fmt::format("add set ip t {} {{ }}\n", name); };
  HeldClients held;
  held.hold(read_sticky_clients("t", kSets), SteadyPoint(seconds(100)));

  EXPECT_EQ(held.put_back("t", made("another"), SteadyPoint(seconds(101))), "");
  EXPECT_EQ(held.put_back("t", made("ext_2_10.42.0.3_80"), SteadyPoint(seconds(104))), "")
      << "its time was over";
  EXPECT_EQ(held.put_back("t", made("ext_1_10.42.0.2_80"), SteadyPoint(seconds(105))),
            "add element ip t ext_1_10.42.0.2_80 { 10.90.1.7 timeout 10790s }\n");
}

TEST(StickyClients, AreNotThoseOfAnEndpointThatComesMuchLater) {
  HeldClients held;
  held.hold(read_sticky_clients("t", kSets), SteadyPoint(seconds(100)));

  EXPECT_EQ(held.put_back("t", "add set ip t ext_1_10.42.0.2_80 { }\n", SteadyPoint(seconds(161))),
            "");
}

}  // namespace
}  // namespace tetrarch::agent::network

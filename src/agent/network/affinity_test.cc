// SPDX-License-Identifier: Apache-2.0
#include "agent/network/affinity.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/network/service_samples.h"

namespace tetrarch::agent::network {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::StartsWith;

constexpr std::string_view kMade = "add map ip t clients_tcp { typeof … }\n";
constexpr std::string_view kSpec =
    R"({"spec":{"clusterIP":"10.43.0.20","sessionAffinity":"ClientIP","externalTrafficPolicy":"Local",)"
    R"("externalIPs":["192.0.2.7"],"ports":[{"port":80,"nodePort":30080}]}})";

StickyClient a_client(std::string_view asked, std::uint16_t port, std::string_view endpoint) {
  return {*parse_ipv4("10.90.1.7"), *parse_ipv4(asked), port, *parse_ipv4(endpoint), 8080, 100};
}

struct StrayRow {
  std::string_view name;
  StickyClient client;
  bool is_stray = true;
};

TEST(StickyClients, AreStrayWhereTheirServiceHasTheEndpointNoMore) {
  ServiceTable table("n1");
  table.apply(
      {put("services", "web", kSpec),
       slice("web",
             R"({"addresses":["10.42.0.5"],"nodeName":"n1"},)"
             R"({"addresses":["10.42.1.6"],"nodeName":"n2"})"),
       put("services", "plain", R"({"spec":{"clusterIP":"10.43.0.21","ports":[{"port":80}]}})"),
       slice("plain", R"({"addresses":["10.42.0.5"],"nodeName":"n1"})")},
      true);
  ServiceRules rules(an_nft());
  rules.update(table, table.take_touched());
  auto other_port = a_client("10.43.0.20", 80, "10.42.0.5");
  other_port.endpoint_port = 8081;
  const std::vector<StrayRow> rows = {
      {"here", a_client("10.43.0.20", 80, "10.42.0.5"), false},
      {"there", a_client("10.43.0.20", 80, "10.42.1.6"), false},
      {"gone", a_client("10.43.0.20", 80, "10.42.0.9")},
      {"other_port", other_port},
      {"no_service", a_client("10.43.0.29", 80, "10.42.0.5")},
      {"does_not_stick", a_client("10.43.0.21", 80, "10.42.0.5")},
      {"by_node_port", a_client("192.0.2.1", 30080, "10.42.0.5"), false},
      {"by_node_port_only_to_local_ones", a_client("192.0.2.1", 30080, "10.42.1.6")},
      {"by_external_ip", a_client("192.0.2.7", 80, "10.42.0.5"), false},
      {"by_external_ip_only_to_local_ones", a_client("192.0.2.7", 80, "10.42.1.6")},
      {"no_node_port", a_client("192.0.2.1", 30081, "10.42.0.5")},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(stray_clients(rules, "tcp", {row.client, row.client}).size(), row.is_stray ? 2U : 0U)
        << row.name;
    EXPECT_EQ(stray_clients(rules, "udp", {row.client}).size(), 1U) << row.name;
  }
}

TEST(StickyClients, AreForgottenAlsoWhereTheKernelHasDoneSo) {
  EXPECT_THAT(forget_clients("t", "tcp", {a_client("10.43.0.20", 80, "10.42.0.5")}),
              ElementsAre("add element ip t clients_tcp { 10.90.1.7 . 10.43.0.20 . 80 timeout 100s "
                          ": 10.42.0.5 . 8080 }\n"
                          "delete element ip t clients_tcp { 10.90.1.7 . 10.43.0.20 . 80 }\n"));
  EXPECT_THAT(forget_clients("t", "tcp", {}), IsEmpty());
}

TEST(StickyClients, AreForgottenInBatchesOfBoundedSize) {
  const std::vector<StickyClient> many(10000, a_client("10.43.0.20", 80, "10.42.0.5"));
  EXPECT_EQ(forget_clients("t", "tcp", many).size(), 3U);
}

TEST(StickyClients, ComeBackIntoTheMapThatThereIsAgain) {
  HeldClients held;
  held.hold({{"tcp", {a_client("10.43.0.20", 80, "10.42.0.5")}}, {"udp", {}}},
            SteadyPoint(seconds(100)));

  EXPECT_THAT(held.put_back("t", kMade, SteadyPoint(seconds(100))),
              ElementsAre("add element ip t clients_tcp { 10.90.1.7 . 10.43.0.20 . 80 timeout 100s "
                          ": 10.42.0.5 . 8080 }\n"));
  EXPECT_THAT(held.put_back("t", kMade, SteadyPoint(seconds(100))), IsEmpty()) << "once";
}

TEST(StickyClients, ComeBackWithAMapThatTheFeedBringsLater) {
  auto brief = a_client("10.43.0.20", 80, "10.42.0.6");
  brief.left_s = 5;
  HeldClients held;
  held.hold({{"tcp", {a_client("10.43.0.20", 80, "10.42.0.5"), brief}}, {"sctp", {brief}}},
            SteadyPoint(seconds(100)));

  EXPECT_THAT(held.put_back("t", "add map ip t another { }\n", SteadyPoint(seconds(101))),
              IsEmpty());
  EXPECT_THAT(
      held.put_back("t", kMade, SteadyPoint(seconds(105))),
      ElementsAre(HasSubstr("{ 10.90.1.7 . 10.43.0.20 . 80 timeout 95s : 10.42.0.5 . 8080 }")))
      << "the other's time was over";
  EXPECT_THAT(held.put_back("t", "add map ip t clients_sctp { }\n", SteadyPoint(seconds(106))),
              IsEmpty());
}

TEST(StickyClients, DoNotComeBackMuchLater) {
  HeldClients held;
  held.hold({{"tcp", {a_client("10.43.0.20", 80, "10.42.0.5")}}}, SteadyPoint(seconds(100)));

  EXPECT_THAT(held.put_back("t", kMade, SteadyPoint(seconds(161))), IsEmpty());
}

TEST(StickyClients, ComeBackInBatchesOfBoundedSize) {
  HeldClients held;
  held.hold({{"tcp", std::vector(5000, a_client("10.43.0.20", 80, "10.42.0.5"))}},
            SteadyPoint(seconds(100)));

  EXPECT_THAT(held.put_back("t", kMade, SteadyPoint(seconds(100))),
              ElementsAre(StartsWith("add element ip t clients_tcp"),
                          StartsWith("add element ip t clients_tcp")));
}

}  // namespace
}  // namespace tetrarch::agent::network

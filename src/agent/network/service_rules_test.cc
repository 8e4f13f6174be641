// SPDX-License-Identifier: Apache-2.0
// The packet filter's text, read by a small model of nftables that refuses what the kernel refuses.
#include "agent/network/service_rules.h"

#include <random>
#include <sstream>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/network/nft_model.h"
#include "agent/network/service_samples.h"

namespace tetrarch::agent::network {
namespace {

using testing::AllOf;
using testing::AnyOf;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::StartsWith;

constexpr std::string_view kHere = R"({"addresses":["10.42.0.5"],"nodeName":"n1"})";

std::string many(int count) {
  std::string out;
  for (int i = 0; i < count; ++i) {
    out += fmt::format(R"({}{{"addresses":["10.42.2.{}"]}})", i == 0 ? "" : ",", i + 1);
  }
  return out;
}

constexpr std::string_view kThere = R"({"addresses":["10.42.1.6"],"nodeName":"n2"})";
constexpr std::string_view kEndingHere =
    R"({"addresses":["10.42.0.5"],"nodeName":"n1",)"
    R"("conditions":{"ready":false,"serving":true,"terminating":true}})";

/// The rules that one service of this spec adds to an empty table.
std::string rules(std::string_view spec, const std::string& endpoints) {
  ServiceTable table("n1");
  table.apply(
      {put("services", "web", fmt::format(R"({{"spec":{}}})", spec)), slice("web", endpoints)},
      true);
  ServiceRules none(an_nft());
  none.take_whole();
  return change_of(none, table);
}

struct ShapeRow {
  std::string_view name;
  std::string_view spec;
  std::string endpoints;
  std::vector<std::string> has;
  std::vector<std::string> has_not;
};

void expect(const std::vector<ShapeRow>& rows) {
  for (const auto& row : rows) {
    const auto text = rules(row.spec, row.endpoints);
    for (const auto& part : row.has) {
      EXPECT_THAT(text, HasSubstr(part)) << row.name;
    }
    for (const auto& part : row.has_not) {
      EXPECT_THAT(text, Not(HasSubstr(part))) << row.name;
    }
  }
}

TEST(NftRules, FollowTheShapeOfAService) {
  const auto both = std::string(kHere) + "," + std::string(kThere);
  const std::vector<ShapeRow> rows = {
      {"cluster_ip",
       R"({"clusterIP":"10.43.0.20","ports":[{"port":80}]})",
       both,
       {"inside_2 { 10.43.0.20 . tcp . 80 }",
        "inside_endpoints_tcp { 10.43.0.20 . 80 . 0 : 10.42.0.5 . 8080, 10.43.0.20 . 80 . 1 : "
        "10.42.1.6 . 8080 }",
        "t inside_2 dnat ip addr . port to ip daddr . tcp dport . numgen random mod 2 map "
        "@inside_endpoints_tcp",
        "t inside_2 dnat ip addr . port to ip daddr . udp dport . numgen random mod 2 map "
        "@inside_endpoints_udp",
        "t lead ip daddr . meta l4proto . th dport @inside_2 goto inside_2"},
       {"node_ports {", "services {"}},
      {"one_endpoint",
       R"({"clusterIP":"10.43.0.20","ports":[{"port":80}]})",
       std::string(kHere),
       {"inside_1 { 10.43.0.20 . tcp . 80 }",
        "inside_endpoints_tcp { 10.43.0.20 . 80 . 0 : 10.42.0.5 . 8080 }",
        "hairpin { 10.42.0.5 . 10.42.0.5 }"},
       {}},
      {"many_endpoints_are_led_to_without_a_set",
       R"({"clusterIP":"10.43.0.20","ports":[{"port":80}]})",
       many(17),
       {"services { 10.43.0.20 . tcp . 80 : goto inside_17 }", "numgen random mod 17"},
       {"@inside_17"}},
      {"no_endpoints_leave_the_address_to_the_refusing_chain",
       R"({"clusterIP":"10.43.0.20","ports":[{"port":80,"nodePort":30080}]})",
       "",
       {},
       {"10.43.0.20", "30080"}},
      {"headless", R"({"clusterIP":"None","ports":[{"port":80}]})", both, {}, {"element"}},
      {"node_port",
       R"({"clusterIP":"10.43.0.20","ports":[{"port":80,"nodePort":30080}]})",
       both,
       {"outside_2 { tcp . 30080 }",
        "outside_endpoints_tcp { 30080 . 0 : 10.42.0.5 . 8080, 30080 . 1 : 10.42.1.6 . "
        "8080 }",
        "t outside_2 ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000",
        "t lead_node_ports meta l4proto . th dport @outside_2 goto outside_2"},
       {}},
      {"local_outside_keeps_the_client_address_and_drops_without_a_local_endpoint",
       R"({"clusterIP":"10.43.0.20","externalTrafficPolicy":"Local","ports":[{"port":80,"nodePort":30080}]})",
       std::string(kThere),
       {"node_ports { tcp . 30080 : drop }"},
       {"meta mark set"}},
      {"local_outside_leads_to_local_endpoints",
       R"({"clusterIP":"10.43.0.20","externalTrafficPolicy":"Local","ports":[{"port":80,"nodePort":30080}]})",
       both,
       {"outside_local_1 { tcp . 30080 }",
        "outside_endpoints_tcp { 30080 . 0 : 10.42.0.5 . 8080 }"},
       {"meta mark set"}},
      {"local_outside_leads_to_an_ending_endpoint_where_none_is_ready_here",
       R"({"clusterIP":"10.43.0.20","externalTrafficPolicy":"Local","ports":[{"port":80,"nodePort":30080}]})",
       std::string(kEndingHere) + "," + std::string(kThere),
       {"outside_local_1 { tcp . 30080 }",
        "outside_endpoints_tcp { 30080 . 0 : 10.42.0.5 . 8080 }",
        "inside_endpoints_tcp { 10.43.0.20 . 80 . 0 : 10.42.1.6 . 8080 }",
        "hairpin { 10.42.0.5 . 10.42.0.5 }"},
       {"drop"}},
      {"external_ip",
       R"({"clusterIP":"10.43.0.20","externalIPs":["192.0.2.7","2001:db8::1"],"ports":[{"port":80}]})",
       both,
       {"inside_2 { 10.43.0.20 . tcp . 80 }",
        "external_2 { 192.0.2.7 . tcp . 80 }",
        "192.0.2.7 . 80 . 0 : 10.42.0.5 . 8080, 192.0.2.7 . 80 . 1 : 10.42.1.6 . 8080 }",
        "t external_2 ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000",
        "t external_2 dnat ip addr . port to ip daddr . tcp dport . numgen random mod 2 map "
        "@inside_endpoints_tcp",
        "t lead ip daddr . meta l4proto . th dport @external_2 goto external_2"},
       {"2001:db8", "t inside_2 ip saddr"}},
      {"external_ip_follows_the_policy_for_outside",
       R"({"clusterIP":"10.43.0.20","externalIPs":["192.0.2.7"],"internalTrafficPolicy":"Local","ports":[{"port":80}]})",
       both,
       {"inside_1 { 10.43.0.20 . tcp . 80 }", "external_2 { 192.0.2.7 . tcp . 80 }"},
       {}},
      {"external_ip_of_many_endpoints_is_led_to_without_a_set",
       R"({"clusterIP":"10.43.0.20","externalIPs":["192.0.2.7"],"ports":[{"port":80}]})",
       many(17),
       {"services { 10.43.0.20 . tcp . 80 : goto inside_17, 192.0.2.7 . tcp . 80 : goto "
        "external_17 }"},
       {"@inside_17", "@external_17"}},
      {"local_external_ip_keeps_the_client_address_and_drops_without_a_local_endpoint",
       R"({"clusterIP":"10.43.0.20","externalIPs":["192.0.2.7"],"externalTrafficPolicy":"Local","ports":[{"port":80}]})",
       std::string(kThere),
       {"services { 192.0.2.7 . tcp . 80 : drop }", "inside_1 { 10.43.0.20 . tcp . 80 }"},
       {"meta mark set"}},
      {"local_external_ip_leads_to_local_endpoints",
       R"({"clusterIP":"10.43.0.20","externalIPs":["192.0.2.7"],"externalTrafficPolicy":"Local","ports":[{"port":80}]})",
       both,
       {"inside_1 { 192.0.2.7 . tcp . 80 }",
        "inside_2 { 10.43.0.20 . tcp . 80 }",
        "192.0.2.7 . 80 . 0 : 10.42.0.5 . 8080 }"},
       {"meta mark set"}},
      {"the_cluster_address_as_an_external_one_is_the_cluster_address",
       R"({"clusterIP":"10.43.0.20","externalIPs":["10.43.0.20"],"ports":[{"port":80}]})",
       both,
       {"inside_2 { 10.43.0.20 . tcp . 80 }"},
       {"external_2"}},
      {"the_dns_address_is_never_led_away",
       R"({"clusterIP":"10.43.0.10","ports":[{"port":53}]})",
       both,
       {},
       {"inside_2", "endpoints_tcp {"}},
  };
  expect(rows);
}

TEST(NftRules, FollowTheShapeOfAServiceThatSticksToItsClients) {
  const auto both = std::string(kHere) + "," + std::string(kThere);
  expect({
      {"affinity",
       R"({"clusterIP":"10.43.0.20","sessionAffinity":"ClientIP","ports":[{"port":80}]})",
       both,
       {"inside_2_sticking_tcp { 10.43.0.20 . tcp . 80 }",
        "inside_endpoints_tcp { 10.43.0.20 . 80 . 0 : 10.42.0.5 . 8080, ",
        "recall_inside_tcp_10800 { 10.43.0.20 . 80 . 10.42.0.5 . 8080, "
        "10.43.0.20 . 80 . 10.42.1.6 . 8080 }",
        "t inside_2_sticking_tcp dnat ip addr . port to ip saddr . ip daddr . tcp dport map "
        "@clients_tcp\n"
        "add rule ip t inside_2_sticking_tcp dnat ip addr . port to ip daddr . tcp dport . numgen "
        "random mod 2 map @inside_endpoints_tcp\n",
        "t recall meta l4proto tcp ct original ip daddr . ct original proto-dst . ip daddr . tcp "
        "dport @recall_inside_tcp_10800 goto recall_inside_tcp_10800",
        "t recall_inside_tcp_10800 meta l4proto tcp update @clients_tcp { ct original ip saddr . "
        "ct original ip daddr . ct original proto-dst timeout 10800s : ip daddr . tcp dport }",
        "t recall meta l4proto tcp delete @clients_tcp { ct original ip saddr . "},
       {"udp", "inside_2 "}},
      {"affinity_of_a_node_port_and_datagrams",
       R"({"clusterIP":"10.43.0.20","sessionAffinity":"ClientIP","ports":[{"port":80,"nodePort":30080,"protocol":"UDP"}],"sessionAffinityConfig":{"clientIP":{"timeoutSeconds":60}}})",
       both,
       {"outside_2_sticking_udp { udp . 30080 }",
        "recall_inside_udp_60 { 10.43.0.20 . 80 . 10.42.0.5 . 8080, ",
        "recall_outside_udp_60 { 30080 . 10.42.0.5 . 8080, 30080 . 10.42.1.6 . 8080 }",
        "t outside_2_sticking_udp ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000\n"
        "add rule ip t outside_2_sticking_udp dnat ip addr . port to ip saddr . ip daddr . udp "
        "dport map @clients_udp",
        "t recall meta l4proto udp ct original proto-dst . ip daddr . udp dport "
        "@recall_outside_udp_60 goto recall_outside_udp_60",
        "timeout 60s : ip daddr . udp dport }"},
       {"clients_tcp", "10800"}},
      {"affinity_of_an_external_ip",
       R"({"clusterIP":"10.43.0.20","externalIPs":["192.0.2.7"],"sessionAffinity":"ClientIP","ports":[{"port":80}]})",
       std::string(kThere),
       {"external_1_sticking_tcp { 192.0.2.7 . tcp . 80 }",
        "recall_inside_tcp_10800 { 10.43.0.20 . 80 . 10.42.1.6 . 8080, "
        "192.0.2.7 . 80 . 10.42.1.6 . 8080 }",
        "t external_1_sticking_tcp ip saddr != 10.42.0.0/16 meta mark set meta mark or 0x4000\n"
        "add rule ip t external_1_sticking_tcp dnat ip addr . port to ip saddr . ip daddr . tcp "
        "dport map @clients_tcp"},
       {"recall_outside"}},
      {"affinity_to_local_endpoints",
       R"({"clusterIP":"10.43.0.20","sessionAffinity":"ClientIP","externalTrafficPolicy":"Local","ports":[{"port":80,"nodePort":30080}]})",
       both,
       {"outside_local_1_sticking_tcp { tcp . 30080 }",
        "recall_outside_tcp_10800 { 30080 . 10.42.0.5 . 8080 }",
        "recall_inside_tcp_10800 { 10.43.0.20 . 80 . 10.42.0.5 . 8080, "},
       {"meta mark set"}},
      {"affinity_of_many_endpoints",
       R"({"clusterIP":"10.43.0.20","sessionAffinity":"ClientIP","ports":[{"port":80}]})",
       many(17),
       {"services { 10.43.0.20 . tcp . 80 : goto inside_17_sticking_tcp }", "@clients_tcp"},
       {"@inside_17"}},
      {"affinity_without_endpoints",
       R"({"clusterIP":"10.43.0.20","sessionAffinity":"ClientIP","ports":[{"port":80,"nodePort":30080}]})",
       "",
       {},
       {"10.43.0.20", "30080", "clients"}},
  });
}

TEST(NftRules, TwoClaimsToOneAddressAndPortAreOneAndTheOtherComesWhenItIsFree) {
  ServiceTable table("n1");
  const auto service = [](const std::string& name, const std::string& ip) {
    return put("services",
               name,
               fmt::format(R"({{"spec":{{"clusterIP":"{}","externalIPs":["192.0.2.7"],)"
                           R"("ports":[{{"port":80}}]}}}})",
                           ip));
  };
  table.apply({service("a", "10.43.0.20"),
               service("b", "10.43.0.21"),
               slice("a", std::string(kHere)),
               slice("b", std::string(kThere))},
              true);
  NftModel kernel;
  ServiceRules rules(an_nft());
  rules.update(table, table.take_touched());
  kernel.run(rules.take_whole());
  ASSERT_EQ(kernel.error, "");
  EXPECT_EQ(kernel.elements["inside_endpoints_tcp"]["192.0.2.7 . 80 . 0"], "10.42.0.5 . 8080");

  table.apply({{{"services", "default", "a"}, nullptr}}, false);
  kernel.run(change_of(rules, table));

  ASSERT_EQ(kernel.error, "");
  EXPECT_EQ(kernel.elements["inside_endpoints_tcp"]["192.0.2.7 . 80 . 0"], "10.42.1.6 . 8080");
}

TEST(ServiceRules, ChangesOneByOneLeadToWhatAWholeRenderingGives) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    ServiceChance chance{std::mt19937(seed)};
    ServiceTable table("n1");
    ServiceRules rules(an_nft());
    NftModel kernel;
    kernel.run(rules.take_whole());
    for (int i = 0; i < 60; ++i) {
      std::vector<Change> changes;
      for (unsigned n = 1 + chance.below(3); n > 0; --n) {
        changes.push_back(chance.change());
      }
      table.apply(changes, chance.below(30) == 0);  // at times it is all there is
      kernel.run(change_of(rules, table));
      ASSERT_EQ(kernel.error, "") << "seed " << seed << " step " << i;
      NftModel fresh;
      fresh.run(whole_of(an_nft(), table));
      ASSERT_EQ(fresh.error, "") << "seed " << seed << " step " << i;
      ASSERT_EQ(kernel.chains, fresh.chains) << "seed " << seed << " step " << i;
      ASSERT_EQ(kernel.elements, fresh.elements) << "seed " << seed << " step " << i;
    }
    EXPECT_EQ(rules.take_change(), "");
  }
}

constexpr std::string_view kSticking =
    R"(,"sessionAffinity":"ClientIP","sessionAffinityConfig":{"clientIP":{"timeoutSeconds":60}})";

Change sticking(std::string_view extra = kSticking) {
  return put(
      "services",
      "web",
      fmt::format(R"({{"spec":{{"clusterIP":"10.43.0.20","ports":[{{"port":80}}]{}}}}})", extra));
}

struct PartingRow {
  std::string_view name;
  Change change;
  bool is_parting = true;
};

TEST(ServiceRules, SayWhichProtocolsHaveLostEndpointsThatClientsStickTo) {
  const auto both = std::string(kHere) + "," + std::string(kThere);
  const std::vector<PartingRow> rows = {
      {"one_more", slice("web", both + R"(,{"addresses":["10.42.1.7"],"nodeName":"n2"})"), false},
      {"one_less", slice("web", std::string(kHere))},
      {"another", slice("web", R"({"addresses":["10.42.1.7"],"nodeName":"n2"})")},
      {"another_time", sticking(R"(,"sessionAffinity":"ClientIP")"), false},
      {"sticks_no_more", sticking("")},
      {"local_only", sticking(fmt::format(R"({},"internalTrafficPolicy":"Local")", kSticking))},
      {"no_service", {{"services", "default", "web"}, nullptr}},
      {"another_service",
       put("services", "other", R"({"spec":{"clusterIP":"10.43.0.21"}})"),
       false},
  };
  for (const auto& row : rows) {
    ServiceTable table("n1");
    ServiceRules rules(an_nft());
    table.apply({sticking(), slice("web", both)}, true);
    rules.update(table, table.take_touched());
    EXPECT_THAT(rules.parted(), IsEmpty()) << row.name;
    table.apply({row.change}, false);
    rules.update(table, table.take_touched());
    EXPECT_EQ(rules.parted().contains("tcp"), row.is_parting) << row.name;
  }
}

TEST(ServiceRules, SayThatTheLastEndingEndpointHereIsGoneWhereThePolicySaysLocal) {
  ServiceTable table("n1");
  ServiceRules rules(an_nft());
  table.apply({sticking(fmt::format(R"({},"internalTrafficPolicy":"Local")", kSticking)),
               slice("web", std::string(kEndingHere) + "," + std::string(kThere))},
              true);
  rules.update(table, table.take_touched());
  EXPECT_THAT(rules.parted(), IsEmpty());

  table.apply({slice("web", std::string(kThere))}, false);
  rules.update(table, table.take_touched());

  EXPECT_THAT(rules.parted(), ElementsAre("tcp"));
}

TEST(ServiceRules, ClientsStayWhereTheyAreByAnotherTimeAndAreForgottenWithTheLastService) {
  ServiceTable table("n1");
  ServiceRules rules(an_nft());
  NftModel kernel;
  table.apply({sticking(), slice("web", std::string(kHere))}, true);
  rules.update(table, table.take_touched());
  kernel.run(rules.take_whole());

  table.apply({sticking(R"(,"sessionAffinity":"ClientIP")")}, false);
  const auto longer = change_of(rules, table);
  kernel.run(longer);
  EXPECT_THAT(longer, AllOf(HasSubstr("timeout 10800s"), Not(HasSubstr("map ip t clients_tcp"))));
  table.apply({sticking("")}, false);
  const auto over = change_of(rules, table);
  kernel.run(over);
  EXPECT_THAT(over, HasSubstr("delete map ip t clients_tcp\n"));
  EXPECT_EQ(kernel.error, "");
}

TEST(ServiceRules, AChangeAmongAThousandServicesIsThatOfOne) {
  auto table = many_services(1000, "", std::string(kHere));
  ServiceRules rules(an_nft());
  rules.update(table, table.take_touched());
  rules.take_whole();
  const auto before = rules.book().elements_changed();
  const auto text = [&](const std::string& endpoints) {
    table.apply({slice("s500", endpoints)}, false);
    EXPECT_THAT(table.take_touched(), ElementsAre("default/s500:80:tcp"));
    table.apply({slice("s500", endpoints)}, false);
    return change_of(rules, table);
  };

  // Another endpoint: its two elements go and come.
  EXPECT_THAT(text(std::string(kThere)), AllOf(HasSubstr("10.42.1.6"), Not(HasSubstr("chain"))));
  EXPECT_EQ(rules.book().elements_changed() - before, 4U);
  // One more: the first comes back, the other moves, and the service is among two.
  const auto both = std::string(kHere) + "," + std::string(kThere);
  EXPECT_THAT(text(both), HasSubstr("add set ip t inside_2"));
  EXPECT_EQ(rules.book().elements_changed() - before, 4U + 4U + 2U + 4U);
  EXPECT_EQ(text(both), "");
}

TEST(ServiceRules, AChangeAmongAThousandThatStickIsElementsOfOne) {
  const auto both = std::string(kHere) + "," + std::string(kThere);
  auto table = many_services(1000, kSticking, both);
  table.apply({slice("s7", std::string(kHere))}, false);  // so there are some with one endpoint
  ServiceRules rules(an_nft());
  rules.update(table, table.take_touched());
  rules.take_whole();
  const auto before = rules.book().elements_changed();

  for (const auto& endpoints : {std::string(kHere), both, std::string(kHere)}) {
    table.apply({slice("s500", endpoints)}, false);
    std::istringstream lines(change_of(rules, table));
    for (std::string line; std::getline(lines, line);) {
      EXPECT_THAT(line, AnyOf(StartsWith("add element"), StartsWith("delete element")));
    }
  }
  // By address and by node port: among how many (2), the endpoint (1) and that it is one (1).
  EXPECT_EQ(rules.book().elements_changed() - before, 3U * 2U * 4U);
}

}  // namespace
}  // namespace tetrarch::agent::network

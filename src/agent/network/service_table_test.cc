// SPDX-License-Identifier: Apache-2.0
#include "agent/network/service_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/network/cni_config.h"
#include "agent/network/dns_zone.h"
#include "agent/network/flows.h"

namespace tetrarch::agent::network {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

Change put(std::string resource, std::string name, std::string_view json) {
  auto document = Document::parse(json);
  EXPECT_TRUE(document.ok()) << json;
  return {{std::move(resource), "default", std::move(name)}, *document};
}

Change gone(std::string resource, std::string name) {
  return {{std::move(resource), "default", std::move(name)}, nullptr};
}

Change web_service(std::string_view more = "") {
  return put("services",
             "web",
             R"({"metadata":{"name":"web","namespace":"default"},"spec":{"clusterIP":"10.43.0.20",
             "ports":[{"name":"http","port":80,"protocol":"TCP","targetPort":8080,"nodePort":30080}])" +
                 std::string(more) + "}}");
}

Change web_slice(std::string_view endpoints) {
  return put(
      "endpointslices.discovery.k8s.io",
      "web-1",
      R"({"metadata":{"name":"web-1","namespace":"default","labels":{"kubernetes.io/service-name":"web"}},
             "addressType":"IPv4","ports":[{"name":"http","port":8080,"protocol":"TCP"}],"endpoints":)" +
          std::string(endpoints) + "}");
}

constexpr std::string_view kTwo =
    R"([{"addresses":["10.42.0.5"],"nodeName":"n1","conditions":{"ready":true}},
  {"addresses":["10.42.1.6"],"nodeName":"n2","conditions":{"ready":true}}])";

std::vector<std::string> addresses(const std::vector<Target>& targets) {
  std::vector<std::string> out;
  for (const Target& target : targets) {
    out.push_back(target.address);
  }
  return out;
}

const ServicePort& only_port(const ServiceTable& table) {
  EXPECT_EQ(table.ports().size(), 1U);
  return table.ports().begin()->second;
}

TEST(ServiceTable, JoinsAServiceWithItsSlices) {
  ServiceTable table("n1");
  table.apply({web_slice(kTwo), web_service()}, true);

  const ServicePort& port = only_port(table);
  EXPECT_EQ(port.id(), "default/web:80:tcp");
  EXPECT_EQ(port.node_port, 30080);
  EXPECT_THAT(addresses(port.inside()), ElementsAre("10.42.0.5", "10.42.1.6"));
  EXPECT_TRUE(port.targets[0].is_local);

  table.apply({gone("endpointslices.discovery.k8s.io", "web-1")}, false);
  EXPECT_THAT(only_port(table).targets, IsEmpty());
  table.apply({gone("services", "web")}, false);
  EXPECT_THAT(table.ports(), IsEmpty());
}

TEST(ServiceTable, LeavesOutWhatIsNotReadyUnlessNothingElseServes) {
  ServiceTable table("n1");
  table.apply({web_service(), web_slice(R"([
    {"addresses":["10.42.0.5"],"conditions":{"ready":false,"serving":true,"terminating":true}},
    {"addresses":["10.42.0.6"],"conditions":{"ready":false,"serving":false}},
    {"addresses":["10.42.0.7"],"conditions":{"ready":true}}])")},
              true);
  EXPECT_THAT(addresses(only_port(table).targets), ElementsAre("10.42.0.7"));

  table.apply({web_slice(R"([
    {"addresses":["10.42.0.5"],"conditions":{"ready":false,"serving":true,"terminating":true}}])")},
              false);
  EXPECT_THAT(addresses(only_port(table).targets), ElementsAre("10.42.0.5"));
}

TEST(ServiceTable, KeepsToThisNodeWhereThePolicySaysLocal) {
  ServiceTable table("n1");
  table.apply({web_service(R"(,"externalTrafficPolicy":"Local","internalTrafficPolicy":"Cluster")"),
               web_slice(kTwo)},
              true);

  EXPECT_THAT(addresses(only_port(table).outside()), ElementsAre("10.42.0.5"));
  EXPECT_THAT(addresses(only_port(table).inside()), ElementsAre("10.42.0.5", "10.42.1.6"));
}

TEST(ServiceTable, ServesByThisNodesEndingPodsWhereThePolicySaysLocalAndNoneIsReadyHere) {
  constexpr std::string_view kEnding =
      R"([{"addresses":["10.42.0.5"],"nodeName":"n1",
          "conditions":{"ready":false,"serving":true,"terminating":true}},
         {"addresses":["10.42.1.6"],"nodeName":"n2","conditions":{"ready":true}},
         {"addresses":["10.42.1.7"],"nodeName":"n2",
          "conditions":{"ready":false,"serving":true,"terminating":true}}])";
  ServiceTable table("n1");
  table.apply({web_service(R"(,"externalTrafficPolicy":"Local")"), web_slice(kEnding)}, true);
  EXPECT_THAT(addresses(only_port(table).outside()), ElementsAre("10.42.0.5"));
  EXPECT_THAT(addresses(only_port(table).inside()), ElementsAre("10.42.1.6"));

  table.apply({web_service(R"(,"internalTrafficPolicy":"Local")")}, false);
  EXPECT_THAT(addresses(only_port(table).inside()), ElementsAre("10.42.0.5"));

  table.apply({web_slice(kTwo)}, false);
  EXPECT_THAT(addresses(only_port(table).inside()), ElementsAre("10.42.0.5"));
  EXPECT_THAT(addresses(only_port(table).outside()), ElementsAre("10.42.0.5", "10.42.1.6"));
}

TEST(ServiceTable, CountsWhatAHealthCheckPortTells) {
  ServiceTable table("n1");
  const auto here = [&] { return table.health_ports().at("default/web"); };
  table.apply({web_service(R"(,"externalTrafficPolicy":"Local","healthCheckNodePort":30099)")},
              true);
  EXPECT_EQ(here(), (HealthPort{30099, 0}));

  table.apply({web_slice(kTwo)}, false);
  EXPECT_EQ(here(), (HealthPort{30099, 1})) << "the other is on another node";
  table.apply({web_slice(R"([
    {"addresses":["10.42.0.5"],"nodeName":"n1"},
    {"addresses":["10.42.0.6"],"nodeName":"n1"},
    {"addresses":["10.42.0.7"],"nodeName":"n1",
     "conditions":{"ready":false,"serving":true,"terminating":true}}])")},
              false);
  EXPECT_EQ(here(), (HealthPort{30099, 2}));

  table.apply({web_service()}, false);
  EXPECT_THAT(table.health_ports(), IsEmpty());
}

TEST(ServiceTable, FindsHostPortsOfRunningPods) {
  ServiceTable table("n1");
  table.apply(
      {put(
          "pods", "p", R"({"spec":{"containers":[{"ports":[{"containerPort":80,"hostPort":8080}]}]},
    "status":{"phase":"Running","podIP":"10.42.0.9"}})")},
      true);

  EXPECT_EQ(table.host_ports(), (std::set<PodHostPort>{{"tcp", "", 8080, "10.42.0.9", 80}}));
  table.apply({put("pods", "p", R"({"spec":{"containers":[{"name":"app"}],"initContainers":[
                   {"name":"side","restartPolicy":"Always",
                    "ports":[{"containerPort":53,"hostPort":5353,"protocol":"UDP"}]},
                   {"name":"first","ports":[{"containerPort":80,"hostPort":8080}]}]},
                   "status":{"phase":"Running","podIP":"10.42.0.9"}})")},
              false);
  EXPECT_EQ(table.host_ports(), (std::set<PodHostPort>{{"udp", "", 5353, "10.42.0.9", 53}}))
      << "a sidecar's, not that of a container that has ended";
  table.apply({gone("pods", "p")}, false);
  EXPECT_THAT(table.host_ports(), IsEmpty());
}

TEST(CniConfig, IsTheBridgeWithTheNodesRange) {
  const auto text = render_conflist({"tet-1", *Ipv4Range::parse("10.42.3.0/24"), "/x/leases"});

  EXPECT_TRUE(Document::parse(text).ok());
  EXPECT_THAT(text, HasSubstr(R"("subnet":"10.42.3.0/24","gateway":"10.42.3.1")"));
}

class DnsZoneTest : public testing::Test {
 protected:
  DnsZoneTest() {
    table_.apply(
        {web_service(),
         web_slice(kTwo),
         put("services",
             "db",
             R"({"spec":{"clusterIP":"None","ports":[{"name":"sql","port":5432,"protocol":"TCP"}]}})"),
         put("endpointslices.discovery.k8s.io",
             "db-1",
             R"({"metadata":{"labels":{"kubernetes.io/service-name":"db"}},"addressType":"IPv4",
                      "ports":[{"name":"sql","port":5432,"protocol":"TCP"}],"endpoints":[
                      {"addresses":["10.42.0.7"],"hostname":"db-0","conditions":{"ready":true}},
                      {"addresses":["10.42.0.8"],"conditions":{"ready":true}},
                      {"addresses":["10.42.0.9"],"conditions":{"ready":false}}]})"),
         put("services",
             "names",
             R"({"spec":{"clusterIP":"10.43.0.30","ports":[
                      {"name":"dns","port":53,"protocol":"UDP"},
                      {"name":"dns-tcp","port":53,"protocol":"TCP"},
                      {"name":"metrics","port":9153,"protocol":"TCP"}]}})"),
         put("services", "plain", R"({"spec":{"clusterIP":"10.43.0.31","ports":[{"port":81}]}})"),
         put("services", "none", R"({"spec":{"clusterIP":"None"}})"),
         put("services",
             "out",
             R"({"spec":{"type":"ExternalName","externalName":"example.org"}})")},
        true);
  }

  ServiceTable table_{"n1"};
  DnsZone zone_{{"cluster.local",
                 *Ipv4Range::parse("10.42.0.0/16"),
                 *Ipv4Range::parse("10.43.0.0/16"),
                 "10.43.0.10"},
                table_};
};

struct DnsRow {
  std::string_view name;
  RecordType type;
  std::vector<std::string> data;
  bool exists = true;
};

TEST_F(DnsZoneTest, AnswersAsTheSpecificationSays) {
  const std::vector<DnsRow> rows = {
      {"web.default.svc.cluster.local.", RecordType::a, {"10.43.0.20"}},
      {"WEB.Default.svc.cluster.local", RecordType::a, {"10.43.0.20"}},
      {"web.default.svc.cluster.local", RecordType::aaaa, {}},
      {"nope.default.svc.cluster.local", RecordType::a, {}, false},
      {"default.svc.cluster.local", RecordType::a, {}},
      {"other.svc.cluster.local", RecordType::a, {}, false},
      {"_http._tcp.web.default.svc.cluster.local",
       RecordType::srv,
       {"0 100 80 web.default.svc.cluster.local."}},
      {"_http._udp.web.default.svc.cluster.local", RecordType::srv, {}, false},
      {"web.default.svc.cluster.local",
       RecordType::srv,
       {"0 100 80 web.default.svc.cluster.local."}},
      {"names.default.svc.cluster.local",
       RecordType::srv,
       {"0 100 53 names.default.svc.cluster.local.",
        "0 100 9153 names.default.svc.cluster.local."}},
      {"plain.default.svc.cluster.local",
       RecordType::srv,
       {"0 100 81 plain.default.svc.cluster.local."}},
      {"none.default.svc.cluster.local", RecordType::srv, {}},
      {"nope.default.svc.cluster.local", RecordType::srv, {}, false},
      {"db.default.svc.cluster.local",
       RecordType::srv,
       {"0 100 5432 db-0.db.default.svc.cluster.local.",
        "0 100 5432 10-42-0-8.db.default.svc.cluster.local."}},
      {"out.default.svc.cluster.local", RecordType::srv, {"example.org."}},
      {"db.default.svc.cluster.local", RecordType::a, {"10.42.0.7", "10.42.0.8"}},
      {"db-0.db.default.svc.cluster.local", RecordType::a, {"10.42.0.7"}},
      {"10-42-0-8.db.default.svc.cluster.local", RecordType::a, {"10.42.0.8"}},
      {"_sql._tcp.db.default.svc.cluster.local",
       RecordType::srv,
       {"0 100 5432 db-0.db.default.svc.cluster.local.",
        "0 100 5432 10-42-0-8.db.default.svc.cluster.local."}},
      {"out.default.svc.cluster.local", RecordType::a, {"example.org."}},
      {"10-42-0-9.default.pod.cluster.local", RecordType::a, {"10.42.0.9"}},
      {"10-99-0-9.default.pod.cluster.local", RecordType::a, {}, false},
      {"20.0.43.10.in-addr.arpa", RecordType::ptr, {"web.default.svc.cluster.local."}},
      {"7.0.42.10.in-addr.arpa", RecordType::ptr, {"db-0.db.default.svc.cluster.local."}},
      {"cluster.local", RecordType::a, {}},
      {"nothing.cluster.local", RecordType::a, {}, false},
      {"dns-version.cluster.local", RecordType::txt, {"\"1.1.0\""}},
  };
  for (const DnsRow& row : rows) {
    const auto answer = zone_.answer(row.name, row.type);
    ASSERT_TRUE(answer.has_value()) << row.name;
    EXPECT_EQ(answer->exists, row.exists) << row.name;
    std::vector<std::string> data;
    for (const Record& record : answer->records) {
      data.push_back(record.data);
    }
    EXPECT_EQ(data, row.data) << row.name;
  }
}

TEST_F(DnsZoneTest, LeavesOtherNamesToOthers) {
  EXPECT_EQ(zone_.answer("example.org", RecordType::a), std::nullopt);
  EXPECT_EQ(zone_.answer("notcluster.local", RecordType::a), std::nullopt);
  EXPECT_EQ(zone_.answer("1.1.1.1.in-addr.arpa", RecordType::ptr), std::nullopt);
}

Change udp_service() {
  return put("services",
             "names",
             R"({"spec":{"clusterIP":"10.43.0.20",
             "ports":[{"name":"dns","port":53,"protocol":"UDP","nodePort":30053}]}})");
}

Change udp_slice(std::string_view address) {
  return put("endpointslices.discovery.k8s.io",
             "names-1",
             R"({"metadata":{"labels":{"kubernetes.io/service-name":"names"}},"addressType":"IPv4",
             "ports":[{"name":"dns","port":8080,"protocol":"UDP"}],"endpoints":[{"addresses":[")" +
                 std::string(address) + R"("]}]})");
}

TEST(Flows, AreStaleWhereTheyLeadToWhatIsNotBehindTheService) {
  NftOptions options;
  options.service_cidr = *Ipv4Range::parse("10.43.0.0/16");
  options.dns_address = "10.43.0.10";
  ServiceTable table("n1");
  table.apply(
      {udp_service(),
       udp_slice("10.42.0.5"),
       put("services",
           "calls",
           R"({"spec":{"clusterIP":"10.43.0.40","externalIPs":["192.0.2.7"],
             "internalTrafficPolicy":"Local","ports":[{"port":5060,"protocol":"UDP"}]}})"),
       put("endpointslices.discovery.k8s.io",
           "calls-1",
           R"({"metadata":{"labels":{"kubernetes.io/service-name":"calls"}},"addressType":"IPv4",
             "ports":[{"name":"","port":8080,"protocol":"UDP"}],
             "endpoints":[{"addresses":["10.42.1.6"],"nodeName":"n2"}]})")},
      true);
  ServiceRules rules(options);
  rules.update(table, table.take_touched());

  struct Row {
    const char* asked;
    std::uint16_t asked_port;
    const char* answering;
    std::uint16_t answering_port;
    bool is_stale;
    bool is_to_this_machine = false;
  };

  const Row rows[] = {{"10.43.0.20", 53, "10.42.0.5", 8080, false},
                      {"10.43.0.20", 53, "10.42.0.6", 8080, true},
                      {"10.43.0.20", 53, "10.42.0.5", 8081, true},
                      {"10.43.0.20", 53, "10.43.0.20", 53, true},   // sent before it had endpoints
                      {"10.43.0.21", 53, "10.42.0.6", 8080, true},  // its service is gone
                      {"10.43.0.10", 53, "10.43.0.10", 53, false},  // the node's own DNS
                      {"10.43.0.40", 5060, "10.42.1.6", 8080, true},  // only to local ones
                      {"192.0.2.7", 5060, "10.42.1.6", 8080, false},  // the other policy
                      {"192.0.2.1", 30053, "10.42.0.5", 8080, false},
                      {"192.0.2.1", 30053, "10.42.0.6", 8080, true},
                      {"192.0.2.1", 30053, "192.0.2.1", 30053, false},  // no service: another host
                      {"192.0.2.9", 30053, "192.0.2.9", 30053, true, true},  // before an endpoint
                      {"192.0.2.9", 53, "192.0.2.9", 53, false, true},
                      {"192.0.2.1", 53, "192.0.2.1", 53, false}};
  for (const Row& row : rows) {
    const Flow flow{*parse_ipv4(row.asked),
                    row.asked_port,
                    *parse_ipv4(row.answering),
                    row.answering_port,
                    row.is_to_this_machine};
    EXPECT_EQ(is_stale(flow, rules), row.is_stale)
        << row.asked << ":" << row.asked_port << " by " << row.answering;
  }
}

TEST(Flows, ArePerusedOnlyWhereServicesOfDatagramsChange) {
  ServiceTable table("n1");
  ServiceRules rules({});
  const auto moves = [&](const Change& change) {
    table.apply({change}, false);
    rules.update(table, table.take_touched());
    return rules.take_moved_datagrams();
  };

  EXPECT_FALSE(moves(web_service()));
  EXPECT_FALSE(moves(web_slice(kTwo)));
  EXPECT_TRUE(moves(udp_service()));
  EXPECT_TRUE(moves(udp_slice("10.42.0.5")));
  EXPECT_FALSE(moves(udp_slice("10.42.0.5")));
  EXPECT_FALSE(moves(web_slice("[]")));
  EXPECT_TRUE(moves(gone("services", "names")));
}

}  // namespace
}  // namespace tetrarch::agent::network

// SPDX-License-Identifier: Apache-2.0
#include "schedule/refusal.h"

#include <gtest/gtest.h>

#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

// Source: kube-scheduler, framework/types.go FitError and the plugins' reasons (1.31): sentences
// that users and tools search for.
struct TextRow {
  std::string_view name;
  Refusal refusal;
  std::string_view detail;
  std::string_view text;
};

void PrintTo(const TextRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr TextRow kTextRows[] = {
    {"node_name", Refusal::node_name, "", "node(s) didn't match the requested node name"},
    {"unschedulable", Refusal::unschedulable, "", "node(s) were unschedulable"},
    {"taint", Refusal::taint, "{k: v}", "node(s) had untolerated taint {k: v}"},
    {"node_affinity",
     Refusal::node_affinity,
     "",
     "node(s) didn't match Pod's node affinity/selector"},
    {"device_claims",
     Refusal::device_claims,
     "",
     "node(s) have no devices for the pod's resource claims: devices by claim are not allocated "
     "here yet"},
    {"ports", Refusal::ports, "", "node(s) didn't have free ports for the requested pod ports"},
    {"resource", Refusal::resource, "memory", "Insufficient memory"},
    {"pods", Refusal::too_many_pods, "pods", "Too many pods"},
    {"spread", Refusal::spread, "", "node(s) didn't match pod topology spread constraints"},
    {"spread_label",
     Refusal::spread_label,
     "",
     "node(s) didn't match pod topology spread constraints (missing required label)"},
    {"affinity", Refusal::pod_affinity, "", "node(s) didn't match pod affinity rules"},
    {"anti_affinity",
     Refusal::pod_anti_affinity,
     "",
     "node(s) didn't match pod anti-affinity rules"},
    {"others",
     Refusal::others_anti_affinity,
     "",
     "node(s) didn't satisfy existing pods anti-affinity rules"},
};

class TextTest : public testing::TestWithParam<TextRow> {};

TEST_P(TextTest, IsTheOneThatUsersKnow) {
  Explanation why;
  why.set_nodes(3);
  why.add(GetParam().refusal, GetParam().detail);
  why.add(GetParam().refusal, GetParam().detail);

  EXPECT_EQ(why.text(), fmt::format("0/3 nodes are available: 2 {}.", GetParam().text));
}

INSTANTIATE_TEST_SUITE_P(Table, TextTest, testing::ValuesIn(kTextRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Explanation, OrdersReasonsByTheirTextWithTheNumber) {
  Explanation why;
  why.set_nodes(16);
  for (int i = 0; i < 12; ++i) {
    why.add(Refusal::unschedulable);
  }
  why.add(Refusal::too_many_pods);
  why.add(Refusal::resource, "cpu");
  why.add(Refusal::resource, "cpu");
  why.add(Refusal::node_affinity);

  EXPECT_EQ(why.text(),
            "0/16 nodes are available: 1 Too many pods, 1 node(s) didn't match Pod's node "
            "affinity/selector, 12 node(s) were unschedulable, 2 Insufficient cpu.");
}

TEST(Explanation, OfNoNodesSaysSo) {
  EXPECT_EQ(Explanation().text(), "no nodes available to schedule pods");
}

TEST(Explanation, CountsEveryAmountThatANodeIsShortOf) {
  Cluster cluster;
  with_nodes(cluster, {{.cpu = "1", .memory = "1Gi", .pods = "0"}});

  const auto decision =
      cluster.place(a_pod({.requests = R"({"cpu":"2","memory":"2Gi","x.io/gpu":"1"})"}));

  EXPECT_EQ(decision.explanation.text(),
            "0/1 nodes are available: 1 Insufficient cpu, 1 Insufficient memory, 1 Insufficient "
            "x.io/gpu, 1 Too many pods.");
}

TEST(Explanation, APortThatIsTakenSpeaksForTheNode) {
  Cluster cluster;
  with_nodes(cluster, {{.cpu = "1"}});
  const std::string port = R"([{"hostPort":80}])";
  ASSERT_TRUE(cluster.place(a_pod({.name = "a", .ports = port})).is_placed());

  EXPECT_EQ(cluster.place(a_pod({.name = "b", .ports = port})).explanation.text(),
            "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod "
            "ports.");
}

TEST(Explanation, CountsEachNodeOnceByTheFirstRuleThatRefusesIt) {
  Cluster cluster;
  with_nodes(cluster,
             {{.name = "a", .spec = R"({"unschedulable":true})"},
              {.name = "b", .spec = R"({"taints":[{"key":"k","effect":"NoSchedule"}]})"},
              {.name = "c", .spec = R"({"taints":[{"key":"k","effect":"NoSchedule"}]})"},
              {.name = "d", .labels = R"({"disk":"hdd"})"},
              {.name = "e", .cpu = "1", .labels = R"({"disk":"ssd"})"}});

  const auto decision = cluster.place(
      a_pod({.requests = R"({"cpu":"2"})", .more = R"(,"nodeSelector":{"disk":"ssd"})"}));

  EXPECT_EQ(decision.explanation.text(),
            "0/5 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match Pod's node "
            "affinity/selector, 1 node(s) were unschedulable, 2 node(s) had untolerated taint "
            "{k: }.");
}

}  // namespace
}  // namespace tetrarch::schedule

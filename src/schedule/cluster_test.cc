// SPDX-License-Identifier: Apache-2.0
#include "schedule/cluster.h"

#include <map>
#include <random>

#include <fmt/format.h>
#include <gtest/gtest.h>

namespace tetrarch::schedule {
namespace {

Stored make(std::string resource, std::string ns, std::string name, std::string json) {
  auto document = Document::parse(json);
  EXPECT_TRUE(document.ok()) << json;
  return {{std::move(resource), std::move(ns), std::move(name)}, Revision{1}, *document};
}

struct NodeSpec {
  std::string name = "n1";
  std::string cpu = "4";
  std::string memory = "8Gi";
  std::string pods = "110";
  std::string labels = "{}";
  std::string spec = "{}";
};

Stored a_node(const NodeSpec& spec) {
  return make("nodes",
              "",
              spec.name,
              fmt::format(R"({{"kind":"Node","metadata":{{"name":"{}","labels":{}}},"spec":{},
                "status":{{"allocatable":{{"cpu":"{}","memory":"{}","pods":"{}"}}}}}})",
                          spec.name,
                          spec.labels,
                          spec.spec,
                          spec.cpu,
                          spec.memory,
                          spec.pods));
}

struct PodSpec {
  std::string name = "p";
  std::string requests = R"({"cpu":"1"})";
  std::string more = "";  ///< further members of spec, each with a leading comma
  std::string labels = R"({"app":"a"})";
  std::string ports = "[]";
  std::string node = "";
};

Stored a_pod(const PodSpec& spec) {
  const std::string node = spec.node.empty() ? "" : fmt::format(R"(,"nodeName":"{}")", spec.node);
  return make(
      "pods",
      "default",
      spec.name,
      fmt::format(
          R"({{"kind":"Pod","metadata":{{"name":"{}","namespace":"default","uid":"u-{}","labels":{}}},
                "spec":{{"containers":[{{"name":"c","resources":{{"requests":{}}},
       "ports":{}}}]{}{}}}}})",
          spec.name,
          spec.name,
          spec.labels,
          spec.requests,
          spec.ports,
          spec.more,
          node));
}

Cluster& with_nodes(Cluster& cluster, const std::vector<NodeSpec>& nodes) {
  for (const NodeSpec& node : nodes) {
    cluster.upsert_node(a_node(node));
  }
  return cluster;
}

TEST(Cluster, SpreadsEqualPodsAndStopsWhenFull) {
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1", .cpu = "2"}, {.name = "n2", .cpu = "2"}});
  std::map<std::string, int> placed;

  for (int i = 0; i < 4; ++i) {
    const auto decision = cluster.place(a_pod({.name = fmt::format("p{}", i)}));
    ASSERT_TRUE(decision.is_placed());
    ++placed[decision.node.text];
  }
  const auto refused = cluster.place(a_pod({.name = "p5"}));

  EXPECT_EQ(placed, (std::map<std::string, int>{{"n1", 2}, {"n2", 2}}));
  EXPECT_EQ(refused.explanation.text(), "0/2 nodes are available: 2 Insufficient cpu.");
  EXPECT_EQ(cluster.class_count(), 1U);
}

TEST(Cluster, SaysThatThereAreNoNodes) {
  Cluster cluster;

  EXPECT_EQ(cluster.place(a_pod({})).explanation.text(), "no nodes available to schedule pods");
}

struct RefusalRow {
  std::string_view name;
  NodeSpec node;
  PodSpec pod;
  std::string_view reason;  ///< empty: it fits
};

void PrintTo(const RefusalRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<RefusalRow>& refusal_rows() {
  static const std::vector<RefusalRow> rows = {
      {"fits", {}, {}, ""},
      {"memory", {.memory = "1Gi"}, {.requests = R"({"memory":"1025Mi"})"}, "Insufficient memory"},
      {"exact_memory", {.memory = "1Gi"}, {.requests = R"({"memory":"1Gi"})"}, ""},
      {"extended", {}, {.requests = R"({"example.com/gpu":"1"})"}, "Insufficient example.com/gpu"},
      {"pods", {.pods = "0"}, {}, "Too many pods"},
      {"cordoned", {.spec = R"({"unschedulable":true})"}, {}, "node(s) were unschedulable"},
      {"cordoned_tolerated",
       {.spec = R"({"unschedulable":true})"},
       {.more = R"(,"tolerations":[{"operator":"Exists"}])"},
       ""},
      {"taint",
       {.spec = R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})"},
       {},
       "node(s) had untolerated taint {k: v}"},
      {"taint_wrong_value",
       {.spec = R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})"},
       {.more = R"(,"tolerations":[{"key":"k","operator":"Equal","value":"w"}])"},
       "node(s) had untolerated taint {k: v}"},
      {"taint_wrong_effect",
       {.spec = R"({"taints":[{"key":"k","effect":"NoExecute"}]})"},
       {.more = R"(,"tolerations":[{"key":"k","operator":"Exists","effect":"NoSchedule"}])"},
       "node(s) had untolerated taint {k: }"},
      {"taint_tolerated",
       {.spec = R"({"taints":[{"key":"k","value":"v","effect":"NoSchedule"}]})"},
       {.more =
            R"(,"tolerations":[{"key":"k","operator":"Equal","value":"v","effect":"NoSchedule"}])"},
       ""},
      {"taint_preferred",
       {.spec = R"({"taints":[{"key":"k","effect":"PreferNoSchedule"}]})"},
       {},
       ""},
      {"selector",
       {.labels = R"({"disk":"hdd"})"},
       {.more = R"(,"nodeSelector":{"disk":"ssd"})"},
       "node(s) didn't match Pod's node affinity/selector"},
      {"selector_matches",
       {.labels = R"({"disk":"ssd"})"},
       {.more = R"(,"nodeSelector":{"disk":"ssd"})"},
       ""},
      {"affinity_in",
       {.labels = R"({"disk":"ssd"})"},
       {.more =
            R"(,"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
          {"matchExpressions":[{"key":"disk","operator":"In","values":["ssd","nvme"]}]}]}}})"},
       ""},
      {"affinity_not_in",
       {.labels = R"({"disk":"ssd"})"},
       {.more =
            R"(,"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
          {"matchExpressions":[{"key":"disk","operator":"NotIn","values":["ssd"]}]}]}}})"},
       "node(s) didn't match Pod's node affinity/selector"},
      {"affinity_gt",
       {.labels = R"({"gen":"7"})"},
       {.more =
            R"(,"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
          {"matchExpressions":[{"key":"gen","operator":"Gt","values":["6"]}]}]}}})"},
       ""},
      {"affinity_name_field",
       {.name = "n1"},
       {.more =
            R"(,"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
          {"matchFields":[{"key":"metadata.name","operator":"In","values":["n2"]}]}]}}})"},
       "node(s) didn't match Pod's node affinity/selector"},
      {"affinity_empty_term",
       {},
       {.more = R"(,"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{
          "nodeSelectorTerms":[{}]}}})"},
       "node(s) didn't match Pod's node affinity/selector"},
      {"overhead", {.cpu = "1"}, {.more = R"(,"overhead":{"cpu":"1m"})"}, "Insufficient cpu"},
      {"init_container_larger",
       {.cpu = "2"},
       {.more = R"(,"initContainers":[{"name":"i","resources":{"requests":{"cpu":"3"}}}])"},
       "Insufficient cpu"},
      {"init_container_smaller",
       {.cpu = "1"},
       {.more = R"(,"initContainers":[{"name":"i","resources":{"requests":{"cpu":"1"}}}])"},
       ""},
      {"sidecar_adds",
       {.cpu = "1"},
       {.more =
            R"(,"initContainers":[{"name":"i","restartPolicy":"Always","resources":{"requests":{"cpu":"1m"}}}])"},
       "Insufficient cpu"},
  };
  return rows;
}

class ClusterRefusal : public testing::TestWithParam<RefusalRow> {};

TEST_P(ClusterRefusal, GivesTheReason) {
  const RefusalRow& row = GetParam();
  Cluster cluster;
  with_nodes(cluster, {row.node});

  const auto decision = cluster.place(a_pod(row.pod));

  EXPECT_EQ(decision.is_placed(), row.reason.empty());
  if (!row.reason.empty()) {
    EXPECT_EQ(decision.explanation.text(),
              fmt::format("0/1 nodes are available: 1 {}.", row.reason));
  }
}

INSTANTIATE_TEST_SUITE_P(Table,
                         ClusterRefusal,
                         testing::ValuesIn(refusal_rows()),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(Cluster, KeepsHostPortsApart) {
  Cluster cluster;
  with_nodes(cluster, {{}});
  const auto with_port = [](std::string name, std::string port) {
    return a_pod({.name = std::move(name), .ports = std::move(port)});
  };

  EXPECT_TRUE(cluster.place(with_port("a", R"([{"containerPort":80,"hostPort":80}])")).is_placed());
  EXPECT_TRUE(
      cluster.place(with_port("b", R"([{"containerPort":80,"hostPort":80,"protocol":"UDP"}])"))
          .is_placed());
  EXPECT_EQ(
      cluster.place(with_port("c", R"([{"containerPort":80,"hostPort":80,"hostIP":"10.0.0.1"}])"))
          .explanation.text(),
      "0/1 nodes are available: 1 node(s) didn't have free ports for the requested pod ports.");
  cluster.remove_pod("u-a");
  EXPECT_TRUE(
      cluster.place(with_port("c", R"([{"containerPort":80,"hostPort":80,"hostIP":"10.0.0.1"}])"))
          .is_placed());
}

TEST(Cluster, ReleasesWhatFinishedPodsHeld) {
  Cluster cluster;
  with_nodes(cluster, {{.cpu = "1"}});
  ASSERT_TRUE(cluster.place(a_pod({.name = "a"})).is_placed());
  const auto before = cluster.room_version();

  auto done = a_pod({.name = "a", .node = "n1"});
  done = make("pods",
              "default",
              "a",
              R"({"metadata":{"name":"a","uid":"u-a"},"spec":{"nodeName":"n1","containers":[]},
                  "status":{"phase":"Succeeded"}})");
  cluster.upsert_pod(done);

  EXPECT_EQ(cluster.free("n1", "cpu"), 1000);
  EXPECT_GT(cluster.room_version(), before);
}

TEST(Cluster, CountsPodsThatWereToldOfBeforeTheirNode) {
  Cluster cluster;
  cluster.upsert_pod(a_pod({.name = "a", .node = "n1"}));
  cluster.upsert_node(a_node({.cpu = "4"}));

  EXPECT_EQ(cluster.free("n1", "cpu"), 3000);
  cluster.remove_node("n1");
  cluster.upsert_node(a_node({.cpu = "4"}));
  EXPECT_EQ(cluster.free("n1", "cpu"), 3000);
}

constexpr std::string_view kSpread =
    R"(,"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone",
  "whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"a"}}}])";

TEST(Cluster, HoldsTheSkewBetweenZones) {
  Cluster cluster;
  with_nodes(cluster,
             {{.name = "a1", .cpu = "32", .labels = R"({"zone":"a"})"},
              {.name = "a2", .cpu = "32", .labels = R"({"zone":"a"})"},
              {.name = "b1", .cpu = "2", .labels = R"({"zone":"b"})"},
              {.name = "x1", .cpu = "32"}});
  std::map<char, int> zones;

  for (int i = 0; i < 5; ++i) {
    const auto decision =
        cluster.place(a_pod({.name = fmt::format("p{}", i), .more = std::string(kSpread)}));
    ASSERT_TRUE(decision.is_placed()) << decision.explanation.text();
    ++zones[decision.node.text[0]];
  }
  const auto refused = cluster.place(a_pod({.name = "p5", .more = std::string(kSpread)}));

  EXPECT_EQ(zones, (std::map<char, int>{{'a', 3}, {'b', 2}}));
  EXPECT_EQ(refused.explanation.text(),
            "0/4 nodes are available: 1 Insufficient cpu, 3 node(s) didn't match pod topology "
            "spread constraints.");
}

TEST(Cluster, KeepsAntiAffinePodsApartInBothDirections) {
  Cluster cluster;
  with_nodes(
      cluster,
      {{.name = "n1", .labels = R"({"host":"n1"})"}, {.name = "n2", .labels = R"({"host":"n2"})"}});
  const std::string apart =
      R"(,"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
    {"topologyKey":"host","labelSelector":{"matchLabels":{"app":"a"}}}]}})";

  const auto first = cluster.place(a_pod({.name = "p1", .more = apart}));
  const auto second = cluster.place(a_pod({.name = "p2", .more = apart}));
  const auto third = cluster.place(a_pod({.name = "p3", .more = apart}));
  const auto plain_like = cluster.place(a_pod({.name = "p4"}));
  const auto plain_other = cluster.place(a_pod({.name = "p5", .labels = R"({"app":"b"})"}));

  EXPECT_NE(first.node, second.node);
  EXPECT_EQ(third.explanation.text(),
            "0/2 nodes are available: 2 node(s) didn't match pod anti-affinity rules.");
  EXPECT_EQ(plain_like.explanation.text(),
            "0/2 nodes are available: 2 node(s) didn't satisfy existing pods anti-affinity rules.");
  EXPECT_TRUE(plain_other.is_placed());
}

TEST(Cluster, PutsAffinePodsTogetherAndLetsTheFirstOneStart) {
  Cluster cluster;
  with_nodes(
      cluster,
      {{.name = "n1", .labels = R"({"host":"n1"})"}, {.name = "n2", .labels = R"({"host":"n2"})"}});
  const std::string together =
      R"(,"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
    {"topologyKey":"host","labelSelector":{"matchLabels":{"app":"a"}}}]}})";

  const auto first = cluster.place(a_pod({.name = "p1", .more = together}));
  const auto second = cluster.place(a_pod({.name = "p2", .more = together}));
  const auto other =
      cluster.place(a_pod({.name = "p3", .more = together, .labels = R"({"app":"b"})"}));

  ASSERT_TRUE(first.is_placed());
  EXPECT_EQ(first.node, second.node);
  EXPECT_EQ(first.node, other.node);
}

/// What a scan over all nodes in order would choose for a plain pod.
std::string scan_choice(const std::vector<NodeSpec>& nodes,
                        Cluster& cluster,
                        std::int64_t cpu_milli) {
  std::string best;
  std::int64_t best_free = -1;
  for (const NodeSpec& node : nodes) {
    const auto free = cluster.free(node.name, "cpu");
    if (free >= cpu_milli && free > best_free) {
      best = node.name;
      best_free = free;
    }
  }
  return best;
}

TEST(ClusterProperty, NeverGivesAwayMoreThanThereIsAndFitsWheneverItCould) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    Cluster cluster;
    std::vector<NodeSpec> nodes;
    for (int i = 0; i < 30; ++i) {
      nodes.push_back(
          {.name = fmt::format("n{}", i), .cpu = fmt::format("{}m", 500 + random() % 4000)});
    }
    with_nodes(cluster, nodes);
    std::vector<std::string> placed;

    for (int step = 0; step < 400; ++step) {
      if (random() % 3 == 0 && !placed.empty()) {
        const auto at = random() % placed.size();
        cluster.remove_pod("u-" + placed[at]);
        placed.erase(placed.begin() + static_cast<std::ptrdiff_t>(at));
        continue;
      }
      const auto cpu = static_cast<std::int64_t>(100 * (1 + random() % 20));
      const auto possible = scan_choice(nodes, cluster, cpu);
      const auto name = fmt::format("p{}", step);
      const auto decision =
          cluster.place(a_pod({.name = name, .requests = fmt::format(R"({{"cpu":"{}m"}})", cpu)}));
      ASSERT_EQ(decision.is_placed(), !possible.empty()) << "seed " << seed << " step " << step;
      if (decision.is_placed()) {
        placed.push_back(name);
        ASSERT_GE(cluster.free(decision.node.text, "cpu"), 0) << "seed " << seed;
      }
    }
  }
}

}  // namespace
}  // namespace tetrarch::schedule

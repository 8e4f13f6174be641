// SPDX-License-Identifier: Apache-2.0
#include "schedule/cluster.h"

#include <map>
#include <utility>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

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
      {"device_claims",
       {},
       {.more = R"(,"resourceClaims":[{"name":"gpu","resourceClaimName":"gpu"}])"},
       "node(s) have no devices for the pod's resource claims: devices by claim are not allocated "
       "here yet"},
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
            "0/4 nodes are available: 1 Insufficient cpu, 1 node(s) didn't match pod topology "
            "spread constraints (missing required label), 2 node(s) didn't match pod topology "
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

TEST(Cluster, APodThatIsPlacedAgainClaimsOnce) {
  Cluster cluster;
  with_nodes(cluster, {{.cpu = "4"}});

  ASSERT_TRUE(cluster.place(a_pod({.name = "p"})).is_placed());
  ASSERT_TRUE(cluster.place(a_pod({.name = "p"})).is_placed());
  EXPECT_EQ(cluster.free("n1", "cpu"), 3000);

  cluster.forget("u-p");
  EXPECT_EQ(cluster.free("n1", "cpu"), 4000);
}

TEST(Cluster, ForgettingAPodThatWasSeenBoundSinceTakesNothingBack) {
  Cluster cluster;
  with_nodes(cluster, {{.cpu = "4"}});
  ASSERT_TRUE(cluster.place(a_pod({.name = "p"})).is_placed());
  cluster.upsert_pod(a_pod({.name = "p", .node = "n1"}));

  cluster.forget("u-p");

  EXPECT_EQ(cluster.free("n1", "cpu"), 3000);
}

TEST(Cluster, ConfirmingAPlacementMakesNoRoom) {
  Cluster cluster;
  with_nodes(cluster, {{}});
  ASSERT_TRUE(cluster.place(a_pod({.name = "p"})).is_placed());
  const auto before = cluster.room_version();

  cluster.upsert_pod(a_pod({.name = "p", .node = "n1"}));

  EXPECT_EQ(cluster.room_version(), before);
}

TEST(Cluster, AHeartbeatOfANodeMakesNoRoomAndAnyOtherChangeDoes) {
  Cluster cluster;
  with_nodes(cluster, {{}});
  auto before = cluster.room_version();
  const auto has_grown = [&] { return std::exchange(before, cluster.room_version()) < before; };

  cluster.upsert_node(a_node({}));
  EXPECT_FALSE(has_grown());
  cluster.upsert_node(a_node({.cpu = "5"}));
  EXPECT_TRUE(has_grown());
  cluster.upsert_node(a_node({.cpu = "5", .labels = R"({"zone":"a"})"}));
  EXPECT_TRUE(has_grown());
  cluster.upsert_node(a_node({.cpu = "5", .spec = R"({"unschedulable":true})"}));
  EXPECT_TRUE(has_grown());
  cluster.remove_node("n1");
  EXPECT_TRUE(has_grown());
}

TEST(Cluster, AnOpenedNodeIsOpenBeforeItsTaintIsGone) {
  constexpr auto kTaint = R"({"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"})";
  Cluster cluster;
  cluster.upsert_node(
      a_node({.spec = fmt::format(R"({{"unschedulable":true,"taints":[{}]}})", kTaint)}));
  EXPECT_FALSE(cluster.place(a_pod({.name = "a"})).is_placed());
  const auto before = cluster.room_version();

  cluster.upsert_node(a_node({.spec = fmt::format(R"({{"taints":[{}]}})", kTaint)}));

  EXPECT_GT(cluster.room_version(), before);
  EXPECT_TRUE(cluster.place(a_pod({.name = "a"})).is_placed());
  const auto opened = cluster.room_version();
  cluster.upsert_node(a_node({}));
  EXPECT_EQ(cluster.room_version(), opened);
}

TEST(Cluster, KeepsTheClassesUsedLast) {
  Cluster cluster;
  with_nodes(cluster, {{.cpu = "100000", .pods = "1000"}});
  const auto place = [&](int milli) {
    const auto name = fmt::format("p{}", milli);
    return cluster.place(
        a_pod({.name = name, .requests = fmt::format(R"({{"cpu":"{}m"}})", milli)}));
  };

  for (int i = 1; i <= 300; ++i) {
    ASSERT_TRUE(place(i).is_placed());
  }

  EXPECT_EQ(cluster.class_count(), Cluster::kClassesMax);
}

TEST(Cluster, PodsThatDifferOnlyInWhatNoRuleReadsShareAClass) {
  Cluster cluster;
  with_nodes(cluster, {{.cpu = "100"}});

  cluster.place(a_pod({.name = "a", .labels = R"({"app":"a"})"}));
  cluster.place(a_pod({.name = "b", .labels = R"({"app":"b"})"}));
  cluster.place(a_pod({.name = "c", .more = R"(,"priority":1000)"}));
  EXPECT_EQ(cluster.class_count(), 1U);

  cluster.place(a_pod({.name = "d", .more = R"(,"tolerations":[{"operator":"Exists"}])"}));
  EXPECT_EQ(cluster.class_count(), 2U);
}

std::string apart_from(std::string_view app) {
  return fmt::format(
      R"(,"affinity":{{"podAntiAffinity":{{"requiredDuringSchedulingIgnoredDuringExecution":[)"
      R"({{"topologyKey":"host","labelSelector":{{"matchLabels":{{"app":"{}"}}}}}}]}}}})",
      app);
}

std::string labels_of(std::string_view app, int own) {
  return fmt::format(R"({{"app":"{}","own":"{}"}})", app, own);
}

/// As units of fleet are: each has a label of its own.
TEST(Cluster, LabelsThatNoRuleReadsMakeNoClasses) {
  Cluster cluster;
  for (int i = 0; i < 40; ++i) {
    const auto name = fmt::format("n{}", i);
    cluster.upsert_node(a_node({.name = name, .labels = fmt::format(R"({{"host":"{}"}})", name)}));
  }
  const auto place = [&](std::string_view app, int own, const std::string& more) {
    return cluster
        .place(a_pod(
            {.name = fmt::format("{}{}", app, own), .more = more, .labels = labels_of(app, own)}))
        .is_placed();
  };
  ASSERT_TRUE(place("a", 0, apart_from("a")));  // before there was such a rule: another class

  for (int i = 1; i < 30; ++i) {
    EXPECT_TRUE(place("a", i, apart_from("a")));
    EXPECT_TRUE(place("b", i, ""));
  }
  EXPECT_EQ(cluster.class_count(), 3U);

  EXPECT_TRUE(place("c", 1, apart_from("b")));  // ten nodes have neither
  EXPECT_TRUE(place("b", 30, ""));              // who are meant from now on are others
  EXPECT_EQ(cluster.class_count(), 5U);
}

TEST(Cluster, ARefusalIsExplainedAnewAfterEveryChange) {
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1", .cpu = "1"}, {.name = "n2", .cpu = "1"}});
  const auto why = [&](std::string name) {
    return cluster.place(a_pod({.name = std::move(name), .requests = R"({"cpu":"2"})"}))
        .explanation.text();
  };
  EXPECT_EQ(why("a"), "0/2 nodes are available: 2 Insufficient cpu.");
  EXPECT_EQ(why("b"), "0/2 nodes are available: 2 Insufficient cpu.");

  cluster.upsert_node(a_node({.name = "n2", .cpu = "1", .spec = R"({"unschedulable":true})"}));
  EXPECT_EQ(why("a"), "0/2 nodes are available: 1 Insufficient cpu, 1 node(s) were unschedulable.");
  cluster.remove_node("n1");
  EXPECT_EQ(why("a"), "0/1 nodes are available: 1 node(s) were unschedulable.");
}

/// As a DaemonSet makes it.
Stored a_pinned_pod(const std::string& name, std::string_view node) {
  return a_pod({.name = name,
                .more = fmt::format(R"(,"affinity":{{"nodeAffinity":{{
      "requiredDuringSchedulingIgnoredDuringExecution":{{"nodeSelectorTerms":[{{"matchFields":[
      {{"key":"metadata.name","operator":"In","values":["{}"]}}]}}]}}}}}})",
                                    node)});
}

TEST(Cluster, PodsThatArePinnedToANodeEachAreOneClass) {
  Cluster cluster;
  for (int i = 0; i < 100; ++i) {
    cluster.upsert_node(a_node({.name = fmt::format("n{}", i)}));
  }

  for (int i = 0; i < 100; ++i) {
    const auto decision =
        cluster.place(a_pinned_pod(fmt::format("p{}", i), fmt::format("n{}", 99 - i)));
    EXPECT_EQ(decision.node.text, fmt::format("n{}", 99 - i));
  }

  EXPECT_EQ(cluster.class_count(), 1U);
}

TEST(Cluster, APinnedPodIsToldWhyItsOwnNodeRefusesIt) {
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1"}, {.name = "n2", .cpu = "500m"}, {.name = "n3"}});

  EXPECT_EQ(cluster.place(a_pinned_pod("p", "n2")).explanation.text(),
            "0/3 nodes are available: 1 Insufficient cpu, 2 node(s) didn't match Pod's node "
            "affinity/selector.");
  EXPECT_EQ(cluster.place(a_pinned_pod("p", "gone")).explanation.text(),
            "0/3 nodes are available: 3 node(s) didn't match Pod's node affinity/selector.");
}

TEST(Cluster, APinDoesNotWeighAgainstTheOtherTermsOfAPod) {
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1"}, {.name = "n2", .labels = R"({"a":"b"})"}});
  const auto both = [](std::string_view node) {
    return a_pod({.more = fmt::format(R"(,"affinity":{{"nodeAffinity":{{
      "requiredDuringSchedulingIgnoredDuringExecution":{{"nodeSelectorTerms":[{{"matchFields":[
      {{"key":"metadata.name","operator":"In","values":["{}"]}}],"matchExpressions":[
      {{"key":"a","operator":"Exists"}}]}}]}}}}}})",
                                      node)});
  };

  EXPECT_TRUE(cluster.place(both("n2")).is_placed());
  EXPECT_FALSE(cluster.place(both("n1")).is_placed());
}

// Source: fleet reference, section 6, step 3.
TEST(Cluster, UnitsGoWhereTheFewestUnitsAreAndThenByMachineId) {
  Cluster cluster;
  const auto machine = [](std::string_view id) {
    return fmt::format(R"({{"fleet.tetrarch.dev/machine-id":"{}"}})", id);
  };
  with_nodes(cluster,
             {{.name = "big", .cpu = "64", .memory = "256Gi", .labels = machine("c")},
              {.name = "n2", .labels = machine("b")},
              {.name = "n3", .labels = machine("a")}});
  const auto unit = [](std::string name) {
    return a_pod({.name = std::move(name),
                  .requests = R"({"cpu":"10m"})",
                  .more = R"(,"runtimeClassName":"systemd")"});
  };
  cluster.place(a_pod({.name = "other", .requests = R"({"cpu":"1"})"}));

  EXPECT_EQ(cluster.place(unit("u1")).node.text, "n3") << "whatever else runs where";
  EXPECT_EQ(cluster.place(unit("u2")).node.text, "n2");
  EXPECT_EQ(cluster.place(unit("u3")).node.text, "big");
  EXPECT_EQ(cluster.place(unit("u4")).node.text, "n3");
  cluster.remove_pod("u-u2");
  EXPECT_EQ(cluster.place(unit("u5")).node.text, "n2");

  cluster.upsert_node(a_node({.name = "n2", .labels = machine("d")}));
  cluster.remove_pod("u-u5");
  cluster.remove_pod("u-u3");
  EXPECT_EQ(cluster.place(unit("u6")).node.text, "big")
      << "another ID is another place in the order";
}

}  // namespace
}  // namespace tetrarch::schedule

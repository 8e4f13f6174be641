// SPDX-License-Identifier: Apache-2.0
// Rules about other pods, seen from outside: spread, affinity and anti-affinity between pods.
#include "schedule/pair_rules.h"

#include <map>

#include <gtest/gtest.h>

#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

struct Constraint {
  int max_skew = 1;
  std::string key = "zone";
  std::string when = "DoNotSchedule";
  std::string more = "";  ///< further members, each with a leading comma
};

std::string spread(const std::vector<Constraint>& constraints) {
  std::string list;
  for (const auto& each : constraints) {
    list += fmt::format(
        R"({}{{"maxSkew":{},"topologyKey":"{}","whenUnsatisfiable":"{}",
        "labelSelector":{{"matchLabels":{{"app":"a"}}}}{}}})",
        list.empty() ? "" : ",",
        each.max_skew,
        each.key,
        each.when,
        each.more);
  }
  return fmt::format(R"(,"topologySpreadConstraints":[{}])", list);
}

NodeSpec in_zone(std::string name, std::string_view zone, std::string spec = "{}") {
  return {.name = std::move(name),
          .cpu = "64",
          .labels = fmt::format(R"({{"zone":"{}"}})", zone),
          .spec = std::move(spec)};
}

/// Zones a and b with one node each, and pods that are there already.
class SpreadTest : public testing::Test {
 protected:
  void bound(std::string name, std::string node, PodSpec pod = {}) {
    pod.name = std::move(name);
    pod.node = std::move(node);
    cluster_.upsert_pod(a_pod(pod));
  }

  /// Where a pod with these members of its spec goes; "" where it goes nowhere.
  std::string where(const std::string& more, PodSpec pod = {}) {
    pod.name = fmt::format("new{}", next_++);
    pod.more += more;
    return cluster_.place(a_pod(pod)).node.text;
  }

  Cluster cluster_;
  int next_ = 0;
};

constexpr std::string_view kTainted = R"({"taints":[{"key":"k","effect":"NoSchedule"}]})";

TEST_F(SpreadTest, AZoneThatThePodMayNotUseByItsSelectorHoldsItBackNoMore) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b")});
  const std::string only_a = R"(,"nodeSelector":{"zone":"a"})";

  for (int i = 0; i < 3; ++i) {
    EXPECT_EQ(where(spread({{}}) + only_a), "a1");
  }
}

TEST_F(SpreadTest, UnlessItsPolicyIsToIgnoreAffinity) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b")});
  const auto more =
      spread({{.more = R"(,"nodeAffinityPolicy":"Ignore")"}}) + R"(,"nodeSelector":{"zone":"a"})";

  EXPECT_EQ(where(more), "a1");
  EXPECT_EQ(where(more), "");  // b has none and counts
}

TEST_F(SpreadTest, ATaintedZoneCountsAndHoldsBack) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b", std::string(kTainted))});

  EXPECT_EQ(where(spread({{}})), "a1");
  EXPECT_EQ(where(spread({{}})), "");
}

TEST_F(SpreadTest, UnlessItsPolicyIsToHonorTaints) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b", std::string(kTainted))});
  const auto more = spread({{.more = R"(,"nodeTaintsPolicy":"Honor")"}});

  EXPECT_EQ(where(more), "a1");
  EXPECT_EQ(where(more), "a1");
}

TEST_F(SpreadTest, PodsOnNodesThatDoNotCountAreNotCounted) {
  with_nodes(cluster_,
             {in_zone("a1", "a"), in_zone("a2", "a", std::string(kTainted)), in_zone("b1", "b")});
  bound("one", "a2");
  bound("two", "a2");
  const auto more = spread({{.more = R"(,"nodeTaintsPolicy":"Honor")"}});

  EXPECT_EQ(where(more, {.requests = R"({"cpu":"1m"})"}), "a1");
}

TEST_F(SpreadTest, WhenTheTaintGoesThePodsThereCount) {
  with_nodes(cluster_,
             {in_zone("a1", "a"), in_zone("a2", "a", std::string(kTainted)), in_zone("b1", "b")});
  bound("one", "a2");
  const auto more = spread({{.more = R"(,"nodeTaintsPolicy":"Honor")"}});
  EXPECT_EQ(where(more), "a1");
  EXPECT_EQ(where(more), "b1");

  cluster_.upsert_node(a_node(in_zone("a2", "a")));

  EXPECT_EQ(where(more), "b1");  // a has two now
}

TEST_F(SpreadTest, PodsThatEndOrAreOfOthersAreNotCounted) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b")});
  bound("ending", "a1", {.metadata = R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")"});
  bound("other", "a1", {.labels = R"({"app":"b"})"});
  bound("mine", "b1");

  EXPECT_EQ(where(spread({{}})), "a1");
  EXPECT_NE(where(spread({{}})), "");
}

TEST_F(SpreadTest, APodThatBeginsToEndStopsCounting) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b", std::string(kTainted))});
  bound("first", "a1");
  EXPECT_EQ(where(spread({{}})), "");
  const auto before = cluster_.room_version();

  bound("first", "a1", {.metadata = R"(,"deletionTimestamp":"2026-01-01T00:00:00Z")"});

  EXPECT_GT(cluster_.room_version(), before);
  EXPECT_EQ(where(spread({{}})), "a1");
}

TEST_F(SpreadTest, APodThatTheSelectorDoesNotMatchMayGoAnywhereWithinTheSkew) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b", std::string(kTainted))});
  bound("one", "a1");

  EXPECT_EQ(where(spread({{}}), {.labels = R"({"app":"other"})"}), "a1");
  bound("two", "a1");
  EXPECT_EQ(where(spread({{}}), {.labels = R"({"app":"other"})"}), "");
}

TEST_F(SpreadTest, TooFewDomainsCountAsAnEmptyOne) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b")});
  const auto more = spread({{.more = R"(,"minDomains":3)"}});

  EXPECT_NE(where(more), "");
  EXPECT_NE(where(more), "");
  EXPECT_EQ(where(more), "");  // a third zone is wanted

  cluster_.upsert_node(a_node(in_zone("c1", "c")));
  EXPECT_EQ(where(more), "c1");
}

TEST_F(SpreadTest, EveryHardConstraintMustHoldAndANodeNeedsAllTheirLabels) {
  with_nodes(cluster_,
             {{.name = "a1", .cpu = "64", .labels = R"({"zone":"a","host":"a1"})"},
              {.name = "a2", .cpu = "64", .labels = R"({"zone":"a","host":"a2"})"},
              {.name = "b1", .cpu = "64", .labels = R"({"zone":"b","host":"b1"})"},
              {.name = "x1", .cpu = "64", .labels = R"({"zone":"c"})"}});
  const auto more = spread({{}, {.key = "host"}});
  std::map<std::string, int> count;

  for (int i = 0; i < 4; ++i) {
    ++count[where(more)];
  }

  // Two of zone a and two of b would put two on b1 with one each on a1 and a2: within both.
  EXPECT_EQ(count["b1"], 2);
  EXPECT_EQ(count["a1"] + count["a2"], 2);
  EXPECT_EQ(count["x1"], 0);
}

TEST_F(SpreadTest, CountsOnlyPodsOfTheSameRevisionWhereKeysAreToMatch) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b")});
  bound("old1", "a1", {.labels = R"({"app":"a","hash":"1"})"});
  bound("old2", "a1", {.labels = R"({"app":"a","hash":"1"})"});
  const auto more = spread({{.more = R"(,"matchLabelKeys":["hash"])"}});
  const PodSpec fresh{.labels = R"({"app":"a","hash":"2"})"};

  const auto first = where(more, fresh);
  const auto second = where(more, fresh);

  EXPECT_NE(first, second);
  EXPECT_NE(first, "");
  EXPECT_NE(second, "");
}

TEST_F(SpreadTest, OtherNamespacesDoNotCount) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b", std::string(kTainted))});
  cluster_.upsert_pod(
      make("pods",
           "other",
           "theirs",
           R"({"metadata":{"name":"theirs","namespace":"other","uid":"t","labels":{"app":"a"}},
          "spec":{"nodeName":"a1","containers":[]}})"));

  EXPECT_EQ(where(spread({{}})), "a1");
}

TEST_F(SpreadTest, ASoftConstraintPrefersTheEmptierZoneButRefusesNobody) {
  with_nodes(cluster_,
             {in_zone("a1", "a"), in_zone("b1", "b"), {.name = "x1", .cpu = "1", .labels = "{}"}});
  bound("one", "a1", {.requests = R"({"cpu":"1m"})"});
  bound("heavy", "b1", {.requests = R"({"cpu":"8"})", .labels = R"({"app":"b"})"});
  const auto soft = spread({{.when = "ScheduleAnyway"}});

  EXPECT_EQ(where(soft), "b1");
  cluster_.remove_node("b1");
  EXPECT_EQ(where(soft), "a1");
  cluster_.remove_node("a1");
  EXPECT_EQ(where(soft), "x1");
}

std::string affinity(std::string_view sort, std::string_view terms, std::string_view weights = "") {
  return fmt::format(
      R"(,"affinity":{{"{}":{{"requiredDuringSchedulingIgnoredDuringExecution":[{}],
      "preferredDuringSchedulingIgnoredDuringExecution":[{}]}}}})",
      sort,
      terms,
      weights);
}

constexpr std::string_view kBesideB =
    R"({"topologyKey":"zone","labelSelector":{"matchLabels":{"app":"b"}}})";

TEST_F(SpreadTest, APodWaitsForItsFriendAndIsWokenWhenItComes) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b")});
  const auto beside = affinity("podAffinity", kBesideB);
  EXPECT_EQ(where(beside), "");
  const auto before = cluster_.room_version();

  bound("stranger", "a1", {.labels = R"({"app":"c"})"});
  EXPECT_EQ(cluster_.room_version(), before);
  bound("friend", "b1", {.labels = R"({"app":"b"})"});

  EXPECT_GT(cluster_.room_version(), before);
  EXPECT_EQ(where(beside), "b1");
}

TEST_F(SpreadTest, ATermMayLookIntoOtherNamespaces) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b")});
  cluster_.upsert_pod(
      make("pods",
           "data",
           "db",
           R"({"metadata":{"name":"db","namespace":"data","uid":"db","labels":{"app":"b"}},
          "spec":{"nodeName":"b1","containers":[]}})"));
  const auto in = [](std::string_view where) {
    return affinity("podAffinity",
                    fmt::format(R"({{"topologyKey":"zone","labelSelector":{{"matchLabels":
                        {{"app":"b"}}}}{}}})",
                                where));
  };

  EXPECT_EQ(where(in("")), "");
  EXPECT_EQ(where(in(R"(,"namespaces":["data"])")), "b1");
  EXPECT_EQ(where(in(R"(,"namespaceSelector":{})")), "b1");
}

TEST_F(SpreadTest, ATermThatNobodyHoldsAnyMoreRefusesNobody) {
  with_nodes(cluster_, {in_zone("a1", "a")});
  const auto apart = affinity("podAntiAffinity", kBesideB);
  bound("loner", "a1", {.more = apart});
  const PodSpec b{.labels = R"({"app":"b"})"};
  EXPECT_EQ(where("", b), "");

  cluster_.remove_pod("u-loner");
  EXPECT_EQ(where("", b), "a1");
  bound("again", "a1", {.more = apart});
  EXPECT_EQ(where("", b), "");
}

TEST_F(SpreadTest, WeightsDrawTogetherAndApart) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b")});
  bound("b", "b1", {.requests = R"({"cpu":"8"})", .labels = R"({"app":"b"})"});
  const auto weighted = fmt::format(R"({{"weight":100,"podAffinityTerm":{}}})", kBesideB);

  EXPECT_EQ(where(""), "a1");
  EXPECT_EQ(where(affinity("podAffinity", "", weighted)), "b1");
  EXPECT_EQ(where(affinity("podAntiAffinity", "", weighted)), "a1");
}

TEST_F(SpreadTest, TheLabelsOfANodeMayChangeUnderItsPods) {
  with_nodes(cluster_, {in_zone("a1", "a"), in_zone("b1", "b")});
  bound("friend", "b1", {.labels = R"({"app":"b"})"});
  const auto beside = affinity("podAffinity", kBesideB);
  EXPECT_EQ(where(beside), "b1");

  cluster_.upsert_node(a_node(in_zone("b1", "c")));
  cluster_.upsert_node(a_node(in_zone("a1", "b")));

  EXPECT_EQ(where(beside), "b1");
  cluster_.upsert_node(a_node(in_zone("a1", "c")));
  cluster_.upsert_node(a_node(in_zone("b1", "b", R"({"unschedulable":true})")));
  EXPECT_EQ(where(beside), "");
}

}  // namespace
}  // namespace tetrarch::schedule

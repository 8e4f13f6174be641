// SPDX-License-Identifier: Apache-2.0
// Room for pods that fit nowhere: who goes, for whom room is held, what is said.
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/cluster.h"
#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

/// A pod of so many cores and such a priority, on a node or waiting.
struct Job {
  std::string name;
  int cpu = 1;
  int priority = 0;
  std::string node = "";
  int started = 0;  ///< second of a minute
  std::string app = "a";
  std::string more = "";      ///< of spec
  std::string metadata = "";  ///< more of it
  std::string ports = "[]";
  std::string nominated = "";
};

Stored pod_of(const Job& job) {
  std::string status = "{}";
  if (!job.node.empty()) {
    status = fmt::format(R"({{"startTime":"2026-01-01T00:00:{:02}Z"}})", job.started);
  } else if (!job.nominated.empty()) {
    status = fmt::format(R"({{"nominatedNodeName":"{}"}})", job.nominated);
  }
  return a_pod({.name = job.name,
                .requests = fmt::format(R"({{"cpu":"{}"}})", job.cpu),
                .more = fmt::format(R"(,"priority":{}{})", job.priority, job.more),
                .labels = fmt::format(R"({{"app":"{}"}})", job.app),
                .ports = job.ports,
                .node = job.node,
                .metadata = job.metadata,
                .status = status});
}

void run(Cluster& cluster, const std::vector<Job>& jobs) {
  for (const Job& job : jobs) {
    cluster.upsert_pod(pod_of(job));
  }
}

/// The answer to a pod that must not fit.
Room room_for(Cluster& cluster, const Job& job) {
  const auto pod = pod_of(job);
  EXPECT_FALSE(cluster.place(pod).is_placed()) << job.name;
  return cluster.make_room(pod);
}

/// A victim is seen to end.
void end(Cluster& cluster, Job job) {
  job.metadata = R"(,"deletionTimestamp":"2026-01-01T00:01:00Z")";
  cluster.upsert_pod(pod_of(job));
}

struct ChoiceRow {
  std::string_view name;
  std::vector<Job> running;  ///< on nodes n1 and n2, of four cores each
  Job pod;
  std::string_view node;
  std::vector<std::string> victims;
  std::vector<std::pair<std::string, int>> budgets = {};  ///< app and what it allows
};

void PrintTo(const ChoiceRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<ChoiceRow>& choice_rows() {
  static const std::vector<ChoiceRow> rows = {
      {"fewest_violations_first",
       {{"x", 4, 1, "n1", 0, "guarded"}, {"y", 4, 5, "n2"}},
       {"p", 4, 10},
       "n2",
       {"u-y"},
       {{"guarded", 0}}},
      {"a_budget_that_allows_it_is_not_violated",
       {{"x", 4, 1, "n1", 0, "guarded"}, {"y", 4, 5, "n2"}},
       {"p", 4, 10},
       "n1",
       {"u-x"},
       {{"guarded", 1}}},
      {"violated_where_there_is_no_other_choice",
       {{"x", 4, 1, "n1", 0, "guarded"}, {"y", 4, 10, "n2"}},
       {"p", 4, 10},
       "n1",
       {"u-x"},
       {{"guarded", 0}}},
      {"the_lowest_of_the_highest_victims",
       {{"x1", 2, 3, "n1"}, {"x2", 2, 1, "n1"}, {"y1", 2, 2, "n2"}, {"y2", 2, 2, "n2"}},
       {"p", 4, 10},
       "n2",
       {"u-y1", "u-y2"}},
      {"the_smallest_sum",
       {{"x1", 2, 3, "n1"}, {"x2", 2, 2, "n1"}, {"y1", 2, 3, "n2"}, {"y2", 2, 1, "n2"}},
       {"p", 4, 10},
       "n2",
       {"u-y1", "u-y2"}},
      {"fewer_victims_though_their_priorities_are_below_zero",
       {{"x1", 2, -5, "n1"}, {"x2", 2, -5, "n1"}, {"y", 4, -5, "n2"}},
       {"p", 4, 0},
       "n2",
       {"u-y"}},
      {"the_one_that_started_last",
       {{"x", 4, 1, "n1", 10}, {"y", 4, 1, "n2", 20}},
       {"p", 4, 10},
       "n2",
       {"u-y"}},
      {"equals_at_the_first_node",
       {{"x", 4, 1, "n1", 10}, {"y", 4, 1, "n2", 10}},
       {"p", 4, 10},
       "n1",
       {"u-x"}},
      {"who_need_not_go_stays_the_more_important_first",
       {{"x1", 1, 1, "n1"}, {"x2", 1, 2, "n1"}, {"x3", 2, 3, "n1"}, {"y", 4, 9, "n2"}},
       {"p", 2, 10},
       "n1",
       {"u-x2", "u-x1"}},
      {"of_equals_who_started_first_stays",
       {{"x1", 2, 1, "n1", 5}, {"x2", 2, 1, "n1", 6}, {"y", 4, 10, "n2"}},
       {"p", 2, 10},
       "n1",
       {"u-x2"}},
      {"who_is_protected_stays_before_others",
       {{"x1", 2, 1, "n1", 5, "guarded"}, {"x2", 2, 3, "n1", 6}, {"y", 4, 10, "n2"}},
       {"p", 2, 10},
       "n1",
       {"u-x2"},
       {{"guarded", 0}}},
      {"equals_and_more_important_ones_are_never_evicted",
       {{"x", 4, 10, "n1"}, {"y", 4, 11, "n2"}},
       {"p", 1, 10},
       "",
       {}},
      {"a_mirror_pod_is_never_evicted",
       {{.name = "x",
         .cpu = 4,
         .node = "n1",
         .metadata = R"(,"annotations":{"kubernetes.io/config.mirror":"h"})"},
        {"y", 4, 5, "n2"}},
       {"p", 1, 10},
       "n2",
       {"u-y"}},
      {"the_holder_of_a_port",
       {{.name = "x", .node = "n1", .ports = R"([{"containerPort":80,"hostPort":80}])"},
        {.name = "y",
         .priority = 1,
         .node = "n2",
         .ports = R"([{"containerPort":80,"hostPort":80}])"},
        {"z", 1, 0, "n1"}},
       {.name = "p", .priority = 10, .ports = R"([{"containerPort":80,"hostPort":80}])"},
       "n1",
       {"u-x"}},
  };
  return rows;
}

class ClusterRoom : public testing::TestWithParam<ChoiceRow> {};

TEST_P(ClusterRoom, IsMadeAtTheLeastCost) {
  const ChoiceRow& row = GetParam();
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1"}, {.name = "n2"}});
  run(cluster, row.running);
  for (const auto& [app, allowed] : row.budgets) {
    cluster.upsert_budget(a_budget(app, allowed));
  }

  const auto room = room_for(cluster, row.pod);

  EXPECT_EQ(room.node.text, row.node) << room.text;
  EXPECT_EQ(room.victims, row.victims);
  EXPECT_EQ(room.text.empty(), !row.node.empty());
}

INSTANTIATE_TEST_SUITE_P(Table, ClusterRoom, testing::ValuesIn(choice_rows()), [](const auto& row) {
  return std::string(row.param.name);
});

const std::string kApart =
    R"(,"affinity":{"podAntiAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
    {"topologyKey":"host","labelSelector":{"matchLabels":{"app":"a"}}}]}})";

TEST(ClusterRoomForPairs, WhoIsInTheWayOfAnAntiAffinityGoes) {
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1", .labels = R"({"host":"n1"})"}});
  run(cluster, {{"x", 1, 0, "n1", 0, "a"}, {"y", 1, 0, "n1", 0, "b"}});

  const auto room = room_for(cluster, {.name = "p", .priority = 1, .app = "c", .more = kApart});

  EXPECT_THAT(room.victims, ElementsAre("u-x"));
}

TEST(ClusterRoomForPairs, WhoMindsThePodGoes) {
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1", .labels = R"({"host":"n1"})"}});
  run(cluster,
      {{.name = "x", .node = "n1", .app = "c", .more = kApart}, {"y", 1, 0, "n1", 0, "b"}});

  const auto room = room_for(cluster, {.name = "p", .priority = 1, .app = "a"});

  EXPECT_THAT(room.victims, ElementsAre("u-x"));
}

TEST(ClusterRoomForPairs, AZoneWithTooManyLosesOne) {
  Cluster cluster;
  with_nodes(cluster,
             {{.name = "n1", .labels = R"({"zone":"a"})"},
              {.name = "n2", .cpu = "0", .labels = R"({"zone":"b"})"}});
  run(cluster, {{"x", 1, 0, "n1", 1}, {"y", 1, 5, "n1", 2}});
  const std::string spread =
      R"(,"topologySpreadConstraints":[{"maxSkew":1,"topologyKey":"zone",
      "whenUnsatisfiable":"DoNotSchedule","labelSelector":{"matchLabels":{"app":"a"}}}])";

  const auto both = room_for(cluster, {.name = "p", .priority = 9, .more = spread});

  EXPECT_EQ(both.node.text, "n1");
  EXPECT_THAT(both.victims, ElementsAre("u-y", "u-x"));
}

struct TextRow {
  std::string_view name;
  std::vector<NodeSpec> nodes;
  std::vector<Job> running;
  Job pod;
  std::string_view text;
};

void PrintTo(const TextRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<TextRow>& text_rows() {
  static const std::vector<TextRow> rows = {
      {"never",
       {{}},
       {{"x", 4, 0, "n1"}},
       {.name = "p", .priority = 9, .more = R"(,"preemptionPolicy":"Never")"},
       "not eligible due to preemptionPolicy=Never."},
      {"no_nodes", {}, {}, {"p"}, ""},
      {"nobody_less_important",
       {{}},
       {{"x", 4, 0, "n1"}},
       {"p"},
       "0/1 nodes are available: 1 No preemption victims found for incoming pod."},
      {"too_large_for_the_node",
       {{}},
       {{"x", 4, 0, "n1"}},
       {"p", 5, 9},
       "0/1 nodes are available: 1 Preemption is not helpful for scheduling."},
      {"what_is_left_is_too_little",
       {{}},
       {{"x", 1, 0, "n1"}, {"y", 3, 9, "n1"}},
       {"p", 2, 5},
       "0/1 nodes are available: 1 Insufficient cpu."},
      {"rules_of_nodes",
       {{.name = "n1", .spec = R"({"unschedulable":true})"}, {.name = "n2"}},
       {{"x", 4, 0, "n1"}, {"y", 4, 9, "n2"}},
       {"p", 1, 5},
       "0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is "
       "not helpful for scheduling."},
      {"pinned",
       {{.name = "n1"}, {.name = "n2"}},
       {{"x", 4, 9, "n1"}, {"y", 4, 0, "n2"}},
       {.name = "p",
        .priority = 5,
        .more =
            R"(,"affinity":{"nodeAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
          {"matchFields":[{"key":"metadata.name","operator":"In","values":["n1"]}]}]}}})"},
       "0/2 nodes are available: 1 No preemption victims found for incoming pod, 1 Preemption is "
       "not helpful for scheduling."},
  };
  return rows;
}

class ClusterRoomText : public testing::TestWithParam<TextRow> {};

TEST_P(ClusterRoomText, SaysWhyThereIsNone) {
  Cluster cluster;
  with_nodes(cluster, GetParam().nodes);
  run(cluster, GetParam().running);

  const auto room = room_for(cluster, GetParam().pod);

  EXPECT_EQ(room.text, GetParam().text);
  EXPECT_EQ(room.node.text, "");
}

INSTANTIATE_TEST_SUITE_P(Table,
                         ClusterRoomText,
                         testing::ValuesIn(text_rows()),
                         [](const auto& row) { return std::string(row.param.name); });

class NomineeTest : public testing::Test {
 protected:
  NomineeTest() {
    with_nodes(cluster_, {{.name = "n1"}});
    run(cluster_, {low_});
    EXPECT_THAT(room_for(cluster_, high_).victims, ElementsAre("u-low"));
  }

  const Job low_{"low", 4, 0, "n1"};
  const Job high_{"high", 3, 10};
  Cluster cluster_;
};

TEST_F(NomineeTest, WaitsForItsVictimsAndIsPlacedWhenTheyAreGone) {
  EXPECT_TRUE(cluster_.place(pod_of(high_)).awaits_room());
  end(cluster_, low_);
  const auto before = cluster_.room_version();
  EXPECT_TRUE(cluster_.place(pod_of(high_)).awaits_room());
  EXPECT_EQ(cluster_.room_version(), before) << "a look at it makes no room";

  cluster_.remove_pod("u-low");

  EXPECT_EQ(cluster_.place(pod_of(high_)).node.text, "n1");
  EXPECT_EQ(cluster_.free("n1", "cpu"), 1000);
}

TEST_F(NomineeTest, WhatItsVictimsLeaveIsKeptForIt) {
  cluster_.remove_pod("u-low");

  EXPECT_FALSE(cluster_.place(pod_of({"equal", 2, 10})).is_placed());
  EXPECT_FALSE(cluster_.place(pod_of({"lower", 2, 0})).is_placed());
  EXPECT_TRUE(cluster_.place(pod_of({"lower", 1, 0})).is_placed()) << "beside it";
  EXPECT_TRUE(cluster_.place(pod_of(high_)).is_placed());
}

TEST_F(NomineeTest, TheNextOneFindsOtherVictims) {
  cluster_.upsert_node(a_node({.name = "n2"}));
  run(cluster_, {{"low2", 4, 0, "n2"}});

  const auto room = room_for(cluster_, {"high2", 3, 10});

  EXPECT_THAT(room.victims, ElementsAre("u-low2"));
  EXPECT_EQ(room_for(cluster_, {"high3", 3, 10}).node.text, "") << "all are leaving";
}

TEST_F(NomineeTest, AMoreImportantPodTakesItsRoom) {
  cluster_.remove_pod("u-low");

  const auto room = room_for(cluster_, {"higher", 3, 20});

  EXPECT_TRUE(room.is_free);
  EXPECT_THAT(room.displaced, ElementsAre("u-high"));
  EXPECT_FALSE(cluster_.is_nominated("u-high"));
  EXPECT_EQ(cluster_.free("n1", "cpu"), 1000);
}

TEST_F(NomineeTest, AVictimThatIsSparedIsEvictedAgain) {
  cluster_.spare("u-low");

  const auto decision = cluster_.place(pod_of(high_));

  EXPECT_FALSE(decision.awaits_room());
  EXPECT_EQ(decision.explanation.text(), "0/1 nodes are available: 1 Insufficient cpu.");
  EXPECT_THAT(cluster_.make_room(pod_of(high_)).victims, ElementsAre("u-low"));
}

TEST_F(NomineeTest, GoesElsewhereWhereThereIsRoomSooner) {
  cluster_.upsert_node(a_node({.name = "n2"}));

  EXPECT_EQ(cluster_.place(pod_of(high_)).node.text, "n2");
  EXPECT_FALSE(cluster_.is_nominated("u-high"));
}

TEST_F(NomineeTest, OneThatIsDeletedHoldsNothing) {
  cluster_.remove_pod("u-low");
  cluster_.remove_pod("u-high");

  EXPECT_TRUE(cluster_.place(pod_of({"lower", 4, 0})).is_placed());
}

TEST_F(NomineeTest, OneWhoseNodeGoesLooksForAnother) {
  cluster_.upsert_node(a_node({.name = "n2"}));
  run(cluster_, {{"low2", 4, 0, "n2"}});

  cluster_.remove_node("n1");

  EXPECT_THAT(room_for(cluster_, high_).victims, ElementsAre("u-low2"));
}

TEST(Nominee, OfEarlierTimesHoldsItsRoomAsItsStatusTells) {
  Cluster cluster;
  const Job high{.name = "high", .cpu = 3, .priority = 10, .nominated = "n1"};
  const Job low{"low", 4, 0, "n1"};
  cluster.nominate(pod_of(high));  // told of before its node
  with_nodes(cluster, {{.name = "n1"}});
  run(cluster, {low});
  end(cluster, low);

  EXPECT_TRUE(cluster.place(pod_of(high)).awaits_room());
  cluster.remove_pod("u-low");
  EXPECT_FALSE(cluster.place(pod_of({"lower", 2, 0})).is_placed());
  EXPECT_EQ(cluster.place(pod_of(high)).node.text, "n1");
}

TEST(Nominee, IsNoCompanyForThoseWhoWantSome) {
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1", .labels = R"({"host":"n1"})"}});
  cluster.nominate(pod_of({.name = "high", .priority = 10, .app = "db", .nominated = "n1"}));
  const std::string together =
      R"(,"affinity":{"podAffinity":{"requiredDuringSchedulingIgnoredDuringExecution":[
    {"topologyKey":"host","labelSelector":{"matchLabels":{"app":"db"}}}]}})";

  EXPECT_FALSE(cluster.place(pod_of({.name = "web", .more = together})).is_placed());
}

TEST(Nominee, WhatEndsAnywayIsNotEvicted) {
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1"}, {.name = "n2"}});
  const Job ending{"ending", 4, 5, "n1"};
  run(cluster, {ending, {"low", 4, 0, "n2"}});
  end(cluster, ending);

  const auto room = room_for(cluster, {"p", 1, 10});

  EXPECT_EQ(room.node.text, "n1");
  EXPECT_THAT(room.victims, IsEmpty());
  EXPECT_FALSE(room.is_free);
}

TEST(Nominee, WhatWasTakenFromABudgetIsTakenUntilItsStatusTells) {
  Cluster cluster;
  with_nodes(cluster, {{.name = "n1"}, {.name = "n2"}, {.name = "n3"}});
  const Job first{"x1", 4, 0, "n1", 30, "guarded"};
  run(cluster, {first, {"x2", 4, 0, "n2", 20, "guarded"}, {"y", 4, 5, "n3"}});
  cluster.upsert_budget(a_budget("guarded", 1));
  EXPECT_THAT(room_for(cluster, {"p1", 4, 10}).victims, ElementsAre("u-x1"));

  cluster.upsert_budget(a_budget("guarded", 1));  // written before it was known
  EXPECT_THAT(room_for(cluster, {"p2", 4, 10}).victims, ElementsAre("u-y"));
  cluster.spare("u-y");
  cluster.remove_pod("u-p2");
  end(cluster, first);
  cluster.upsert_budget(a_budget("guarded", 1));

  EXPECT_THAT(room_for(cluster, {"p3", 4, 10}).victims, ElementsAre("u-x2"));
}

TEST(Nominee, AThousandAtOnceEvictEachPodOnce) {
  Cluster cluster;
  constexpr int kNodes = 100;
  constexpr int kPerNode = 10;
  for (int n = 0; n < kNodes; ++n) {
    cluster.upsert_node(a_node({.name = fmt::format("n{}", n), .cpu = "10"}));
    for (int i = 0; i < kPerNode; ++i) {
      run(cluster, {{fmt::format("low-{}-{}", n, i), 1, 0, fmt::format("n{}", n), i}});
    }
  }
  std::set<std::string> victims;

  for (int i = 0; i < kNodes * kPerNode; ++i) {
    const auto room = room_for(cluster, {fmt::format("high{}", i), 1, 10});
    ASSERT_EQ(room.victims.size(), 1U) << i;
    ASSERT_TRUE(victims.insert(room.victims[0]).second) << room.victims[0];
  }
  EXPECT_EQ(room_for(cluster, {"onemore", 1, 10}).node.text, "");
  for (const auto& uid : victims) {
    cluster.remove_pod(uid);
  }

  for (int i = 0; i < kNodes * kPerNode; ++i) {
    EXPECT_TRUE(cluster.place(pod_of({fmt::format("high{}", i), 1, 10})).is_placed());
  }
}

}  // namespace
}  // namespace tetrarch::schedule

// SPDX-License-Identifier: Apache-2.0
#include "reconcile/replicaset.h"

#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/pod_ranking.h"
#include "reconcile/pod_state.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

const Key kSet{"replicasets.apps", "ns", "web"};

std::string replicaset(int replicas, std::string_view more = "") {
  return fmt::format(
      R"({{"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{{"name":"web","namespace":"ns","uid":"rs-uid"}},
    "spec":{{"replicas":{},"selector":{{"matchLabels":{{"app":"web"}}}}{},
      "template":{{"metadata":{{"labels":{{"app":"web","tier":"front"}}}},"spec":
       {{"containers":[{{"name":"c","image":"i"}}]}}}}}}}})",
      replicas,
      more);
}

std::string pod(std::string_view name, std::string_view labels, std::string_view more = "") {
  return fmt::format(
      R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{}","namespace":"ns","labels":{}{}}},"spec":{{}}}})",
      name,
      labels,
      more);
}

void scale(World& world, int replicas) {
  world.change(kSet,
               [&](object::TreeObject& root) { root["spec"].as_object()["replicas"] = replicas; });
}

class ReplicaSetTest : public testing::Test {
 protected:
  ReplicaSetTest() { world_.add(replicaset_controller()); }

  std::size_t active() const {
    std::size_t count = 0;
    for (const auto* each : world_.list("pods")) {
      count += is_active(*each) ? 1 : 0;
    }
    return count;
  }

  World world_;
};

TEST_F(ReplicaSetTest, CreatesItsPodsFromTheTemplateOwnedAndNamedAfterIt) {
  world_.create("replicasets.apps", replicaset(2));

  ASSERT_TRUE(world_.settle());

  ASSERT_THAT(world_.list("pods"), SizeIs(2));
  const auto& made = *world_.list("pods").front();
  EXPECT_THAT(made.key.name, testing::MatchesRegex("web-[bcdfghjklmnpqrstvwxz2456789]{5}"));
  EXPECT_EQ(made.metadata()["labels"]["tier"].string(), "front");
  EXPECT_EQ(controller_of(made).uid(), "rs-uid");
  EXPECT_TRUE(controller_of(made).block_owner_deletion());
  EXPECT_EQ(made.root()["spec"]["containers"].at(0)["image"].string(), "i");
  EXPECT_THAT(world_.notes, Contains(Field(&Note::message, "Created pod: " + made.key.name)));
}

TEST_F(ReplicaSetTest, ReportsWhatItsPodsAre) {
  world_.create("replicasets.apps", replicaset(2, R"(,"minReadySeconds":10)"));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.integer(kSet, "status.replicas"), 2);
  EXPECT_EQ(world_.integer(kSet, "status.fullyLabeledReplicas"), 2);
  EXPECT_EQ(world_.integer(kSet, "status.readyReplicas"), 0);

  world_.make_all_ready();
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.integer(kSet, "status.readyReplicas"), 2);
  EXPECT_EQ(world_.integer(kSet, "status.availableReplicas"), 0);

  world_.advance(seconds(10));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.integer(kSet, "status.availableReplicas"), 2);
  EXPECT_EQ(world_.integer(kSet, "status.observedGeneration"), 1);
}

TEST_F(ReplicaSetTest, WritesNothingWhenNothingIsToDo) {
  world_.create("replicasets.apps", replicaset(3));
  ASSERT_TRUE(world_.settle());

  const auto controller = replicaset_controller();

  EXPECT_THAT(world_.plan(*controller, kSet).changes, IsEmpty());
}

TEST_F(ReplicaSetTest, ReplacesAPodThatIsDeletedUnderAnotherName) {
  world_.create("replicasets.apps", replicaset(1));
  ASSERT_TRUE(world_.settle());
  const auto first = world_.names("pods").front();
  world_.make_all_ready();

  world_.remove({"pods", "ns", first});
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("pods"), SizeIs(2));  // the first still ends
  world_.end_terminating();
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.names("pods"), ElementsAre(testing::Ne(first)));
}

TEST_F(ReplicaSetTest, ReplacesFinishedPods) {
  world_.create("replicasets.apps", replicaset(1));
  ASSERT_TRUE(world_.settle());

  world_.change({"pods", "ns", world_.names("pods").front()}, [](object::TreeObject& root) {
    root["status"] = object::TreeObject{{"phase", "Failed"}};
  });
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("pods"), SizeIs(2));
  EXPECT_EQ(active(), 1U);
}

TEST_F(ReplicaSetTest, AStaleViewPlansTheSameNamesAgain) {
  world_.create("replicasets.apps", replicaset(3));
  const auto controller = replicaset_controller();

  const auto once = world_.plan(*controller, kSet);
  const auto again = world_.plan(*controller, kSet);
  world_.apply(once);
  const auto refused = world_.apply(again);

  EXPECT_EQ(active(), 3U);
  EXPECT_THAT(refused, Contains("already exists").Times(3));
}

TEST_F(ReplicaSetTest, AdoptsAMatchingPodWithoutOwner) {
  world_.create("pods", pod("stray", R"({"app":"web"})"));
  world_.create("replicasets.apps", replicaset(2));

  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.list("pods"), SizeIs(2));
  EXPECT_EQ(controller_of(*world_.get({"pods", "ns", "stray"})).uid(), "rs-uid");
  EXPECT_EQ(world_.integer(kSet, "status.fullyLabeledReplicas"), 1);  // the stray lacks "tier"
}

TEST_F(ReplicaSetTest, LeavesPodsOfOthersAlone) {
  world_.create(
      "pods",
      pod("theirs",
          R"({"app":"web"})",
          R"(,"ownerReferences":[{"apiVersion":"x/v1","kind":"Other","name":"o","uid":"o","controller":true}])"));
  world_.create("replicasets.apps", replicaset(1));

  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(controller_of(*world_.get({"pods", "ns", "theirs"})).uid(), "o");
  EXPECT_THAT(world_.list("pods"), SizeIs(2));
}

TEST_F(ReplicaSetTest, ReleasesAPodWhoseLabelsWereChangedAndReplacesIt) {
  world_.create("replicasets.apps", replicaset(1));
  ASSERT_TRUE(world_.settle());
  const Key first{"pods", "ns", world_.names("pods").front()};

  world_.change(first, [](object::TreeObject& root) {
    root["metadata"].as_object()["labels"] = object::TreeObject{{"app", "debug"}};
  });
  ASSERT_TRUE(world_.settle());

  EXPECT_FALSE(controller_of(*world_.get(first)));
  EXPECT_THAT(world_.list("pods"), SizeIs(2));
}

TEST_F(ReplicaSetTest, WhenItIsBeingDeletedItNeitherCreatesNorAdopts) {
  world_.create("replicasets.apps", replicaset(2));
  world_.remove(kSet, Propagation::foreground);
  world_.create("pods", pod("stray", R"({"app":"web"})"));

  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("pods"), ElementsAre("stray"));
  EXPECT_FALSE(controller_of(*world_.get({"pods", "ns", "stray"})));
}

TEST_F(ReplicaSetTest, SaysWhyPodsAreRefusedAndRecovers) {
  world_.refuse_creates("pods", "exceeded quota");
  world_.create("replicasets.apps", replicaset(3));
  ASSERT_TRUE(world_.settle());
  world_.advance(seconds(1));
  ASSERT_TRUE(world_.settle());

  const auto* set = world_.get(kSet);
  EXPECT_EQ(set->root()["status"]["conditions"].at(0)["type"].string(), "ReplicaFailure");
  EXPECT_EQ(set->root()["status"]["conditions"].at(0)["message"].string(), "exceeded quota");
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "FailedCreate")));

  world_.allow_creates();
  for (int i = 0; i < 5; ++i) {
    world_.advance(seconds(1));
    ASSERT_TRUE(world_.settle());
  }
  EXPECT_EQ(active(), 3U);
  EXPECT_EQ(world_.get(kSet)->root()["status"]["conditions"].size(), 0U);
}

TEST_F(ReplicaSetTest, CreatesAtMostABurstAtOnce) {
  world_.create("replicasets.apps", replicaset(1200));
  const auto controller = replicaset_controller();

  EXPECT_EQ(world_.plan(*controller, kSet).changes.size(), 500U + 1U);  // and the status
}

TEST_F(ReplicaSetTest, APodThatMayNotBeEndedIsSaidToo) {
  world_.create("replicasets.apps", replicaset(2));
  ASSERT_TRUE(world_.settle());
  scale(world_, 1);

  const auto plan = world_.plan(*replicaset_controller(), kSet, "webhook says no");

  const auto status = plan.changes.back().document->root()["status"];
  EXPECT_EQ(status["conditions"].at(0)["reason"].string(), "FailedDelete");
  EXPECT_EQ(status["conditions"].at(0)["message"].string(), "webhook says no");
  EXPECT_EQ(plan.changes.front().when_failed->reason, "FailedDelete");
  EXPECT_EQ(plan.changes.front().when_done->message,
            "Deleted pod: " + plan.changes.front().key.name);
}

TEST_F(ReplicaSetTest, ItsPodsCarryWhatTheTemplateSays) {
  world_.create("replicasets.apps",
                R"({"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{"name":"web",
      "namespace":"ns","uid":"rs-uid"},"spec":
      {"replicas":1,"selector":{"matchLabels":{"app":"web"}},
      "template":{"metadata":{"labels":{"app":"web"},"annotations":{"a":"1"},
      "finalizers":["example.com/f"]},"spec":{"nodeName":"n9","priority":5}}}})");
  ASSERT_TRUE(world_.settle());

  const auto& made = *world_.list("pods").front();
  EXPECT_EQ(made.metadata()["annotations"]["a"].string(), "1");
  EXPECT_EQ(made.metadata()["finalizers"].at(0).string(), "example.com/f");
  EXPECT_EQ(made.metadata()["generateName"].string(), "web-");
  EXPECT_EQ(made.root()["spec"]["priority"].integer(), 5);
}

TEST_F(ReplicaSetTest, AnEmptySelectorSelectsNobody) {
  world_.create("pods", pod("stray", R"({"app":"web"})"));
  world_.create("replicasets.apps",
                R"({"kind":"ReplicaSet","metadata":{"name":"web","namespace":"ns","uid":"rs-uid"},
      "spec":{"replicas":3,"selector":{},"template":{"metadata":{},"spec":{}}}})");
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("pods"), ElementsAre("stray"));
}

TEST_F(ReplicaSetTest, FinishedAndEndingPodsAreNotAdopted) {
  world_.create("pods", pod("done", R"({"app":"web"})"));
  world_.change({"pods", "ns", "done"}, [](object::TreeObject& root) {
    root["status"] = object::TreeObject{{"phase", "Succeeded"}};
  });
  world_.create("pods", pod("ending", R"({"app":"web"})"));
  world_.make_ready({"pods", "ns", "ending"});
  world_.remove({"pods", "ns", "ending"});
  world_.create("replicasets.apps", replicaset(1));
  ASSERT_TRUE(world_.settle());

  EXPECT_FALSE(controller_of(*world_.get({"pods", "ns", "done"})));
  EXPECT_FALSE(controller_of(*world_.get({"pods", "ns", "ending"})));
  EXPECT_EQ(active(), 1U);
}

TEST_F(ReplicaSetTest, TooManyAdoptedOnesAreEnded) {
  for (const auto name : {"a", "b", "c", "d"}) {
    world_.create("pods", pod(name, R"({"app":"web"})"));
  }
  world_.create("replicasets.apps", replicaset(2));
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(active(), 2U);
}

TEST_F(ReplicaSetTest, TwoSetsWithOneSelectorShareNoPod) {
  world_.create("replicasets.apps", replicaset(2));
  world_.create("replicasets.apps",
                R"({"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{"name":"twin",
      "namespace":"ns","uid":"twin-uid"},"spec":{"replicas":3,"selector":{"matchLabels":
      {"app":"web"}},"template":{"metadata":{"labels":{"app":"web"}},"spec":{}}}})");
  for (const auto name : {"a", "b", "c"}) {
    world_.create("pods", pod(name, R"({"app":"web"})"));
  }
  ASSERT_TRUE(world_.settle());

  std::map<std::string, int> count;
  for (const auto* each : world_.list("pods")) {
    ++count[std::string(controller_of(*each).name())];
  }
  EXPECT_EQ(count, (std::map<std::string, int>{{"web", 2}, {"twin", 3}}));
}

TEST_F(ReplicaSetTest, AStatusOfPodsThatOnlyHeartbeatIsNotWritten) {
  world_.create("replicasets.apps", replicaset(2));
  ASSERT_TRUE(world_.settle());
  world_.make_all_ready();
  ASSERT_TRUE(world_.settle());
  const int writes = world_.writes;

  for (const auto* each : world_.list("pods")) {
    world_.change(Key(each->key), [](object::TreeObject& root) {
      root["status"].as_object()["message"] = "still here";
    });
  }
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(world_.writes, writes);
}

/// Who goes first. Each row: a pod that should be deleted before the other.
struct RankRow {
  std::string_view name;
  std::string_view first;
  std::string_view second;
};

void PrintTo(const RankRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr std::string_view kReady =
    R"({"metadata":{"name":"b"},"spec":{"nodeName":"n"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}})";

constexpr RankRow kRankRows[] = {
    {"unscheduled_before_scheduled",
     R"({"metadata":{"name":"z"}})",
     R"({"metadata":{"name":"a"},"spec":{"nodeName":"n"}})"},
    {"pending_before_running",
     R"({"metadata":{"name":"z"},"spec":{"nodeName":"n"},"status":{"phase":"Pending"}})",
     R"({"metadata":{"name":"a"},"spec":{"nodeName":"n"},"status":{"phase":"Running"}})"},
    {"not_ready_before_ready",
     R"({"metadata":{"name":"z"},"spec":{"nodeName":"n"},"status":{"phase":"Running"}})",
     kReady},
    {"cheap_before_dear",
     R"({"metadata":{"name":"z","annotations":{"controller.kubernetes.io/pod-deletion-cost":"-5"}},"spec":{"nodeName":"n"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2025-01-01T00:00:00Z"}]}})",
     kReady},
    {"ready_later_first",
     R"({"metadata":{"name":"z"},"spec":{"nodeName":"n"},"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-02-01T00:00:00Z"}]}})",
     kReady},
    {"restarted_more_first",
     R"({"metadata":{"name":"z"},"spec":{"nodeName":"n"},"status":{"phase":"Running","containerStatuses":[{"restartCount":3}],"conditions":[{"type":"Ready","status":"True","lastTransitionTime":"2026-01-01T00:00:00Z"}]}})",
     kReady},
    {"newer_first",
     R"({"metadata":{"name":"z","creationTimestamp":"2026-01-02T00:00:00Z"}})",
     R"({"metadata":{"name":"a","creationTimestamp":"2026-01-01T00:00:00Z"}})"},
    {"by_name_where_all_is_equal", R"({"metadata":{"name":"a"}})", R"({"metadata":{"name":"z"}})"},
};

class RankTest : public testing::TestWithParam<RankRow> {};

Stored stored_pod(std::string_view json) {
  auto document = Document::parse(json).value();
  const std::string name(document->root()["metadata"]["name"].string());
  return Stored{Key{"pods", "ns", name}, Revision{1}, document};
}

TEST_P(RankTest, PutsTheLessUsefulFirst) {
  const auto first = stored_pod(GetParam().first);
  const auto second = stored_pod(GetParam().second);
  std::vector<const Stored*> pods{&second, &first};

  rank_for_deletion(pods, pods);

  EXPECT_EQ(pods.front(), &first);
}

INSTANTIATE_TEST_SUITE_P(Table, RankTest, testing::ValuesIn(kRankRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Rank, TakesFromTheNodeWithMorePodsOfTheWorkload) {
  const auto on = [](std::string_view name, std::string_view node) {
    return stored_pod(
        fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"nodeName":"{}"}}}})", name, node));
  };
  const auto a = on("a", "n1");
  const auto b = on("b", "n2");
  const auto other = on("c", "n2");
  std::vector<const Stored*> pods{&a, &b};

  rank_for_deletion(pods, {&a, &b, &other});

  EXPECT_EQ(pods.front(), &b);
}

/// With events that lag by chance, scaling and pods that come and go: at rest exactly `replicas`
/// are active, no name is given out twice, and never are there more active pods than were ever
/// wanted at the time.
class ReplicaSetChanceTest : public testing::TestWithParam<unsigned> {};

TEST_P(ReplicaSetChanceTest, ConvergesAndNeverCreatesTwice) {
  World world(GetParam());
  world.add(replicaset_controller());
  world.lag(true);
  world.create("replicasets.apps", replicaset(5));
  int wanted_most = 5;
  int wanted = 5;
  std::size_t active_most = 0;
  world.after_change = [&] {
    std::size_t active = 0;
    for (const auto* each : world.list("pods")) {
      active += is_active(*each) ? 1 : 0;
    }
    active_most = std::max(active_most, active);
  };

  for (int i = 0; i < 300; ++i) {
    switch (world.chance(8)) {
      case 0:
        wanted = static_cast<int>(world.chance(9));
        wanted_most = std::max(wanted, wanted_most);
        scale(world, wanted);
        break;
      case 1:
        if (const auto pods = world.list("pods"); !pods.empty()) {
          world.remove(Key(pods[world.chance(static_cast<unsigned>(pods.size()))]->key));
        }
        break;
      case 2:
      case 3:
        world.progress_a_pod();
        break;
      case 4:
        world.deliver(static_cast<int>(world.chance(4)));
        break;
      default:
        world.step();
        break;
    }
  }
  ASSERT_TRUE(world.settle());
  world.advance(seconds(2));
  ASSERT_TRUE(world.settle());

  std::size_t active = 0;
  for (const auto* each : world.list("pods")) {
    active += is_active(*each) ? 1 : 0;
  }
  EXPECT_EQ(active, static_cast<std::size_t>(wanted));
  EXPECT_LE(active_most, static_cast<std::size_t>(wanted_most));
  EXPECT_EQ(world.integer(kSet, "status.replicas"), wanted);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ReplicaSetChanceTest, testing::Range(1U, 40U));

TEST(ReplicationControllerTest, IsAReplicaSetWithAPlainSelector) {
  World world;
  world.add(replication_controller());
  const Key key{"replicationcontrollers", "ns", "web"};
  world.create("pods", pod("stray", R"({"app":"web"})"));
  world.create("replicationcontrollers",
               R"({"kind":"ReplicationController","apiVersion":"v1","metadata":{"name":"web",
      "namespace":"ns","uid":"rc-uid"},"spec":{"replicas":3,"selector":{"app":"web"},
      "template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[]}}}})");

  ASSERT_TRUE(world.settle());

  EXPECT_THAT(world.list("pods"), SizeIs(3));
  EXPECT_EQ(controller_of(*world.get({"pods", "ns", "stray"})).kind(), "ReplicationController");
  EXPECT_EQ(world.integer(key, "status.replicas"), 3);
  world.change(key, [](object::TreeObject& root) { root["spec"].as_object()["replicas"] = 1; });
  ASSERT_TRUE(world.settle());
  EXPECT_THAT(world.list("pods"), SizeIs(1));
}

TEST(ReplicationControllerTest, WithoutASelectorTakesNothing) {
  World world;
  world.add(replication_controller());
  world.create("pods", pod("stray", R"({"app":"web"})"));
  world.create("replicationcontrollers",
               R"({"kind":"ReplicationController","apiVersion":"v1","metadata":{"name":"web",
      "namespace":"ns"},"spec":{"replicas":3,"selector":{}}})");

  ASSERT_TRUE(world.settle());

  EXPECT_THAT(world.list("pods"), SizeIs(1));
}

}  // namespace
}  // namespace tetrarch::reconcile

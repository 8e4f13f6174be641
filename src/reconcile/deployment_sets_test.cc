// SPDX-License-Identifier: Apache-2.0
// Which sets a Deployment has, what it notes on them, and what its bounds come to.
#include "reconcile/deployment_sets.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/deployment.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "reconcile/replicaset.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;
using testing::SizeIs;

const Key kDeployment{"deployments.apps", "ns", "web"};

std::string deployment(std::string_view spec, std::string_view annotations = "{}") {
  return fmt::format(R"({{"kind":"Deployment","apiVersion":"apps/v1","metadata":{{"name":"web",
      "namespace":"ns","uid":"d-uid","annotations":{}}},"spec":{{"selector":{{"matchLabels":
      {{"app":"web"}}}},"template":{{"metadata":{{"labels":{{"app":"web"}}}},"spec":{{"image":1}}}},
      {}}}}})",
                     annotations,
                     spec);
}

struct BoundsRow {
  std::string_view name;
  int replicas;
  std::string_view surge;
  std::string_view unavailable;
  int expected_surge;
  int expected_unavailable;
};

void PrintTo(const BoundsRow& row, std::ostream* out) {
  *out << row.name;
}

// Source: Kubernetes API reference, RollingUpdateDeployment: surge is rounded up, unavailable down.
constexpr BoundsRow kBoundsRows[] = {
    {"numbers", 10, "3", "2", 3, 2},
    {"quarters_of_ten", 10, R"("25%")", R"("25%")", 3, 2},
    {"quarters_of_four", 4, R"("25%")", R"("25%")", 1, 1},
    {"quarters_of_three", 3, R"("25%")", R"("25%")", 1, 0},
    {"quarters_of_one", 1, R"("25%")", R"("25%")", 1, 0},
    {"quarters_of_none", 0, R"("25%")", R"("25%")", 0, 0},
    {"a_percent_of_fifty", 50, R"("1%")", R"("1%")", 1, 0},
    {"all", 7, R"("100%")", R"("100%")", 7, 7},
    {"both_nothing_lets_one_go", 5, R"("0%")", "0", 0, 1},
    {"both_rounded_to_nothing_let_one_go", 3, "0", R"("25%")", 0, 1},
    {"more_than_there_are", 2, "5", "5", 5, 2},
};

class BoundsTableTest : public testing::TestWithParam<BoundsRow> {};

TEST_P(BoundsTableTest, AreResolvedForTheNumberOfReplicas) {
  const auto& row = GetParam();
  World world;
  const auto& stored = world.create(
      "deployments.apps",
      deployment(fmt::format(R"("replicas":{},"strategy":{{"type":"RollingUpdate","rollingUpdate":
        {{"maxSurge":{},"maxUnavailable":{}}}}})",
                             row.replicas,
                             row.surge,
                             row.unavailable)));

  const auto state = rollout_state(stored, {});

  EXPECT_EQ(state.max_surge, row.expected_surge);
  EXPECT_EQ(state.max_unavailable, row.expected_unavailable);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         BoundsTableTest,
                         testing::ValuesIn(kBoundsRows),
                         [](const auto& row) { return std::string(row.param.name); });

class SetsTest : public testing::Test {
 protected:
  SetsTest() {
    world_.add(deployment_controller());
    world_.add(replicaset_controller());
  }

  void create(std::string_view more = "", std::string_view annotations = "{}") {
    world_.create("deployments.apps",
                  deployment(fmt::format(R"("replicas":2{})", more), annotations));
    finish();
  }

  void set_image(int image) {
    world_.set_image(kDeployment, image);
    finish();
  }

  void finish() {
    for (int i = 0; i < 12; ++i) {
      ASSERT_TRUE(world_.settle());
      world_.make_all_ready();
      world_.end_terminating();
    }
    ASSERT_TRUE(world_.settle());
  }

  const Stored* set_with(int image) const {
    for (const auto* set : world_.list("replicasets.apps")) {
      if (set->root().find("spec.template.spec.image").integer() == image) {
        return set;
      }
    }
    return nullptr;
  }

  std::string annotation(int image, std::string_view name) const {
    return std::string(set_with(image)->metadata()["annotations"][name].string());
  }

  World world_;
};

TEST_F(SetsTest, AnnotationsFollowTheDeploymentApartFromItsOwn) {
  create("",
         R"({"team":"a","kubectl.kubernetes.io/last-applied-configuration":"{}",
             "deployment.kubernetes.io/desired-replicas":"99"})");
  EXPECT_EQ(annotation(1, "team"), "a");
  EXPECT_EQ(annotation(1, "kubectl.kubernetes.io/last-applied-configuration"), "");
  EXPECT_EQ(annotation(1, kDesiredReplicas), "2");

  world_.change(kDeployment, [](TreeObject& root) {
    root["metadata"].as_object()["annotations"].as_object()["kubernetes.io/change-cause"] = "fix";
  });
  finish();

  EXPECT_EQ(annotation(1, "kubernetes.io/change-cause"), "fix");
}

TEST_F(SetsTest, AnOldSetKeepsItsOwnChangeCause) {
  create("", R"({"kubernetes.io/change-cause":"first"})");
  world_.change(kDeployment, [](TreeObject& root) {
    root["metadata"].as_object()["annotations"].as_object()["kubernetes.io/change-cause"] =
        "second";
    root["spec"].as_object()["template"].as_object()["spec"] = TreeObject{{"image", 2}};
  });
  finish();

  EXPECT_EQ(annotation(1, "kubernetes.io/change-cause"), "first");
  EXPECT_EQ(annotation(2, "kubernetes.io/change-cause"), "second");
}

TEST_F(SetsTest, GoingToAndFroIsWrittenIntoTheHistory) {
  create();
  for (const int image : {2, 1, 2, 1}) {
    set_image(image);
  }

  EXPECT_EQ(annotation(1, kRevision), "5");
  EXPECT_EQ(annotation(1, kRevisionHistory), "1,3");
  EXPECT_EQ(annotation(2, kRevision), "4");
  EXPECT_EQ(annotation(2, kRevisionHistory), "2");
}

TEST_F(SetsTest, ALongHistoryLosesItsOldest) {
  create();
  set_image(2);
  std::string history;
  while (history.size() < 1990) {
    history += "1234567,";
  }
  history += "8";
  world_.change(Key(set_with(1)->key), [&](TreeObject& root) {
    root["metadata"].as_object()["annotations"].as_object()[kRevisionHistory] = history;
  });

  set_image(1);

  const auto longer = annotation(1, kRevisionHistory);
  EXPECT_LE(longer.size(), 2000U);
  EXPECT_TRUE(longer.ends_with(",8,1"));
  EXPECT_TRUE(longer.starts_with("1234567,"));
}

TEST_F(SetsTest, HistoryKeepsAnOldSetThatIsStillOfUse) {
  create(R"(,"revisionHistoryLimit":0,"paused":true)");
  world_.change(kDeployment, [](TreeObject& root) { root["spec"].as_object()["paused"] = false; });
  finish();
  world_.change(kDeployment, [](TreeObject& root) { root["spec"].as_object()["paused"] = true; });
  set_image(2);

  ASSERT_NE(set_with(1), nullptr);  // all pods are its
  EXPECT_EQ(set_with(1)->root()["spec"]["replicas"].integer(), 2);
  world_.change(kDeployment, [](TreeObject& root) { root["spec"].as_object()["paused"] = false; });
  finish();
  EXPECT_EQ(set_with(1), nullptr);
  EXPECT_NE(set_with(2), nullptr);
}

TEST_F(SetsTest, ATemplateEditedWhilePausedIsRolledOutOnceOnResume) {
  create();
  world_.change(kDeployment, [](TreeObject& root) { root["spec"].as_object()["paused"] = true; });
  for (const int image : {2, 3, 4}) {
    set_image(image);
    EXPECT_THAT(world_.list("replicasets.apps"), SizeIs(1));
  }

  world_.change(kDeployment, [](TreeObject& root) { root["spec"].as_object()["paused"] = false; });
  finish();

  EXPECT_THAT(world_.list("replicasets.apps"), SizeIs(2));
  EXPECT_EQ(annotation(4, kRevision), "2");
}

TEST_F(SetsTest, ASetWhoseLabelsWereChangedIsLetGoAndReplaced) {
  create();
  const Key first = set_with(1)->key;
  world_.change(first, [](TreeObject& root) {
    root["metadata"].as_object()["labels"] = TreeObject{{"app", "debug"}};
  });
  finish();

  EXPECT_FALSE(controller_of(*world_.get(first)));
  EXPECT_THAT(world_.list("replicasets.apps"), SizeIs(2));
}

TEST_F(SetsTest, ASetOfAnotherDeploymentIsLeftAlone) {
  world_.create("replicasets.apps",
                R"({"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{"name":"theirs",
      "namespace":"ns","labels":{"app":"web"},"ownerReferences":[{"apiVersion":"apps/v1",
      "kind":"Deployment","name":"other","uid":"o-uid","controller":true}]},"spec":{"replicas":0,
      "selector":{"matchLabels":{"app":"web"}}}})");
  create();

  EXPECT_EQ(controller_of(*world_.get({"replicasets.apps", "ns", "theirs"})).uid(), "o-uid");
}

TEST_F(SetsTest, WhatADeletionWithOrphanLetGoIsNotTakenBack) {
  for (unsigned seed = 1; seed <= 40; ++seed) {
    World world(seed);
    world.add_deployments();
    world.create("deployments.apps", deployment(R"("replicas":2)"));
    ASSERT_TRUE(world.settle());
    world.lag(true);

    world.remove(kDeployment, Propagation::orphan);
    for (int i = 0; i < 60; ++i) {
      world.deliver(static_cast<int>(world.chance(2)));
      world.step();
    }
    ASSERT_TRUE(world.settle());
    world.advance(seconds(10));
    ASSERT_TRUE(world.settle());

    EXPECT_EQ(world.get(kDeployment), nullptr) << "seed " << seed;
    ASSERT_THAT(world.list("replicasets.apps"), SizeIs(1)) << "seed " << seed;
    EXPECT_THAT(world.list("pods"), SizeIs(2)) << "seed " << seed;
  }
}

TEST_F(SetsTest, MinReadySecondsReachTheSetWithoutARollout) {
  create();
  world_.change(kDeployment,
                [](TreeObject& root) { root["spec"].as_object()["minReadySeconds"] = 7; });
  finish();

  EXPECT_EQ(set_with(1)->root()["spec"]["minReadySeconds"].integer(), 7);
  EXPECT_THAT(world_.list("replicasets.apps"), SizeIs(1));
}

}  // namespace
}  // namespace tetrarch::reconcile

// SPDX-License-Identifier: Apache-2.0
#include "reconcile/deployment.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/deployment_sets.h"
#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "reconcile/replicaset.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeObject;
using std::chrono::seconds;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

const Key kDeployment{"deployments.apps", "ns", "web"};

std::string deployment(int replicas, std::string_view strategy, std::string_view more = "") {
  return fmt::format(R"({{"kind":"Deployment","apiVersion":"apps/v1",
    "metadata":{{"name":"web","namespace":"ns","uid":"d-uid","annotations":{{"team":"a"}}}},
    "spec":{{"replicas":{},"revisionHistoryLimit":2,"progressDeadlineSeconds":600,{}"strategy":{},
      "selector":{{"matchLabels":{{"app":"web"}}}},
      "template":{{"metadata":{{"labels":{{"app":"web"}}}},"spec":{{"containers":[
       {{"name":"c","image":"v1"}}]}}}}}}}})",
                     replicas,
                     more,
                     strategy);
}

std::string rolling(std::string_view surge, std::string_view unavailable) {
  return fmt::format(
      R"({{"type":"RollingUpdate","rollingUpdate":{{"maxSurge":{},"maxUnavailable":{}}}}})",
      surge,
      unavailable);
}

class DeploymentTest : public testing::Test {
 protected:
  DeploymentTest() {
    world_.add(deployment_controller());
    world_.add(replicaset_controller());
  }

  void set_image(std::string_view image) {
    world_.change(kDeployment, [&](TreeObject& root) {
      root["spec"]
          .as_object()["template"]
          .as_object()["spec"]
          .as_object()["containers"]
          .as_array()[0]
          .as_object()["image"] = image;
    });
  }

  void set_spec(std::string_view field, object::Tree value) {
    world_.change(kDeployment, [&](TreeObject& root) { root["spec"].as_object()[field] = value; });
  }

  /// Everything gets ready and what ends is gone, until nothing moves.
  void finish() {
    for (int i = 0; i < 40; ++i) {
      ASSERT_TRUE(world_.settle());
      world_.make_all_ready();
      world_.end_terminating();
      ASSERT_TRUE(world_.settle());
    }
  }

  const Stored* set_with_image(std::string_view image) const {
    for (const auto* set : world_.list("replicasets.apps")) {
      if (set->root().find("spec.template.spec")["containers"].at(0)["image"].string() == image) {
        return set;
      }
    }
    return nullptr;
  }

  std::int64_t replicas_of(std::string_view image) const {
    const auto* set = set_with_image(image);
    return set == nullptr ? -1 : set->root()["spec"]["replicas"].integer();
  }

  std::string condition(std::string_view type, std::string_view field) const {
    for (const auto each : world_.get(kDeployment)->root()["status"]["conditions"].elements()) {
      if (each["type"].string() == type) {
        return std::string(each[field].string());
      }
    }
    return "(none)";
  }

  std::string revision_of(std::string_view image) const {
    return std::string(set_with_image(image)->metadata()["annotations"][kRevision].string());
  }

  World world_;
};

TEST_F(DeploymentTest, MakesASetNamedAfterTheTemplateWithItsHashEverywhere) {
  world_.create("deployments.apps", deployment(3, rolling("1", "0")));
  ASSERT_TRUE(world_.settle());

  const auto* set = set_with_image("v1");
  ASSERT_NE(set, nullptr);
  const std::string hash(set->metadata()["labels"]["pod-template-hash"].string());
  EXPECT_EQ(set->key.name, "web-" + hash);
  EXPECT_EQ(set->root().find("spec.selector.matchLabels")["pod-template-hash"].string(), hash);
  EXPECT_EQ(set->root().find("spec.template.metadata.labels")["pod-template-hash"].string(), hash);
  EXPECT_EQ(set->metadata()["annotations"]["team"].string(), "a");
  EXPECT_EQ(set->metadata()["annotations"][kDesiredReplicas].string(), "3");
  EXPECT_EQ(set->metadata()["annotations"][kMaxReplicas].string(), "4");
  EXPECT_EQ(set->metadata()["annotations"][kRevision].string(), "1");
  EXPECT_EQ(controller_of(*set).uid(), "d-uid");
  EXPECT_EQ(world_.get(kDeployment)->metadata()["annotations"][kRevision].string(), "1");
  EXPECT_THAT(world_.list("pods"), SizeIs(3));
  EXPECT_THAT(
      world_.notes,
      Contains(Field(&Note::message,
                     HasSubstr("Scaled up replica set " + set->key.name + " from 0 to 3"))));
}

TEST_F(DeploymentTest, TellsHowItComesUp) {
  world_.create("deployments.apps", deployment(3, rolling("1", "0")));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(condition("Available", "reason"), "MinimumReplicasUnavailable");
  EXPECT_EQ(condition("Progressing", "reason"), "ReplicaSetUpdated");
  EXPECT_EQ(world_.integer(kDeployment, "status.unavailableReplicas"), 3);
  EXPECT_EQ(world_.integer(kDeployment, "status.updatedReplicas"), 3);

  world_.make_all_ready();
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(condition("Available", "reason"), "MinimumReplicasAvailable");
  EXPECT_EQ(condition("Progressing", "reason"), "NewReplicaSetAvailable");
  EXPECT_THAT(condition("Progressing", "message"), HasSubstr("has successfully progressed."));
  EXPECT_EQ(world_.integer(kDeployment, "status.availableReplicas"), 3);
  EXPECT_EQ(world_.integer(kDeployment, "status.observedGeneration"), 1);
}

TEST_F(DeploymentTest, AtRestItPlansNothing) {
  world_.create("deployments.apps", deployment(3, rolling("1", "0")));
  finish();

  const auto plan = world_.plan(*deployment_controller(), kDeployment);

  EXPECT_THAT(plan.changes, IsEmpty());
  EXPECT_EQ(plan.look_again, std::nullopt);
}

TEST_F(DeploymentTest, RollsToANewTemplateAndKeepsTheOldSetAsHistory) {
  world_.create("deployments.apps", deployment(3, rolling("1", "0")));
  finish();

  set_image("v2");
  finish();

  EXPECT_EQ(replicas_of("v1"), 0);
  EXPECT_EQ(replicas_of("v2"), 3);
  EXPECT_EQ(revision_of("v2"), "2");
  EXPECT_EQ(world_.get(kDeployment)->metadata()["annotations"][kRevision].string(), "2");
  EXPECT_THAT(world_.list("pods"), SizeIs(3));
}

TEST_F(DeploymentTest, ARollbackUsesTheOldSetAgainUnderANewRevision) {
  world_.create("deployments.apps", deployment(2, rolling("1", "0")));
  finish();
  set_image("v2");
  finish();

  set_image("v1");  // what `kubectl rollout undo` does
  finish();

  EXPECT_THAT(world_.list("replicasets.apps"), SizeIs(2));
  EXPECT_EQ(replicas_of("v1"), 2);
  EXPECT_EQ(revision_of("v1"), "3");
  EXPECT_EQ(set_with_image("v1")->metadata()["annotations"][kRevisionHistory].string(), "1");
  EXPECT_EQ(world_.get(kDeployment)->metadata()["annotations"][kRevision].string(), "3");
}

TEST_F(DeploymentTest, ABrokenImageStopsWithinTheBoundsAndExceedsItsDeadline) {
  world_.create("deployments.apps", deployment(3, rolling("1", "0")));
  finish();

  set_image("broken");
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(replicas_of("v1"), 3);
  EXPECT_EQ(replicas_of("broken"), 1);
  EXPECT_EQ(condition("Available", "status"), "True");

  world_.advance(seconds(599));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(condition("Progressing", "status"), "True");
  world_.advance(seconds(2));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(condition("Progressing", "status"), "False");
  EXPECT_EQ(condition("Progressing", "reason"), "ProgressDeadlineExceeded");

  set_image("v1");
  finish();
  EXPECT_EQ(condition("Progressing", "reason"), "NewReplicaSetAvailable");
  EXPECT_EQ(replicas_of("broken"), 0);
}

TEST_F(DeploymentTest, RecreateEndsEveryOldPodBeforeTheFirstNewOne) {
  world_.create("deployments.apps", deployment(2, R"({"type":"Recreate"})"));
  finish();

  set_image("v2");
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(replicas_of("v1"), 0);
  EXPECT_EQ(replicas_of("v2"), -1);  // not made while the old pods end

  world_.end_terminating();
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(replicas_of("v2"), 2);
}

TEST_F(DeploymentTest, PausedItScalesButDoesNotRollOut) {
  world_.create("deployments.apps", deployment(2, rolling("1", "0")));
  finish();

  set_spec("paused", true);
  set_image("v2");
  set_spec("replicas", 4);
  finish();

  EXPECT_EQ(replicas_of("v1"), 4);
  EXPECT_EQ(replicas_of("v2"), -1);
  EXPECT_EQ(condition("Progressing", "reason"), "DeploymentPaused");
  EXPECT_EQ(world_.integer(kDeployment, "status.observedGeneration"), 4);

  set_spec("paused", false);
  finish();
  EXPECT_EQ(replicas_of("v2"), 4);
  EXPECT_EQ(condition("Progressing", "reason"), "NewReplicaSetAvailable");
}

TEST_F(DeploymentTest, ScalesUpAndDownWithoutANewRevision) {
  world_.create("deployments.apps", deployment(3, rolling(R"("25%")", R"("25%")")));
  finish();

  set_spec("replicas", 50);
  finish();
  EXPECT_THAT(world_.list("pods"), SizeIs(50));
  EXPECT_EQ(condition("Progressing", "reason"), "NewReplicaSetAvailable");
  EXPECT_EQ(set_with_image("v1")->metadata()["annotations"][kMaxReplicas].string(), "63");

  set_spec("replicas", 0);
  finish();
  EXPECT_THAT(world_.list("pods"), IsEmpty());
  EXPECT_EQ(revision_of("v1"), "1");
}

TEST_F(DeploymentTest, KeepsAsManyOldSetsAsTheHistoryLimitSays) {
  world_.create("deployments.apps", deployment(1, rolling("1", "0")));
  finish();
  for (const auto image : {"v2", "v3", "v4", "v5"}) {
    set_image(image);
    finish();
  }

  EXPECT_THAT(world_.list("replicasets.apps"), SizeIs(3));
  EXPECT_EQ(replicas_of("v2"), -1);
  EXPECT_EQ(replicas_of("v3"), 0);
  EXPECT_EQ(revision_of("v5"), "5");
}

TEST_F(DeploymentTest, ASetOfAnotherWithTheSameNameMakesItCountACollision) {
  world_.create("deployments.apps", deployment(1, rolling("1", "0")));
  const auto hash = template_hash(views::DeploymentView(world_.get(kDeployment)->root()));
  world_.create("replicasets.apps",
                fmt::format(
                    R"({{"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{{"name":"web-{}",
       "namespace":"ns",
                "ownerReferences":[{{"kind":"Other","name":"x","uid":"x",
       "controller":true}}]}},"spec":{{"replicas":0}}}})",
                    hash));

  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(world_.integer(kDeployment, "status.collisionCount"), 1);
  ASSERT_NE(set_with_image("v1"), nullptr);
  EXPECT_NE(set_with_image("v1")->key.name, "web-" + hash);
}

TEST_F(DeploymentTest, AdoptsASetThatItsSelectorMatches) {
  world_.create("deployments.apps", deployment(1, rolling("1", "0")));
  finish();
  const Key set = set_with_image("v1")->key;
  world_.change(set,
                [](TreeObject& root) { root["metadata"].as_object().erase("ownerReferences"); });

  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(controller_of(*world_.get(set)).uid(), "d-uid");
  EXPECT_THAT(world_.list("replicasets.apps"), SizeIs(1));
}

TEST_F(DeploymentTest, WaitsMinReadySecondsBeforeItGoesOn) {
  world_.create("deployments.apps", deployment(2, rolling("1", "0"), R"("minReadySeconds":30,)"));
  finish();
  EXPECT_EQ(world_.integer(kDeployment, "status.availableReplicas"), 0);
  world_.advance(seconds(30));
  finish();
  EXPECT_EQ(world_.integer(kDeployment, "status.availableReplicas"), 2);

  set_image("v2");
  finish();
  EXPECT_EQ(replicas_of("v1"), 2);  // the new pod is ready, but not for long enough
  world_.advance(seconds(30));
  finish();
  EXPECT_EQ(replicas_of("v1"), 1);
}

TEST_F(DeploymentTest, SaysThatPodsAreRefused) {
  world_.refuse_creates("pods", "exceeded quota");
  world_.create("deployments.apps", deployment(1, rolling("1", "0")));
  ASSERT_TRUE(world_.settle());
  world_.advance(seconds(1));
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(condition("ReplicaFailure", "message"), "exceeded quota");
  EXPECT_EQ(condition("ReplicaFailure", "reason"), "FailedCreate");

  world_.allow_creates();
  world_.advance(seconds(2));
  finish();
  EXPECT_EQ(condition("ReplicaFailure", "reason"), "(none)");
}

TEST_F(DeploymentTest, ASizeThatChangesTogetherWithTheTemplateIsNotForgotten) {
  world_.create("deployments.apps", deployment(10, rolling("3", "2")));
  finish();
  set_image("v2");
  ASSERT_TRUE(world_.settle());
  ASSERT_EQ(replicas_of("v1") + replicas_of("v2"), 13);

  world_.change(kDeployment, [](TreeObject& root) {
    root["spec"].as_object()["replicas"] = 2;
    root["spec"].as_object()["template"] = object::to_tree(
        Document::parse(R"({"metadata":{"labels":{"app":"web"}},"spec":{"containers":[
          {"name":"c","image":"v1"}]}})")
            .value()
            ->root());
  });
  ASSERT_TRUE(world_.settle());

  EXPECT_LE(replicas_of("v1") + replicas_of("v2"), 5);
}

TEST(DeploymentTemplate, IsTheSameWhateverTheOrderOfMembersAndEmptyOnes) {
  const auto of = [](std::string_view pod_template) {
    return Document::parse(fmt::format(R"({{"spec":{{"template":{}}}}})", pod_template)).value();
  };
  const auto a = of(R"({"metadata":{"labels":{"a":"1"}},"spec":{"x":1,"y":[{"p":1,"q":2}]}})");
  const auto b = of(
      R"({"spec":{"y":[{"q":2,"p":1}],"x":1,"z":{},"n":null},"metadata":{"labels":{"pod-template-hash":"h","a":"1"}}})");
  const auto c = of(R"({"metadata":{"labels":{"a":"1"}},"spec":{"x":2,"y":[{"p":1,"q":2}]}})");

  EXPECT_EQ(template_hash(views::DeploymentView(a->root())),
            template_hash(views::DeploymentView(b->root())));
  EXPECT_NE(template_hash(views::DeploymentView(a->root())),
            template_hash(views::DeploymentView(c->root())));
  EXPECT_TRUE(has_template_of(views::ReplicaSetView(b->root()), views::DeploymentView(a->root())));
  EXPECT_FALSE(has_template_of(views::ReplicaSetView(c->root()), views::DeploymentView(a->root())));
}

/// Rollouts, rollbacks, pauses and lagging views by chance. Pods never fail by themselves, so at
/// every moment at least desired - maxUnavailable are available, and there are at most desired +
/// maxSurge: pods, where the view does not lag; wanted by the sets, where it does.
class DeploymentChanceTest : public testing::TestWithParam<unsigned> {};

TEST_P(DeploymentChanceTest, ConvergesWithinSurgeAndUnavailable) {
  World world(GetParam());
  world.add(deployment_controller());
  world.add(replicaset_controller());
  const int desired = 1 + static_cast<int>(world.chance(6));
  const int surge = static_cast<int>(world.chance(3));
  const int unavailable =
      surge == 0 ? 1 + static_cast<int>(world.chance(2)) : static_cast<int>(world.chance(3));
  world.create("deployments.apps",
               deployment(desired, rolling(std::to_string(surge), std::to_string(unavailable))));
  for (int i = 0; i < 10; ++i) {
    ASSERT_TRUE(world.settle());
    world.make_all_ready();
  }
  const bool is_lagging = world.chance(2) == 0;
  world.lag(is_lagging);
  world.after_change = [&] {
    int active = 0;
    int available = 0;
    std::int64_t wanted = 0;
    for (const auto* set : world.list("replicasets.apps")) {
      wanted += set->root()["spec"]["replicas"].integer();
    }
    ASSERT_LE(wanted, desired + surge);
    for (const auto* pod : world.list("pods")) {
      active += is_active(*pod) ? 1 : 0;
      available += is_active(*pod) && is_ready(views::PodView(pod->root())) ? 1 : 0;
    }
    ASSERT_LE(active, is_lagging ? 2 * (desired + surge) : desired + surge);
    ASSERT_GE(available, desired - unavailable);
  };

  for (int i = 0; i < 400; ++i) {
    switch (world.chance(12)) {
      case 0:
        world.set_image(kDeployment, static_cast<int>(world.chance(4)));
        break;
      case 1:
        world.change(kDeployment, [&](TreeObject& root) {
          root["spec"].as_object()["paused"] = world.chance(2) == 0;
        });
        break;
      case 2:
      case 3:
      case 4:
        world.progress_a_pod();
        break;
      case 5:
        world.deliver(static_cast<int>(world.chance(5)));
        break;
      default:
        world.step();
        break;
    }
  }
  world.change(kDeployment, [](TreeObject& root) { root["spec"].as_object()["paused"] = false; });
  for (int i = 0; i < 40; ++i) {
    ASSERT_TRUE(world.settle());
    world.advance(seconds(2));
    world.make_all_ready();
    world.end_terminating();
  }
  ASSERT_TRUE(world.settle());

  EXPECT_THAT(world.list("pods"), SizeIs(static_cast<std::size_t>(desired)));
  EXPECT_EQ(world.integer(kDeployment, "status.updatedReplicas"), desired);
  EXPECT_EQ(world.integer(kDeployment, "status.availableReplicas"), desired);
  const int writes = world.writes;
  world.advance(seconds(3600));
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.writes, writes);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DeploymentChanceTest, testing::Range(1U, 60U));

}  // namespace
}  // namespace tetrarch::reconcile

// SPDX-License-Identifier: Apache-2.0
// Deployments under everything that users and clusters do to them at once: templates, sizes,
// strategies and bounds change, sets are lost, orphaned and edited by hand, pods fail, views lag.
// Whatever happened: when it stops, the Deployment is whole, says so, and nothing is written again.
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/deployment.h"
#include "reconcile/deployment_sets.h"
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

class StormTest : public testing::TestWithParam<unsigned> {
 protected:
  StormTest() : world_(GetParam()) {
    world_.add_deployments();
    world_.create("deployments.apps",
                  R"({"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web",
      "namespace":"ns","uid":"d-uid"},"spec":{"replicas":3,"revisionHistoryLimit":3,
      "progressDeadlineSeconds":600,"strategy":{"type":"RollingUpdate","rollingUpdate":
      {"maxSurge":1,"maxUnavailable":0}},"selector":{"matchLabels":{"app":"web"}},
      "template":{"metadata":{"labels":{"app":"web"}},"spec":{"image":0}}}})");
    world_.lag(world_.chance(3) != 0);
  }

  int chance(int below) { return static_cast<int>(world_.chance(static_cast<unsigned>(below))); }

  void set(std::string_view field, object::Tree value) {
    world_.change(kDeployment, [&](TreeObject& root) { root["spec"].as_object()[field] = value; });
  }

  object::Tree bound() {
    return chance(2) == 0 ? object::Tree(chance(3))
                          : object::Tree(fmt::format("{}%", 10 * chance(11)));
  }

  void change_strategy() {
    if (chance(4) == 0) {
      set("strategy", TreeObject{{"type", "Recreate"}});
      return;
    }
    set("strategy",
        TreeObject{
            {"type", "RollingUpdate"},
            {"rollingUpdate", TreeObject{{"maxSurge", bound()}, {"maxUnavailable", bound()}}}});
  }

  /// Any object of a resource; nullptr: there is none.
  const Stored* any(std::string_view resource) {
    const auto all = world_.list(resource);
    return all.empty() ? nullptr
                       : all[static_cast<std::size_t>(chance(static_cast<int>(all.size())))];
  }

  void hurt_a_set() {
    const auto* set = any("replicasets.apps");
    if (set == nullptr || is_terminating(*set)) {
      return;
    }
    const Key key = set->key;
    switch (chance(5)) {
      case 0:
        world_.remove(key);
        break;
      case 1:  // by hand
        world_.change(key,
                      [&](TreeObject& root) { root["spec"].as_object()["replicas"] = chance(6); });
        break;
      case 2:  // let go
        world_.change(
            key, [](TreeObject& root) { root["metadata"].as_object().erase("ownerReferences"); });
        break;
      case 3:
        world_.change(key,
                      [](TreeObject& root) { root["metadata"].as_object().erase("annotations"); });
        break;
      default:
        world_.remove(key, Propagation::foreground);
        break;
    }
  }

  void hurt_a_pod() {
    const auto* pod = any("pods");
    if (pod == nullptr || is_terminating(*pod)) {
      return;
    }
    const Key key = pod->key;
    switch (chance(4)) {
      case 0:
        world_.remove(key);
        break;
      case 1:
        world_.change(
            key, [](TreeObject& root) { Edit::object_in(root, "status")["phase"] = "Failed"; });
        break;
      case 2:
        world_.make_ready(key, false);
        break;
      default:
        world_.change(key, [](TreeObject& root) {
          root["metadata"].as_object()["labels"] = TreeObject{{"app", "debug"}};
        });
        break;
    }
  }

  void change_the_deployment() {
    switch (chance(6)) {
      case 0:
      case 1:
        world_.set_image(kDeployment, chance(5));
        break;
      case 2:
        set("replicas", chance(8));
        break;
      case 3:
        change_strategy();
        break;
      case 4:
        set("paused", chance(2) == 0);
        break;
      default:
        set("minReadySeconds", chance(3));
        break;
    }
  }

  void calm() {
    set("paused", false);
    world_.lag(false);
    world_.allow_creates();
    for (int i = 0; i < 60; ++i) {
      ASSERT_TRUE(world_.settle(20'000));
      world_.advance(seconds(5));
      for (const auto* pod : world_.list("pods")) {
        if (is_active(*pod) && !is_ready(views::PodView(pod->root()))) {
          world_.make_ready(Key(pod->key));
          break;
        }
      }
      world_.make_all_ready();
      world_.end_terminating();
    }
    ASSERT_TRUE(world_.settle(20'000));
  }

  std::string condition(std::string_view type, std::string_view field) const {
    for (const auto each : world_.get(kDeployment)->root()["status"]["conditions"].elements()) {
      if (each["type"].string() == type) {
        return std::string(each[field].string());
      }
    }
    return "(none)";
  }

  void expect_whole() {
    const auto desired = world_.integer(kDeployment, "spec.replicas");
    std::int64_t owned = 0;
    for (const auto* pod : world_.list("pods")) {
      owned += is_active(*pod) && controller_of(*pod).kind() == "ReplicaSet" ? 1 : 0;
    }
    EXPECT_EQ(owned, desired);
    EXPECT_EQ(world_.integer(kDeployment, "status.updatedReplicas"), desired);
    EXPECT_EQ(world_.integer(kDeployment, "status.availableReplicas"), desired);
    EXPECT_EQ(world_.integer(kDeployment, "status.unavailableReplicas"), 0);
    EXPECT_EQ(world_.integer(kDeployment, "status.observedGeneration"),
              world_.integer(kDeployment, "metadata.generation"));
    EXPECT_EQ(condition("Available", "status"), "True");
    EXPECT_EQ(condition("Progressing", "reason"), "NewReplicaSetAvailable");
    EXPECT_EQ(condition("ReplicaFailure", "status"), "(none)");
  }

  /// Every set is ours, at most one has pods, and history is as long as it may be.
  void expect_tidy_sets() {
    std::size_t with_pods = 0;
    std::set<std::int64_t> revisions;
    for (const auto* set : world_.list("replicasets.apps")) {
      EXPECT_EQ(controller_of(*set).uid(), "d-uid") << set->key.name;
      with_pods += set->root()["spec"]["replicas"].integer() > 0 ? 1 : 0;
      revisions.insert(
          std::stoll("0" + std::string(set->metadata()["annotations"][kRevision].string())));
    }
    EXPECT_LE(with_pods, 1U);
    EXPECT_LE(world_.list("replicasets.apps").size(), 3U + 1U);
    EXPECT_EQ(std::to_string(*revisions.rbegin()),
              world_.get(kDeployment)->metadata()["annotations"][kRevision].string());
  }

  World world_;
};

TEST_P(StormTest, WhenItIsOverTheDeploymentIsWholeAndAtRest) {
  for (int i = 0; i < 350; ++i) {
    switch (chance(16)) {
      case 0:
      case 1:
        change_the_deployment();
        break;
      case 2:
        hurt_a_set();
        break;
      case 3:
        hurt_a_pod();
        break;
      case 4:
        if (chance(3) == 0) {
          world_.refuse_creates(chance(2) == 0 ? "pods" : "replicasets.apps", "quota");
        } else {
          world_.allow_creates();
        }
        break;
      case 5:
        world_.advance(seconds(chance(4)));
        break;
      case 6:
      case 7:
      case 8:
        world_.progress_a_pod();
        break;
      case 9:
        world_.deliver(chance(5));
        break;
      default:
        world_.step();
        break;
    }
  }

  calm();

  expect_whole();
  expect_tidy_sets();
  const int writes = world_.writes;
  world_.advance(seconds(7200));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.writes, writes) << "something is written at rest";
}

INSTANTIATE_TEST_SUITE_P(Seeds, StormTest, testing::Range(1U, 41U));

/// The bounds with percentages, sizes that change and pods that need time: after each change of the
/// sets' sizes they want no more than replicas and surge, counted by the larger of what was asked
/// before and now; and a step never takes away an available pod that is needed.
class BoundsTest : public testing::TestWithParam<unsigned> {};

TEST_P(BoundsTest, HoldWhileTheDeploymentIsScaledAndRolled) {
  World world(GetParam());
  world.add(deployment_controller());
  world.add(replicaset_controller());
  const auto percent = 10 * static_cast<int>(world.chance(5));
  world.create(
      "deployments.apps",
      fmt::format(R"({{"kind":"Deployment","apiVersion":"apps/v1","metadata":{{"name":"web",
      "namespace":"ns","uid":"d"}},"spec":{{"replicas":10,"strategy":{{"type":"RollingUpdate",
      "rollingUpdate":{{"maxSurge":"{}%","maxUnavailable":"{}%"}}}},
      "selector":{{"matchLabels":{{"app":"web"}}}},"template":{{"metadata":{{"labels":
      {{"app":"web"}}}},"spec":{{"image":0}}}}}}}})",
                  percent,
                  percent == 0 ? 20 : percent));
  int replicas_most = 10;
  const auto surge = [&](int replicas) { return (replicas * percent + 99) / 100; };
  world.after_change = [&] {
    std::int64_t wanted = 0;
    for (const auto* set : world.list("replicasets.apps")) {
      wanted += set->root()["spec"]["replicas"].integer();
    }
    ASSERT_LE(wanted, replicas_most + surge(replicas_most));
  };

  for (int i = 0; i < 300; ++i) {
    switch (world.chance(10)) {
      case 0:
        world.set_image(kDeployment, static_cast<int>(world.chance(3)));
        break;
      case 1: {
        const int replicas = 1 + static_cast<int>(world.chance(20));
        replicas_most = std::max(replicas_most, replicas);
        world.change(kDeployment,
                     [&](TreeObject& root) { root["spec"].as_object()["replicas"] = replicas; });
        break;
      }
      case 2:
      case 3:
      case 4:
        world.progress_a_pod();
        break;
      default:
        world.step();
        break;
    }
  }
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(world.settle());
    world.make_all_ready();
    world.end_terminating();
    world.advance(seconds(1));
  }

  EXPECT_EQ(world.integer(kDeployment, "status.availableReplicas"),
            world.integer(kDeployment, "spec.replicas"));
}

INSTANTIATE_TEST_SUITE_P(Seeds, BoundsTest, testing::Range(1U, 41U));

}  // namespace
}  // namespace tetrarch::reconcile

// SPDX-License-Identifier: Apache-2.0
#include "reconcile/daemonset.h"

#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/daemonset_nodes.h"
#include "reconcile/edit.h"
#include "reconcile/node_fit.h"
#include "reconcile/pod_state.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;
using testing::UnorderedElementsAre;

const Key kSet{"daemonsets.apps", "ns", "log"};

std::string daemon_set(std::string_view spec = "", std::string_view pod = "") {
  return fmt::format(
      R"({{"kind":"DaemonSet","apiVersion":"apps/v1","metadata":{{"name":"log","namespace":"ns",
      "uid":"ds-uid","annotations":{{"deprecated.daemonset.template.generation":"1"}}}},
      "spec":{{"selector":{{"matchLabels":{{"app":"log"}}}},"revisionHistoryLimit":10,
      "updateStrategy":{{"type":"RollingUpdate",
      "rollingUpdate":{{"maxSurge":0,"maxUnavailable":1}}}}{},
      "template":{{"metadata":{{"labels":{{"app":"log"}}}},"spec":{{{}"image":0}}}}}}}})",
      spec,
      pod);
}

std::string node(std::string_view name,
                 std::string_view labels = "{}",
                 std::string_view taints = "[]") {
  return fmt::format(
      R"({{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{}","labels":{}}},"spec":{{"taints":{}}}}})",
      name,
      labels,
      taints);
}

std::string node_of(const Stored& pod) {
  const views::PodSpecView spec(pod.root()["spec"]);
  return std::string(spec.node_name().empty() ? named_node(spec) : spec.node_name());
}

class DaemonSetTest : public testing::Test {
 protected:
  DaemonSetTest() { world_.add(daemonset_controller()); }

  void nodes(int count) {
    for (int i = 1; i <= count; ++i) {
      world_.create("nodes", node(fmt::format("n{}", i)));
    }
  }

  /// Each pod starts on the node it is pinned to.
  void start_pods() {
    for (const auto& name : world_.names("pods")) {
      const Key key{"pods", "ns", name};
      const auto& pod = *world_.get(key);
      if (is_active(pod) && !is_ready(views::PodView(pod.root()))) {
        world_.make_ready(key, true, node_of(pod));
      }
    }
  }

  void settle() { ASSERT_TRUE(world_.settle()); }

  void set_image(int image) {
    world_.change(kSet, [&](TreeObject& root) {
      root["spec"].as_object()["template"].as_object()["spec"].as_object()["image"] = image;
    });
  }

  std::multiset<std::string> places() const {
    std::multiset<std::string> out;
    for (const auto* pod : world_.list("pods")) {
      if (is_active(*pod)) {
        out.insert(node_of(*pod));
      }
    }
    return out;
  }

  const Stored* pod_on(std::string_view name) const {
    for (const auto* pod : world_.list("pods")) {
      if (is_active(*pod) && node_of(*pod) == name) {
        return pod;
      }
    }
    return nullptr;
  }

  std::int64_t status(std::string_view field) const {
    return world_.integer(kSet, fmt::format("status.{}", field));
  }

  World world_;
};

TEST_F(DaemonSetTest, PinsAPodToEveryNode) {
  nodes(2);
  world_.create("daemonsets.apps", daemon_set());

  settle();

  EXPECT_THAT(places(), ElementsAre("n1", "n2"));
  const auto& pod = *pod_on("n1");
  EXPECT_THAT(pod.key.name, testing::MatchesRegex("log-[bcdfghjklmnpqrstvwxz2456789]{5}"));
  EXPECT_EQ(pod.root().find("spec.affinity.nodeAffinity").raw(),
            R"({"requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[)"
            R"({"matchFields":[{"key":"metadata.name","operator":"In","values":["n1"]}]}]}})");
  EXPECT_EQ(pod.metadata()["labels"]["pod-template-generation"].string(), "1");
  std::set<std::string> tolerated;
  for (const auto each : pod.root()["spec"]["tolerations"].elements()) {
    tolerated.insert(fmt::format("{}:{}", each["key"].string(), each["effect"].string()));
  }
  EXPECT_THAT(tolerated,
              ElementsAre("node.kubernetes.io/disk-pressure:NoSchedule",
                          "node.kubernetes.io/memory-pressure:NoSchedule",
                          "node.kubernetes.io/not-ready:NoExecute",
                          "node.kubernetes.io/pid-pressure:NoSchedule",
                          "node.kubernetes.io/unreachable:NoExecute",
                          "node.kubernetes.io/unschedulable:NoSchedule"));
  EXPECT_THAT(world_.notes, Contains(Field(&Note::message, "Created pod: " + pod.key.name)));
}

TEST_F(DaemonSetTest, CountsWhatIsWhere) {
  nodes(3);
  world_.create("daemonsets.apps", daemon_set(R"(,"minReadySeconds":5)"));
  settle();
  EXPECT_EQ(status("desiredNumberScheduled"), 3);
  EXPECT_EQ(status("currentNumberScheduled"), 3);
  EXPECT_EQ(status("updatedNumberScheduled"), 3);
  EXPECT_EQ(status("numberUnavailable"), 3);

  start_pods();
  settle();
  EXPECT_EQ(status("numberReady"), 3);
  EXPECT_EQ(status("numberAvailable"), 0);

  world_.advance(seconds(5));
  settle();
  EXPECT_EQ(status("numberAvailable"), 3);
  EXPECT_EQ(status("numberUnavailable"), 0);
  EXPECT_EQ(status("observedGeneration"), 1);
}

TEST_F(DaemonSetTest, FollowsNodesThatComeAndGo) {
  nodes(1);
  world_.create("daemonsets.apps", daemon_set());
  settle();

  world_.create("nodes", node("n2"));
  settle();
  EXPECT_THAT(places(), ElementsAre("n1", "n2"));

  world_.vanish({"nodes", "", "n2"});
  settle();
  EXPECT_THAT(places(), ElementsAre("n1"));  // it was never placed, so nobody else would end it
}

TEST_F(DaemonSetTest, LeavesPlacedPodsOfNodesThatAreGoneToTheSweep) {
  nodes(1);
  world_.create("daemonsets.apps", daemon_set());
  settle();
  start_pods();

  world_.vanish({"nodes", "", "n1"});
  settle();

  EXPECT_THAT(places(), ElementsAre("n1"));
  EXPECT_EQ(status("desiredNumberScheduled"), 0);
}

struct PlaceRow {
  std::string_view name;
  std::string_view pod;  ///< members of the template's spec, a comma behind
  std::string_view labels = "{}";
  std::string_view taints = "[]";
  bool should_run = true;
};

void PrintTo(const PlaceRow& row, std::ostream* out) {
  *out << row.name;
}

class PlaceTest : public DaemonSetTest, public testing::WithParamInterface<PlaceRow> {};

TEST_P(PlaceTest, IsWhereTheTemplateWantsIt) {
  const auto& row = GetParam();
  world_.create("nodes", node("n1", row.labels, row.taints));
  world_.create("daemonsets.apps", daemon_set("", row.pod));

  settle();

  EXPECT_THAT(places(), SizeIs(row.should_run ? 1 : 0));
  EXPECT_EQ(status("desiredNumberScheduled"), row.should_run ? 1 : 0);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    PlaceTest,
    testing::Values(
        PlaceRow{"selected", R"("nodeSelector":{"a":"b"},)", R"({"a":"b"})"},
        PlaceRow{
            .name = "not_selected", .pod = R"("nodeSelector":{"a":"b"},)", .should_run = false},
        PlaceRow{.name = "named", .pod = R"("nodeName":"n1",)"},
        PlaceRow{.name = "another_is_named", .pod = R"("nodeName":"n2",)", .should_run = false},
        PlaceRow{"affinity",
                 R"("affinity":{"nodeAffinity":{
                 "requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
                 {"matchExpressions":[{"key":"a","operator":"Exists"}]}]}}},)",
                 R"({"a":"b"})"},
        PlaceRow{.name = "other_affinity",
                 .pod =
                     R"("affinity":{"nodeAffinity":{
                 "requiredDuringSchedulingIgnoredDuringExecution":{"nodeSelectorTerms":[
                 {"matchExpressions":[{"key":"a","operator":"Exists"}]}]}}},)",
                 .should_run = false},
        PlaceRow{.name = "tainted",
                 .pod = "",
                 .taints = R"([{"key":"x","effect":"NoSchedule"}])",
                 .should_run = false},
        PlaceRow{.name = "tolerated",
                 .pod = R"("tolerations":[{"operator":"Exists"}],)",
                 .taints = R"([{"key":"x","effect":"NoSchedule"}])"},
        PlaceRow{.name = "out",
                 .pod = "",
                 .taints = R"([{"key":"node.kubernetes.io/not-ready","effect":"NoExecute"}])"},
        PlaceRow{.name = "cordoned",
                 .pod = "",
                 .taints = R"([{"key":"node.kubernetes.io/unschedulable","effect":"NoSchedule"}])"},
        PlaceRow{.name = "network_on_the_host",
                 .pod = R"("hostNetwork":true,)",
                 .taints =
                     R"([{"key":"node.kubernetes.io/network-unavailable","effect":"NoSchedule"}])"},
        PlaceRow{.name = "merely_preferred",
                 .pod = "",
                 .taints = R"([{"key":"x","effect":"PreferNoSchedule"}])"}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(DaemonSetTest, StaysWhereANodeIsTaintedLaterUnlessItMustNotRunThere) {
  nodes(1);
  world_.create("daemonsets.apps", daemon_set());
  settle();
  start_pods();
  const auto taint = [&](std::string_view effect) {
    world_.change({"nodes", "", "n1"}, [&](TreeObject& root) {
      root["spec"].as_object()["taints"] = TreeArray{TreeObject{{"key", "x"}, {"effect", effect}}};
    });
    settle();
  };

  taint("NoSchedule");
  EXPECT_THAT(places(), SizeIs(1));
  EXPECT_EQ(status("desiredNumberScheduled"), 0);
  EXPECT_EQ(status("numberMisscheduled"), 1);

  taint("NoExecute");
  EXPECT_THAT(places(), IsEmpty());
}

TEST_F(DaemonSetTest, ReplacesAFailedPodAtOnceAndThenWithGrowingPauses) {
  nodes(1);
  world_.create("daemonsets.apps", daemon_set());
  settle();
  std::vector<std::int64_t> pauses;
  for (int i = 0; i < 4; ++i) {
    const auto name = pod_on("n1")->key.name;
    world_.change({"pods", "ns", name}, [](TreeObject& root) {
      root["status"] = TreeObject{{"phase", "Failed"}};
    });
    std::int64_t waited = 0;
    settle();
    while (pod_on("n1") == nullptr) {
      world_.advance(seconds(1));
      ++waited;
      settle();
    }
    pauses.push_back(waited);
  }

  EXPECT_THAT(pauses, ElementsAre(0, 2, 4, 8));
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "FailedDaemonPod")));
}

TEST_F(DaemonSetTest, DeletesThePodThatIsOneTooMany) {
  nodes(1);
  world_.create("daemonsets.apps", daemon_set());
  settle();
  start_pods();
  const auto first = pod_on("n1")->key.name;
  world_.create("pods",
                R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"stray","namespace":"ns",
                "labels":{"app":"log"}},"spec":{"nodeName":"n1"}})");

  settle();

  EXPECT_EQ(pod_on("n1")->key.name, first);
  EXPECT_THAT(places(), SizeIs(1));
}

TEST_F(DaemonSetTest, UpdatesOneNodeAtATime) {
  nodes(3);
  world_.create("daemonsets.apps", daemon_set());
  settle();
  start_pods();
  settle();
  std::size_t fewest = 3;
  world_.after_change = [&] {
    std::size_t ready = 0;
    for (const auto* pod : world_.list("pods")) {
      ready += is_active(*pod) && is_ready(views::PodView(pod->root())) ? 1 : 0;
    }
    fewest = std::min(fewest, ready);
  };

  set_image(1);
  for (int i = 0; i < 10; ++i) {
    settle();
    world_.end_terminating();
    settle();
    start_pods();
  }

  EXPECT_EQ(fewest, 2U);
  EXPECT_EQ(status("updatedNumberScheduled"), 3);
  EXPECT_EQ(status("numberAvailable"), 3);
  for (const auto* pod : world_.list("pods")) {
    EXPECT_EQ(pod->root()["spec"]["image"].integer(), 1);
  }
}

TEST_F(DaemonSetTest, SurgesWithoutEverBeingLess) {
  nodes(3);
  world_.create("daemonsets.apps", daemon_set());
  world_.change(kSet, [](TreeObject& root) {
    root["spec"].as_object()["updateStrategy"].as_object()["rollingUpdate"] =
        TreeObject{{"maxSurge", 1}, {"maxUnavailable", 0}};
  });
  settle();
  start_pods();
  settle();
  std::size_t most = 0;
  std::size_t fewest = 3;
  world_.after_change = [&] {
    std::size_t ready = 0;
    for (const auto* pod : world_.list("pods")) {
      ready += is_active(*pod) && is_ready(views::PodView(pod->root())) ? 1 : 0;
    }
    fewest = std::min(fewest, ready);
    most = std::max(most, places().size());
  };

  set_image(1);
  for (int i = 0; i < 10; ++i) {
    settle();
    start_pods();
    settle();
    world_.end_terminating();
  }

  EXPECT_EQ(fewest, 3U);
  EXPECT_EQ(most, 4U);
  EXPECT_EQ(status("updatedNumberScheduled"), 3);
}

TEST_F(DaemonSetTest, UpdatesOnDeleteOnlyWhatIsDeleted) {
  nodes(2);
  world_.create("daemonsets.apps", daemon_set());
  world_.change(kSet, [](TreeObject& root) {
    root["spec"].as_object()["updateStrategy"] = TreeObject{{"type", "OnDelete"}};
  });
  settle();
  start_pods();
  set_image(1);
  settle();
  EXPECT_EQ(status("updatedNumberScheduled"), 0);

  world_.remove(Key(pod_on("n1")->key));
  world_.end_terminating();
  settle();

  EXPECT_EQ(status("updatedNumberScheduled"), 1);
  EXPECT_EQ(pod_on("n1")->root()["spec"]["image"].integer(), 1);
}

TEST_F(DaemonSetTest, KeepsARevisionForEachTemplateAndGoesBackToOne) {
  nodes(1);
  world_.create("daemonsets.apps", daemon_set());
  settle();
  start_pods();
  const auto history = [&] {
    std::map<std::int64_t, std::int64_t> images;
    for (const auto* each : world_.list("controllerrevisions.apps")) {
      images[each->root()["revision"].integer()] =
          each->root().find("data.spec.template.spec.image").integer();
    }
    return images;
  };
  set_image(1);
  settle();
  EXPECT_THAT(history(), ElementsAre(std::pair(1, 0), std::pair(2, 1)));
  const auto& revision = *world_.list("controllerrevisions.apps").front();
  EXPECT_EQ(revision.root().find("data.spec.template.$patch").string(), "replace");
  EXPECT_EQ(controller_of(revision).uid(), "ds-uid");
  EXPECT_EQ(
      revision.key.name,
      "log-" + std::string(revision.metadata()["labels"]["controller-revision-hash"].string()));

  set_image(0);
  settle();

  EXPECT_THAT(history(), ElementsAre(std::pair(2, 1), std::pair(3, 0)));
}

TEST_F(DaemonSetTest, TrimsItsHistoryButNotWhatPodsAreOf) {
  nodes(1);
  world_.create("daemonsets.apps", daemon_set());
  world_.change(kSet, [](TreeObject& root) {
    root["spec"].as_object()["revisionHistoryLimit"] = 1;
    root["spec"].as_object()["updateStrategy"] = TreeObject{{"type", "OnDelete"}};
  });
  settle();
  for (int image = 1; image <= 4; ++image) {
    set_image(image);
    settle();
  }

  // That of the pod, the last old one, the present one.
  EXPECT_THAT(world_.names("controllerrevisions.apps"), SizeIs(3));
}

TEST_F(DaemonSetTest, ANameThatIsTakenLeadsToAnother) {
  nodes(1);
  world_.create("daemonsets.apps", daemon_set());
  settle();
  const auto name = world_.names("controllerrevisions.apps").front();
  world_.vanish({"controllerrevisions.apps", "ns", name});
  world_.create("controllerrevisions.apps",
                fmt::format(R"({{"kind":"ControllerRevision","apiVersion":"apps/v1",
                "metadata":{{"name":"{}","namespace":"ns"}},"revision":1}})",
                            name));

  settle();

  EXPECT_EQ(status("collisionCount"), 1);
  EXPECT_THAT(world_.names("controllerrevisions.apps"), SizeIs(2));
}

TEST_F(DaemonSetTest, AStaleViewPlansTheSameNamesAgain) {
  nodes(3);
  world_.create("daemonsets.apps", daemon_set());
  settle();
  for (const auto& name : world_.names("pods")) {
    world_.vanish({"pods", "ns", name});
  }
  const auto controller = daemonset_controller();

  const auto once = world_.plan(*controller, kSet);
  const auto twice = world_.plan(*controller, kSet);

  ASSERT_THAT(once.changes, SizeIs(testing::Ge(3U)));
  EXPECT_EQ(once.changes[0].key, twice.changes[0].key);
}

TEST_F(DaemonSetTest, WritesNothingWhenNothingIsToDo) {
  nodes(3);
  world_.create("daemonsets.apps", daemon_set());
  settle();
  start_pods();
  settle();
  const auto controller = daemonset_controller();

  EXPECT_THAT(world_.plan(*controller, kSet).changes, IsEmpty());
  world_.change({"nodes", "", "n1"}, [](TreeObject& root) {
    root["status"] = TreeObject{{"heartbeat", 1}};
  });
  EXPECT_FALSE(world_.step()) << "a heartbeat is no reason to look";
}

/// Nodes come, go, and are tainted; pods fail; templates and bounds change; views lag.
class DaemonStorm : public testing::TestWithParam<unsigned> {};

TEST_P(DaemonStorm, EndsWithOneReadyPodOfTheNewestTemplatePerNode) {
  World world(GetParam());
  world.add(daemonset_controller());
  for (int i = 0; i < 4; ++i) {
    world.create("nodes", node(fmt::format("n{}", i)));
  }
  world.create("daemonsets.apps", daemon_set());
  world.lag(world.chance(2) == 0);
  // Never two pods of one template on one node.
  world.after_change = [&] {
    std::map<std::string, int> count;
    for (const auto* pod : world.list("pods")) {
      if (is_active(*pod)) {
        EXPECT_LE(
            ++count[fmt::format("{}/{}", node_of(*pod), pod->root()["spec"]["image"].integer())], 1)
            << "seed " << GetParam();
      }
    }
  };
  for (int i = 0; i < 200; ++i) {
    const auto name = fmt::format("n{}", world.chance(6));
    const Key at{"nodes", "", name};
    switch (world.chance(9)) {
      case 0:
        if (world.get(at) == nullptr) {
          world.create("nodes", node(name));
        }
        break;
      case 1:
        if (world.get(at) != nullptr) {
          world.change(at, [&](TreeObject& root) {
            root["spec"].as_object()["taints"] =
                world.chance(2) == 0
                    ? TreeArray{}
                    : TreeArray{TreeObject{{"key", "x"}, {"effect", "NoSchedule"}}};
          });
        }
        break;
      case 2:
        world.change(kSet, [&](TreeObject& root) {
          root["spec"].as_object()["template"].as_object()["spec"].as_object()["image"] =
              world.chance(4);
        });
        break;
      case 3:
        world.change(kSet, [&](TreeObject& root) {
          const int surge = static_cast<int>(world.chance(2));
          root["spec"].as_object()["updateStrategy"].as_object()["rollingUpdate"] =
              TreeObject{{"maxSurge", surge}, {"maxUnavailable", 1 - surge}};
        });
        break;
      case 4:
        for (const auto* pod : world.list("pods")) {
          if (is_active(*pod) && world.chance(3) == 0) {
            const Key key = pod->key;
            world.change(key, [](TreeObject& root) {
              root["status"] = TreeObject{{"phase", "Failed"}};
            });
            break;
          }
        }
        break;
      case 5:
        world.end_terminating();
        break;
      default:
        world.deliver(5);
        for (int steps = 0; steps < 3; ++steps) {
          world.step();
        }
        for (const auto* pod : world.list("pods")) {
          if (is_active(*pod) && !is_ready(views::PodView(pod->root()))) {
            const Key key = pod->key;
            const auto place = node_of(*pod);
            world.make_ready(key, true, place);
            break;
          }
        }
        break;
    }
    world.advance(seconds(1));
  }
  world.lag(false);
  for (const auto& name : world.names("nodes")) {
    world.change({"nodes", "", name},
                 [](TreeObject& root) { root["spec"].as_object()["taints"] = TreeArray{}; });
  }
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(world.settle(20'000));
    world.end_terminating();
    for (const auto& name : world.names("pods")) {
      const Key key{"pods", "ns", name};
      if (is_active(*world.get(key)) && !is_ready(views::PodView(world.get(key)->root()))) {
        world.make_ready(key, true, node_of(*world.get(key)));
      }
    }
    world.advance(seconds(60));
  }
  ASSERT_TRUE(world.settle(20'000));

  std::set<std::string> covered;
  const auto image = world.integer(kSet, "spec.template.spec.image");
  for (const auto* pod : world.list("pods")) {
    EXPECT_TRUE(covered.insert(node_of(*pod)).second);
    EXPECT_EQ(pod->root()["spec"]["image"].integer(), image);
  }
  EXPECT_EQ(covered.size(), world.names("nodes").size());
  EXPECT_EQ(world.integer(kSet, "status.numberAvailable"),
            static_cast<std::int64_t>(covered.size()));
  EXPECT_EQ(world.integer(kSet, "status.numberUnavailable"), 0);
  const auto writes = world.writes;
  world.advance(seconds(3600));
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.writes, writes);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DaemonStorm, testing::Range(1U, 21U));

}  // namespace
}  // namespace tetrarch::reconcile

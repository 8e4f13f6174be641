// SPDX-License-Identifier: Apache-2.0
// Machines that go out in numbers: how fast their nodes are tainted so that Pods have to go.
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/node_lifecycle.h"
#include "reconcile/node_taints.h"
#include "reconcile/sweeps.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;
using testing::Contains;
using testing::Field;
using testing::IsEmpty;

class DisruptionTest : public testing::Test {
 protected:
  DisruptionTest() { world_.add(node_disruption_controller(seconds(40))); }

  /// `count` nodes of a zone, named after it, that have been ready for an hour.
  void nodes(std::string_view zone, int count) {
    for (int i = 0; i < count; ++i) {
      world_.create(
          "nodes",
          fmt::format(
              R"({{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{0}{1:02}","labels":
              {{"topology.kubernetes.io/zone":"{0}"}}}},"spec":{{}},"status":{{"conditions":[
              {{"type":"Ready","status":"True","lastTransitionTime":"{2}"}}]}}}})",
              zone,
              i,
              format_time(world_.now() - seconds(3600))));
    }
  }

  /// The first `count` of a zone get this Ready status now.
  void turn(std::string_view zone, int count, std::string_view status) {
    for (int i = 0; i < count; ++i) {
      world_.change({"nodes", "", fmt::format("{}{:02}", zone, i)}, [&](TreeObject& root) {
        root["status"].as_object()["conditions"] =
            TreeArray{TreeObject{{"type", "Ready"},
                                 {"status", status},
                                 {"lastTransitionTime", format_time(world_.now())}}};
      });
    }
  }

  void pass(seconds span) {
    ASSERT_TRUE(world_.settle());
    for (auto left = span; left.count() > 0; left -= seconds(1)) {
      world_.advance(seconds(1));
      ASSERT_TRUE(world_.settle());
    }
  }

  /// How many nodes of a zone have the taint that evicts.
  int tainted(std::string_view zone) const {
    int count = 0;
    for (const auto* node : world_.list("nodes")) {
      for (const auto taint : node->root()["spec"]["taints"].elements()) {
        const bool evicts =
            is_outage(taint["key"].string()) && taint["effect"].string() == kNoExecute;
        count += evicts && node->key.name.starts_with(zone) ? 1 : 0;
      }
    }
    return count;
  }

  World world_;
};

TEST_F(DisruptionTest, OneNodeOfManyIsTaintedAtOnce) {
  nodes("a", 5);
  turn("a", 1, "Unknown");
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(tainted("a"), 1);
  const auto taint = world_.get({"nodes", "", "a00"})->root()["spec"]["taints"].at(0);
  EXPECT_EQ(taint["key"].string(), "node.kubernetes.io/unreachable");
  EXPECT_EQ(taint["timeAdded"].string(), format_time(world_.now()));
}

TEST_F(DisruptionTest, SeveralGoOneAfterTheOtherTenSecondsApart) {
  nodes("a", 10);
  turn("a", 4, "Unknown");
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(tainted("a"), 1);

  pass(seconds(9));
  EXPECT_EQ(tainted("a"), 1);
  pass(seconds(1));
  EXPECT_EQ(tainted("a"), 2);
  pass(seconds(20));
  EXPECT_EQ(tainted("a"), 4);
}

TEST_F(DisruptionTest, TheOneThatIsOutForLongestGoesFirst) {
  nodes("a", 5);
  world_.change({"nodes", "", "a03"}, [&](TreeObject& root) {
    root["status"].as_object()["conditions"] =
        TreeArray{TreeObject{{"type", "Ready"},
                             {"status", "False"},
                             {"lastTransitionTime", format_time(world_.now() - seconds(60))}}};
  });
  turn("a", 1, "Unknown");
  ASSERT_TRUE(world_.settle());

  const auto taint = world_.get({"nodes", "", "a03"})->root()["spec"]["taints"].at(0);
  EXPECT_EQ(taint["key"].string(), "node.kubernetes.io/not-ready");
}

TEST_F(DisruptionTest, WhereMostOfASmallZoneIsOutNobodyElseHasToGo) {
  nodes("a", 5);
  turn("a", 3, "Unknown");

  pass(seconds(120));
  EXPECT_EQ(tainted("a"), 0);

  world_.change({"nodes", "", "a00"}, [&](TreeObject& root) {
    root["status"].as_object()["conditions"].as_array()[0].as_object()["status"] = "True";
  });
  pass(seconds(20));
  EXPECT_EQ(tainted("a"), 2);
}

TEST_F(DisruptionTest, WhereMostOfALargeZoneIsOutItGoesTenTimesSlower) {
  nodes("a", 60);
  turn("a", 40, "Unknown");
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(tainted("a"), 1);

  pass(seconds(99));
  EXPECT_EQ(tainted("a"), 1);
  pass(seconds(1));
  EXPECT_EQ(tainted("a"), 2);
}

TEST_F(DisruptionTest, ZonesGoEachAtItsOwnPace) {
  nodes("a", 6);
  nodes("b", 6);
  turn("a", 2, "Unknown");
  turn("b", 3, "Unknown");

  pass(seconds(10));
  EXPECT_EQ(tainted("a"), 2);
  EXPECT_EQ(tainted("b"), 2);
}

TEST_F(DisruptionTest, AZoneThatIsWhollyOutGoesAtTheUsualPaceWhileAnotherIsWell) {
  nodes("a", 5);
  nodes("b", 2);
  turn("a", 5, "Unknown");

  pass(seconds(30));

  EXPECT_EQ(tainted("a"), 4);
  EXPECT_EQ(tainted("b"), 0);
}

TEST_F(DisruptionTest, WhereEveryNodeIsOutTheTaintsAreTakenBack) {
  nodes("a", 3);
  turn("a", 1, "Unknown");
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(tainted("a"), 1);

  turn("a", 3, "Unknown");
  pass(seconds(600));

  EXPECT_EQ(tainted("a"), 0);
}

TEST_F(DisruptionTest, AfterThatTheOthersHaveTimeToComeBackToo) {
  nodes("a", 3);
  turn("a", 3, "Unknown");
  pass(seconds(600));

  turn("a", 1, "True");
  pass(seconds(39));
  EXPECT_EQ(tainted("a"), 0);
  pass(seconds(1));
  EXPECT_EQ(tainted("a"), 1);
}

TEST_F(DisruptionTest, ATaintFollowsWhatIsKnownOfTheNode) {
  nodes("a", 3);
  turn("a", 1, "Unknown");
  ASSERT_TRUE(world_.settle());

  turn("a", 1, "False");
  ASSERT_TRUE(world_.settle());

  const auto taints = world_.get({"nodes", "", "a00"})->root()["spec"]["taints"];
  EXPECT_EQ(taints.size(), 1U);
  EXPECT_EQ(taints.at(0)["key"].string(), "node.kubernetes.io/not-ready");
}

TEST_F(DisruptionTest, TheRateHoldsOverARestart) {
  nodes("a", 10);
  turn("a", 4, "Unknown");
  ASSERT_TRUE(world_.settle());

  const auto again = world_.plan(*node_disruption_controller(seconds(40)), {"nodes", "", ""});

  EXPECT_THAT(again.changes, IsEmpty());
  EXPECT_EQ(again.look_again, world_.now() + seconds(10));
}

/// Nodes come and go by chance, views lag: in no zone are two nodes ever tainted within ten
/// seconds, unless one that was tainted has come back or gone between; and nobody is while all are
/// out.
class DisruptionChanceTest : public testing::TestWithParam<unsigned> {};

TEST_P(DisruptionChanceTest, NeverTaintsFasterThanItsRate) {
  World world(GetParam());
  world.add(node_health_controller(seconds(40)));
  world.add(node_disruption_controller(seconds(40)));
  const auto set_ready = [&](const std::string& name, bool is_ready) {
    world.change({"nodes", "", name}, [&](TreeObject& root) {
      root["status"] =
          TreeObject{{"conditions",
                      TreeArray{TreeObject{{"type", "Ready"},
                                           {"status", is_ready ? "True" : "False"},
                                           {"lastTransitionTime", format_time(world.now())}}}}};
    });
  };
  for (int i = 0; i < 8; ++i) {
    const auto name = fmt::format("n{}", i);
    world.create("nodes", fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{}}}})", name));
    world.create(
        "leases.coordination.k8s.io",
        fmt::format(
            R"({{"metadata":{{"name":"{}","namespace":"kube-node-lease"}},"spec":{{"n":0}}}})",
            name));
    set_ready(name, true);
  }
  world.lag(true);
  std::set<std::string> tainted;
  TimePoint last{};
  const auto look = [&] {
    bool any_ready = false;
    std::set<std::string> now_tainted;
    for (const auto* node : world.list("nodes")) {
      any_ready = any_ready || ready_status(*node) == "True";
      for (const auto taint : node->root()["spec"]["taints"].elements()) {
        if (taint["effect"].string() == kNoExecute) {
          now_tainted.insert(node->key.name);
        }
      }
    }
    for (const auto& name : now_tainted) {
      const bool is_fresh = !tainted.contains(name);
      const bool has_lost =
          !std::includes(now_tainted.begin(), now_tainted.end(), tainted.begin(), tainted.end());
      ASSERT_TRUE(!is_fresh || has_lost || world.now() - last >= seconds(10)) << name;
    }
    if (now_tainted.size() > tainted.size()) {
      last = world.now();
    }
    if (!std::includes(now_tainted.begin(), now_tainted.end(), tainted.begin(), tainted.end())) {
      last = TimePoint{};
    }
    tainted = now_tainted;
  };
  world.after_change = look;

  for (int step = 0; step < 300; ++step) {
    const auto name = fmt::format("n{}", world.chance(8));
    switch (world.chance(6)) {
      case 0:
        set_ready(name, world.chance(3) != 0);
        break;
      case 1:
        world.change({"leases.coordination.k8s.io", "kube-node-lease", name},
                     [&](TreeObject& root) { root["spec"].as_object()["n"] = step; });
        break;
      case 2:
        world.advance(seconds(world.chance(8)));
        break;
      default:
        world.deliver(static_cast<int>(world.chance(4)));
        world.step();
        break;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, DisruptionChanceTest, testing::Range(1U, 30U));

/// A Pod that has to go by a taint is told why first.
class EvictionTest : public testing::Test {
 protected:
  EvictionTest() {
    world_.add(taint_eviction_controller(seconds(40)));
    world_.create("nodes", R"({"metadata":{"name":"n1"},"spec":{}})");
    world_.create("pods",
                  R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"p","namespace":"ns"},
                      "spec":{}})");
    world_.make_ready(kPod);
  }

  void taint(TreeArray taints) {
    world_.change({"nodes", "", "n1"}, [&](TreeObject& root) {
      root["spec"].as_object()["taints"] = std::move(taints);
    });
  }

  TreeObject no_execute(std::string_view key) const {
    return {{"key", key}, {"effect", "NoExecute"}, {"timeAdded", format_time(world_.now())}};
  }

  const Key kPod{"pods", "ns", "p"};
  World world_;
};

TEST_F(EvictionTest, APodIsToldWhyItGoesAndThenGoes) {
  taint({no_execute("k")});
  ASSERT_TRUE(world_.settle());

  const auto pod = world_.get(kPod)->root();
  EXPECT_TRUE(pod["metadata"]["deletionTimestamp"].is_string());
  const auto condition = pod["status"]["conditions"].at(1);
  EXPECT_EQ(condition["type"].string(), "DisruptionTarget");
  EXPECT_EQ(condition["status"].string(), "True");
  EXPECT_EQ(condition["reason"].string(), "DeletionByTaintManager");
  EXPECT_EQ(condition["message"].string(), "Taint manager: deleting due to NoExecute taint");
  EXPECT_THAT(world_.notes,
              Contains(Field(&Note::message, "Marking for deletion Pod ns/p")).Times(1));
}

TEST_F(EvictionTest, OneThatCannotBeToldGoesAllTheSame) {
  taint({no_execute("k")});

  const auto plan =
      world_.plan(*taint_eviction_controller(seconds(40)), {"nodes", "", "n1"}, "refused");

  ASSERT_EQ(plan.changes.size(), 1U);
  EXPECT_EQ(plan.changes[0].verb, Change::Verb::remove);
}

TEST_F(EvictionTest, SeveralTaintsEvictOnceAndTheShortestPatienceCounts) {
  world_.change(kPod, [](TreeObject& root) {
    root["spec"].as_object()["tolerations"] =
        TreeArray{TreeObject{{"key", "slow"}, {"operator", "Exists"}, {"tolerationSeconds", 100}},
                  TreeObject{{"key", "fast"}, {"operator", "Exists"}, {"tolerationSeconds", 10}}};
  });
  taint({no_execute("slow"), no_execute("fast")});
  ASSERT_TRUE(world_.settle());
  world_.advance(seconds(9));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.text(kPod, "metadata.deletionTimestamp"), "");

  world_.advance(seconds(1));
  ASSERT_TRUE(world_.settle());

  EXPECT_NE(world_.text(kPod, "metadata.deletionTimestamp"), "");
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "TaintManagerEviction")).Times(1));
}

TEST_F(EvictionTest, ATaintThatIsTakenBackInTimeEvictsNobody) {
  world_.change(kPod, [](TreeObject& root) {
    root["spec"].as_object()["tolerations"] =
        TreeArray{TreeObject{{"operator", "Exists"}, {"tolerationSeconds", 60}}};
  });
  taint({no_execute("k")});
  ASSERT_TRUE(world_.settle());
  world_.advance(seconds(59));
  taint({});
  ASSERT_TRUE(world_.settle());

  world_.advance(seconds(3600));
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(world_.text(kPod, "metadata.deletionTimestamp"), "");
}

TEST(PodSweep, EndsThePodsOfANodeThatSomebodyTookOutOfService) {
  World world;
  world.add(pod_sweep_controller(100, seconds(40)));
  const auto node = [&](std::string_view name, std::string_view ready, std::string_view taints) {
    world.create("nodes",
                 fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"taints":[{}]}},
        "status":{{"conditions":[{{"type":"Ready","status":"{}"}}]}}}})",
                             name,
                             taints,
                             ready));
  };
  constexpr std::string_view kOff =
      R"({"key":"node.kubernetes.io/out-of-service","value":"nodeshutdown","effect":"NoExecute"})";
  node("off", "Unknown", kOff);
  node("silent", "Unknown", "");
  node("back", "True", kOff);
  for (const auto name : {"off", "silent", "back"}) {
    for (const auto suffix : {"ending", "running"}) {
      const Key key{"pods", "ns", fmt::format("{}-{}", name, suffix)};
      world.create(
          "pods",
          fmt::format(R"({{"metadata":{{"name":"{}","namespace":"ns"}},"spec":{{}}}})", key.name));
      world.make_ready(key, true, name);
      if (std::string_view(suffix) == "ending") {
        world.remove(key);
      }
    }
  }

  world.advance(seconds(20));
  ASSERT_TRUE(world.settle());

  EXPECT_THAT(world.names("pods"),
              testing::ElementsAre(
                  "back-ending", "back-running", "off-running", "silent-ending", "silent-running"));
}

}  // namespace
}  // namespace tetrarch::reconcile

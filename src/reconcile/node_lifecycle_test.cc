// SPDX-License-Identifier: Apache-2.0
#include "reconcile/node_lifecycle.h"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/sweeps.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

class NodeTest : public testing::Test {
 protected:
  NodeTest() {
    world_.add(node_health_controller(seconds(40)));
    world_.add(node_disruption_controller(seconds(40)));
    world_.add(taint_eviction_controller(seconds(40)));
  }

  Key node(std::string_view name, std::string_view ready = "True") {
    world_.create(
        "nodes",
        fmt::format(R"({{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{}"}},"spec":{{}},
      "status":{{"conditions":[{{"type":"Ready","status":"{}",
       "lastTransitionTime":"2023-01-01T00:00:00Z"}}]}}}})",
                    name,
                    ready));
    world_.create(
        "leases.coordination.k8s.io",
        fmt::format(
            R"({{"metadata":{{"name":"{}","namespace":"kube-node-lease"}},"spec":{{"n":0}}}})",
            name));
    return {"nodes", "", std::string(name)};
  }

  void renew(std::string_view name) {
    world_.change({"leases.coordination.k8s.io", "kube-node-lease", std::string(name)},
                  [](TreeObject& root) {
                    auto& count = root["spec"].as_object()["n"];
                    count = count.to_number<std::int64_t>() + 1;
                  });
  }

  void pod(std::string_view name, std::string_view on, std::string_view tolerations = "[]") {
    world_.create(
        "pods",
        fmt::format(
            R"({{"kind":"Pod","metadata":{{"name":"{}","namespace":"ns"}},"spec":{{"tolerations":{}}}}})",
            name,
            tolerations));
    world_.make_ready({"pods", "ns", std::string(name)}, true, std::string(on));
  }

  void pass(int whole, const std::vector<std::string>& alive) {
    for (int i = 0; i < whole; i += 10) {
      world_.advance(seconds(10));
      for (const auto& each : alive) {
        renew(each);
      }
      ASSERT_TRUE(world_.settle());
    }
  }

  std::set<std::string> taints(const Key& key) const {
    std::set<std::string> out;
    for (const auto taint : world_.get(key)->root()["spec"]["taints"].elements()) {
      out.insert(fmt::format("{}:{}", taint["key"].string(), taint["effect"].string()));
    }
    return out;
  }

  std::string ready(const Key& key) const {
    return std::string(world_.get(key)->root()["status"]["conditions"].at(0)["status"].string());
  }

  bool is_ending(std::string_view name) const {
    const auto* found = world_.get({"pods", "ns", std::string(name)});
    return found == nullptr || found->metadata()["deletionTimestamp"].is_string();
  }

  World world_;
};

constexpr std::string_view kFiveMinutes =
    R"([{"key":"node.kubernetes.io/unreachable","operator":"Exists","effect":"NoExecute","tolerationSeconds":300}])";

TEST_F(NodeTest, ARenewedLeaseKeepsItReady) {
  const auto key = node("a");

  pass(300, {"a"});

  EXPECT_EQ(ready(key), "True");
  EXPECT_THAT(taints(key), IsEmpty());
}

TEST_F(NodeTest, ASilentOneBecomesUnknownAndTaintedAndItsPodsLeaveTheirServices) {
  node("a");
  const auto silent = node("b");
  pod("p", "b", kFiveMinutes);

  pass(30, {"a"});
  EXPECT_EQ(ready(silent), "True");
  pass(10, {"a"});

  EXPECT_EQ(ready(silent), "Unknown");
  EXPECT_EQ(world_.get(silent)->root()["status"]["conditions"].size(), 4U);
  EXPECT_THAT(taints(silent),
              UnorderedElementsAre("node.kubernetes.io/unreachable:NoExecute",
                                   "node.kubernetes.io/unreachable:NoSchedule"));
  EXPECT_EQ(
      world_.get({"pods", "ns", "p"})->root()["status"]["conditions"].at(0)["status"].string(),
      "False");
  EXPECT_FALSE(is_ending("p"));
}

TEST_F(NodeTest, OneThatBeatsIsOutEightSecondsAfterItsLastBeat) {
  node("a");
  const auto key = node("b");
  for (int i = 0; i < 50; ++i) {
    world_.advance(seconds(2));
    world_.hear("b");
    renew("a");
    ASSERT_TRUE(world_.settle());
  }
  EXPECT_EQ(ready(key), "True") << "without any Lease";
  renew("b");  // between two beats: no sign of life for 40 s more

  world_.advance(seconds(7));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(ready(key), "True");
  world_.advance(seconds(1));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(ready(key), "Unknown");
}

TEST_F(NodeTest, OneWhoseFirstBeatCameAfterTheLastLookIsOutAsSoon) {
  node("a");
  const auto key = node("b");
  renew("a");
  renew("b");
  ASSERT_TRUE(world_.settle());
  world_.advance(seconds(1));
  world_.hear("b");  // wakes nobody

  world_.advance(seconds(8));
  renew("a");
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(ready(key), "Unknown");
}

TEST_F(NodeTest, OneThatSaysThatItIsReadyBeforeItBeatsAgainIsNotCountedOutAtOnce) {
  node("a");
  const auto key = node("b");
  world_.hear("b");
  world_.advance(seconds(20));
  renew("a");
  ASSERT_TRUE(world_.settle());
  ASSERT_EQ(ready(key), "Unknown");

  world_.change(key, [](TreeObject& root) {
    root["status"].as_object()["conditions"].as_array()[0].as_object()["status"] = "True";
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(ready(key), "True");
  world_.advance(seconds(8));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(ready(key), "Unknown") << "and never was heard again";
}

TEST_F(NodeTest, OneThatLostItsConnectionAndRenewsItsLeaseIsThere) {
  node("a");
  const auto key = node("b");
  world_.hear("b");

  pass(120, {"a", "b"});

  EXPECT_EQ(ready(key), "True");
}

TEST_F(NodeTest, BeatsThatAreForgottenLeaveItToItsLease) {
  node("a");
  const auto key = node("b");
  world_.hear("b");
  world_.advance(seconds(7));
  renew("a");
  ASSERT_TRUE(world_.settle());

  world_.forget_silence();
  pass(30, {"a"});
  EXPECT_EQ(ready(key), "True");
  pass(10, {"a"});

  EXPECT_EQ(ready(key), "Unknown");
}

TEST_F(NodeTest, RenewalsAndBeatsAreNoReasonToLook) {
  const auto key = node("a");
  const auto health = node_health_controller(seconds(40));
  const auto* lease = world_.get({"leases.coordination.k8s.io", "kube-node-lease", "a"});
  std::vector<Key> keys;

  for (const auto& watch : health->watches()) {
    if (watch.resource == lease->key.resource) {
      watch.keys(world_.mirror(), {lease, lease}, keys);
    }
  }
  world_.hear("a");

  EXPECT_THAT(keys, IsEmpty());
  EXPECT_EQ(world_.plan(*health, key).look_again, world_.now() + seconds(40));
  EXPECT_EQ(world_.plan(*health, {"nodes", "", ""}).look_again, world_.now() + seconds(8));
}

TEST_F(NodeTest, ItsPodsAreEvictedAfterWhatTheyTolerate) {
  node("a");
  node("b");
  pod("default", "b", kFiveMinutes);
  pod("intolerant", "b");
  pod("patient", "b", R"([{"operator":"Exists"}])");
  pod("elsewhere", "a");

  pass(60, {"a"});
  EXPECT_TRUE(is_ending("intolerant"));
  EXPECT_FALSE(is_ending("default"));

  pass(300, {"a"});
  EXPECT_TRUE(is_ending("default"));
  EXPECT_FALSE(is_ending("patient"));
  EXPECT_FALSE(is_ending("elsewhere"));
}

TEST_F(NodeTest, ANodeThatComesBackLosesItsTaints) {
  node("a");
  const auto key = node("b");
  pod("p", "b", kFiveMinutes);
  pass(60, {"a"});

  world_.change(key, [](TreeObject& root) {
    root["status"].as_object()["conditions"].as_array()[0].as_object()["status"] = "True";
  });
  pass(400, {"a", "b"});

  EXPECT_THAT(taints(key), IsEmpty());
  EXPECT_FALSE(is_ending("p"));
}

TEST_F(NodeTest, WhenAllNodesAreOutNobodyIsEvicted) {
  node("a");
  pod("p", "a");

  pass(1000, {});

  EXPECT_FALSE(is_ending("p"));
}

TEST_F(NodeTest, AControlPlaneThatWasAwayBlamesNobody) {
  const auto key = node("a");
  Mirror restarted;
  const auto later = world_.now() + seconds(3600);
  restarted.forget_silence(later);
  for (const auto* each :
       {world_.get(key), world_.get({"leases.coordination.k8s.io", "kube-node-lease", "a"})}) {
    restarted.put(*each, later);
  }

  const auto plan = node_health_controller(seconds(40))
                        ->reconcile({.seen = restarted, .key = key, .now = later + seconds(39)});

  EXPECT_THAT(plan.changes, IsEmpty());
  EXPECT_EQ(plan.look_again, later + seconds(40));
}

TEST_F(NodeTest, MirrorsConditionsAndCordonsAsTaintsAndKeepsOtherTaints) {
  node("b");
  const auto key = node("a", "False");
  world_.change(key, [](TreeObject& root) {
    root["spec"].as_object()["unschedulable"] = true;
    root["spec"].as_object()["taints"] =
        TreeArray{TreeObject{{"key", "mine"}, {"effect", "NoSchedule"}}};
    root["status"].as_object()["conditions"].as_array().push_back(
        TreeObject{{"type", "DiskPressure"}, {"status", "True"}});
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(taints(key),
              UnorderedElementsAre("mine:NoSchedule",
                                   "node.kubernetes.io/not-ready:NoExecute",
                                   "node.kubernetes.io/not-ready:NoSchedule",
                                   "node.kubernetes.io/disk-pressure:NoSchedule",
                                   "node.kubernetes.io/unschedulable:NoSchedule"));

  world_.change(key, [](TreeObject& root) {
    root["spec"].as_object()["unschedulable"] = false;
    root["status"].as_object()["conditions"] =
        TreeArray{TreeObject{{"type", "Ready"}, {"status", "True"}}};
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(taints(key), ElementsAre("mine:NoSchedule"));
}

struct TolerationRow {
  std::string_view name;
  std::string_view toleration;
  bool stays;
};

void PrintTo(const TolerationRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr TolerationRow kTolerationRows[] = {
    {"none", R"([])", false},
    {"equal", R"([{"key":"k","operator":"Equal","value":"v","effect":"NoExecute"}])", true},
    {"equal_is_the_default", R"([{"key":"k","value":"v"}])", true},
    {"another_value", R"([{"key":"k","value":"w"}])", false},
    {"exists", R"([{"key":"k","operator":"Exists"}])", true},
    {"everything", R"([{"operator":"Exists"}])", true},
    {"another_effect", R"([{"key":"k","operator":"Exists","effect":"NoSchedule"}])", false},
    {"another_key", R"([{"key":"l","operator":"Exists"}])", false},
    {"for_no_time", R"([{"key":"k","operator":"Exists","tolerationSeconds":0}])", false},
    {"for_a_while", R"([{"key":"k","operator":"Exists","tolerationSeconds":60}])", true},
    {"the_shortest_counts",
     R"([{"key":"k","operator":"Exists","tolerationSeconds":60},{"operator":"Exists","tolerationSeconds":0}])",
     false},
};

class TolerationTest : public testing::TestWithParam<TolerationRow> {};

TEST_P(TolerationTest, DecidesWhoStaysOnATaintedNode) {
  World world;
  world.add(taint_eviction_controller(seconds(40)));
  world.create("nodes",
               fmt::format(R"({{"metadata":{{"name":"n1"}},
    "spec":{{"taints":[{{"key":"k","value":"v","effect":"NoExecute","timeAdded":"{}"}}]}}}})",
                           format_time(world.now())));
  world.create(
      "pods",
      fmt::format(R"({{"metadata":{{"name":"p","namespace":"ns"}},"spec":{{"tolerations":{}}}}})",
                  GetParam().toleration));
  world.make_ready({"pods", "ns", "p"});

  ASSERT_TRUE(world.settle());

  EXPECT_EQ(world.text({"pods", "ns", "p"}, "metadata.deletionTimestamp").empty(),
            GetParam().stays);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         TolerationTest,
                         testing::ValuesIn(kTolerationRows),
                         [](const auto& row) { return std::string(row.param.name); });

TEST(NodeCidr, GivesEachNodeItsOwnAndUsesFreedOnesAgain) {
  World world;
  world.add(node_cidr_controller("10.42.0.0/16", 24));
  world.create("nodes", R"({"metadata":{"name":"a"},"spec":{"podCIDR":"10.42.1.0/24"}})");
  world.create("nodes", R"({"metadata":{"name":"b"},"spec":{}})");
  world.create("nodes", R"({"metadata":{"name":"c"}})");
  ASSERT_TRUE(world.settle());

  EXPECT_EQ(world.text({"nodes", "", "b"}, "spec.podCIDR"), "10.42.0.0/24");
  EXPECT_EQ(world.text({"nodes", "", "c"}, "spec.podCIDR"), "10.42.2.0/24");
  EXPECT_EQ(world.get({"nodes", "", "c"})->root()["spec"]["podCIDRs"].at(0).string(),
            "10.42.2.0/24");

  world.remove({"nodes", "", "b"});
  world.create("nodes", R"({"metadata":{"name":"d"}})");
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.text({"nodes", "", "d"}, "spec.podCIDR"), "10.42.0.0/24");
}

TEST(NodeCidr, NodesThatJoinTogetherUnderALaggingViewNeverShareOne) {
  for (unsigned seed = 1; seed < 20; ++seed) {
    World world(seed);
    world.add(node_cidr_controller("10.42.0.0/16", 24));
    world.lag(true);
    for (int i = 0; i < 20; ++i) {
      world.create("nodes", fmt::format(R"({{"metadata":{{"name":"n{}"}}}})", i));
      world.deliver(static_cast<int>(world.chance(3)));
      world.step();
    }
    ASSERT_TRUE(world.settle());
    world.advance(seconds(5));
    ASSERT_TRUE(world.settle());

    std::set<std::string> cidrs;
    for (const auto* each : world.list("nodes")) {
      cidrs.emplace(each->root()["spec"]["podCIDR"].string());
    }
    EXPECT_EQ(cidrs.size(), 20U);
    EXPECT_FALSE(cidrs.contains(""));
  }
}

TEST(NodeCidr, SaysWhenNoneIsLeft) {
  World world;
  world.add(node_cidr_controller("10.42.0.0/24", 25));
  for (const auto name : {"a", "b", "c"}) {
    world.create("nodes", fmt::format(R"({{"metadata":{{"name":"{}"}}}})", name));
  }
  ASSERT_TRUE(world.settle());

  EXPECT_EQ(world.text({"nodes", "", "c"}, "spec.podCIDR"), "");
  EXPECT_THAT(world.notes, testing::Contains(testing::Field(&Note::reason, "CIDRNotAvailable")));
}

TEST(NodeCidr, RefusesRangesThatMakeNoSense) {
  for (const auto text : {"",
                          "10.42.0.0",
                          "10.42.0.0/33",
                          "10.42.0/16",
                          "300.0.0.0/8",
                          "10.42.0.0/16x",
                          "fd00::/48"}) {
    EXPECT_EQ(node_cidr_controller(text, 24), nullptr) << text;
  }
  EXPECT_EQ(node_cidr_controller("10.42.0.0/25", 24), nullptr);
}

class SweepTest : public testing::Test {
 protected:
  void pod(std::string_view name,
           std::string_view spec,
           std::string_view phase,
           std::string_view more = "") {
    world_.create(
        "pods",
        fmt::format(
            R"({{"metadata":{{"name":"{}","namespace":"ns"{}}},"spec":{},"status":{{"phase":"{}"}}}})",
            name,
            more,
            spec,
            phase));
  }

  World world_;
};

TEST_F(SweepTest, EndsTheOldestFinishedPodsOverTheLimit) {
  world_.add(pod_sweep_controller(2, seconds(40)));
  world_.create("nodes", R"({"metadata":{"name":"n1"}})");
  for (const auto name : {"a", "b", "c", "d"}) {
    pod(name, R"({"nodeName":"n1"})", name[0] == 'd' ? "Running" : "Succeeded");
    world_.advance(seconds(1));
  }

  world_.advance(seconds(20));
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("pods"), ElementsAre("b", "c", "d"));
}

TEST_F(SweepTest, EndsPodsOfANodeThatIsGoneOnceItHasWatchedLongEnough) {
  world_.add(pod_sweep_controller(100, seconds(40)));
  world_.create("nodes", R"({"metadata":{"name":"n1"}})");
  pod("lost", R"({"nodeName":"gone"})", "Running");
  pod("fine", R"({"nodeName":"n1"})", "Running");

  world_.advance(seconds(60));
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("pods"), ElementsAre("fine"));
}

TEST_F(SweepTest, EndsTerminatingPodsOfANodeOutOfServiceAndNoOthers) {
  world_.add(pod_sweep_controller(100, seconds(40)));
  world_.create("nodes",
                R"({"metadata":{"name":"off"},"spec":{"taints":[
                    {"key":"node.kubernetes.io/out-of-service","effect":"NoExecute"}]}})");
  world_.create("nodes", R"({"metadata":{"name":"n1"}})");
  const std::string deleted = R"(,"deletionTimestamp":"2023-01-01T00:00:00Z")";
  pod("ends", R"({"nodeName":"off"})", "Running", deleted);
  pod("stays", R"({"nodeName":"off"})", "Running");
  pod("ends-itself", R"({"nodeName":"n1"})", "Running", deleted);

  world_.advance(seconds(20));
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("pods"), ElementsAre("ends-itself", "stays"));
}

TEST_F(SweepTest, EndsTerminatingPodsThatNoNodeEverHad) {
  world_.add(pod_sweep_controller(100, seconds(40)));
  pod("stuck", "{}", "Pending", R"(,"deletionTimestamp":"2023-01-01T00:00:00Z")");
  pod("waiting", "{}", "Pending");

  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("pods"), ElementsAre("waiting"));
}

TEST_F(SweepTest, PodsThatAreHeldHaveFailedBeforeTheyGo) {
  world_.add(pod_sweep_controller(100, seconds(40)));
  world_.create("nodes",
                R"({"metadata":{"name":"off"},"spec":{"taints":[
                    {"key":"node.kubernetes.io/out-of-service","effect":"NoExecute"}]}})");
  world_.create("nodes", R"({"metadata":{"name":"n1"}})");
  const std::string held = R"(,"finalizers":["x.io/counts"])";
  const std::string ending = held + R"(,"deletionTimestamp":"2023-01-01T00:00:00Z")";
  pod("nowhere", "{}", "Pending", ending);
  pod("off", R"({"nodeName":"off"})", "Running", ending);
  pod("lost", R"({"nodeName":"gone"})", "Running", held);
  pod("done", R"({"nodeName":"gone"})", "Succeeded", held);
  pod("alive", R"({"nodeName":"n1"})", "Running", ending);
  pod("free", R"({"nodeName":"gone"})", "Running");

  world_.advance(seconds(60));
  ASSERT_TRUE(world_.settle());

  const auto phase = [&](std::string_view name) {
    return world_.text({"pods", "ns", std::string(name)}, "status.phase");
  };
  EXPECT_EQ(phase("nowhere"), "Failed");
  EXPECT_EQ(phase("off"), "Failed");
  EXPECT_EQ(phase("lost"), "Failed");
  EXPECT_EQ(phase("done"), "Succeeded");
  EXPECT_EQ(phase("alive"), "Running") << "its agent says how it ends";
  EXPECT_EQ(phase("free"), "(gone)");
  const auto lost = world_.get({"pods", "ns", "lost"})->root();
  EXPECT_TRUE(lost["metadata"]["deletionTimestamp"].is_string());
  EXPECT_EQ(lost["status"]["conditions"].at(0)["type"].string(), "DisruptionTarget");
  EXPECT_EQ(lost["status"]["conditions"].at(0)["reason"].string(), "DeletionByPodGC");
  const auto off = world_.get({"pods", "ns", "off"})->root();
  EXPECT_EQ(off["status"]["conditions"].size(), 0U) << "whoever deleted it has said why";

  const auto before = world_.get({"pods", "ns", "lost"})->revision;
  world_.advance(seconds(60));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.get({"pods", "ns", "lost"})->revision, before) << "it is said once";
}

TEST_F(SweepTest, EventsExpireByTheLastTimeTheySpeakOf) {
  world_.add(event_expiry_controller(seconds(3600)));
  const auto at = [&](int s) { return format_time(world_.now() + seconds(s)); };
  world_.create("events", R"({"metadata":{"name":"old","namespace":"ns"}})");
  world_.create(
      "events",
      fmt::format(R"({{"metadata":{{"name":"repeated","namespace":"ns"}},"lastTimestamp":"{}"}})",
                  at(1800)));
  world_.create(
      "events",
      fmt::format(
          R"({{"metadata":{{"name":"series","namespace":"ns"}},"series":{{"lastObservedTime":"{}"}}}})",
          at(1800)));
  ASSERT_TRUE(world_.settle());

  world_.advance(seconds(3600));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.names("events"), ElementsAre("repeated", "series"));

  world_.advance(seconds(1800));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.names("events"), IsEmpty());
}

TEST(KubernetesService, IsKeptWithTheServersAddress) {
  World world;
  world.create("namespaces", R"({"metadata":{"name":"default"}})");
  world.add(
      kubernetes_service_controller({.ip = "192.0.2.7", .port = 6443, .service_ip = "10.43.0.1"}));
  ASSERT_TRUE(world.settle());

  const Key endpoints{"endpoints", "default", "kubernetes"};
  EXPECT_EQ(world.text({"services", "default", "kubernetes"}, "spec.clusterIP"), "10.43.0.1");
  EXPECT_EQ(world.get(endpoints)->root()["subsets"].at(0)["addresses"].at(0)["ip"].string(),
            "192.0.2.7");
  const auto slice =
      world.get({"endpointslices.discovery.k8s.io", "default", "kubernetes"})->root();
  EXPECT_EQ(slice["endpoints"].at(0)["addresses"].at(0).string(), "192.0.2.7");
  EXPECT_EQ(slice["ports"].at(0)["port"].integer(), 6443);

  world.change(endpoints, [](TreeObject& root) { root["subsets"] = TreeArray(); });
  world.remove({"services", "default", "kubernetes"});
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.get(endpoints)->root()["subsets"].size(), 1U);
  EXPECT_NE(world.get({"services", "default", "kubernetes"}), nullptr);
}

}  // namespace
}  // namespace tetrarch::reconcile

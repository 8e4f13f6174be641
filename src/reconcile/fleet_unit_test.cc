// SPDX-License-Identifier: Apache-2.0
// Units of fleet in a cluster in memory, where the test is scheduler and agent. Rows F2 to F14 of
// the fleet reference as far as controllers go.
#include "reconcile/fleet_unit.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/fleet_labels.h"
#include "reconcile/fleet_pod.h"
#include "reconcile/node_fit.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::string_view kSleep = R"({"section":"Service","name":"ExecStart","value":"sleep"})";

std::string fleet(std::string_view name, std::string_view value) {
  return fmt::format(R"(,{{"section":"X-Fleet","name":"{}","value":"{}"}})", name, value);
}

std::string_view named_node_of(const Stored& pod) {
  return named_node(views::PodSpecView(pod.root()["spec"]));
}

class FleetUnitTest : public testing::Test {
 protected:
  FleetUnitTest() {
    world_.add(fleet_unit_controller());
    world_.add(fleet_unit_state_controller());
    world_.add(fleet_machine_controller());
  }

  void node(std::string_view name, std::string_view metadata = "", bool has_systemd = true) {
    world_.create(
        "nodes",
        fmt::format(
            R"({{"metadata":{{"name":"{0}","annotations":{{"fleet.tetrarch.dev/metadata":"{1}"}},)"
            R"("labels":{{"kubernetes.io/hostname":"{0}"{2}}}}},)"
            R"("status":{{"conditions":[{{"type":"Ready","status":"True"}}]}}}})",
            name,
            metadata,
            has_systemd ? fmt::format(R"(,"fleet.tetrarch.dev/systemd":"true",)"
                                      R"("fleet.tetrarch.dev/machine-id":"{}00000000")",
                                      name)
                        : ""));
    ASSERT_TRUE(world_.settle());
  }

  void lose(std::string_view name) {
    world_.change({"nodes", "", std::string(name)}, [](TreeObject& root) {
      root["status"].at("conditions").at(0).as_object()["status"] = "Unknown";
    });
    ASSERT_TRUE(world_.settle());
  }

  static Key unit_key(std::string_view name) {
    return {std::string(kFleetUnits), "fleet", std::string(name)};
  }

  void unit(std::string_view name,
            std::string_view more = "",
            std::string_view desired = "launched") {
    world_.create(std::string(kFleetUnits),
                  fmt::format(R"({{"apiVersion":"fleet.tetrarch.dev/v1","kind":"Unit","metadata":)"
                              R"({{"name":"{}","namespace":"fleet"}},"spec":)"
                              R"({{"desiredState":"{}","options":[{}{}]}}}})",
                              name,
                              desired,
                              kSleep,
                              more));
    ASSERT_TRUE(world_.settle());
  }

  void ask(std::string_view name, std::string_view state) {
    world_.change(unit_key(name),
                  [&](TreeObject& root) { root["spec"].as_object()["desiredState"] = state; });
    ASSERT_TRUE(world_.settle());
  }

  std::string status(std::string_view name, const std::string& field) {
    return world_.text(unit_key(name), "status." + field);
  }

  std::vector<const Stored*> pods_of(std::string_view name) {
    std::vector<const Stored*> out;
    for (const auto* pod : world_.list("pods")) {
      if (unit_of(*pod) == name) {
        out.push_back(pod);
      }
    }
    return out;
  }

  const Stored& pod_of(std::string_view name) {
    const auto pods = pods_of(name);
    EXPECT_THAT(pods, SizeIs(1)) << name;
    return *pods.at(0);
  }

  std::string annotation(std::string_view unit, std::string_view name) {
    return std::string(pod_of(unit).metadata()["annotations"][name].string());
  }

  void bind(std::string_view unit, std::string_view node) {
    world_.change(pod_of(unit).key,
                  [&](TreeObject& root) { root["spec"].as_object()["nodeName"] = node; });
    ASSERT_TRUE(world_.settle());
  }

  void report(std::string_view unit, std::string_view message) {
    world_.change(pod_of(unit).key, [&](TreeObject& root) {
      Edit::object_in(root, "status")["conditions"] =
          TreeArray{TreeObject{{"type", kUnitCondition}, {"status", "True"}, {"message", message}}};
    });
    ASSERT_TRUE(world_.settle());
  }

  void refuse(std::string_view unit) {
    world_.change(pod_of(unit).key, [](TreeObject& root) {
      Edit::object_in(root, "status")["conditions"] = TreeArray{TreeObject{
          {"type", "PodScheduled"}, {"status", "False"}, {"message", "0/2 nodes are available"}}};
    });
    ASSERT_TRUE(world_.settle());
  }

  void run_on(std::string_view unit, std::string_view node) {
    bind(unit, node);
    report(unit, "loaded active running abc launched 0");
  }

  /// The pods that are to end do.
  void stop_ended() {
    world_.end_terminating();
    ASSERT_TRUE(world_.settle());
  }

  World world_;
};

TEST_F(FleetUnitTest, ALoadedUnitIsAPodThatIsHeldAndALaunchedOneRuns) {
  node("n1");
  unit("foo@1.service", fleet("CPU", "200m") + fleet("Label", "app=web"), "inactive");
  EXPECT_THAT(world_.list("pods"), IsEmpty());
  EXPECT_EQ(status("foo@1.service", "currentState"), "inactive");

  ask("foo@1.service", "loaded");
  const auto& pod = pod_of("foo@1.service");
  EXPECT_THAT(pod.key.name, testing::StartsWith("foo-1-service-"));
  const auto spec = pod.root()["spec"];
  EXPECT_EQ(spec["runtimeClassName"].string(), "systemd");
  EXPECT_EQ(spec["nodeSelector"][kHasSystemd].string(), "true");
  EXPECT_FALSE(spec["affinity"].exists()) << "plain units are alike for the scheduler";
  EXPECT_EQ(spec["containers"].at(0)["resources"]["requests"]["cpu"].string(), "200m");
  EXPECT_EQ(spec["containers"].at(0)["resources"]["requests"]["memory"].string(), "16Mi");
  EXPECT_EQ(spec["tolerations"].at(1)["tolerationSeconds"].integer(), 20);
  EXPECT_EQ(pod.metadata()["labels"]["app"].string(), "web");
  EXPECT_EQ(pod.metadata()["labels"][kTemplateLabel].string(), "foo");
  EXPECT_EQ(annotation("foo@1.service", kRunState), "held");
  EXPECT_EQ(annotation("foo@1.service", kUnitText),
            "[Service]\nExecStart=sleep\n\n[X-Fleet]\nCPU=200m\nLabel=app=web\n");

  bind("foo@1.service", "n1");
  EXPECT_EQ(status("foo@1.service", "machineID"), "") << "its agent is about to tell more";
  world_.advance(std::chrono::seconds(3));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(status("foo@1.service", "currentState"), "inactive") << "nothing is loaded yet";
  EXPECT_EQ(status("foo@1.service", "machineID"), "n100000000");
  report("foo@1.service", "loaded inactive dead abc loaded 0");
  EXPECT_EQ(status("foo@1.service", "currentState"), "loaded");

  ask("foo@1.service", "launched");
  EXPECT_EQ(annotation("foo@1.service", kRunState), "running");
  report("foo@1.service", "loaded active running abc launched 3");
  EXPECT_EQ(status("foo@1.service", "currentState"), "launched");
  EXPECT_EQ(status("foo@1.service", "activeState"), "active");
  EXPECT_EQ(world_.integer(unit_key("foo@1.service"), "status.restarts"), 3);
}

TEST_F(FleetUnitTest, AnInactiveUnitIsTakenFromItsMachineAndThenForgotten) {
  node("n1");
  unit("a.service");
  run_on("a.service", "n1");
  const auto states = world_.list(kFleetUnitStates);
  ASSERT_THAT(states, SizeIs(1));
  EXPECT_EQ(states[0]->root()["unit"].string(), "a.service");
  EXPECT_EQ(states[0]->root()["machineID"].string(), "n100000000");
  EXPECT_EQ(states[0]->root()["activeState"].string(), "active");

  ask("a.service", "inactive");
  EXPECT_EQ(status("a.service", "currentState"), "launched") << "it is being stopped";
  ask("a.service", "launched");
  EXPECT_THAT(pods_of("a.service"), SizeIs(1)) << "one at a time";
  stop_ended();
  EXPECT_THAT(pods_of("a.service"), SizeIs(1));
  ask("a.service", "inactive");
  stop_ended();
  EXPECT_THAT(pods_of("a.service"), IsEmpty());
  EXPECT_EQ(status("a.service", "currentState"), "inactive");
}

TEST_F(FleetUnitTest, ARestartAndAnotherTextGoToThePodThatIsThere) {
  node("n1");
  unit("a.service");
  run_on("a.service", "n1");
  const auto uid = std::string(pod_of("a.service").uid());
  world_.change(unit_key("a.service"), [](TreeObject& root) {
    auto& spec = root["spec"].as_object();
    spec["restarts"] = 2;
    spec["options"].as_array()[0].as_object()["value"] = "other";
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(pod_of("a.service").uid(), uid);
  EXPECT_EQ(annotation("a.service", kUnitRestarts), "2");
  EXPECT_EQ(annotation("a.service", kUnitText), "[Service]\nExecStart=other\n");
}

TEST_F(FleetUnitTest, AUnitOfALostMachineRunsElsewhereBeforeItsEndIsKnown) {
  node("n1");
  node("n2");
  unit("a.service");
  run_on("a.service", "n1");
  world_.remove(pod_of("a.service").key);
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(pods_of("a.service"), SizeIs(1)) << "the machine answers: it will tell";
  lose("n1");
  EXPECT_THAT(pods_of("a.service"), SizeIs(2));
}

TEST_F(FleetUnitTest, WhatEndsOnALostMachineIsUnloaded) {
  node("n1");
  unit("a.service");
  run_on("a.service", "n1");
  ask("a.service", "inactive");
  EXPECT_EQ(status("a.service", "currentState"), "launched") << "the machine answers: it will tell";
  lose("n1");
  EXPECT_EQ(status("a.service", "currentState"), "inactive");
  EXPECT_EQ(status("a.service", "machineID"), "");
}

TEST_F(FleetUnitTest, AUnitOfTheSameNameWaitsForTheEndOfTheOneBefore) {
  node("n1");
  unit("a.service");
  run_on("a.service", "n1");
  world_.vanish(unit_key("a.service"));
  unit("a.service");
  EXPECT_THAT(pods_of("a.service"), SizeIs(1)) << "the machine still has the old one";
  world_.vanish(pod_of("a.service").key);
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(node_of_pod(pod_of("a.service")), "") << "a new one";
}

TEST_F(FleetUnitTest, ConflictsAreLabelsOfWhatMatchesThem) {
  node("n1");
  unit("foo@1.service", fleet("Conflicts", "foo@*.service"));
  unit("bar.service");
  const auto label = pattern_label("foo@*.service");
  const auto term = pod_of("foo@1.service")
                        .root()["spec"]["affinity"]["podAntiAffinity"]
                               ["requiredDuringSchedulingIgnoredDuringExecution"]
                        .at(0);
  EXPECT_EQ(term["labelSelector"]["matchExpressions"].at(0)["key"].string(), label);
  EXPECT_TRUE(pod_of("foo@1.service").metadata()["labels"][label].exists());
  EXPECT_FALSE(pod_of("bar.service").metadata()["labels"][label].exists());

  unit("lone.service", fleet("Conflicts", "bar*"));
  EXPECT_TRUE(pod_of("bar.service").metadata()["labels"][pattern_label("bar*")].exists())
      << "also of a pod that is there";
  world_.remove(unit_key("lone.service"));
  ASSERT_TRUE(world_.settle());
  EXPECT_FALSE(pod_of("bar.service").metadata()["labels"][pattern_label("bar*")].exists());
}

TEST_F(FleetUnitTest, TheYoungerOfTwoThatConflictOnOneMachineLeaves) {
  node("n1");
  unit("a.service");
  run_on("a.service", "n1");
  world_.advance(std::chrono::seconds(5));
  unit("b.service");
  run_on("b.service", "n1");
  world_.change(unit_key("a.service"), [](TreeObject& root) {
    root["spec"].as_object()["options"].as_array().push_back(
        TreeObject{{"section", "X-Fleet"}, {"name", "Conflicts"}, {"value", "b*"}});
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_FALSE(pod_of("a.service").metadata()["deletionTimestamp"].exists());
  EXPECT_TRUE(pod_of("b.service").metadata()["deletionTimestamp"].exists());
}

TEST_F(FleetUnitTest, AFollowerGoesWhereItsPeerGoes) {
  node("n1");
  node("n2");
  unit("peer.service");
  unit("follower.service", fleet("MachineOf", "peer.service"));
  const auto term = pod_of("follower.service")
                        .root()["spec"]["affinity"]["podAffinity"]
                               ["requiredDuringSchedulingIgnoredDuringExecution"]
                        .at(0);
  EXPECT_EQ(term["labelSelector"]["matchExpressions"].at(0)["values"].at(0).string(),
            "peer.service");
  run_on("peer.service", "n1");
  run_on("follower.service", "n1");
  EXPECT_FALSE(pod_of("follower.service").metadata()["deletionTimestamp"].exists());

  world_.vanish(pod_of("peer.service").key);
  ASSERT_TRUE(world_.settle());
  EXPECT_FALSE(pod_of("follower.service").metadata()["deletionTimestamp"].exists())
      << "where the peer will be is not known yet";
  run_on("peer.service", "n2");
  EXPECT_TRUE(pod_of("follower.service").metadata()["deletionTimestamp"].exists());
  stop_ended();
  EXPECT_EQ(node_of_pod(pod_of("follower.service")), "") << "made anew";
  run_on("follower.service", "n2");

  ask("peer.service", "inactive");
  EXPECT_TRUE(pod_of("follower.service").metadata()["deletionTimestamp"].exists());
}

TEST_F(FleetUnitTest, AReplacementTakesTheMachineAndTheOtherMoves) {
  node("n1");
  node("n2");
  unit("a.service");
  run_on("a.service", "n1");
  unit("b.service", fleet("Replaces", "a.service"));
  EXPECT_EQ(named_node_of(pod_of("b.service")), "n1");
  EXPECT_TRUE(pod_of("a.service").metadata()["deletionTimestamp"].exists());
  stop_ended();
  const auto terms = pod_of("a.service")
                         .root()["spec"]["affinity"]["podAntiAffinity"]
                                ["requiredDuringSchedulingIgnoredDuringExecution"];
  EXPECT_EQ(terms.at(0)["labelSelector"]["matchExpressions"].at(0)["values"].at(0).string(),
            "b.service");
  run_on("b.service", "n1");
  run_on("a.service", "n2");
  EXPECT_FALSE(pod_of("a.service").metadata()["deletionTimestamp"].exists());
  EXPECT_FALSE(pod_of("b.service").metadata()["deletionTimestamp"].exists());
}

TEST_F(FleetUnitTest, AReplacementTakesNoMachineThatDoesNotSuitIt) {
  node("n1", "gen=1");
  node("n2", "gen=2");
  unit("a.service");
  run_on("a.service", "n1");
  unit("peer.service");
  run_on("peer.service", "n2");
  unit("b.service", fleet("Replaces", "a.service") + fleet("MachineMetadata", "gen=2"));
  unit("c.service", fleet("Replaces", "a.service") + fleet("MachineOf", "peer.service"));
  for (const auto* name : {"b.service", "c.service"}) {
    EXPECT_EQ(named_node_of(pod_of(name)), "") << name;
    EXPECT_FALSE(pod_of("a.service").metadata()["deletionTimestamp"].exists()) << name;
    run_on(name, "n2");
  }
  EXPECT_FALSE(pod_of("a.service").metadata()["deletionTimestamp"].exists());
}

TEST_F(FleetUnitTest, AReplacementWaitsForItsPeersBeforeItTakesAMachine) {
  node("n1");
  unit("a.service");
  run_on("a.service", "n1");
  unit("peer.service", fleet("MachineMetadata", "gen=9"));  // waits for a machine
  unit("b.service", fleet("Replaces", "a.service") + fleet("MachineOf", "peer.service"));

  EXPECT_EQ(named_node_of(pod_of("b.service")), "");
  EXPECT_FALSE(pod_of("a.service").metadata()["deletionTimestamp"].exists());
}

TEST_F(FleetUnitTest, AReplacementLetsGoOfAMachineThatDoesNotSuitItAnyMore) {
  node("n1", "gen=2");
  node("n2", "gen=2");
  unit("a.service");
  run_on("a.service", "n1");
  unit("b.service", fleet("Replaces", "a.service") + fleet("MachineMetadata", "gen=2"));
  EXPECT_EQ(named_node_of(pod_of("b.service")), "n1");
  stop_ended();
  world_.change({"nodes", "", "n1"}, [](TreeObject& root) {
    Edit::object_in(root, "metadata")["annotations"] = TreeObject{{kStaticMetadata, "gen=1"}};
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(named_node_of(pod_of("b.service")), "");
  run_on("a.service", "n1");
  EXPECT_FALSE(pod_of("a.service").metadata()["deletionTimestamp"].exists());
}

TEST_F(FleetUnitTest, UnitsThatReplaceEachOtherStayWhereTheyAre) {
  node("n1");
  unit("a.service", fleet("Replaces", "b.service"));
  run_on("a.service", "n1");
  unit("b.service", fleet("Replaces", "a.service"));
  EXPECT_FALSE(pod_of("b.service").root()["spec"]["affinity"].exists());
  run_on("b.service", "n1");
  EXPECT_FALSE(pod_of("a.service").metadata()["deletionTimestamp"].exists());
}

TEST_F(FleetUnitTest, AGlobalUnitRunsOnEveryMachineThatSuits) {
  node("n1", "role=web");
  node("n2", "role=db");
  node("n3", "role=web", false);
  unit("g.service", fleet("Global", "true") + fleet("MachineMetadata", "role=web"));
  ASSERT_THAT(pods_of("g.service"), SizeIs(1));
  run_on("g.service", "n1");
  EXPECT_EQ(status("g.service", "currentState"), "launched");
  EXPECT_EQ(status("g.service", "machineID"), "");
  node("n4", "role=web");
  EXPECT_THAT(pods_of("g.service"), SizeIs(2)) << "also on one that joins later";
  world_.change({"nodes", "", "n1"}, [](TreeObject& root) {
    Edit::object_in(root, "metadata")["annotations"] = TreeObject{{kStaticMetadata, "role=db"}};
  });
  ASSERT_TRUE(world_.settle());
  stop_ended();
  ASSERT_THAT(pods_of("g.service"), SizeIs(1));
  EXPECT_EQ(named_node_of(pod_of("g.service")), "n4");
}

TEST_F(FleetUnitTest, UnitsStayOnAMachineWhoseAgentHasLostSystemd) {
  node("n1", "role=web");
  world_.create(std::string(kFleetMachines),
                R"({"metadata":{"name":"n100000000"},"spec":{"metadata":{"role":"db"}}})");
  ASSERT_TRUE(world_.settle());
  unit("g.service", fleet("Global", "true") + fleet("MachineMetadata", "role=db"));
  unit("id.service", fleet("MachineID", "n1000000"));
  unit("db.service", fleet("MachineMetadata", "role=db"));
  const auto names = {"g.service", "id.service", "db.service"};
  for (const auto* name : names) {
    run_on(name, "n1");
  }
  const auto expect_all_stay = [&] {
    ASSERT_TRUE(world_.settle());
    for (const auto* name : names) {
      EXPECT_FALSE(pod_of(name).metadata()["deletionTimestamp"].exists()) << name;
    }
  };

  world_.change({"nodes", "", "n1"}, [](TreeObject& root) {
    auto& labels = root["metadata"].at("labels").as_object();
    labels.erase(kHasSystemd);
    labels.erase(kMachineId);
  });
  expect_all_stay();
  world_.change(unit_key("g.service"),
                [](TreeObject& root) { root["spec"].as_object()["restarts"] = 1; });
  expect_all_stay();
  EXPECT_EQ(annotation("g.service", kUnitRestarts), "1") << "what is asked of it still goes there";

  world_.change({"nodes", "", "n1"}, [](TreeObject& root) {
    auto& labels = root["metadata"].at("labels").as_object();
    labels[kHasSystemd] = "true";
    labels[kMachineId] = "n100000000";
  });
  expect_all_stay();
}

TEST_F(FleetUnitTest, MetadataOfAMachineWithoutSystemdChanges) {
  node("n1", "role=web", false);
  world_.change({"nodes", "", "n1"}, [](TreeObject& root) {
    root["status"].as_object()["nodeInfo"] = TreeObject{{"machineID", "n100000000"}};
    Edit::object_in(root, "metadata")["annotations"] = TreeObject{{kStaticMetadata, "role=db"}};
  });
  ASSERT_TRUE(world_.settle());

  const auto labels = world_.get({"nodes", "", "n1"})->metadata()["labels"];
  EXPECT_EQ(labels["metadata.fleet.tetrarch.dev/role"].string(), "db");
}

TEST_F(FleetUnitTest, AGlobalUnitLeavesAMachineThatHasTheIdOfAnother) {
  node("n1");
  node("n2");
  unit("g.service", fleet("Global", "true"));
  ASSERT_THAT(pods_of("g.service"), SizeIs(2));
  world_.change({"nodes", "", "n2"}, [](TreeObject& root) {
    Edit::object_in(Edit::object_in(root, "metadata"), "labels")[kMachineId] = "n100000000";
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(named_node_of(pod_of("g.service")), "n1");
}

TEST_F(FleetUnitTest, MetadataIsLabelsOfTheNodeAndCanBeLaidOver) {
  node("n1", "role=web,disk = big disk!");
  const Key key{"nodes", "", "n1"};
  const auto label = [&](std::string_view name) {
    return std::string(world_.get(key)->metadata()["labels"][metadata_label(name)].string());
  };
  EXPECT_EQ(label("role"), "web");
  EXPECT_THAT(label("disk"), testing::StartsWith("big-disk-"));
  world_.create(std::string(kFleetMachines),
                R"({"metadata":{"name":"n100000000"},"spec":{"metadata":{"role":"db"},"hidden":)"
                R"(["disk"]}})");
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(label("role"), "db");
  EXPECT_EQ(label("disk"), "");
}

TEST_F(FleetUnitTest, OfTwoMachinesWithOneIdTheYoungerRunsNoUnits) {
  const auto member = [&](const char* of, const char* name, std::string_view key) {
    return std::string(world_.get({"nodes", "", name})->metadata()[of][key].string());
  };
  node("n1");
  node("n2");
  world_.change({"nodes", "", "n2"}, [](TreeObject& root) {
    Edit::object_in(Edit::object_in(root, "metadata"), "labels")[kMachineId] = "n100000000";
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(member("annotations", "n2", kSameMachineId), "n1");
  EXPECT_EQ(member("labels", "n2", kHasSystemd), "");
  EXPECT_EQ(member("annotations", "n1", kSameMachineId), "");
  EXPECT_EQ(member("labels", "n1", kHasSystemd), "true");
  lose("n1");
  EXPECT_EQ(member("annotations", "n2", kSameMachineId), "") << "the other is not there any more";
}

TEST_F(FleetUnitTest, LeavesAMachineThatItDoesNotAskForAnyMore) {
  node("n1", "role=web");
  unit("a.service", fleet("MachineMetadata", "role=web") + fleet("MachineMetadata", "role=x"));
  EXPECT_EQ(pod_of("a.service")
                .root()["spec"]["affinity"]["nodeAffinity"]
                       ["requiredDuringSchedulingIgnoredDuringExecution"]["nodeSelectorTerms"]
                .at(0)["matchExpressions"]
                .at(0)["values"]
                .size(),
            2U);
  run_on("a.service", "n1");
  EXPECT_FALSE(pod_of("a.service").metadata()["deletionTimestamp"].exists());
  world_.change({"nodes", "", "n1"}, [](TreeObject& root) {
    Edit::object_in(root, "metadata")["annotations"] = TreeObject{{kStaticMetadata, "role=db"}};
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_TRUE(pod_of("a.service").metadata()["deletionTimestamp"].exists());
}

TEST_F(FleetUnitTest, SaysWhyItIsNotPlacedAndWhatWouldHelp) {
  node("n1", "role=web");
  node("n2", "role=db");
  unit("db@1.service");
  run_on("db@1.service", "n2");
  unit("db@2.service", fleet("Conflicts", "db@*.service") + fleet("MachineMetadata", "role=db"));
  refuse("db@2.service");
  EXPECT_EQ(status("db@2.service", "reason"), "Unschedulable");
  EXPECT_EQ(status("db@2.service", "message"),
            "none of 2 machines can run it: 1 has no metadata role=db; 1 runs db@1.service, which "
            "conflicts with it. It fits a machine with metadata role=db that has room.");
  EXPECT_THAT(world_.notes.back().message, HasSubstr("none of 2 machines"));
  EXPECT_EQ(world_.notes.back().reason, "Unschedulable");

  unit("f.service", fleet("MachineOf", "none.service"));
  refuse("f.service");
  EXPECT_THAT(status("f.service", "message"), HasSubstr("Load or start none.service first."));
  bind("db@2.service", "n2");
  EXPECT_EQ(status("db@2.service", "message"), "") << "it has a place";
}

TEST_F(FleetUnitTest, WritesOnceForEachThingThatHappens) {
  node("n1");
  world_.writes = 0;
  unit("a.service");
  EXPECT_EQ(world_.writes, 1) << "its Pod; there is nothing to say yet";
  EXPECT_EQ(status("a.service", "observedGeneration"), "");
  bind("a.service", "n1");
  EXPECT_EQ(world_.writes, 1) << "what it does there follows in a moment";
  report("a.service", "loaded active running abc launched 0");
  EXPECT_EQ(world_.writes, 3) << "where it is and what it does, and the state's own object";
  EXPECT_EQ(status("a.service", "machineID"), "n100000000");
  EXPECT_EQ(status("a.service", "currentState"), "launched");
  world_.advance(std::chrono::seconds(4));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.writes, 3) << "nothing is left to say";
}

TEST_F(FleetUnitTest, SaysWhyItsPodIsRefused) {
  world_.refuse_creates("pods", "exceeded quota: q");
  unit("a.service");
  world_.advance(std::chrono::seconds(1));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(status("a.service", "reason"), "FailedCreate");
  EXPECT_THAT(status("a.service", "message"), HasSubstr("exceeded quota"));
}

TEST_F(FleetUnitTest, FindsAMachineByTheBeginningOfItsId) {
  unit("a.service", fleet("MachineID", "n1000000"));
  EXPECT_EQ(pod_of("a.service").root()["spec"]["nodeSelector"][kMachineId].string(), "n1000000");
  refuse("a.service");
  EXPECT_THAT(status("a.service", "message"), HasSubstr("there is no machine with systemd"));
  node("n1");
  stop_ended();
  EXPECT_EQ(pod_of("a.service").root()["spec"]["nodeSelector"][kMachineId].string(), "n100000000");
}

}  // namespace
}  // namespace tetrarch::reconcile

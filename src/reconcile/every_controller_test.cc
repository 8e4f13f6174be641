// SPDX-License-Identifier: Apache-2.0
#include "reconcile/every_controller.h"

#include <algorithm>
#include <set>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::reconcile {
namespace {

using testing::Contains;
using testing::Not;

class EveryControllerTest : public testing::Test {
 protected:
  std::set<std::string> names(const ClusterSettings& settings) const {
    std::set<std::string> out;
    for (const auto& controller : every_controller(*catalog_, settings)) {
      EXPECT_TRUE(out.emplace(controller->name()).second) << controller->name();
    }
    return out;
  }

  std::unique_ptr<schema::Catalog> catalog_ = schema::Catalog::load_builtin().value();
};

TEST_F(EveryControllerTest, HasAllOfThemEachUnderItsOwnName) {
  ClusterSettings settings;
  settings.advertise_address = "192.0.2.1";

  EXPECT_THAT(names(settings),
              testing::ElementsAre("api-services",
                                   "cronjob",
                                   "daemonset",
                                   "deployment",
                                   "disruption-budget",
                                   "endpoints",
                                   "endpoints-mirroring",
                                   "endpointslice",
                                   "event-expiry",
                                   "fleet-machine",
                                   "fleet-unit",
                                   "fleet-unit-state",
                                   "flow-control",
                                   "garbage-collection",
                                   "image-store",
                                   "job",
                                   "kubernetes-service",
                                   "namespace",
                                   "namespace-defaults",
                                   "node-cidr",
                                   "node-disruption",
                                   "node-health",
                                   "node-route",
                                   "pod-sweep",
                                   "replicaset",
                                   "replication-controller",
                                   "resource-quota",
                                   "service-ranges",
                                   "signing-request-expiry",
                                   "statefulset",
                                   "taint-eviction",
                                   "ttl-after-finished"));
}

TEST_F(EveryControllerTest, LeavesOutWhatTheSettingsLeaveOut) {
  ClusterSettings settings;
  settings.pod_cidr = "";

  EXPECT_THAT(names(settings), Not(Contains("node-cidr")));
  EXPECT_THAT(names(settings), Not(Contains("kubernetes-service")));
}

TEST_F(EveryControllerTest, WatchesOnlyWhatThereIs) {
  std::set<std::string> known{"*"};
  for (const auto& kind : catalog_->kinds()) {
    known.insert(kind->resource);
  }

  for (const auto& controller : every_controller(*catalog_, ClusterSettings())) {
    for (const auto& watch : controller->watches()) {
      EXPECT_THAT(known, Contains(watch.resource)) << controller->name();
    }
  }
}

TEST_F(EveryControllerTest, PlansNothingForKeysOfWhatIsNotThere) {
  const Mirror empty;
  const Key key{"deployments.apps", "ns", "gone"};

  for (const auto& controller : every_controller(*catalog_, ClusterSettings())) {
    const auto plan = controller->reconcile({.seen = empty, .key = key, .now = TimePoint{}});
    EXPECT_TRUE(plan.changes.empty()) << controller->name();
    EXPECT_TRUE(plan.notes.empty()) << controller->name();
  }
}

}  // namespace
}  // namespace tetrarch::reconcile

// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include "object/document.h"
#include "schema/views/apps.h"
#include "schema/views/authentication.h"
#include "schema/views/authorization.h"
#include "schema/views/autoscaling.h"
#include "schema/views/coordination.h"
#include "schema/views/core.h"
#include "schema/views/discovery.h"
#include "schema/views/events.h"
#include "schema/views/meta.h"
#include "schema/views/node.h"
#include "schema/views/policy.h"
#include "schema/views/rbac.h"
#include "schema/views/scheduling.h"

namespace tetrarch::views {
namespace {

DocumentPtr document(std::string_view json) {
  auto parsed = Document::parse(json);
  EXPECT_TRUE(parsed.ok());
  return parsed.value();
}

TEST(TypedView, ReadsScalarsListsAndMapsOfAPod) {
  const auto pod_document =
      document(R"({"metadata":{"name":"a","namespace":"b","labels":{"app":"x"}},
    "spec":{"containers":[{"name":"c","ports":[{"containerPort":80}]},{"name":"d"}],
            "hostNetwork":true},
    "status":{"podIPs":[{"ip":"10.0.0.1"}]}})");

  const PodView pod{pod_document->root()};

  EXPECT_EQ(pod.metadata().name(), "a");
  EXPECT_EQ(pod.metadata().namespace_(), "b");
  EXPECT_EQ(pod.metadata().labels().find("app"), "x");
  EXPECT_FALSE(pod.metadata().labels().contains("tier"));
  EXPECT_TRUE(pod.spec().host_network());
  std::string names;
  for (const auto container : pod.spec().containers()) {
    names += container.name();
  }
  EXPECT_EQ(names, "cd");
  EXPECT_EQ(pod.spec().containers().at(0).ports().at(0).container_port(), 80);
  EXPECT_EQ(pod.status().pod_ips().at(0).ip(), "10.0.0.1");
}

TEST(TypedView, AnswersNothingAlongAnAbsentPath) {
  const PodView pod;

  EXPECT_FALSE(pod);
  EXPECT_FALSE(pod.spec().has_affinity());
  EXPECT_EQ(pod.spec().affinity().node_affinity().view().exists(), false);
  EXPECT_TRUE(pod.spec().volumes().empty());
  EXPECT_EQ(pod.spec().termination_grace_period_seconds(), 0);
  EXPECT_EQ(pod.metadata().labels().find("app"), "");
}

TEST(TypedView, KeepsIntOrStringAsTheJsonValue) {
  const auto deployment_document =
      document(R"({"spec":{"replicas":3,"strategy":{"rollingUpdate":{"maxSurge":"25%",)"
               R"("maxUnavailable":1}}}})");

  const DeploymentView deployment{deployment_document->root()};

  EXPECT_EQ(deployment.spec().replicas(), 3);
  EXPECT_EQ(deployment.spec().strategy().rolling_update().max_surge().string(), "25%");
  EXPECT_EQ(deployment.spec().strategy().rolling_update().max_unavailable().integer(), 1);
}

TEST(TypedView, GivesAGroupsNameToATypeThatCoreHasToo) {
  const auto event_document = document(R"({"regarding":{"kind":"Pod"},"series":{"count":2}})");

  const EventsEventView event{event_document->root()};

  EXPECT_EQ(event.regarding().kind(), "Pod");
  EXPECT_EQ(event.series().count(), 2);
}

}  // namespace
}  // namespace tetrarch::views

// SPDX-License-Identifier: Apache-2.0
#include "app/fleet_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::app {
namespace {

using testing::HasSubstr;

TEST(FleetMetrics, AreOurControllersUnderFleetsNames) {
  Metrics own;
  own.counter("fleet_registry_operation_count_total", "Requests to the API.").add(3);
  Metrics all;
  const auto* label = "controller=\"fleet-unit\"";
  all.counter("tetrarch_controller_reconciles_total", "Keys looked at.", label).add(7);
  all.counter("tetrarch_controller_changes_total", "Changes committed.", label).add(2);
  all.histogram("tetrarch_controller_plan_seconds", "Time to plan one key.", label).observe(0.01);

  const auto text = fleet_metrics(own, all, 1'764'000'000);

  EXPECT_THAT(text, HasSubstr("fleet_registry_operation_count_total 3\n"));
  EXPECT_THAT(text, HasSubstr("fleet_engine_leader_start_time 1764000000\n"));
  EXPECT_THAT(text, HasSubstr("fleet_engine_reconcile_count_total 7\n"));
  EXPECT_THAT(text, HasSubstr("fleet_engine_task_count_total 2\n"));
  EXPECT_THAT(text, HasSubstr("fleet_engine_task_failure_count_total 0\n"));
  EXPECT_THAT(text, HasSubstr("fleet_engine_reconcile_duration_second_count 1\n"));
}

}  // namespace
}  // namespace tetrarch::app

// SPDX-License-Identifier: Apache-2.0
#include "agent/unit_plan.h"

#include <functional>

#include <gtest/gtest.h>

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;

const TimePoint kNow{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

/// Loaded, and wanted so.
UnitFacts loaded() {
  UnitFacts unit;
  unit.hash = unit.placed_hash = "a";
  unit.is_placed = true;
  unit.active = "inactive";
  return unit;
}

UnitFacts running() {
  auto unit = loaded();
  unit.is_wanted = unit.is_launched = true;
  unit.active = "active";
  return unit;
}

struct Row {
  const char* name;
  UnitFacts unit;
  UnitStep step;
};

/// A state, changed in one respect.
UnitFacts but(UnitFacts unit, const std::function<void(UnitFacts&)>& change) {
  change(unit);
  return unit;
}

TEST(UnitPlan, EachStateHasItsStep) {
  const auto fresh = but(UnitFacts{}, [](auto& u) { u.hash = "a"; });
  const auto stopping = [](auto& u) { u.stop_asked = kNow - seconds(1); };
  for (const Row& row : {
           Row{"a new one", fresh, UnitStep::load},
           Row{"new, name taken",
               but(fresh, [](auto& u) { u.is_name_taken = true; }),
               UnitStep::rest},
           Row{"loaded", loaded(), UnitStep::rest},
           Row{"loaded, wanted",
               but(loaded(), [](auto& u) { u.is_wanted = true; }),
               UnitStep::start},
           Row{"its link is gone",
               but(running(), [](auto& u) { u.must_repair = true; }),
               UnitStep::load},
           Row{"running", running(), UnitStep::rest},
           // What failed or was stopped by hand is systemd's affair.
           Row{"failed", but(running(), [](auto& u) { u.active = "failed"; }), UnitStep::rest},
           Row{"stopped by hand",
               but(running(), [](auto& u) { u.active = "inactive"; }),
               UnitStep::rest},
           Row{"to be held", but(running(), [](auto& u) { u.is_wanted = false; }), UnitStep::stop},
           // A start that is still in systemd's queue shows as inactive: the stop takes it out.
           Row{"start queued, to be held",
               but(running(),
                   [](auto& u) {
                     u.is_wanted = false;
                     u.active = "inactive";
                   }),
               UnitStep::stop},
           Row{"restart", but(running(), [](auto& u) { u.restarts = 1; }), UnitStep::stop},
           Row{"held, restart counted",
               but(loaded(), [](auto& u) { u.restarts = 1; }),
               UnitStep::rest},
           Row{"other text while running",
               but(running(), [](auto& u) { u.hash = "b"; }),
               UnitStep::stop},
           Row{"other text, activated by a timer",
               but(loaded(),
                   [](auto& u) {
                     u.hash = "b";
                     u.active = "active";
                   }),
               UnitStep::load},
           Row{"stop under way", but(running(), stopping), UnitStep::rest},
           Row{"deleted", but(running(), [](auto& u) { u.is_ending = true; }), UnitStep::stop},
           Row{"deleted, activated by a timer",
               but(loaded(),
                   [](auto& u) {
                     u.is_ending = true;
                     u.active = "activating";
                   }),
               UnitStep::stop},
           Row{"deleted, down",
               but(loaded(), [](auto& u) { u.is_ending = true; }),
               UnitStep::unload},
           Row{"deleted, somebody else's by now",
               but(running(),
                   [](auto& u) {
                     u.is_ending = true;
                     u.is_foreign = true;
                   }),
               UnitStep::unload},
           Row{"deleted, nothing here",
               but(fresh, [](auto& u) { u.is_ending = true; }),
               UnitStep::finish},
       }) {
    EXPECT_EQ(to_string(next_step(row.unit, kNow).step), to_string(row.step)) << row.name;
  }
}

TEST(UnitPlan, AStopHasItsGraceAndThenIsForced) {
  auto unit = running();
  unit.is_ending = true;
  unit.grace = seconds(10);
  unit.stop_asked = kNow;

  EXPECT_EQ(next_step(unit, kNow + seconds(9)).wake, kNow + seconds(10));
  EXPECT_EQ(next_step(unit, kNow + seconds(10)).step, UnitStep::kill);
  unit.killed = kNow + seconds(10);
  EXPECT_EQ(next_step(unit, kNow + seconds(11)).step, UnitStep::rest);
  EXPECT_EQ(next_step(unit, kNow + seconds(15)).step, UnitStep::kill) << "once more";
}

TEST(UnitPlan, WhatFailedIsTriedAgainLater) {
  auto unit = loaded();
  unit.is_wanted = true;
  unit.retry_at = kNow + seconds(4);

  EXPECT_EQ(next_step(unit, kNow).step, UnitStep::rest);
  EXPECT_EQ(next_step(unit, kNow).wake, unit.retry_at);
  EXPECT_EQ(next_step(unit, *unit.retry_at).step, UnitStep::start);
}

TEST(UnitPlan, AStopIsDoneWhenNothingRunsAndItWasAskedFor) {
  auto unit = running();
  unit.active = "inactive";
  EXPECT_FALSE(is_stop_done(unit)) << "not asked for";
  unit.stop_asked = kNow;
  EXPECT_TRUE(is_stop_done(unit));
  unit.active = "failed";
  EXPECT_TRUE(is_stop_done(unit));
  for (const auto* active : {"active", "deactivating", "reloading", "activating", ""}) {
    unit.active = active;
    EXPECT_FALSE(is_stop_done(unit)) << active;
  }
}

}  // namespace
}  // namespace tetrarch::agent

// SPDX-License-Identifier: Apache-2.0
#include "agent/unit_plan.h"

namespace tetrarch::agent {
namespace {

// Ours: processes that survive SIGKILL for a while sleep in the kernel.
constexpr std::chrono::seconds kKillAgain{5};

/// Its start is to be undone: for good, or to be followed by another.
bool must_stop(const UnitFacts& unit) {
  if (unit.is_foreign) {
    return false;
  }
  if (unit.is_ending) {
    return unit.is_placed && (unit.is_launched || is_up(unit.active));
  }
  const bool is_other_text = unit.placed_hash != unit.hash;
  const bool is_restart = unit.restarts != unit.launched_restarts;
  return unit.is_launched && (!unit.is_wanted || is_other_text || is_restart);
}

/// One that was asked for is waited for: first by systemd's own rules, then not any more. Each kill
/// asks for the stop again, which another job may have replaced.
UnitDecision stopping(const UnitFacts& unit, TimePoint now) {
  const auto due = unit.killed ? *unit.killed + kKillAgain : *unit.stop_asked + unit.grace;
  return now >= due ? UnitDecision{UnitStep::kill} : UnitDecision{UnitStep::rest, due};
}

}  // namespace

std::string_view to_string(UnitStep step) {
  switch (step) {
    case UnitStep::rest:
      return "rest";
    case UnitStep::unload:
      return "unload";
    case UnitStep::load:
      return "load";
    case UnitStep::stop:
      return "stop";
    case UnitStep::kill:
      return "kill";
    case UnitStep::start:
      return "start";
    case UnitStep::finish:
      break;
  }
  return "finish";
}

bool is_up(std::string_view active) {
  return !active.empty() && active != "inactive" && active != "failed";
}

bool is_stop_done(const UnitFacts& unit) {
  return unit.stop_asked && !unit.active.empty() && !is_up(unit.active);
}

UnitDecision next_step(const UnitFacts& unit, TimePoint now) {
  // A stop under way is waited for, whatever is wanted meanwhile: what follows begins anew.
  if (unit.stop_asked) {
    return stopping(unit, now);
  }
  if (unit.retry_at && now < *unit.retry_at) {
    return {UnitStep::rest, unit.retry_at};
  }
  if (must_stop(unit)) {
    return {UnitStep::stop};
  }
  if (unit.is_ending) {
    return {unit.is_placed ? UnitStep::unload : UnitStep::finish};
  }
  if (unit.is_name_taken) {
    return {};
  }
  if (!unit.is_placed || unit.must_repair || unit.placed_hash != unit.hash) {
    return {UnitStep::load};
  }
  if (unit.is_wanted && !unit.is_launched) {
    return {UnitStep::start};
  }
  return {};
}

}  // namespace tetrarch::agent

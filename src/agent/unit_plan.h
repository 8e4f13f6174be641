// SPDX-License-Identifier: Apache-2.0
// The decision what to do next for a systemd unit of this node: from what its Pod asks for, what
// was done here and what systemd shows. Pure; asked after every change, so a step is named again
// and again until its effect is seen.
#pragma once

#include <chrono>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/clock.h"

namespace tetrarch::agent {

enum class UnitStep : std::uint8_t {
  rest,
  unload,  ///< links and file taken away; it does not run
  load,    ///< file written and linked; systemd reads it with the next reload
  stop,
  kill,  ///< and a stop once more
  start,
  finish,  ///< nothing of it is left here: the Pod may go
};

std::string_view to_string(UnitStep step);

struct UnitFacts {
  // What the Pod asks for.
  std::string hash;            ///< of its text
  bool is_wanted = false;      ///< it is to run; else it is loaded only
  std::uint64_t restarts = 0;  ///< how often its user has asked for a restart
  bool is_ending = false;
  std::chrono::seconds grace{30};  ///< for a stop; then its processes are killed

  // What was done here, and outlives the agent's process.
  bool is_placed = false;               ///< something of it may be on this machine
  std::string placed_hash;              ///< of the text that is linked
  bool is_launched = false;             ///< systemd was asked to start it, and not to stop it since
  std::uint64_t launched_restarts = 0;  ///< what `restarts` was then

  bool must_repair = false;  ///< file or link are not as they were placed
  bool is_foreign = false;   ///< what systemd has by the name is none of ours: not to be touched
  std::optional<TimePoint> stop_asked = {};
  std::optional<TimePoint> killed = {};
  std::optional<TimePoint> retry_at = {};  ///< of load and start
  bool is_name_taken = false;              ///< by another Pod of the same unit that is still here

  std::string active;  ///< as systemd says; empty: not known
};

/// Whether anything of it may run.
bool is_up(std::string_view active);

struct UnitDecision {
  UnitStep step = UnitStep::rest;
  std::optional<TimePoint> wake = {};  ///< decide again then, if nothing else happens before
};

UnitDecision next_step(const UnitFacts& unit, TimePoint now);

/// systemd has done what a stop asked for.
bool is_stop_done(const UnitFacts& unit);

}  // namespace tetrarch::agent

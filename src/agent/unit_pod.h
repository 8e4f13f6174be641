// SPDX-License-Identifier: Apache-2.0
// A Pod of runtime class `systemd`: one systemd unit on this node. Reading what it asks for is
// pure.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "agent/pod_state.h"
#include "agent/systemd/systemd.h"
#include "agent/unit_plan.h"
#include "base/result.h"
#include "object/stored.h"

namespace tetrarch::agent {

/// Whether systemd is to run it.
bool is_unit_pod(object::View pod);

/// What a Pod asks for.
struct UnitWish {
  std::string name;
  std::string text;
  std::string hash;
  bool has_install = false;
  bool is_wanted = false;
  std::uint64_t restarts = 0;
};

/// Code::invalid: it does not say what to run, or a name or text that no unit can have.
Result<UnitWish> read_wish(object::View pod);

/// What the keeper knows of one; the facts are read by next_step, all of it by unit_status.
struct UnitPod {
  Stored pod;
  UnitWish wish;
  UnitFacts facts;
  systemd::UnitState seen = {};
  systemd::MainProcess main = {};
  TimePoint started = {};              ///< when this node took the Pod
  std::optional<Reason> failure = {};  ///< why it is not loaded, or not started
  int failures = 0;                    ///< one after another
  std::optional<Reason> refused = {};  ///< it never runs here
  bool is_gone = false;                ///< the API has it no longer
  bool is_finishing = false;           ///< it is being deleted there
  bool is_noted = true;                ///< its note says what was done
  bool is_told = false;                ///< its status says all this
  std::string last_status = {};

  std::string uid() const { return std::string(pod.uid()); }
};

/// Canonical JSON of its status. `before`: as last written, for the times of transitions.
std::string unit_status(const UnitPod& unit,
                        object::View before,
                        const std::string& host_ip,
                        TimePoint now);

}  // namespace tetrarch::agent

// SPDX-License-Identifier: Apache-2.0
// What a pod's worker knows: what the runtime shows, and what it remembers itself. Plain data, so
// that deciding (plan.h) and reporting (status.h) are functions of it.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>

#include "agent/backoff.h"
#include "agent/env.h"
#include "agent/runtime/runtime.h"
#include "base/clock.h"

namespace tetrarch::agent {

/// Newest attempt and the one before it.
struct Attempts {
  std::optional<runtime::Container> current;
  std::optional<runtime::Container> previous;
};

/// As the runtime shows it; written only by the worker's observation.
struct Observation {
  std::optional<runtime::Sandbox> sandbox;                  ///< the newest
  std::map<std::string, Attempts, std::less<>> containers;  ///< by container name
};

struct Reason {
  std::string reason;
  std::string message;
};

struct ContainerMemory {
  std::optional<Reason> waiting = {};      ///< why no attempt could be made: ErrImagePull …
  std::optional<TimePoint> retry_at = {};  ///< of what `waiting` says
  int pull_failures = 0;
  RestartBackoff backoff = {};
  bool has_started =
      false;  ///< startup probe passed, or there is none and it runs (of the current attempt)
  bool is_ready = false;  ///< readiness probe, likewise
  std::optional<Reason> kill =
      {};  ///< the current attempt must end: a probe failed, the spec changed
  bool is_paused = false;
  std::string probed_id = {};            ///< the attempt that the flags above are about
  std::string termination_message = {};  ///< of the newest attempt that ended
  std::string message_id = {};           ///< which one that is
  std::string last_message = {};         ///< of the attempt before
};

struct PodMemory {
  std::map<std::string, ContainerMemory, std::less<>> containers = {};
  std::set<std::string, std::less<>> busy = {};  ///< actions under way, by their key
  bool is_prepared = false;                      ///< volumes and cgroup are there
  std::optional<Reason> prepare_failure = {};
  std::optional<Reason> sandbox_failure = {};
  std::optional<TimePoint> retry_at = {};  ///< of prepare and sandbox
  int sandbox_failures = 0;
  std::optional<TimePoint> started = {};  ///< when this node took the pod
  std::optional<Reason> failed =
      {};                    ///< the pod as a whole has failed: DeadlineExceeded, Evicted …
  bool is_gone = false;      ///< the API no longer has it
  bool is_finished = false;  ///< nothing is left on this node
  std::optional<TimePoint> ending_since = {};
  PodFacts facts = {};
};

}  // namespace tetrarch::agent

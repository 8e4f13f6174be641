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
#include "object/document.h"

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
  TimePoint waiting_since = {};
  bool is_pulling = false;  ///< a start is under way and has made nothing yet
  int pull_failures = 0;
  RestartBackoff backoff = {};
  bool has_started =
      false;  ///< startup probe passed, or there is none and it runs (of the current attempt)
  bool is_ready = false;  ///< readiness probe, likewise
  std::optional<Reason> kill =
      {};  ///< the current attempt must end: a probe failed, the spec changed
  std::optional<std::chrono::seconds> kill_grace = {};  ///< where the probe has a grace of its own
  bool is_paused = false;
  std::string hook_id = {};         ///< the attempt whose postStart hook runs: it counts later
  std::string stop_hooked_id = {};  ///< the attempt whose preStop hook has been begun
  std::string backoff_id = {};      ///< the attempt of which a BackOff event has told
  int restarts_told = -1;           ///< what the API last said, for when the runtime forgot
  /// What the current attempt may use: canonical JSON of its resources; null: not known.
  DocumentPtr enacted = nullptr;
  std::string enacted_id = {};  ///< which attempt that is
  std::string resized_id = {};  ///< the attempt that ends for a resize: another follows
  std::string resize_error = {};
  std::optional<TimePoint> resize_retry_at = {};
  std::string kept_id = {};    ///< the attempt whose root the next takes over: it was held
  std::string probed_id = {};  ///< the attempt that the flags above are about
  std::string termination_message = {};  ///< of the newest attempt that ended
  std::string message_id = {};           ///< which one that is
  std::string last_message = {};         ///< of the attempt before
};

struct PodMemory {
  std::map<std::string, ContainerMemory, std::less<>> containers = {};
  std::set<std::string, std::less<>> busy = {};  ///< actions under way, by their key
  bool is_prepared = false;                      ///< volumes and cgroup are there
  bool is_released = false;                      ///< it has ended, and nothing is mounted for it
  std::optional<Reason> prepare_failure = {};
  std::optional<Reason> sandbox_failure = {};
  std::optional<TimePoint> retry_at = {};  ///< of prepare and sandbox
  int sandbox_failures = 0;
  std::optional<TimePoint> started = {};  ///< when this node took the pod
  std::optional<Reason> failed =
      {};  ///< the pod as a whole has failed: DeadlineExceeded, Evicted …
  std::optional<Reason> resize_pending = {};  ///< what the spec asks for is not granted yet
  bool is_cgroup_raised = false;              ///< the pod's group is to shrink after a resize
  /// At most so long for its end: the machine goes.
  std::optional<std::chrono::seconds> shutdown_grace = {};
  bool is_evicted = false;                     ///< for the node's sake: nothing that it wrote stays
  bool is_admitted = false;                    ///< this node has looked at it before
  bool is_removing = false;                    ///< what it ran is being forgotten
  bool is_gone = false;                        ///< the API no longer has it
  bool is_static = false;                      ///< it is of this node's own files
  bool is_finished = false;                    ///< nothing is left on this node
  std::optional<TimePoint> ending_since = {};  ///< when the grace that holds now began
  std::chrono::seconds ending_grace{0};
  PodFacts facts = {};
};

}  // namespace tetrarch::agent

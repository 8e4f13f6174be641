// SPDX-License-Identifier: Apache-2.0
// The worker's decisions: from a pod's spec and what is known of it to the actions that can begin
// now. Pure; called after every change, so an action is named again and again until what it is for
// is seen to be true.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <vector>

#include "agent/pod_state.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

enum class Verb : std::uint8_t {
  prepare,  ///< volumes, cgroup, log folder
  run_sandbox,
  start_container,  ///< pull, create, start, postStart
  keep_root,        ///< notes that the next attempt takes over the root of this one
  stop_container,   ///< preStop, stop
  pause_container,
  resume_container,
  resize_container,
  stop_sandbox,
  release,  ///< what an ended pod that stays in the API had mounted: memory is given back
  remove,   ///< containers, sandboxes, volumes, cgroup, then the API object
};

std::string_view to_string(Verb verb);

struct Action {
  Verb verb;
  std::string container = {};  ///< its name in the spec
  std::string id = {};         ///< runtime id of the container or sandbox it is about
  std::uint32_t attempt = 0;   ///< of what is to be started
  std::chrono::seconds grace{0};
  std::string why = {};  ///< for the event that tells of a stop

  /// Two actions with one key are never under way together.
  std::string key() const;
};

struct Plan {
  std::vector<Action> actions;
  std::optional<TimePoint> wake = {};         ///< look again then, if nothing else happens before
  std::vector<std::string> backing_off = {};  ///< containers that wait for their next restart
};

enum class RunState : std::uint8_t { running, held, paused };
/// Of the annotation tetrarch.dev/run-state.
RunState run_state_of(views::PodView pod);

/// The end of a pod that stays in the API: Succeeded or Failed; empty while it may still run.
enum class Outcome : std::uint8_t { open, succeeded, failed };
Outcome outcome_of(views::PodView pod, const Observation& seen, const PodMemory& memory);

bool is_sidecar(views::ContainerView container);

/// Whether what it may use differs from what it is granted.
bool is_to_resize(views::ContainerView container, const ContainerMemory& memory);

/// Those that were added for debugging, as what they have in common with all containers.
template <class Function>
void for_each_ephemeral(views::PodView pod, const Function& function) {
  for (const auto container : pod.spec().ephemeral_containers()) {
    function(views::ContainerView(container.view()));
  }
}

/// The restart count of an attempt: what it was made with, else its number.
std::uint32_t restarts_of(const runtime::Container& container);
/// Whether the next attempt goes on with the root of an earlier one: the pod was held meanwhile.
bool is_kept(const Attempts& attempts, const ContainerMemory& memory);
/// Whether regular init containers are done: app containers may run.
bool is_initialized(views::PodView pod, const Observation& seen, const PodMemory& memory);
/// What adoption compares; changes when the container must be made anew.
std::string spec_hash(views::ContainerView container);
std::chrono::seconds grace_of(views::PodView pod, const PodMemory& memory);

Plan plan(views::PodView pod, const Observation& seen, const PodMemory& memory, TimePoint now);

}  // namespace tetrarch::agent

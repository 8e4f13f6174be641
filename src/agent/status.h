// SPDX-License-Identifier: Apache-2.0
// A pod's status as the API shows it: a function of the pod, what the runtime shows and what the
// worker remembers.
#pragma once

#include <string>
#include <string_view>

#include "agent/pod_state.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

/// Whether the agent says how it stands; all other conditions are what others write.
bool is_own_condition(object::View condition);

/// "Pending", "Running", "Succeeded" or "Failed"; may be a part of the pod's text or of `before`,
/// which is the status last written.
std::string_view phase_of(views::PodView pod,
                          object::View before,
                          const Observation& seen,
                          const PodMemory& memory);

/// Canonical JSON of status. `before` is the status last written (or the pod's own): where one of
/// our conditions has not changed, its transition time is kept. Those of others are the pod's own.
std::string status_of(views::PodView pod,
                      object::View before,
                      const Observation& seen,
                      const PodMemory& memory,
                      TimePoint now);

/// The same pod with another status (canonical JSON). Conditions that are not ours stay the pod's.
DocumentPtr with_status(object::View pod, std::string_view status);

/// The control plane has taken it out of its services, since it did not hear from this node.
bool is_given_up(object::View pod);

/// The pod has succeeded or failed: its containers never run again, whatever comes.
bool is_final(object::View pod);

}  // namespace tetrarch::agent

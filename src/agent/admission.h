// SPDX-License-Identifier: Apache-2.0
// What this machine will not run, whoever placed it here. A refused pod has failed for good: its
// containers are never tried. Pure.
#pragma once

#include <optional>
#include <vector>

#include "agent/pod_state.h"
#include "object/stored.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

std::optional<Reason> refusal_of(views::PodView pod, bool has_apparmor);

/// A port of this node that another of its pods holds already: one that has begun here, or is
/// older. What has ended holds nothing.
std::optional<Reason> port_conflict(views::PodView pod, const std::vector<Stored>& pods);

}  // namespace tetrarch::agent

// SPDX-License-Identifier: Apache-2.0
// What this machine will not run, whoever placed it here. A refused pod has failed for good: its
// containers are never tried. Pure.
#pragma once

#include <optional>

#include "agent/pod_state.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

std::optional<Reason> refusal_of(views::PodView pod, bool has_apparmor);

}  // namespace tetrarch::agent

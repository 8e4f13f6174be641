// SPDX-License-Identifier: Apache-2.0
// What a pod takes of each amount that a quota may name. Internal to the room.
#pragma once

#include <string_view>

#include "schema/quota.h"

namespace tetrarch::schema {

/// cpu, requests.cpu, limits.memory, hugepages-2Mi, requests.example.com/gpu, pods …
bool is_pod_amount(std::string_view name);
/// Of one container, or of a pod's sums: by requests and limits.
Amounts compute_amounts(const Amounts& requests, const Amounts& limits);
/// What all containers of a pod take at once: `list` is "requests" or "limits".
Amounts sum_of_pod(object::View pod_spec, std::string_view list);
/// Neither finished nor past its grace.
bool is_charged(object::View pod, TimePoint now);

}  // namespace tetrarch::schema

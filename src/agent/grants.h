// SPDX-License-Identifier: Apache-2.0
// What this node has granted the containers of a pod, which may be less than what its spec asks for
// by now: a resize is granted when there is room, and then carried out. Pure.
// Source: Kubernetes documentation, "Resize CPU and Memory Resources assigned to Containers".
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "agent/pod_state.h"
#include "agent/runtime/runtime.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

/// By container: canonical JSON of its resources.
using Grants = std::map<std::string, std::string, std::less<>>;

/// What the spec asks for.
Grants wanted_grants(views::PodView pod);
/// What an earlier process told in the pod's status; what it did not tell is as in the spec.
Grants told_grants(views::PodView pod);
/// The pod with these resources in the place of its own; the same document where they are equal.
DocumentPtr with_grants(const DocumentPtr& pod, const Grants& grants);

/// Equal amounts of cpu and memory, however they are written.
bool same_amounts(object::View a, object::View b);
/// Whether the container must start anew to get from one to the other.
bool needs_restart(views::ContainerView container, object::View from, object::View to);

struct Room {
  std::int64_t cpu_milli = 0;
  std::int64_t memory_bytes = 0;
};

/// What the pod's containers ask for together.
Room request_of(views::PodView pod);
/// Why a resize cannot be granted now. `all`: what pods may have here; `used`: what the others
/// have.
std::optional<Reason> resize_refusal(views::PodView wanted, const Room& all, const Room& used);
/// The larger of both, so that neither the old nor the new is cut: 0 is no limit.
runtime::Resources larger(const runtime::Resources& a, const runtime::Resources& b);

}  // namespace tetrarch::agent

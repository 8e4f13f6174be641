// SPDX-License-Identifier: Apache-2.0
// From requests and limits to the kernel's numbers. Pure.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "agent/runtime/runtime.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

enum class Qos : std::uint8_t { guaranteed, burstable, best_effort };

/// "Guaranteed", "Burstable", "BestEffort".
std::string_view to_string(Qos qos);
Qos qos_of(views::PodView pod);

// Source: Linux, Documentation/admin-guide/cgroup-v1 and sched-bwc; kubelet uses the same period.
inline constexpr std::int64_t kCpuPeriodUs = 100'000;
std::int64_t cpu_shares(std::int64_t milli);
/// 0: no limit.
std::int64_t cpu_quota_us(std::int64_t milli);
/// cgroup v2's cpu.weight of a v1 cpu.shares.
std::int64_t cpu_weight(std::int64_t shares);
std::int64_t oom_score_adjust(Qos qos, std::int64_t memory_request, std::int64_t node_memory);

runtime::Resources container_resources(views::ResourceRequirementsView resources,
                                       Qos qos,
                                       std::int64_t node_memory);
/// What its containers ask for together of "cpu" (thousandths), "memory" or "ephemeral-storage".
std::int64_t pod_request(views::PodView pod, std::string_view resource);
/// What the pod's own cgroup gets: the sum of its containers' requests; limits only where every
/// container has one.
runtime::Resources pod_resources(views::PodView pod);

/// "/tetrarch-1a2b3c/burstable/pod<uid>".
std::string pod_cgroup_parent(std::string_view instance, Qos qos, std::string_view uid);

}  // namespace tetrarch::agent

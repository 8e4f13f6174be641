// SPDX-License-Identifier: Apache-2.0
#include "agent/resources.h"

#include <algorithm>

#include <fmt/format.h>

#include "object/quantity.h"
#include "schema/pod_qos.h"

namespace tetrarch::agent {
namespace {

struct Amounts {
  std::int64_t cpu_request_milli = 0;
  std::int64_t cpu_limit_milli = 0;
  std::int64_t memory_request = 0;
  std::int64_t memory_limit = 0;
};

/// A limit without a request stands for both. Source: Kubernetes API,
/// ResourceRequirements.requests.
Amounts amounts_of(object::View resources) {
  Amounts out;
  out.cpu_limit_milli = object::milli_value_of(resources["limits"]["cpu"]);
  out.memory_limit = object::value_of(resources["limits"]["memory"]);
  const auto requests = resources["requests"];
  out.cpu_request_milli =
      requests["cpu"].exists() ? object::milli_value_of(requests["cpu"]) : out.cpu_limit_milli;
  out.memory_request =
      requests["memory"].exists() ? object::value_of(requests["memory"]) : out.memory_limit;
  return out;
}

bool is_sidecar(views::ContainerView container) {
  return container.restart_policy() == "Always";
}

}  // namespace

std::string_view to_string(Qos qos) {
  switch (qos) {
    case Qos::guaranteed:
      return "Guaranteed";
    case Qos::burstable:
      return "Burstable";
    case Qos::best_effort:
      return "BestEffort";
  }
  return "";
}

Qos qos_of(views::PodView pod) {
  const auto name = schema::qos_class(pod.spec().view());
  return name == to_string(Qos::guaranteed)  ? Qos::guaranteed
         : name == to_string(Qos::burstable) ? Qos::burstable
                                             : Qos::best_effort;
}

std::int64_t cpu_shares(std::int64_t milli) {
  // Source: Linux, kernel/sched: shares lie in 2 … 262144; 1024 stand for one CPU.
  return std::clamp<std::int64_t>(milli * 1024 / 1000, 2, 262'144);
}

std::int64_t cpu_quota_us(std::int64_t milli) {
  return milli <= 0 ? 0 : std::max<std::int64_t>(milli * kCpuPeriodUs / 1000, 1000);
}

std::int64_t cpu_weight(std::int64_t shares) {
  // Source: OCI runtime (crun, runc), conversion of 2 … 262144 to 1 … 10000.
  return 1 + (std::clamp<std::int64_t>(shares, 2, 262'144) - 2) * 9999 / 262'142;
}

std::int64_t oom_score_adjust(Qos qos, std::int64_t memory_request, std::int64_t node_memory) {
  // Source: Kubernetes documentation, "Node-pressure Eviction", node out of memory behaviour.
  switch (qos) {
    case Qos::guaranteed:
      return -997;
    case Qos::best_effort:
      return 1000;
    case Qos::burstable:
      return node_memory <= 0
                 ? 999
                 : std::clamp<std::int64_t>(1000 - 1000 * memory_request / node_memory, 3, 999);
  }
  return 1000;
}

runtime::Resources container_resources(views::ResourceRequirementsView resources,
                                       Qos qos,
                                       std::int64_t node_memory) {
  const Amounts at = amounts_of(resources.view());
  runtime::Resources out;
  out.cpu_shares = cpu_shares(at.cpu_request_milli);
  out.cpu_quota_us = cpu_quota_us(at.cpu_limit_milli);
  out.cpu_period_us = out.cpu_quota_us > 0 ? kCpuPeriodUs : 0;
  out.memory_limit_bytes = at.memory_limit;
  out.oom_score_adjust = oom_score_adjust(qos, at.memory_request, node_memory);
  return out;
}

std::int64_t pod_request(views::PodView pod, std::string_view resource) {
  const auto value = [&](object::View requests) {
    return resource == "cpu" ? object::milli_value_of(requests[resource])
                             : object::value_of(requests[resource]);
  };
  // Source: Kubernetes documentation, "Sidecar Containers", resource sharing within containers.
  std::int64_t sum = 0;
  std::int64_t most = 0;
  for (const auto container : pod.spec().init_containers()) {
    const auto own = value(container.resources().view()["requests"]);
    if (is_sidecar(container)) {
      sum += own;
    } else {
      most = std::max(most, sum + own);
    }
  }
  for (const auto container : pod.spec().containers()) {
    sum += value(container.resources().view()["requests"]);
  }
  return std::max(sum, most) + value(pod.spec().view()["overhead"]);
}

runtime::Resources pod_resources(views::PodView pod) {
  std::int64_t cpu_request = 0;
  std::int64_t cpu_limit = 0;
  std::int64_t memory_limit = 0;
  bool has_cpu_limits = true;
  bool has_memory_limits = true;
  Amounts most;  // of an init container, which runs alone
  const auto add = [&](const Amounts& at) {
    cpu_request += at.cpu_request_milli;
    cpu_limit += at.cpu_limit_milli;
    memory_limit += at.memory_limit;
    has_cpu_limits = has_cpu_limits && at.cpu_limit_milli > 0;
    has_memory_limits = has_memory_limits && at.memory_limit > 0;
  };
  for (const auto container : pod.spec().init_containers()) {
    const Amounts at = amounts_of(container.resources().view());
    if (is_sidecar(container)) {
      add(at);
      continue;
    }
    most.cpu_request_milli = std::max(most.cpu_request_milli, at.cpu_request_milli);
    most.cpu_limit_milli = std::max(most.cpu_limit_milli, at.cpu_limit_milli);
    most.memory_limit = std::max(most.memory_limit, at.memory_limit);
    has_cpu_limits = has_cpu_limits && at.cpu_limit_milli > 0;
    has_memory_limits = has_memory_limits && at.memory_limit > 0;
  }
  for (const auto container : pod.spec().containers()) {
    add(amounts_of(container.resources().view()));
  }
  runtime::Resources out;
  out.cpu_shares = cpu_shares(std::max(cpu_request, most.cpu_request_milli));
  out.cpu_quota_us = has_cpu_limits ? cpu_quota_us(std::max(cpu_limit, most.cpu_limit_milli)) : 0;
  out.cpu_period_us = out.cpu_quota_us > 0 ? kCpuPeriodUs : 0;
  out.memory_limit_bytes = has_memory_limits ? std::max(memory_limit, most.memory_limit) : 0;
  return out;
}

std::string pod_cgroup_parent(std::string_view instance, Qos qos, std::string_view uid) {
  switch (qos) {
    case Qos::guaranteed:
      return fmt::format("/tetrarch-{}/pod{}", instance, uid);
    case Qos::burstable:
      return fmt::format("/tetrarch-{}/burstable/pod{}", instance, uid);
    case Qos::best_effort:
      return fmt::format("/tetrarch-{}/besteffort/pod{}", instance, uid);
  }
  return "";
}

}  // namespace tetrarch::agent

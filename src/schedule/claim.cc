// SPDX-License-Identifier: Apache-2.0
#include "schedule/claim.h"

#include <algorithm>
#include <map>

#include "object/quantity.h"
#include "schema/views/core.h"

namespace tetrarch::schedule {
namespace {

// Source: kube-scheduler, NodeResourcesFit scoring: requests assumed for containers that state
// none.
constexpr std::int64_t kAssumedCpu = 100;
constexpr std::int64_t kAssumedMemory = 200LL * 1024 * 1024;

// Ours: larger amounts count as this (4.5 million billion), so that sums never overflow.
constexpr std::int64_t kAmountMost = std::int64_t{1} << 52;

std::int64_t added(std::int64_t a, std::int64_t b) {
  return std::min(a + b, kAmountMost);
}

/// Amounts by dimension while they are summed; ranked amounts beside them.
struct Sum {
  std::map<Dimension, std::int64_t> amounts;
  std::int64_t ranked_cpu = 0;
  std::int64_t ranked_memory = 0;

  void add(const Sum& other) {
    for (const auto& [dimension, value] : other.amounts) {
      amounts[dimension] = added(amounts[dimension], value);
    }
    ranked_cpu = added(ranked_cpu, other.ranked_cpu);
    ranked_memory = added(ranked_memory, other.ranked_memory);
  }

  void raise_to(const Sum& other) {
    for (const auto& [dimension, value] : other.amounts) {
      amounts[dimension] = std::max(amounts[dimension], value);
    }
    ranked_cpu = std::max(ranked_cpu, other.ranked_cpu);
    ranked_memory = std::max(ranked_memory, other.ranked_memory);
  }
};

template <class Quantities>
Sum sum_of(const Quantities& quantities, Dimensions& dimensions) {
  Sum sum;
  for (const auto& [name, quantity] : quantities) {
    const auto dimension = dimensions.id(name);
    sum.amounts[dimension] = amount_of(dimension, quantity);
  }
  return sum;
}

/// What a node has told of a container; absent: nothing.
object::View told_of(object::View statuses, std::string_view name) {
  for (const auto status : statuses.elements()) {
    if (status["name"].string() == name) {
      return status;
    }
  }
  return {};
}

/// What the node has told of a pod that it runs.
struct Told {
  object::View status;
  bool is_infeasible = false;  ///< what the spec asks for will never be granted

  object::View of(const char* list, std::string_view name) const {
    return status ? told_of(status[list], name) : object::View();
  }
};

Told told_by(object::View status) {
  for (const auto condition : status["conditions"].elements()) {
    if (condition["type"].string() == "PodResizePending") {
      return {status, condition["reason"].string() == "Infeasible"};
    }
  }
  return {status};
}

/// Source: Kubernetes enhancement 1287 (in-place resize), "Scheduler and API server interaction":
/// the larger of what is asked for, granted and carried out.
Sum requests_of(const views::ContainerView& container,
                object::View told,
                bool is_infeasible,
                Dimensions& dimensions) {
  const auto asked = container.resources().requests();
  const auto granted = told["allocatedResources"];
  if (granted.size() == 0) {
    return sum_of(asked, dimensions);
  }
  Sum sum = sum_of(views::MapView<std::string_view>(granted), dimensions);
  sum.raise_to(sum_of(views::MapView<std::string_view>(told["resources"]["requests"]), dimensions));
  if (!is_infeasible) {
    sum.raise_to(sum_of(asked, dimensions));
  }
  return sum;
}

Sum sum_of_container(const views::ContainerView& container,
                     object::View told,
                     bool is_infeasible,
                     Dimensions& dimensions) {
  Sum sum = requests_of(container, told, is_infeasible, dimensions);
  sum.ranked_cpu = sum.amounts.contains(kCpu) ? sum.amounts[kCpu] : kAssumedCpu;
  sum.ranked_memory = sum.amounts.contains(kMemory) ? sum.amounts[kMemory] : kAssumedMemory;
  return sum;
}

/// Source: Kubernetes enhancement 753 (sidecar containers), "Resources calculation for scheduling":
/// what runs at once is either all containers with all sidecars, or one init container with the
/// sidecars started before it.
Sum sum_of_pod(const views::PodSpecView& spec, const Told& told, Dimensions& dimensions) {
  Sum running;
  for (const auto container : spec.containers()) {
    running.add(sum_of_container(
        container, told.of("containerStatuses", container.name()), told.is_infeasible, dimensions));
  }
  Sum sidecars;
  Sum starting;
  for (const auto container : spec.init_containers()) {
    Sum own = sum_of_container(container,
                               told.of("initContainerStatuses", container.name()),
                               told.is_infeasible,
                               dimensions);
    if (container.restart_policy() == "Always") {
      sidecars.add(own);
      own = sidecars;
    } else {
      own.add(sidecars);
    }
    starting.raise_to(own);
  }
  running.add(sidecars);
  running.raise_to(starting);
  Sum overhead = sum_of(spec.overhead(), dimensions);
  overhead.ranked_cpu = overhead.amounts[kCpu];
  overhead.ranked_memory = overhead.amounts[kMemory];
  running.add(overhead);
  return running;
}

void add_port(views::ContainerPortView port, bool is_host_network, Claim& claim) {
  const auto on_machine = is_host_network ? port.container_port() : 0;
  const auto number = port.host_port() != 0 ? port.host_port() : on_machine;
  if (number == 0) {
    return;
  }
  const bool is_any = port.host_ip() == "0.0.0.0" || port.host_ip() == "::";
  claim.ports.push_back({std::string(port.protocol().empty() ? "TCP" : port.protocol()),
                         std::string(is_any ? "" : port.host_ip()),
                         number});
}

void add_ports(const views::PodSpecView& spec, Claim& claim) {
  for (const auto container : spec.containers()) {
    for (const auto port : container.ports()) {
      add_port(port, spec.host_network(), claim);
    }
  }
  for (const auto container : spec.init_containers()) {
    if (container.restart_policy() != "Always") {
      continue;
    }
    for (const auto port : container.ports()) {
      add_port(port, spec.host_network(), claim);
    }
  }
}

}  // namespace

Dimensions::Dimensions() {
  for (const std::string_view name : {"cpu", "memory", "ephemeral-storage", "pods"}) {
    names_.intern(name);
  }
}

std::int64_t amount_of(Dimension dimension, std::string_view quantity) {
  const auto parsed = object::Quantity::parse(quantity);
  if (!parsed.ok()) {
    return 0;
  }
  const auto amount = dimension == kCpu ? parsed->milli_value() : parsed->value();
  return std::clamp<std::int64_t>(amount, 0, kAmountMost);
}

Claim claim_of_pod(object::View pod, Dimensions& dimensions) {
  const views::PodSpecView spec(pod["spec"]);
  Sum sum = sum_of_pod(spec, told_by(pod["status"]), dimensions);
  sum.amounts[kPods] = 1;
  Claim claim;
  for (const auto& [dimension, value] : sum.amounts) {
    if (value > 0) {
      claim.amounts.push_back({dimension, value});
    }
  }
  claim.ranked_cpu = sum.ranked_cpu;
  claim.ranked_memory = sum.ranked_memory;
  claim.is_unit = spec.runtime_class_name() == "systemd";
  add_ports(spec, claim);
  return claim;
}

}  // namespace tetrarch::schedule

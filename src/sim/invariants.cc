// SPDX-License-Identifier: Apache-2.0
#include "sim/invariants.h"

#include <array>

#include <fmt/format.h>

#include "object/quantity.h"

namespace tetrarch::sim {
namespace {

using object::Quantity;
using object::View;

// A node that is well again still has taints, and pods that were told to go, for a while.
constexpr std::chrono::seconds kAftermath{60};

std::int64_t milli(View amount) {
  const auto parsed = Quantity::from(amount);
  return parsed ? parsed->milli_value() : 0;
}

std::int64_t whole(View amount) {
  const auto parsed = Quantity::from(amount);
  return parsed ? parsed->value() : 0;
}

/// "deployments.apps" and its like say of themselves whether they are as wanted.
bool is_settled(const Key& key, View root) {
  const auto spec = root["spec"];
  const auto status = root["status"];
  if (status["observedGeneration"].integer() != root["metadata"]["generation"].integer()) {
    return false;
  }
  if (key.resource == "daemonsets.apps") {
    const auto desired = status["desiredNumberScheduled"].integer();
    return status["updatedNumberScheduled"].integer() == desired &&
           status["numberAvailable"].integer() == desired;
  }
  const auto wanted = spec["replicas"].integer(1);
  for (const auto* count : {"replicas", "updatedReplicas", "readyReplicas", "availableReplicas"}) {
    if (status[count].integer() != wanted) {
      return false;
    }
  }
  return true;
}

}  // namespace

void Invariants::take(const std::vector<Written>& batch) {
  constexpr std::array<std::string_view, 3> kWorkloads{
      "deployments.apps", "daemonsets.apps", "statefulsets.apps"};
  for (const auto& written : batch) {
    const auto& resource = written.key.resource;
    if (resource == "pods") {
      take_pod(written);
    } else if (resource == "nodes") {
      take_node(written);
    } else if (resource == "services") {
      take_service(written);
    } else {
      for (const auto workload : kWorkloads) {
        if (resource == workload) {
          take_workload(written);
        }
      }
    }
  }
}

void Invariants::take_workload(const Written& written) {
  const auto& app = written.key.name;
  if (!written.document) {
    removed_.insert_or_assign(app, clock_.now());
  }
  if (written.document && is_settled(written.key, written.document->root())) {
    settled_.insert_or_assign(app, written.key);
  } else {
    settled_.erase(app);
  }
}

Invariants::Pod Invariants::pod_of(View root) {
  Pod now;
  const auto metadata = root["metadata"];
  const auto phase = root["status"]["phase"].string();
  now.uid = metadata["uid"].string();
  now.node = root["spec"]["nodeName"].string();
  now.app = metadata["labels"]["app"].string();
  now.address = root["status"]["podIP"].string();
  now.created = parse_time(metadata["creationTimestamp"].string()).value_or(TimePoint{});
  now.is_over = phase == "Succeeded" || phase == "Failed";
  now.is_bare = metadata["ownerReferences"].size() == 0;
  now.is_ending = metadata["deletionTimestamp"].exists();
  for (const auto container : root["spec"]["containers"].elements()) {
    now.cpu_milli += milli(container["resources"]["requests"]["cpu"]);
    now.memory_bytes += whole(container["resources"]["requests"]["memory"]);
    for (const auto port : container["ports"].elements()) {
      if (port["hostPort"].integer() != 0) {
        now.ports.push_back(
            fmt::format("{}/{}", port["protocol"].string("TCP"), port["hostPort"].integer()));
      }
    }
  }
  return now;
}

void Invariants::take_pod(const Written& written) {
  const auto known = pods_.find(written.key);
  Pod now;
  if (written.document) {
    now = pod_of(written.document->root());
  }
  const bool is_same = known != pods_.end() && known->second.uid == now.uid;
  if (known != pods_.end()) {
    const bool was_ending = known->second.is_ending;
    release(known->second);
    if (const auto at = addresses_.find(known->second.address);
        at != addresses_.end() && at->second == written.key) {
      addresses_.erase(at);
    }
    if ((!is_same || now.is_ending) && !was_ending && !known->second.is_over) {
      judge_going(written.key, known->second);
    }
    if (is_same && !known->second.node.empty() && known->second.node != now.node) {
      history_.violate(fmt::format(
          "pod {} moved from {} to {}", written.key.name, known->second.node, now.node));
    }
    pods_.erase(known);
  }
  if (written.document) {
    claim(written.key, now);
    pods_.insert_or_assign(written.key, std::move(now));
  } else {
    asked_.erase(written.key);
  }
}

void Invariants::release(const Pod& pod) {
  if (pod.node.empty() || pod.is_over) {
    return;
  }
  auto& node = nodes_[pod.node];
  node.used_cpu -= pod.cpu_milli;
  node.used_memory -= pod.memory_bytes;
  node.pods.erase(pod.uid);
  for (const auto& port : pod.ports) {
    if (const auto at = node.ports.find(port); at != node.ports.end() && at->second == pod.uid) {
      node.ports.erase(at);
    }
  }
}

void Invariants::claim(const Key& key, const Pod& pod) {
  if (pod.node.empty() || pod.is_over) {
    return;
  }
  ++judged_;
  auto& node = nodes_[pod.node];
  node.used_cpu += pod.cpu_milli;
  node.used_memory += pod.memory_bytes;
  node.pods.insert(pod.uid);
  const bool is_over_full = node.used_cpu > node.cpu_milli ||
                            node.used_memory > node.memory_bytes ||
                            static_cast<std::int64_t>(node.pods.size()) > node.pods_max;
  if (node.is_known && is_over_full) {
    history_.violate(
        fmt::format("node {} is given away twice: {}m of {}m, {} of {} bytes, {} of {} "
                    "pods, with pod {}",
                    pod.node,
                    node.used_cpu,
                    node.cpu_milli,
                    node.used_memory,
                    node.memory_bytes,
                    node.pods.size(),
                    node.pods_max,
                    key.name));
  }
  for (const auto& port : pod.ports) {
    const auto [at, is_new] = node.ports.try_emplace(port, pod.uid);
    if (!is_new && at->second != pod.uid) {
      history_.violate(
          fmt::format("port {} of node {} has two pods: {} is one", port, pod.node, key.name));
    }
  }
  if (!pod.address.empty()) {
    hold(addresses_, pod.address, key);
  }
}

void Invariants::hold(std::map<std::string, Key>& holders,
                      const std::string& what,
                      const Key& holder) {
  ++judged_;
  const auto [at, is_new] = holders.try_emplace(what, holder);
  if (!is_new && at->second != holder) {
    history_.violate(
        fmt::format("{} has two owners: {} and {}", what, at->second.name, holder.name));
  }
}

void Invariants::drop(std::map<std::string, Key>& holders, const Key& holder) {
  std::erase_if(holders, [&](const auto& each) { return each.second == holder; });
}

void Invariants::take_node(const Written& written) {
  auto& node = nodes_[written.key.name];
  node.is_known = written.document != nullptr;
  if (!written.document) {
    return;
  }
  const auto allocatable = written.document->root()["status"]["allocatable"];
  node.is_known = allocatable.exists();
  node.cpu_milli = milli(allocatable["cpu"]);
  node.memory_bytes = whole(allocatable["memory"]);
  node.pods_max = whole(allocatable["pods"]);
}

void Invariants::take_service(const Written& written) {
  drop(service_ips_, written.key);
  drop(node_ports_, written.key);
  if (!written.document) {
    return;
  }
  const auto spec = written.document->root()["spec"];
  if (const auto ip = spec["clusterIP"].string(); !ip.empty() && ip != "None") {
    hold(service_ips_, std::string(ip), written.key);
  }
  for (const auto port : spec["ports"].elements()) {
    if (const auto number = port["nodePort"].integer(); number != 0) {
      hold(node_ports_,
           fmt::format("node port {}/{}", port["protocol"].string("TCP"), number),
           written.key);
    }
  }
}

bool Invariants::is_troubled(const std::string& node) const {
  const auto at = troubles_.find(node);
  return at != troubles_.end() && (!at->second || *at->second + kAftermath >= clock_.now());
}

/// A pod that was to go on is deleted. Its app was changed, its node is in trouble, or somebody
/// asked for it; else it has no cause.
void Invariants::judge_going(const Key& key, const Pod& pod) {
  ++judged_;
  const auto removed = removed_.find(pod.app);
  const bool is_of_removed = removed != removed_.end() && pod.created <= removed->second;
  const bool is_to_stay = (settled_.contains(pod.app) && !is_of_removed) || pod.is_bare;
  if (is_to_stay && !asked_.contains(key) && !is_troubled(pod.node)) {
    history_.violate(fmt::format("pod {} on {} is deleted without a cause", key.name, pod.node));
  }
}

void Invariants::trouble_begins(const std::string& machine) {
  troubles_.insert_or_assign(machine, std::nullopt);
}

void Invariants::trouble_ends(const std::string& machine) {
  troubles_.insert_or_assign(machine, clock_.now());
}

void Invariants::asked_for(const Key& pod) {
  asked_.insert(pod);
}

void Invariants::started(const std::string& machine,
                         const Stored& pod,
                         const std::string& container) {
  ++judged_;
  const std::string uid(pod.uid());
  auto& running = running_[{pod.key.ns, pod.key.name}];
  for (const auto& other : running) {
    if (!other.starts_with(uid)) {
      history_.violate(fmt::format(
          "pod {} runs twice: a start on {} while {} still runs", pod.key.name, machine, other));
    }
  }
  const auto before = runs_.find({uid, container});
  if (before != runs_.end()) {
    const auto end = before->second.end;
    if (end == EndCause::none) {
      history_.violate(fmt::format("container {} of {} is started on {} while it runs on {}",
                                   container,
                                   pod.key.name,
                                   machine,
                                   before->second.machine));
    } else if (end == EndCause::told || end == EndCause::unasked) {
      history_.violate(
          fmt::format("container {} of {} is restarted without a cause", container, pod.key.name));
    }
  }
  runs_.insert_or_assign({uid, container}, Run{machine, pod.key});
  running.insert(uid + "/" + container);
}

void Invariants::ended(const Stored& pod, const std::string& container, EndCause cause) {
  ++judged_;
  const std::string uid(pod.uid());
  if (const auto at = runs_.find({uid, container}); at != runs_.end()) {
    at->second.end = cause;
  }
  running_[{pod.key.ns, pod.key.name}].erase(uid + "/" + container);
  const auto known = pods_.find(pod.key);
  if (cause == EndCause::told && known != pods_.end() && known->second.uid == uid &&
      !known->second.is_ending && !known->second.is_over) {
    history_.violate(fmt::format(
        "container {} of {} is stopped, though it was to go on", container, pod.key.name));
  }
  if (cause == EndCause::unasked) {
    history_.violate(
        fmt::format("container {} of {} is stopped without a cause", container, pod.key.name));
  }
}

}  // namespace tetrarch::sim

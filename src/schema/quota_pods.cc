// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes pkg/quota/v1/evaluator/core/pods.go, v1.35, and enhancement 753 for sidecars.
#include "schema/quota_pods.h"

#include <algorithm>
#include <array>

namespace tetrarch::schema {

using object::Quantity;
using object::View;

namespace {

constexpr std::string_view kHugePages = "hugepages-";
constexpr std::string_view kRequests = "requests.";
constexpr auto kNative = std::to_array<std::string_view>({"cpu", "memory", "ephemeral-storage"});

/// example.com/gpu, but nothing of kubernetes.io.
bool is_extended(std::string_view name) {
  return name.find('/') != std::string_view::npos &&
         name.find("kubernetes.io/") == std::string_view::npos && !name.starts_with(kRequests);
}

bool is_native(std::string_view name) {
  return std::find(kNative.begin(), kNative.end(), name) != kNative.end();
}

void add(Amounts& to, const Amounts& from) {
  for (const auto& [name, value] : from) {
    to[name] += value;
  }
}

void raise_to(Amounts& to, const Amounts& from) {
  for (const auto& [name, value] : from) {
    auto& mine = to[name];
    mine = std::max(mine, value);
  }
}

}  // namespace

bool is_pod_amount(std::string_view name) {
  if (name == "pods" || is_native(name) || name.starts_with(kHugePages)) {
    return true;
  }
  if (name.starts_with("limits.")) {
    return is_native(name.substr(name.find('.') + 1));
  }
  if (!name.starts_with(kRequests)) {
    return false;
  }
  const auto resource = name.substr(kRequests.size());
  return is_native(resource) || resource.starts_with(kHugePages) || is_extended(resource);
}

Amounts compute_amounts(const Amounts& requests, const Amounts& limits) {
  Amounts out;
  for (const auto& [name, value] : requests) {
    const bool is_plain = is_native(name) || std::string_view(name).starts_with(kHugePages);
    if (is_plain) {
      out[name] = value;
    }
    if (is_plain || is_extended(name)) {
      out[std::string(kRequests) + name] = value;
    }
  }
  for (const auto& [name, value] : limits) {
    if (is_native(name)) {
      out["limits." + name] = value;
    }
  }
  return out;
}

Amounts sum_of_pod(View spec, std::string_view list) {
  Amounts running;
  for (const View container : spec["containers"].elements()) {
    add(running, amounts_in(container["resources"][list]));
  }
  Amounts sidecars;
  Amounts starting;
  for (const View container : spec["initContainers"].elements()) {
    auto own = amounts_in(container["resources"][list]);
    if (container["restartPolicy"].string() == "Always") {
      add(sidecars, own);
      own = sidecars;
    } else {
      add(own, sidecars);
    }
    raise_to(starting, own);
  }
  add(running, sidecars);
  raise_to(running, starting);
  for (const auto& [name, value] : amounts_in(spec["resources"][list])) {
    running[name] = value;  // stated for the pod as a whole
  }
  for (const auto& [name, value] : amounts_in(spec["overhead"])) {
    if (list == "requests" || running.contains(name)) {
      running[name] += value;
    }
  }
  return running;
}

bool is_charged(View pod, TimePoint now) {
  const auto phase = pod["status"]["phase"].string();
  if (phase == "Succeeded" || phase == "Failed") {
    return false;
  }
  const auto deleted = parse_time(pod["metadata"]["deletionTimestamp"].string());
  const View grace = pod["metadata"]["deletionGracePeriodSeconds"];
  return !deleted.ok() || !grace || now <= *deleted + std::chrono::seconds(grace.integer());
}

}  // namespace tetrarch::schema

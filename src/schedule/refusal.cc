// SPDX-License-Identifier: Apache-2.0
#include "schedule/refusal.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

namespace tetrarch::schedule {

std::string reason_text(Refusal refusal, std::string_view detail) {
  switch (refusal) {
    case Refusal::none:
      return "";
    case Refusal::node_name:
      return "node(s) didn't match the requested node name";
    case Refusal::unschedulable:
      return "node(s) were unschedulable";
    case Refusal::taint:
      return fmt::format("node(s) had untolerated taint {}", detail);
    case Refusal::node_affinity:
      return "node(s) didn't match Pod's node affinity/selector";
    case Refusal::device_claims:
      return "node(s) have no devices for the pod's resource claims: devices by claim are not "
             "allocated here yet";
    case Refusal::ports:
      return "node(s) didn't have free ports for the requested pod ports";
    case Refusal::resource:
      return fmt::format("Insufficient {}", detail);
    case Refusal::too_many_pods:
      return "Too many pods";
    case Refusal::spread:
      return "node(s) didn't match pod topology spread constraints";
    case Refusal::spread_label:
      return "node(s) didn't match pod topology spread constraints (missing required label)";
    case Refusal::pod_affinity:
      return "node(s) didn't match pod affinity rules";
    case Refusal::pod_anti_affinity:
      return "node(s) didn't match pod anti-affinity rules";
    case Refusal::others_anti_affinity:
      return "node(s) didn't satisfy existing pods anti-affinity rules";
    // Source: kube-scheduler, preemption (1.35).
    case Refusal::no_victims:
      return "No preemption victims found for incoming pod";
    case Refusal::not_helped:
      return "Preemption is not helpful for scheduling";
  }
  return "";
}

void Explanation::add(Refusal refusal, std::string_view detail, std::size_t nodes) {
  counts_[reason_text(refusal, detail)] += nodes;
}

std::string Explanation::text() const {
  if (nodes_ == 0) {
    return "no nodes available to schedule pods";
  }
  std::vector<std::string> reasons;
  reasons.reserve(counts_.size());
  for (const auto& [reason, count] : counts_) {
    reasons.push_back(fmt::format("{} {}", count, reason));
  }
  std::sort(reasons.begin(), reasons.end());
  return fmt::format("0/{} nodes are available: {}.", nodes_, fmt::join(reasons, ", "));
}

}  // namespace tetrarch::schedule

// SPDX-License-Identifier: Apache-2.0
#include <cstdint>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "base/ipv4.h"
#include "reconcile/edit.h"
#include "reconcile/node_lifecycle.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

/// One key answers for all nodes: two allocations are never planned from two views.
const Key kAllNodes{"nodes", "", ""};

class NodeCidr final : public Controller {
 public:
  NodeCidr(Ipv4Range cluster, int node_bits) : cluster_(cluster), node_bits_(node_bits) {}

  std::string_view name() const override { return "node-cidr"; }

  std::vector<Watching> watches() const override { return {{"nodes", fixed_key(kAllNodes)}}; }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    std::set<std::uint32_t> taken;
    for (const auto* node : asked.seen.list("nodes")) {
      if (const auto range = Ipv4Range::parse(node->root()["spec"]["podCIDR"].string());
          range.ok()) {
        taken.insert(range->base);
      }
    }
    for (const auto* node : asked.seen.list("nodes")) {
      if (!node->root()["spec"]["podCIDR"].string().empty() || is_terminating(*node)) {
        continue;
      }
      const auto free = first_free(taken);
      if (!free) {
        plan.notes.push_back(
            note_about(*node,
                       Note::Type::warning,
                       "CIDRNotAvailable",
                       "Node " + node->key.name + " status is now: CIDRNotAvailable"));
        continue;
      }
      taken.insert(*free);
      const auto text = Ipv4Range{*free, node_bits_}.text();
      Edit edit(*node);
      edit.spec()["podCIDR"] = text;
      edit.spec()["podCIDRs"] = object::TreeArray{text};
      plan.changes.push_back(update_of(*node, edit.document()));
    }
    return plan;
  }

 private:
  std::optional<std::uint32_t> first_free(const std::set<std::uint32_t>& taken) const {
    const auto count = std::uint64_t{1} << (node_bits_ - cluster_.bits);
    const auto step = std::uint64_t{1} << (32 - node_bits_);
    for (std::uint64_t i = 0; i < count; ++i) {
      const auto address = static_cast<std::uint32_t>(cluster_.base + i * step);
      if (!taken.contains(address)) {
        return address;
      }
    }
    return std::nullopt;
  }

  const Ipv4Range cluster_;
  const int node_bits_;
};

}  // namespace

std::unique_ptr<Controller> node_cidr_controller(std::string cluster_cidr, int node_bits) {
  const auto cluster = Ipv4Range::parse(cluster_cidr);
  if (!cluster.ok() || node_bits < cluster->bits || node_bits > 30) {
    return nullptr;
  }
  return std::make_unique<NodeCidr>(*cluster, node_bits);
}

}  // namespace tetrarch::reconcile

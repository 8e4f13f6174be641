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

std::string_view range_of(const Stored& node) {
  return node.root()["spec"]["podCIDR"].string();
}

/// A node has come without a range, or one has become free. All else that happens to nodes is no
/// reason to look at all of them.
bool matters(const Observed& change) {
  return change.after == nullptr ||
         (range_of(*change.after).empty() &&
          (change.before == nullptr || !range_of(*change.before).empty()));
}

class NodeCidr final : public Controller {
 public:
  NodeCidr(Ipv4Range cluster, int node_bits) : cluster_(cluster), node_bits_(node_bits) {}

  std::string_view name() const override { return "node-cidr"; }

  std::vector<Watching> watches() const override {
    return {{"nodes", [](const Mirror&, const Observed& change, std::vector<Key>& keys) {
               if (matters(change)) {
                 keys.push_back(kAllNodes);
               }
             }}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    std::set<std::uint32_t> taken;
    std::uint64_t next = 0;
    for (const auto* node : asked.seen.list("nodes")) {
      if (const auto range = Ipv4Range::parse(range_of(*node)); range.ok()) {
        taken.insert(range->base);
      }
    }
    for (const auto* node : asked.seen.list("nodes")) {
      if (!range_of(*node).empty() || is_terminating(*node)) {
        continue;
      }
      const auto free = next_free(taken, next);
      if (!free) {
        plan.notes.push_back(
            note_about(*node,
                       Note::Type::warning,
                       "CIDRNotAvailable",
                       "Node " + node->key.name + " status is now: CIDRNotAvailable"));
        continue;
      }
      const auto text = Ipv4Range{*free, node_bits_}.text();
      Edit edit(*node);
      edit.spec()["podCIDR"] = text;
      edit.spec()["podCIDRs"] = object::TreeArray{text};
      plan.changes.push_back(update_of(*node, edit.document()));
    }
    return plan;
  }

 private:
  /// `next` is the number of the first range that was not asked about yet.
  std::optional<std::uint32_t> next_free(const std::set<std::uint32_t>& taken,
                                         std::uint64_t& next) const {
    const auto count = std::uint64_t{1} << (node_bits_ - cluster_.bits);
    const auto step = std::uint64_t{1} << (32 - node_bits_);
    while (next < count) {
      const auto address = static_cast<std::uint32_t>(cluster_.base + next++ * step);
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

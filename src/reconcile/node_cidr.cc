// SPDX-License-Identifier: Apache-2.0
#include <array>
#include <charconv>
#include <cstdint>
#include <optional>
#include <set>

#include <fmt/format.h>

#include "reconcile/edit.h"
#include "reconcile/node_lifecycle.h"
#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {

namespace {

/// An IPv4 network: address and prefix length.
struct Network {
  std::uint32_t address = 0;
  int bits = 0;
};

std::optional<Network> parse_network(std::string_view text) {
  Network out;
  const char* at = text.data();
  const char* const end = text.data() + text.size();
  for (int i = 0; i < 4; ++i) {
    unsigned part = 0;
    const auto [next, error] = std::from_chars(at, end, part);
    if (error != std::errc() || part > 255 || next == end || *next != (i == 3 ? '/' : '.')) {
      return std::nullopt;
    }
    out.address = out.address << 8 | part;
    at = next + 1;
  }
  const auto [last, error] = std::from_chars(at, end, out.bits);
  if (error != std::errc() || last != end || out.bits < 0 || out.bits > 32) {
    return std::nullopt;
  }
  return out;
}

std::string network_text(std::uint32_t address, int bits) {
  return fmt::format("{}.{}.{}.{}/{}",
                     address >> 24,
                     address >> 16 & 255,
                     address >> 8 & 255,
                     address & 255,
                     bits);
}

/// One key answers for all nodes: two allocations are never planned from two views.
const Key kAllNodes{"nodes", "", ""};

class NodeCidr final : public Controller {
 public:
  NodeCidr(Network cluster, int node_bits) : cluster_(cluster), node_bits_(node_bits) {}

  std::string_view name() const override { return "node-cidr"; }

  std::vector<Watching> watches() const override { return {{"nodes", fixed_key(kAllNodes)}}; }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    std::set<std::uint32_t> taken;
    for (const auto* node : asked.seen.list("nodes")) {
      if (const auto network = parse_network(node->root()["spec"]["podCIDR"].string())) {
        taken.insert(network->address);
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
      const auto text = network_text(*free, node_bits_);
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
      const auto address = static_cast<std::uint32_t>(cluster_.address + i * step);
      if (!taken.contains(address)) {
        return address;
      }
    }
    return std::nullopt;
  }

  const Network cluster_;
  const int node_bits_;
};

}  // namespace

std::unique_ptr<Controller> node_cidr_controller(std::string cluster_cidr, int node_bits) {
  const auto cluster = parse_network(cluster_cidr);
  if (!cluster || node_bits < cluster->bits || node_bits > 30) {
    return nullptr;
  }
  return std::make_unique<NodeCidr>(*cluster, node_bits);
}

}  // namespace tetrarch::reconcile

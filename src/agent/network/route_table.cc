// SPDX-License-Identifier: Apache-2.0
#include "agent/network/route_table.h"

#include <algorithm>

namespace tetrarch::agent::network {
namespace {

constexpr std::string_view kNodeRoutes = "noderoutes.network.tetrarch.dev";

}  // namespace

std::optional<RouteTable::Node> RouteTable::read(const Change& change) {
  if (change.document == nullptr) {
    return std::nullopt;
  }
  const auto spec = change.document->root()["spec"];
  const auto pods = Ipv4Range::parse(spec["podCIDR"].string());
  const auto address = parse_ipv4(spec["address"].string());
  if (!pods.ok() || !address) {
    return std::nullopt;
  }
  const auto said = spec["transport"].string();
  const auto transport = said == "routes"  ? Transport::routes
                         : said == "vxlan" ? Transport::vxlan
                                           : Transport::either;
  return Node{*pods, *address, transport};
}

bool RouteTable::apply(const std::vector<Change>& changes, bool is_whole) {
  const auto before = nodes_;
  if (is_whole) {
    nodes_.clear();
  }
  bool has_routes = is_whole;
  for (const auto& change : changes) {
    if (change.key.resource != kNodeRoutes) {
      continue;
    }
    has_routes = true;
    if (const auto node = read(change)) {
      nodes_.insert_or_assign(change.key.name, *node);
    } else {
      nodes_.erase(change.key.name);
    }
  }
  return has_routes && nodes_ != before;
}

/// One that is told to use VXLAN does so both ways, so that every path has one shape.
bool RouteTable::is_direct(const Node& own,
                           const Node& other,
                           const std::vector<Segment>& segments) {
  if (own.transport == Transport::vxlan || other.transport == Transport::vxlan) {
    return false;
  }
  if (own.transport == Transport::routes || other.transport == Transport::routes) {
    return true;
  }
  return std::ranges::any_of(
      segments, [&](const Segment& segment) { return segment.range.contains(other.address); });
}

std::vector<PeerRoute> RouteTable::peers(const std::vector<Segment>& segments) const {
  std::vector<PeerRoute> out;
  const auto own = nodes_.find(node_name_);
  if (own == nodes_.end()) {
    return out;
  }
  for (const auto& [name, node] : nodes_) {
    if (node.address != own->second.address) {
      out.push_back({node.pods, node.address, is_direct(own->second, node, segments)});
    }
  }
  std::ranges::sort(out, {}, [](const PeerRoute& route) { return route.pods.base; });
  return out;
}

std::optional<std::uint32_t> RouteTable::own_address() const {
  const auto own = nodes_.find(node_name_);
  return own == nodes_.end() ? std::nullopt : std::optional(own->second.address);
}

}  // namespace tetrarch::agent::network

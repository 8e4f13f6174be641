// SPDX-License-Identifier: Apache-2.0
// What a NodePolicy allows, as rules of the packet filter: which sets they look peers and named
// ports up in, and their text. Pure.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "object/document.h"

namespace tetrarch::agent::network {

/// Of packets, as the policy's pods see them.
enum class Way : std::uint8_t { in, out };

struct PolicyPort {
  std::string protocol;  ///< tcp, udp or sctp
  std::string name;      ///< empty: a range, or all
  std::uint16_t first = 0;
  std::uint16_t last = 0;
  bool is_any = false;
};

struct PolicyBlock {
  std::string cidr;
  std::vector<std::string> except;
};

/// One of the peers, and one of the ports.
struct PolicyRule {
  bool is_any = false;  ///< whoever it is
  std::vector<PolicyBlock> blocks;
  std::vector<std::string> groups;
  std::vector<PolicyPort> ports;  ///< none: any port
};

/// `list`: spec.ingress or spec.egress of a NodePolicy.
std::vector<PolicyRule> read_rules(object::View list);

/// Of addresses.
std::string set_of_group(std::string_view group);
/// Of addresses with the number that the pod there means by the name.
std::string set_of_port(std::string_view protocol, std::string_view name);
bool is_set_of_port(std::string_view set);
/// All that the rules name.
std::set<std::string> sets_of(const std::vector<PolicyRule>& rules);

/// What accepts, one text per rule of the filter; all else is for others to say.
std::vector<std::string> texts_of(const std::vector<PolicyRule>& rules, Way way);

}  // namespace tetrarch::agent::network

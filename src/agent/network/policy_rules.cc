// SPDX-License-Identifier: Apache-2.0
#include "agent/network/policy_rules.h"

#include <algorithm>
#include <map>
#include <optional>
#include <utility>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ipv4.h"

namespace tetrarch::agent::network {

namespace {

using object::View;

constexpr std::string_view kPortSets = "port_";

std::string lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

std::vector<std::string> strings_of(View list) {
  std::vector<std::string> out;
  for (const auto each : list.elements()) {
    out.emplace_back(each.string());
  }
  return out;
}

PolicyRule read_rule(View rule) {
  PolicyRule out;
  out.is_any = rule["any"].boolean();
  out.groups = strings_of(rule["groups"]);
  for (const auto block : rule["blocks"].elements()) {
    out.blocks.push_back({std::string(block["cidr"].string()), strings_of(block["except"])});
  }
  for (const auto each : rule["ports"].elements()) {
    PolicyPort port;
    port.protocol = lower(each["protocol"].string());
    port.name = each["name"].string();
    port.is_any = port.name.empty() && !each["first"].exists();
    if (each["first"].exists()) {
      port.first = static_cast<std::uint16_t>(each["first"].integer());
      port.last = static_cast<std::uint16_t>(each["last"].integer());
    }
    out.ports.push_back(std::move(port));
  }
  return out;
}

/// As the packet filter reads it, host bits off; none: of the other family.
std::optional<Ipv4Range> range_of(std::string_view cidr) {
  const auto slash = cidr.find('/');
  const auto address = parse_ipv4(cidr.substr(0, slash));
  const auto bits =
      slash == std::string_view::npos ? std::string("32") : std::string(cidr.substr(slash + 1));
  if (!address || bits.empty() || bits.size() > 2 ||
      !std::all_of(bits.begin(), bits.end(), [](char c) { return c >= '0' && c <= '9'; }) ||
      std::stoi(bits) > 32) {
    return std::nullopt;
  }
  const int count = std::stoi(bits);
  const auto mask = count == 0 ? 0U : ~std::uint32_t{0} << (32 - count);
  return Ipv4Range{*address & mask, count};
}

/// Without those that lie in another: a set refuses ranges that overlap.
std::vector<std::string> outermost(const std::vector<std::string>& cidrs) {
  std::vector<Ipv4Range> ranges;
  for (const auto& each : cidrs) {
    if (const auto range = range_of(each)) {
      ranges.push_back(*range);
    }
  }
  std::sort(ranges.begin(), ranges.end(), [](const auto& a, const auto& b) {
    return std::pair(a.base, a.bits) < std::pair(b.base, b.bits);
  });
  std::vector<std::string> out;
  std::optional<Ipv4Range> last;
  for (const auto& each : ranges) {
    if (!last || !last->overlaps(each)) {
      out.push_back(each.text());
      last = each;
    }
  }
  return out;
}

/// "80, 90-100"; ranges that overlap or touch become one.
std::string joined_ranges(std::vector<std::pair<std::uint16_t, std::uint16_t>> ranges) {
  std::sort(ranges.begin(), ranges.end());
  std::vector<std::pair<std::uint16_t, std::uint16_t>> merged;
  for (const auto& each : ranges) {
    if (!merged.empty() && each.first <= merged.back().second + 1) {
      merged.back().second = std::max(merged.back().second, each.second);
    } else {
      merged.push_back(each);
    }
  }
  std::vector<std::string> out;
  out.reserve(merged.size());
  for (const auto& [first, last] : merged) {
    out.push_back(first == last ? std::to_string(first) : fmt::format("{}-{}", first, last));
  }
  return fmt::format("{}", fmt::join(out, ", "));
}

std::vector<std::string> peers_of(const PolicyRule& rule, Way way) {
  if (rule.is_any) {
    return {""};
  }
  const std::string_view field = way == Way::in ? "ip saddr" : "ip daddr";
  std::vector<std::string> out;
  for (const auto& group : rule.groups) {
    out.push_back(fmt::format("{} @{} ", field, set_of_group(group)));
  }
  for (const auto& block : rule.blocks) {
    const auto range = range_of(block.cidr);
    if (!range) {
      continue;  // IPv6: pods have no such addresses
    }
    auto match = range->bits == 0 ? std::string() : fmt::format("{} {} ", field, range->text());
    if (const auto except = outermost(block.except); !except.empty()) {
      match += fmt::format("{} != {{ {} }} ", field, fmt::join(except, ", "));
    }
    out.push_back(std::move(match));
  }
  return out;
}

std::vector<std::string> ports_of(const PolicyRule& rule) {
  if (rule.ports.empty()) {
    return {""};
  }
  std::set<std::string> whole;
  std::map<std::string, std::vector<std::pair<std::uint16_t, std::uint16_t>>> ranges;
  std::vector<std::string> out;
  for (const auto& port : rule.ports) {
    if (port.is_any) {
      whole.insert(port.protocol);
    } else if (port.name.empty()) {
      ranges[port.protocol].emplace_back(port.first, port.last);
    } else {
      // Whichever pod is spoken to: its own number.
      out.push_back(fmt::format(
          "ip daddr . {} dport @{} ", port.protocol, set_of_port(port.protocol, port.name)));
    }
  }
  for (const auto& protocol : whole) {
    out.push_back(fmt::format("meta l4proto {} ", protocol));
  }
  for (auto& [protocol, list] : ranges) {
    if (!whole.contains(protocol)) {
      out.push_back(fmt::format("{} dport {{ {} }} ", protocol, joined_ranges(std::move(list))));
    }
  }
  return out;
}

}  // namespace

std::vector<PolicyRule> read_rules(View list) {
  std::vector<PolicyRule> out;
  for (const auto rule : list.elements()) {
    out.push_back(read_rule(rule));
  }
  return out;
}

std::string set_of_group(std::string_view group) {
  return fmt::format("group_{}", group);
}

std::string set_of_port(std::string_view protocol, std::string_view name) {
  return fmt::format("{}{}_{}", kPortSets, lower(protocol), name);
}

bool is_set_of_port(std::string_view set) {
  return set.starts_with(kPortSets);
}

std::set<std::string> sets_of(const std::vector<PolicyRule>& rules) {
  std::set<std::string> out;
  for (const auto& rule : rules) {
    for (const auto& group : rule.groups) {
      out.insert(set_of_group(group));
    }
    for (const auto& port : rule.ports) {
      if (!port.name.empty()) {
        out.insert(set_of_port(port.protocol, port.name));
      }
    }
  }
  return out;
}

std::vector<std::string> texts_of(const std::vector<PolicyRule>& rules, Way way) {
  std::vector<std::string> out;
  for (const auto& rule : rules) {
    const auto ports = ports_of(rule);
    for (const auto& peer : peers_of(rule, way)) {
      for (const auto& port : ports) {
        out.push_back(fmt::format("{}{}accept", peer, port));
      }
    }
  }
  return out;
}

}  // namespace tetrarch::agent::network

// SPDX-License-Identifier: Apache-2.0
#include "agent/network/service_rules.h"

#include <algorithm>

#include <fmt/format.h>

namespace tetrarch::agent::network {
namespace {

constexpr const char* kNode = "node";
constexpr const char* kLead = "lead";
constexpr const char* kLeadNodePorts = "lead_node_ports";

const ServicePort* find(const std::map<std::string, ServicePort>& ports, const std::string& id) {
  const auto found = ports.find(id);
  return found == ports.end() ? nullptr : &found->second;
}

/// Address or kNode, protocol and port, with the rank of the claim.
std::set<std::pair<std::tuple<std::string, std::string, int>, int>> claims_by(
    const ServicePort* port) {
  std::set<std::pair<std::tuple<std::string, std::string, int>, int>> out;
  if (port == nullptr) {
    return out;
  }
  if (parse_ipv4(port->address)) {
    out.emplace(std::tuple(port->address, port->protocol, port->port), 0);
  }
  for (const auto& address : port->external_addresses) {
    if (parse_ipv4(address)) {
      out.emplace(std::tuple(address, port->protocol, port->port), 1);
    }
  }
  if (port->node_port != 0) {
    out.emplace(std::tuple(kNode, port->protocol, port->node_port), 0);
  }
  return out;
}

bool has_all(const std::vector<Target>& targets, const std::vector<Target>& of) {
  return std::includes(targets.begin(), targets.end(), of.begin(), of.end());
}

/// Whether clients that stick to it may be remembered at places or endpoints that it loses.
bool is_parting(const ServicePort& before, const std::optional<ServicePort>& after) {
  if (before.affinity_s == 0) {
    return false;
  }
  // What a port has more of takes nobody's away.
  const bool is_same_way = after && after->affinity_s > 0 && before.address == after->address &&
                           before.external_addresses == after->external_addresses &&
                           before.node_port == after->node_port &&
                           before.is_local_inside == after->is_local_inside &&
                           before.is_local_outside == after->is_local_outside;
  return !is_same_way || !has_all(after->targets, before.targets) ||
         !has_all(after->local_targets, before.local_targets);
}

}  // namespace

ServiceRules::ServiceRules(NftOptions options)
    : options_(std::move(options)), book_("ip " + options_.table) {
  for (const auto& set : fixed_sets()) {
    book_.put_set(set);
  }
  lead_anew();
}

void ServiceRules::update(const ServiceTable& table, const std::set<std::string>& touched) {
  auto stale = touched;
  for (const auto& id : touched) {
    claim(id, find(table.ports(), id), stale);
  }
  // What goes goes first: a place may pass from one to another.
  std::vector<std::pair<std::string, ServicePort>> fresh;
  for (const auto& id : stale) {
    auto wanted = granted(id, find(table.ports(), id));
    const auto* const present = find(ports_, id);
    if (wanted && present != nullptr && *wanted == *present) {
      continue;
    }
    if (present != nullptr) {
      if (is_parting(*present, wanted)) {
        parted_.insert(present->protocol);
      }
      has_moved_datagrams_ |= present->protocol == "udp";
      retract(*present);
      ports_.erase(id);
    }
    if (wanted) {
      has_moved_datagrams_ |= wanted->protocol == "udp";
      fresh.emplace_back(id, std::move(*wanted));
    }
  }
  for (auto& [id, port] : fresh) {
    put(port);
    ports_.emplace(id, std::move(port));
  }
  update_host_ports(table.host_ports());
  if (is_lead_stale_) {
    lead_anew();
  }
}

std::string ServiceRules::take_whole() {
  auto out =
      fmt::format("add table ip {0}\ndelete table ip {0}\nadd table ip {0}\n", options_.table);
  out += book_.take_whole();
  return out + render_hooks(options_);
}

const std::string& ServiceRules::owner(const Place& place) const {
  static const std::string kNobody;
  const auto found = claims_.find(place);
  return found == claims_.end() ? kNobody : found->second.begin()->second;
}

/// Adds to `stale` whoever gets a place by it, or loses one.
void ServiceRules::claim(const std::string& id,
                         const ServicePort* wanted,
                         std::set<std::string>& stale) {
  auto claims = claims_by(wanted);
  auto present = std::exchange(claims_of_[id], claims);
  if (claims.empty()) {
    claims_of_.erase(id);
  }
  if (claims == present) {
    return;
  }
  std::map<Place, std::string> before;
  for (const auto* const side : {&present, &claims}) {
    for (const auto& [place, rank] : *side) {
      before.emplace(place, owner(place));
    }
  }
  for (const auto& [place, rank] : present) {
    const auto found = claims_.find(place);
    found->second.erase({rank, id});
    if (found->second.empty()) {
      claims_.erase(found);
    }
  }
  for (const auto& [place, rank] : claims) {
    claims_[place].emplace(rank, id);
  }
  for (const auto& [place, former] : before) {
    if (const auto& now = owner(place); now != former) {
      stale.insert(former.empty() ? id : former);
      stale.insert(now.empty() ? id : now);
    }
  }
}

/// The port with those places that are its own, and endpoints that the packet filter can reach.
std::optional<ServicePort> ServiceRules::granted(const std::string& id,
                                                 const ServicePort* wanted) const {
  if (wanted == nullptr) {
    return std::nullopt;
  }
  ServicePort out = *wanted;
  const auto is_anothers = [&](const std::string& address) {
    return owner({address, out.protocol, out.port}) != id;
  };
  if (is_anothers(out.address)) {
    out.address.clear();
  }
  std::erase_if(out.external_addresses, is_anothers);
  if (out.node_port != 0 && owner({kNode, out.protocol, out.node_port}) != id) {
    out.node_port = 0;
  }
  for (auto* const targets : {&out.targets, &out.local_targets}) {
    std::erase_if(*targets, [](const Target& at) { return !parse_ipv4(at.address); });
  }
  return out;
}

void ServiceRules::put(const ServicePort& port) {
  const auto rules = rules_of(options_, port);
  for (const auto& among : rules.among) {
    join(among);
  }
  for (const auto& recall : rules.recalls) {
    join(recall);
  }
  for (const auto& element : rules.elements) {
    book_.put_element(element.set, element.key, element.verdict);
  }
  for (const auto& hairpin : rules.hairpins) {
    if (++hairpins_[hairpin] == 1) {
      book_.put_element(kHairpins, hairpin);
    }
  }
}

void ServiceRules::retract(const ServicePort& port) {
  const auto rules = rules_of(options_, port);
  for (const auto& element : rules.elements) {
    book_.drop_element(element.set, element.key);
  }
  for (const auto& among : rules.among) {
    leave(among);
  }
  for (const auto& recall : rules.recalls) {
    leave(recall);
  }
  for (const auto& hairpin : rules.hairpins) {
    const auto found = hairpins_.find(hairpin);
    if (--found->second == 0) {
      hairpins_.erase(found);
      book_.drop_element(kHairpins, hairpin);
    }
  }
}

void ServiceRules::join(const Among& among) {
  if (++among_[among] > 1) {
    return;
  }
  if (among.has_set()) {
    book_.put_set(set_of(among));
  }
  book_.put_chain(among.name(), pick(options_, among));
  is_lead_stale_ = true;
}

void ServiceRules::leave(const Among& among) {
  const auto found = among_.find(among);
  if (--found->second > 0) {
    return;
  }
  among_.erase(found);
  book_.drop_chain(among.name());
  if (among.has_set()) {
    book_.drop_set(among.name());
  }
  is_lead_stale_ = true;
}

void ServiceRules::join(const Recall& recall) {
  if (++recalls_[recall] > 1) {
    return;
  }
  book_.put_set(client_map(recall.protocol));
  book_.put_set(set_of(recall));
  book_.put_chain(recall.name(), remember(recall));
  is_lead_stale_ = true;
}

void ServiceRules::leave(const Recall& recall) {
  const auto found = recalls_.find(recall);
  if (--found->second > 0) {
    return;
  }
  recalls_.erase(found);
  book_.drop_chain(recall.name());
  book_.drop_set(recall.name());
  const bool is_last = std::none_of(recalls_.begin(), recalls_.end(), [&](const auto& other) {
    return other.first.protocol == recall.protocol;
  });
  if (is_last) {
    book_.drop_set(client_map(recall.protocol).name);
  }
  is_lead_stale_ = true;
}

void ServiceRules::lead_anew() {
  std::vector<Among> present;
  present.reserve(among_.size());
  for (const auto& [among, users] : among_) {
    present.push_back(among);
  }
  book_.put_chain(kLead, lead(options_, present));
  book_.put_chain(kLeadNodePorts, lead_node_ports(present));
  std::vector<Recall> recalls;
  recalls.reserve(recalls_.size());
  for (const auto& [recall, users] : recalls_) {
    recalls.push_back(recall);
  }
  book_.put_chain(kRecall, recall_all(recalls));
  is_lead_stale_ = false;
}

/// Few: those of this node's pods.
void ServiceRules::update_host_ports(const std::set<PodHostPort>& wanted) {
  if (wanted == host_ports_) {
    return;
  }
  for (const auto& element : host_elements_) {
    book_.drop_element(element.set, element.key);
  }
  host_elements_.clear();
  std::set<std::pair<std::string, std::string>> taken;
  for (const auto& port : wanted) {
    const bool is_good = parse_ipv4(port.pod_address) &&
                         (port.host_address.empty() || parse_ipv4(port.host_address));
    auto element = element_of(port);
    if (is_good && taken.emplace(element.set, element.key).second) {
      book_.put_element(element.set, element.key, element.verdict);
      host_elements_.push_back(std::move(element));
    }
  }
  host_ports_ = wanted;
}

const ServicePort* ServiceRules::at(const std::string& address,
                                    const std::string& protocol,
                                    int port) const {
  return find(ports_, owner({address, protocol, port}));
}

const ServicePort* ServiceRules::at_node_port(const std::string& protocol, int port) const {
  return at(kNode, protocol, port);
}

}  // namespace tetrarch::agent::network

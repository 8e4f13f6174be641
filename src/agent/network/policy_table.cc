// SPDX-License-Identifier: Apache-2.0
#include "agent/network/policy_table.h"

#include <algorithm>
#include <tuple>

#include <fmt/format.h>
#include <fmt/ranges.h>

#include "base/ipv4.h"

namespace tetrarch::agent::network {

namespace {

using object::View;

constexpr std::string_view kPolicies = "nodepolicies.network.tetrarch.dev";
constexpr std::string_view kPeers = "policypods.network.tetrarch.dev";
constexpr std::string_view kPods = "pods";
constexpr const char* kSelves = "selves";

std::string full_name(const Key& key) {
  return key.ns + "/" + key.name;
}

/// The uid under which it runs here. Source: kubelet marks what mirrors a static pod.
std::string running_uid(View pod) {
  const auto metadata = pod["metadata"];
  const auto mirrored = metadata["annotations"]["kubernetes.io/config.mirror"].string();
  return std::string(mirrored.empty() ? metadata["uid"].string() : mirrored);
}

std::vector<std::string> strings_of(View list) {
  std::vector<std::string> out;
  for (const auto each : list.elements()) {
    out.emplace_back(each.string());
  }
  return out;
}

}  // namespace

PolicyTable::PolicyTable(const std::string& table) : book_(table) {
  book_.put_set(map_of(Way::in), "map", "type ipv4_addr : verdict;");
  book_.put_set(map_of(Way::out), "map", "type ipv4_addr : verdict;");
  book_.put_set(kSelves, "set", "type ipv4_addr . ipv4_addr;");
}

std::string PolicyTable::map_of(Way way) {
  return way == Way::in ? "limited_in" : "limited_out";
}

std::string PolicyTable::chain_of(const Policy& policy, Way way) {
  return fmt::format("{}_{}", way == Way::in ? "in" : "out", policy.number);
}

// ---- what the feed brings
// ------------------------------------------------------------------------

void PolicyTable::apply(const std::vector<Change>& changes, bool is_whole) {
  if (is_whole) {
    forget_absent(changes);
  }
  // A pod that goes is known to have gone before its policies go.
  const std::pair<std::string_view, void (PolicyTable::*)(const Change&)> steps[] = {
      {kPods, &PolicyTable::put_pod},
      {kPolicies, &PolicyTable::put_policy},
      {kPeers, &PolicyTable::put_peer}};
  for (const auto& [resource, put] : steps) {
    for (const auto& change : changes) {
      if (change.key.resource == resource) {
        (this->*put)(change);
      }
    }
  }
}

void PolicyTable::forget_absent(const std::vector<Change>& changes) {
  std::set<Key> present;
  for (const auto& change : changes) {
    present.insert(change.key);
  }
  const auto absent = [&](std::string_view resource, const auto& known) {
    std::vector<Change> out;
    for (const auto& [name, value] : known) {
      const auto slash = name.find('/');
      Key key{std::string(resource), name.substr(0, slash), name.substr(slash + 1)};
      if (!present.contains(key)) {
        out.push_back({std::move(key), nullptr});
      }
    }
    return out;
  };
  for (const auto& gone :
       {absent(kPods, living_), absent(kPeers, peers_), absent(kPolicies, policies_)}) {
    apply(gone, false);
  }
}

void PolicyTable::put_pod(const Change& change) {
  if (change.document == nullptr) {
    living_.erase(full_name(change.key));
  } else {
    living_[full_name(change.key)] = running_uid(change.document->root());
  }
}

void PolicyTable::put_peer(const Change& change) {
  const auto name = full_name(change.key);
  Peer fresh;
  if (change.document != nullptr) {
    fresh = read_peer(change.document->root()["spec"]);
  }
  const auto before = peers_.find(name);
  if (before != peers_.end()) {
    const auto local = locals_.find(before->second.uid);
    const auto living = living_.find(name);
    const bool lives = living != living_.end() && living->second == before->second.uid;
    if (local != locals_.end() && fresh.uid != before->second.uid && !lives) {
      local->second.is_closed = is_limited(before->second.uid);
    }
    for (const auto& [set, element] : before->second.elements) {
      count_element(set, element, -1);
    }
  }
  if (change.document == nullptr) {
    peers_.erase(name);
  } else {
    auto& peer = peers_[name] = std::move(fresh);
    write_peer(peer);
  }
  write_locals_of(name);
}

void PolicyTable::put_policy(const Change& change) {
  const auto name = full_name(change.key);
  const auto before = policies_.find(name);
  int number = ++next_number_;
  Policy former;
  if (before != policies_.end()) {
    former = std::move(before->second);
    number = former.number;
    policies_.erase(before);
  }
  if (change.document != nullptr) {
    auto policy = read_policy(change.document->root()["spec"]);
    policy.number = number;
    write_policy(policy);
    policies_[name] = std::move(policy);
  }
  for (auto& [uid, local] : locals_) {
    const auto peer = peers_.find(local.pod);
    const auto slash = name.find('/');
    if (peer != peers_.end() && name.substr(0, slash) == local.pod.substr(0, local.pod.find('/')) &&
        std::count(peer->second.policies.begin(),
                   peer->second.policies.end(),
                   name.substr(slash + 1)) > 0) {
      write_local(uid, local);
    }
  }
  retire(former, policies_.find(name));
}

/// What only the former version of a policy had.
void PolicyTable::retire(const Policy& former,
                         std::map<std::string, Policy>::const_iterator successor) {
  for (const auto& [way, rules] : former.rules) {
    if (successor == policies_.end() || !successor->second.rules.contains(way)) {
      book_.drop_chain(chain_of(former, way));
    }
  }
  use_sets(former, -1);
}

PolicyTable::Peer PolicyTable::read_peer(View spec) {
  Peer out;
  out.uid = spec["uid"].string();
  out.address = spec["address"].string();
  out.groups = strings_of(spec["groups"]);
  out.policies = strings_of(spec["policies"]);
  for (const auto port : spec["ports"].elements()) {
    out.ports.emplace_back(set_of_port(port["protocol"].string(), port["name"].string()),
                           static_cast<std::uint16_t>(port["containerPort"].integer()));
  }
  return out;
}

PolicyTable::Policy PolicyTable::read_policy(View spec) {
  Policy out;
  const std::pair<Way, View> ways[] = {{Way::in, spec["ingress"]}, {Way::out, spec["egress"]}};
  for (const auto& [way, rules] : ways) {
    if (!rules.exists()) {
      continue;
    }
    out.rules[way] = read_rules(rules);
  }
  return out;
}

// ---- policies
// ------------------------------------------------------------------------------------

void PolicyTable::write_policy(Policy& policy) {
  std::set<std::string> sets;
  for (const auto& [way, rules] : policy.rules) {
    sets.merge(sets_of(rules));
  }
  policy.sets.assign(sets.begin(), sets.end());
  use_sets(policy, 1);
  for (const auto& [way, rules] : policy.rules) {
    book_.put_chain(chain_of(policy, way), texts_of(rules, way));
  }
}

void PolicyTable::use_sets(const Policy& policy, int by) {
  for (const auto& set : policy.sets) {
    auto& users = set_users_[set];
    users += by;
    if (users == 0) {
      set_users_.erase(set);
      book_.drop_set(set);
    } else if (users == by) {  // the first
      book_.put_set(
          set, "set", is_set_of_port(set) ? "type ipv4_addr . inet_service;" : "type ipv4_addr;");
      for (const auto& [element, count] : members_[set]) {
        book_.put_element(set, element);
      }
    }
  }
}

// ---- peers
// ---------------------------------------------------------------------------------------

void PolicyTable::write_peer(Peer& peer) {
  peer.elements.clear();
  const auto local = locals_.find(peer.uid);
  const auto& address = local == locals_.end() ? peer.address : local->second.address;
  if (!parse_ipv4(address)) {
    return;
  }
  for (const auto& group : peer.groups) {
    peer.elements.emplace_back(set_of_group(group), address);
  }
  for (const auto& [set, number] : peer.ports) {
    peer.elements.emplace_back(set, fmt::format("{} . {}", address, number));
  }
  for (const auto& [set, element] : peer.elements) {
    count_element(set, element, 1);
  }
}

/// Two pods may have one address for a moment, while the first has ended but is not gone.
void PolicyTable::count_element(const std::string& set, const std::string& element, int by) {
  auto& members = members_[set];
  auto& count = members[element];
  count += by;
  const bool is_used = set_users_.contains(set);
  if (count == 0) {
    members.erase(element);
    if (is_used) {
      book_.drop_element(set, element);
    }
    if (members.empty()) {
      members_.erase(set);
    }
  } else if (count == by && is_used) {
    book_.put_element(set, element);
  }
}

// ---- pods of this node
// ---------------------------------------------------------------------------

bool PolicyTable::admit(const LocalPod& pod) {
  auto& local = locals_[pod.uid];
  if (local.address == pod.address) {
    return false;
  }
  if (const auto holder = holders_.find(pod.address); holder != holders_.end()) {
    give_up_address(std::string(holder->second));  // it has ended, and its address is another's
  }
  if (!local.address.empty()) {
    give_up_address(pod.uid);
  }
  local.pod = pod.ns + "/" + pod.name;
  local.address = pod.address;
  holders_[pod.address] = pod.uid;
  write_local(pod.uid, local);
  rewrite_peer(local.pod, pod.uid);
  return true;
}

void PolicyTable::give_up_address(const std::string& uid) {
  auto& local = locals_.at(uid);
  for (const auto& [way, chain] : std::exchange(local.chains, {})) {
    book_.drop_element(map_of(way), local.address);
    leave_profile(way, chain);
  }
  book_.drop_element(kSelves, fmt::format("{0} . {0}", local.address));
  holders_.erase(local.address);
  local.address.clear();
  rewrite_peer(local.pod, uid);
}

void PolicyTable::release(const std::string& uid) {
  const auto found = locals_.find(uid);
  if (found == locals_.end()) {
    return;
  }
  if (!found->second.address.empty()) {
    give_up_address(uid);
  }
  const auto pod = found->second.pod;
  locals_.erase(found);
  rewrite_peer(pod, uid);
}

void PolicyTable::rewrite_peer(const std::string& pod, const std::string& uid) {
  const auto peer = peers_.find(pod);
  if (peer != peers_.end() && peer->second.uid == uid) {
    const auto before = peer->second.elements;
    write_peer(peer->second);
    for (const auto& [set, element] : before) {
      count_element(set, element, -1);
    }
  }
}

void PolicyTable::write_locals_of(const std::string& pod) {
  for (auto& [uid, local] : locals_) {
    if (local.pod == pod) {
      write_local(uid, local);
    }
  }
}

bool PolicyTable::is_limited(const std::string& uid) const {
  const auto found = locals_.find(uid);
  return found != locals_.end() && (limits_of(found->second, uid, Way::in).has_value() ||
                                    limits_of(found->second, uid, Way::out).has_value());
}

/// The policies that limit it that way; none: nothing does.
std::optional<std::set<std::string>> PolicyTable::limits_of(const Local& local,
                                                            const std::string& uid,
                                                            Way way) const {
  std::set<std::string> out;
  if (local.is_closed) {
    return out;
  }
  const auto peer = peers_.find(local.pod);
  if (peer == peers_.end() || peer->second.uid != uid) {
    return std::nullopt;
  }
  bool is_limited = false;
  for (const auto& name : peer->second.policies) {
    const auto full = local.pod.substr(0, local.pod.find('/') + 1) + name;
    const auto policy = policies_.find(full);
    if (policy == policies_.end()) {
      is_limited = true;  // it was to be here: until it is, nothing passes for its sake
    } else if (policy->second.rules.contains(way)) {
      is_limited = true;
      out.insert(full);
    }
  }
  return is_limited ? std::optional(std::move(out)) : std::nullopt;
}

void PolicyTable::write_local(const std::string& uid, Local& local) {
  if (local.address.empty()) {
    return;
  }
  std::map<Way, std::string> chains;
  for (const auto way : {Way::in, Way::out}) {
    if (const auto limits = limits_of(local, uid, way)) {
      chains[way] = take_profile(way, *limits);
      book_.put_element(map_of(way), local.address, "goto " + chains[way]);
    } else {
      book_.drop_element(map_of(way), local.address);
    }
  }
  const auto self = fmt::format("{0} . {0}", local.address);
  if (chains.empty()) {
    book_.drop_element(kSelves, self);
  } else {
    book_.put_element(kSelves, self);
  }
  for (const auto& [way, chain] : std::exchange(local.chains, chains)) {
    leave_profile(way, chain);
  }
}

std::string PolicyTable::take_profile(Way way, const std::set<std::string>& policies) {
  auto& chain = profile_chains_[{way, policies}];
  if (chain.empty()) {
    chain = fmt::format("limit_{}_{}", way == Way::in ? "in" : "out", ++next_number_);
    std::vector<std::string> rules;
    for (const auto& name : policies) {
      rules.push_back("jump " + chain_of(policies_.at(name), way));
    }
    rules.emplace_back("drop");
    book_.put_chain(chain, std::move(rules));
    profiles_[chain].policies = policies;
  }
  ++profiles_[chain].users;
  return chain;
}

void PolicyTable::leave_profile(Way way, const std::string& chain) {
  auto& profile = profiles_.at(chain);
  if (--profile.users == 0) {
    book_.drop_chain(chain);
    profile_chains_.erase({way, profile.policies});
    profiles_.erase(std::string(chain));
  }
}

std::string render_policy_frame(const std::string& table, NftBook& book) {
  auto out = fmt::format("add table {0}\ndelete table {0}\nadd table {0}\n", table);
  out += book.take_whole();
  // Going out first: both ends may be on this node, and each decides for itself.
  const std::tuple<const char*, int, const char*, const char*> hooks[] = {
      {"egress", -10, "ip saddr", "limited_out"}, {"ingress", -9, "ip daddr", "limited_in"}};
  for (const auto& [chain, priority, field, map] : hooks) {
    out +=
        fmt::format("add chain {} {} {{ type filter hook forward priority {}; policy accept; }}\n",
                    table,
                    chain,
                    priority);
    // What was opened is judged by the packets of the side that opened it, each of them: so a
    // policy that changes holds for connections under way too.
    out += fmt::format("add rule {} {} ct direction reply accept\n", table, chain);
    out += fmt::format("add rule {} {} ct state related accept\n", table, chain);
    out += fmt::format("add rule {} {} ip saddr . ip daddr @{} accept\n", table, chain, kSelves);
    out += fmt::format("add rule {} {} {} vmap @{}\n", table, chain, field, map);
  }
  return out;
}

std::string render_closed_ipv6(const std::string& table, const std::string& bridge) {
  return fmt::format(
      "add table ip6 {0}\ndelete table ip6 {0}\nadd table ip6 {0}\n"
      "add chain ip6 {0} forward {{ type filter hook forward priority -10; policy accept; }}\n"
      "add rule ip6 {0} forward iifname \"{1}\" drop\n"
      "add rule ip6 {0} forward oifname \"{1}\" drop\n",
      table,
      bridge);
}

}  // namespace tetrarch::agent::network

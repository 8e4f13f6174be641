// SPDX-License-Identifier: Apache-2.0
// PolicyTable: what network policies mean on this node, as sets, maps and chains of the packet
// filter. Two maps lead from the addresses of this node's limited pods to a chain per set of
// policies, that to a chain per policy, whose rules look peers up in a set per address group. Pure;
// a change touches only what it is about.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "agent/network/network.h"
#include "agent/network/nft_book.h"
#include "agent/network/policy_rules.h"
#include "object/document.h"

namespace tetrarch::agent::network {

class PolicyTable {
 public:
  /// `table`: "ip tetrarch_ab12cd_policies".
  explicit PolicyTable(const std::string& table);

  /// What changed since the last call (NodePolicies, PolicyPods and Pods count); `is_whole`:
  /// everything that there is.
  void apply(const std::vector<Change>& changes, bool is_whole);

  /// A pod of this node has this address. False: that was known.
  bool admit(const LocalPod& pod);
  void release(const std::string& uid);
  /// Whether a policy limits the pod.
  bool is_limited(const std::string& uid) const;

  NftBook& book() { return book_; }

 private:
  struct Policy {
    int number = 0;                                ///< part of its chains' names
    std::map<Way, std::vector<PolicyRule>> rules;  ///< a way that is absent is not limited
    std::vector<std::string> sets;                 ///< that its rules name
  };

  /// As a PolicyPod says it.
  struct Peer {
    std::string uid;
    std::string address;
    std::vector<std::string> groups;
    std::vector<std::string> policies;
    std::vector<std::pair<std::string, std::uint16_t>> ports;   ///< set of the name, number
    std::vector<std::pair<std::string, std::string>> elements;  ///< set, element: as put
  };

  struct Local {
    std::string pod;  ///< "namespace/name"
    std::string address;
    bool is_closed = false;             ///< its pod has gone while policies limited it
    std::map<Way, std::string> chains;  ///< where its address leads
  };

  struct Profile {
    int users = 0;
    std::set<std::string> policies;
  };

  void put_policy(const Change& change);
  void put_peer(const Change& change);
  void put_pod(const Change& change);
  void forget_absent(const std::vector<Change>& changes);

  static Policy read_policy(object::View spec);
  static Peer read_peer(object::View spec);
  static std::string map_of(Way way);
  static std::string chain_of(const Policy& policy, Way way);

  void write_policy(Policy& policy);
  void retire(const Policy& former, std::map<std::string, Policy>::const_iterator successor);
  void use_sets(const Policy& policy, int by);

  void write_peer(Peer& peer);
  void rewrite_peer(const std::string& pod, const std::string& uid);
  void count_element(const std::string& set, const std::string& element, int by);

  void write_local(const std::string& uid, Local& local);
  void write_locals_of(const std::string& pod);
  void give_up_address(const std::string& uid);
  std::optional<std::set<std::string>> limits_of(const Local& local,
                                                 const std::string& uid,
                                                 Way way) const;
  std::string take_profile(Way way, const std::set<std::string>& policies);
  void leave_profile(Way way, const std::string& chain);

  NftBook book_;
  int next_number_ = 0;
  std::map<std::string, Policy> policies_;                     ///< by "namespace/name"
  std::map<std::string, Peer> peers_;                          ///< by "namespace/name"
  std::map<std::string, std::string> living_;                  ///< uid of each Pod that there is
  std::map<std::string, Local> locals_;                        ///< by uid
  std::map<std::string, std::string> holders_;                 ///< uid by address
  std::map<std::string, std::map<std::string, int>> members_;  ///< of sets, with how many peers
  std::map<std::string, int> set_users_;                       ///< policies that name a set
  std::map<std::string, Profile> profiles_;                    ///< by chain
  std::map<std::pair<Way, std::set<std::string>>, std::string> profile_chains_;
};

/// The table with its hooks and what the book wants in it, in place of whatever it held.
std::string render_policy_frame(const std::string& table, NftBook& book);
/// Pods have no IPv6 addresses but those that the kernel gives every interface, and policies know
/// none: between the ports of the bridge nothing of it passes.
std::string render_closed_ipv6(const std::string& table, const std::string& bridge);

}  // namespace tetrarch::agent::network

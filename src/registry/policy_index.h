// SPDX-License-Identifier: Apache-2.0
// PolicyIndex: what NetworkPolicies mean, selectors resolved: which pods each one is for, and which
// pods each address group holds. A change costs what it concerns: a pod is compared with the
// selectors filed under one of its labels, and only nodes that use one of its groups hear of it.
// Pure; PolicyFeeds owns one and feeds it.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "object/selector.h"
#include "object/stored.h"

namespace tetrarch::registry {

inline constexpr std::string_view kNetworkPolicies = "networkpolicies.networking.k8s.io";
/// A policy as nodes carry it out, under the policy's own name.
inline constexpr std::string_view kNodePolicies = "nodepolicies.network.tetrarch.dev";
/// A pod as policies see it: its address, its groups and, on its own node, its policies.
inline constexpr std::string_view kPolicyPods = "policypods.network.tetrarch.dev";

class PolicyIndex {
 public:
  /// The document `document` of that node may be another now.
  using Listener = std::function<void(const std::string& node, const Key& document)>;

  explicit PolicyIndex(Listener listener);
  ~PolicyIndex();
  PolicyIndex(const PolicyIndex&) = delete;
  PolicyIndex& operator=(const PolicyIndex&) = delete;

  /// A pod, namespace or NetworkPolicy that is new or has changed.
  void put(const Stored& object);
  void erase(const Key& key);

  /// What that node is to have; null: nothing of that key.
  DocumentPtr document(const std::string& node, const Key& key) const;
  /// The keys of all that it is to have, and perhaps of some that turn out to be nothing.
  std::set<Key> documents(const std::string& node) const;

 private:
  struct Policy;
  struct Group;
  struct Pod;
  struct Node;
  using Name = std::pair<std::string, std::string>;  ///< namespace and name

  /// Where selectors are filed: by scope (a namespace, or all) and a label that they ask for.
  template <class T>
  using Shelf = std::map<std::string, std::set<T*>, std::less<>>;

  void put_pod(const Stored& stored);
  void put_namespace(const Stored& stored);
  void put_policy(const Stored& stored);
  void erase_pod(const Name& name);
  void retire(std::unique_ptr<Policy> policy);

  void place(Pod& pod);
  void place_all(const std::string& ns);
  void leave_all(Pod& pod);
  void join(Pod& pod, Policy& policy);
  void leave(Pod& pod, Policy& policy);
  void tell_of(const Pod& pod, const std::set<Group*>& groups) const;
  std::set<Policy*> policies_for(const Pod& pod) const;
  std::set<Group*> groups_for(const Pod& pod) const;
  bool holds(const Group& group, const Pod& pod) const;
  object::View namespace_labels(const std::string& ns) const;

  Group* acquire(Group wanted);
  void release(Group& group);
  void use(const std::string& node, Group& group);
  void unuse(const std::string& node, Group& group);
  Node& node_of(const std::string& name);
  void forget_if_empty(const std::string& node);

  DocumentPtr pod_document(const std::string& node, const Pod& pod) const;

  const Listener listener_;
  std::map<std::string, DocumentPtr, std::less<>> namespaces_;
  std::map<Name, std::unique_ptr<Pod>> pods_;
  std::map<Name, std::unique_ptr<Policy>> policies_;
  std::map<std::string, std::unique_ptr<Group>> groups_;  ///< by id
  std::map<std::string, std::unique_ptr<Node>> nodes_;    ///< that have a pod with a policy
  Shelf<Policy> policy_shelf_;
  Shelf<Group> group_shelf_;
};

}  // namespace tetrarch::registry

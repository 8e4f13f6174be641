// SPDX-License-Identifier: Apache-2.0
#include "registry/policy_index.h"

#include <algorithm>
#include <optional>

#include "object/writer.h"
#include "registry/policy_document.h"
#include "schema/rules.h"

namespace tetrarch::registry {

using object::LabelSelector;
using object::View;

struct PolicyIndex::Policy {
  Key document_key;
  Name name;
  LabelSelector pods;
  DocumentPtr document;
  std::set<Group*> groups;
  std::set<Pod*> selected;
};

/// There while a policy names it.
struct PolicyIndex::Group {
  GroupSpec spec;
  int policies = 0;
  std::set<Pod*> members = {};
  std::set<std::string> nodes = {};  ///< that have a pod under a policy that names it
};

struct PolicyIndex::Pod {
  Stored stored;
  std::set<Policy*> policies;
  std::set<Group*> groups;

  View root() const { return stored.root(); }

  View labels() const { return stored.metadata()["labels"]; }

  std::string node() const { return std::string(root().find("spec.nodeName").string()); }

  std::string_view address() const { return root().find("status.podIP").string(); }

  Key document_key() const { return {std::string(kPolicyPods), stored.key.ns, stored.key.name}; }

  /// A static pod goes by the uid that its node gave it.
  std::string_view uid() const {
    const auto mirrored = stored.metadata()["annotations"][schema::kMirrorAnnotation].string();
    return mirrored.empty() ? stored.uid() : mirrored;
  }

  /// Pods in the machine's own network have its address: they are no peers, and under no policy.
  bool is_host() const { return root().find("spec.hostNetwork").boolean(); }

  /// Its address may be another's by now.
  bool is_finished() const {
    const auto phase = root().find("status.phase").string();
    return phase == "Succeeded" || phase == "Failed";
  }
};

struct PolicyIndex::Node {
  std::map<const Policy*, int> policies;  ///< with the number of its pods that each is for
  std::map<const Group*, int> groups;     ///< with the number of its policies that name each
};

namespace {

constexpr std::string_view kPods = "pods";
constexpr std::string_view kNamespaces = "namespaces";
constexpr std::string_view kEverywhere = "*";  // no namespace has this name

std::string topic(std::string_view scope, char what, std::string_view key, std::string_view value) {
  std::string out(scope);
  out += '\n';
  out += what;
  out += key;
  out += '=';
  out += value;
  return out;
}

std::string topic_of_rest(std::string_view scope) {
  return std::string(scope) + "\n";
}

/// One topic for each value of a label that the selector insists on; empty: it names no values.
std::vector<std::string> topics_of(std::string_view scope,
                                   char what,
                                   const LabelSelector& selector) {
  std::vector<std::string> out;
  for (const auto& each : selector.requirements()) {
    if (each.op == object::LabelOperator::in) {
      for (const auto& value : each.values) {
        out.push_back(topic(scope, what, each.key, value));
      }
      return out;
    }
  }
  return out;
}

std::vector<std::string> topics_of(const GroupSpec& group) {
  const std::string_view scope = group.ns.empty() ? kEverywhere : std::string_view(group.ns);
  auto out = topics_of(scope, 'p', group.pods);
  if (out.empty() && group.ns.empty()) {
    out = topics_of(scope, 'n', group.namespaces);
  }
  return out.empty() ? std::vector{topic_of_rest(scope)} : out;
}

std::vector<std::string> topics_of_policy(const std::string& ns, const LabelSelector& pods) {
  auto out = topics_of(ns, 'p', pods);
  return out.empty() ? std::vector{topic_of_rest(ns)} : out;
}

template <class Shelf, class T>
void file(Shelf& shelf, const std::vector<std::string>& topics, T* what) {
  for (const auto& each : topics) {
    shelf[each].insert(what);
  }
}

template <class Shelf, class T>
void unfile(Shelf& shelf, const std::vector<std::string>& topics, T* what) {
  for (const auto& each : topics) {
    const auto found = shelf.find(each);
    found->second.erase(what);
    if (found->second.empty()) {
      shelf.erase(found);
    }
  }
}

template <class Shelf, class Visit>
void visit_labels(
    const Shelf& shelf, std::string_view scope, char what, View labels, const Visit& visit) {
  for (const auto& [key, value] : labels.members()) {
    const auto found = shelf.find(topic(scope, what, key, value.string()));
    if (found != shelf.end()) {
      std::for_each(found->second.begin(), found->second.end(), visit);
    }
  }
}

template <class Shelf, class Visit>
void visit_rest(const Shelf& shelf, std::string_view scope, const Visit& visit) {
  const auto found = shelf.find(topic_of_rest(scope));
  if (found != shelf.end()) {
    std::for_each(found->second.begin(), found->second.end(), visit);
  }
}

/// Whether anything that policies look at differs.
bool is_same_to_policies(const Stored& before, const Stored& after) {
  const auto same = [&](std::string_view path) {
    return before.root().find(path).same_as(after.root().find(path));
  };
  return before.uid() == after.uid() && same("metadata.labels") && same("spec.nodeName") &&
         same("spec.hostNetwork") && same("status.podIP") && same("status.phase") &&
         same("spec.containers") && same("spec.initContainers");
}

void write_ports(object::Writer& writer, View containers) {
  for (const auto container : containers.elements()) {
    for (const auto port : container["ports"].elements()) {
      if (!port["name"].string().empty()) {
        writer.begin_object();
        writer.field("containerPort", port["containerPort"].integer());
        writer.field("name", port["name"].string());
        writer.field("protocol", port["protocol"].string("TCP")).end_object();
      }
    }
  }
}

}  // namespace

PolicyIndex::PolicyIndex(Listener listener) : listener_(std::move(listener)) {}

PolicyIndex::~PolicyIndex() = default;

void PolicyIndex::put(const Stored& object) {
  if (object.key.resource == kPods) {
    put_pod(object);
  } else if (object.key.resource == kNamespaces) {
    put_namespace(object);
  } else if (object.key.resource == kNetworkPolicies) {
    put_policy(object);
  }
}

void PolicyIndex::erase(const Key& key) {
  const Name name{key.ns, key.name};
  if (key.resource == kPods) {
    erase_pod(name);
  } else if (key.resource == kNamespaces) {
    namespaces_.erase(key.name);
    place_all(key.name);
  } else if (key.resource == kNetworkPolicies) {
    if (auto found = policies_.extract(name)) {
      retire(std::move(found.mapped()));
    }
  }
}

// ---- pods
// ----------------------------------------------------------------------------------------

void PolicyIndex::put_pod(const Stored& stored) {
  const Name name{stored.key.ns, stored.key.name};
  auto& pod = pods_[name];
  if (pod && is_same_to_policies(pod->stored, stored)) {
    pod->stored = stored;
    return;
  }
  if (pod &&
      pod->root().find("spec.nodeName").string() != stored.root().find("spec.nodeName").string()) {
    leave_all(*pod);  // bound, or another pod of that name
    pod.reset();
  }
  if (!pod) {
    pod = std::make_unique<Pod>();
  }
  pod->stored = stored;
  place(*pod);
}

void PolicyIndex::erase_pod(const Name& name) {
  const auto found = pods_.find(name);
  if (found != pods_.end()) {
    const auto pod = std::move(found->second);
    pods_.erase(found);
    leave_all(*pod);
  }
}

void PolicyIndex::put_namespace(const Stored& stored) {
  auto& known = namespaces_[stored.key.name];
  const auto before = std::exchange(known, stored.document);
  if (before && before->root().find("metadata.labels").same_as(stored.metadata()["labels"])) {
    return;
  }
  place_all(stored.key.name);
}

void PolicyIndex::place_all(const std::string& ns) {
  for (auto at = pods_.lower_bound({ns, ""}); at != pods_.end() && at->first.first == ns; ++at) {
    place(*at->second);
  }
}

/// Into the groups and under the policies that its labels ask for, and out of all others.
void PolicyIndex::place(Pod& pod) {
  const auto policies = policies_for(pod);
  for (auto* each : policies) {
    if (!pod.policies.contains(each)) {
      join(pod, *each);
    }
  }
  for (auto* each : std::set(pod.policies)) {
    if (!policies.contains(each)) {
      leave(pod, *each);
    }
  }
  auto groups = groups_for(pod);
  std::swap(groups, pod.groups);
  for (auto* each : groups) {
    if (!pod.groups.contains(each)) {
      each->members.erase(&pod);
    }
  }
  for (auto* each : pod.groups) {
    each->members.insert(&pod);
  }
  tell_of(pod, groups);
  tell_of(pod, pod.groups);
}

void PolicyIndex::leave_all(Pod& pod) {
  const auto groups = std::exchange(pod.groups, {});
  for (auto* each : groups) {
    each->members.erase(&pod);
  }
  for (auto* each : std::set(pod.policies)) {
    leave(pod, *each);
  }
  tell_of(pod, groups);
}

void PolicyIndex::tell_of(const Pod& pod, const std::set<Group*>& groups) const {
  const auto key = pod.document_key();
  if (const auto node = pod.node(); nodes_.contains(node)) {
    listener_(node, key);
  }
  for (const auto* group : groups) {
    for (const auto& node : group->nodes) {
      listener_(node, key);
    }
  }
}

std::set<PolicyIndex::Policy*> PolicyIndex::policies_for(const Pod& pod) const {
  std::set<Policy*> out;
  const auto take = [&](Policy* each) {
    if (each->pods.matches(pod.labels())) {
      out.insert(each);
    }
  };
  if (!pod.is_host()) {
    visit_rest(policy_shelf_, pod.stored.key.ns, take);
    visit_labels(policy_shelf_, pod.stored.key.ns, 'p', pod.labels(), take);
  }
  return out;
}

std::set<PolicyIndex::Group*> PolicyIndex::groups_for(const Pod& pod) const {
  std::set<Group*> out;
  const auto take = [&](Group* each) {
    if (holds(*each, pod)) {
      out.insert(each);
    }
  };
  for (const auto scope : {std::string_view(pod.stored.key.ns), kEverywhere}) {
    visit_rest(group_shelf_, scope, take);
    visit_labels(group_shelf_, scope, 'p', pod.labels(), take);
  }
  visit_labels(group_shelf_, kEverywhere, 'n', namespace_labels(pod.stored.key.ns), take);
  return out;
}

bool PolicyIndex::holds(const Group& group, const Pod& pod) const {
  return !pod.is_host() && !pod.is_finished() &&
         (group.spec.ns.empty() ? group.spec.namespaces.matches(namespace_labels(pod.stored.key.ns))
                                : group.spec.ns == pod.stored.key.ns) &&
         group.spec.pods.matches(pod.labels());
}

View PolicyIndex::namespace_labels(const std::string& ns) const {
  const auto found = namespaces_.find(ns);
  return found == namespaces_.end() ? View() : found->second->root().find("metadata.labels");
}

// ---- policies
// ------------------------------------------------------------------------------------

void PolicyIndex::put_policy(const Stored& stored) {
  auto reading = read_policy(stored);
  auto fresh = std::make_unique<Policy>();
  fresh->name = {stored.key.ns, stored.key.name};
  fresh->document_key = {std::string(kNodePolicies), stored.key.ns, stored.key.name};
  fresh->pods = std::move(reading.pods);
  fresh->document = std::move(reading.document);
  for (auto& group : reading.groups) {
    fresh->groups.insert(acquire({.spec = std::move(group)}));
  }
  file(policy_shelf_, topics_of_policy(stored.key.ns, fresh->pods), fresh.get());
  auto* policy = fresh.get();
  auto before = std::exchange(policies_[policy->name], std::move(fresh));
  // The new one's groups are in use before the former's are given up: what both name stays.
  for (auto at = pods_.lower_bound({stored.key.ns, ""});
       at != pods_.end() && at->first.first == stored.key.ns;
       ++at) {
    auto& pod = *at->second;
    if (!pod.is_host() && policy->pods.matches(pod.labels())) {
      join(pod, *policy);
      tell_of(pod, {});
    }
  }
  if (before) {
    retire(std::move(before));
  }
}

void PolicyIndex::retire(std::unique_ptr<Policy> policy) {
  unfile(policy_shelf_, topics_of_policy(policy->name.first, policy->pods), policy.get());
  for (auto* pod : std::set(policy->selected)) {
    leave(*pod, *policy);
    tell_of(*pod, {});
  }
  for (auto* group : policy->groups) {
    release(*group);
  }
}

void PolicyIndex::join(Pod& pod, Policy& policy) {
  pod.policies.insert(&policy);
  policy.selected.insert(&pod);
  const auto name = pod.node();
  if (name.empty() || node_of(name).policies[&policy]++ > 0) {
    return;
  }
  for (auto* group : policy.groups) {
    use(name, *group);
  }
  listener_(name, policy.document_key);
}

void PolicyIndex::leave(Pod& pod, Policy& policy) {
  pod.policies.erase(&policy);
  policy.selected.erase(&pod);
  const auto name = pod.node();
  if (name.empty()) {
    return;
  }
  listener_(name, pod.document_key());
  auto& node = node_of(name);
  if (--node.policies[&policy] > 0) {
    return;
  }
  node.policies.erase(&policy);
  for (auto* group : policy.groups) {
    unuse(name, *group);
  }
  listener_(name, policy.document_key);
  forget_if_empty(name);
}

// ---- groups
// --------------------------------------------------------------------------------------

PolicyIndex::Group* PolicyIndex::acquire(Group wanted) {
  auto& group = groups_[wanted.spec.id];
  if (!group) {
    group = std::make_unique<Group>(std::move(wanted));
    file(group_shelf_, topics_of(group->spec), group.get());
    const auto& ns = group->spec.ns;
    for (auto at = pods_.lower_bound({ns, ""});
         at != pods_.end() && (ns.empty() || at->first.first == ns);
         ++at) {
      if (holds(*group, *at->second)) {
        group->members.insert(at->second.get());
        at->second->groups.insert(group.get());
      }
    }
  }
  ++group->policies;
  return group.get();
}

void PolicyIndex::release(Group& group) {
  if (--group.policies > 0) {
    return;
  }
  unfile(group_shelf_, topics_of(group.spec), &group);
  for (auto* pod : group.members) {
    pod->groups.erase(&group);
  }
  groups_.erase(std::string(group.spec.id));
}

void PolicyIndex::use(const std::string& node, Group& group) {
  if (node_of(node).groups[&group]++ > 0) {
    return;
  }
  group.nodes.insert(node);
  for (const auto* pod : group.members) {
    listener_(node, pod->document_key());
  }
}

void PolicyIndex::unuse(const std::string& node, Group& group) {
  auto& groups = node_of(node).groups;
  if (--groups[&group] > 0) {
    return;
  }
  groups.erase(&group);
  group.nodes.erase(node);
  for (const auto* pod : group.members) {
    listener_(node, pod->document_key());
  }
}

PolicyIndex::Node& PolicyIndex::node_of(const std::string& name) {
  auto& node = nodes_[name];
  if (!node) {
    node = std::make_unique<Node>();
  }
  return *node;
}

void PolicyIndex::forget_if_empty(const std::string& node) {
  const auto found = nodes_.find(node);
  if (found != nodes_.end() && found->second->policies.empty()) {
    nodes_.erase(found);
  }
}

// ---- documents
// -----------------------------------------------------------------------------------

DocumentPtr PolicyIndex::document(const std::string& node, const Key& key) const {
  const auto at = nodes_.find(node);
  if (at == nodes_.end()) {
    return nullptr;
  }
  const Name name{key.ns, key.name};
  if (key.resource == kNodePolicies) {
    const auto found = policies_.find(name);
    const bool is_wanted =
        found != policies_.end() && at->second->policies.contains(found->second.get());
    return is_wanted ? found->second->document : nullptr;
  }
  const auto found = pods_.find(name);
  return found == pods_.end() ? nullptr : pod_document(node, *found->second);
}

DocumentPtr PolicyIndex::pod_document(const std::string& node, const Pod& pod) const {
  const auto& uses = nodes_.at(node)->groups;
  const bool is_own = pod.node() == node;
  std::set<std::string_view> groups;
  for (const auto* group : pod.groups) {
    if (uses.contains(group)) {
      groups.insert(group->spec.id);
    }
  }
  std::set<std::string_view> policies;
  for (const auto* policy : pod.policies) {
    if (is_own) {
      policies.insert(policy->name.second);
    }
  }
  const bool is_peer = !groups.empty() && (is_own || !pod.address().empty());
  if (!is_peer && policies.empty()) {
    return nullptr;
  }
  const auto write_all = [](object::Writer& writer, const std::set<std::string_view>& names) {
    writer.begin_array();
    for (const auto each : names) {
      writer.string(each);
    }
    writer.end_array();
  };
  std::string json;
  object::Writer writer(json);
  writer.begin_object();
  writer.field("apiVersion", "network.tetrarch.dev/v1").field("kind", "PolicyPod");
  writer.key("metadata").begin_object().field("name", pod.stored.key.name);
  writer.field("namespace", pod.stored.key.ns).end_object();
  writer.key("spec").begin_object().field("address", pod.is_finished() ? "" : pod.address());
  write_all(writer.key("groups"), groups);
  write_all(writer.key("policies"), policies);
  writer.key("ports").begin_array();
  write_ports(writer, pod.root().find("spec.initContainers"));
  write_ports(writer, pod.root().find("spec.containers"));
  writer.end_array().field("uid", pod.uid()).end_object().end_object();
  return Document::from_canonical(std::move(json));
}

std::set<Key> PolicyIndex::documents(const std::string& node) const {
  std::set<Key> out;
  const auto found = nodes_.find(node);
  if (found == nodes_.end()) {
    return out;
  }
  for (const auto& [policy, count] : found->second->policies) {
    out.insert(policy->document_key);
    for (const auto* pod : policy->selected) {
      if (pod->node() == node) {
        out.insert(pod->document_key());
      }
    }
  }
  for (const auto& [group, count] : found->second->groups) {
    for (const auto* pod : group->members) {
      out.insert(pod->document_key());
    }
  }
  return out;
}

}  // namespace tetrarch::registry

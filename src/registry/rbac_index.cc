// SPDX-License-Identifier: Apache-2.0
#include "registry/rbac_index.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <utility>

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::size_t kBatch = 1024;
// admin gathers edit, which gathers view; deeper is a cycle or a mistake.
constexpr int kAggregationDepth = 3;
constexpr std::string_view kRoles = "roles.rbac.authorization.k8s.io";
constexpr std::string_view kClusterRoles = "clusterroles.rbac.authorization.k8s.io";
constexpr std::string_view kRoleBindings = "rolebindings.rbac.authorization.k8s.io";
constexpr std::string_view kClusterRoleBindings = "clusterrolebindings.rbac.authorization.k8s.io";
constexpr std::array kResources = {kRoles, kClusterRoles, kRoleBindings, kClusterRoleBindings};

bool is_role(std::string_view resource) {
  return resource == kRoles || resource == kClusterRoles;
}

/// "u:<user>" or "g:<group>".
std::string subject_key(View subject, const std::string& binding_ns) {
  const auto kind = subject["kind"].string();
  const auto name = subject["name"].string();
  if (kind == "ServiceAccount") {
    const auto given = subject["namespace"].string();
    const auto ns = given.empty() ? std::string_view(binding_ns) : given;
    return "u:" + std::string(trust::kServiceAccountUserPrefix) + std::string(ns) + ":" +
           std::string(name);
  }
  return (kind == "Group" ? "g:" : "u:") + std::string(name);
}

Key role_key(std::string_view kind, std::string_view ns, std::string_view name) {
  const bool is_cluster = kind == "ClusterRole";
  return {std::string(is_cluster ? kClusterRoles : kRoles),
          is_cluster ? std::string() : std::string(ns),
          std::string(name)};
}

}  // namespace

RbacIndex::RbacIndex(store::Store& store) : store_(store) {}

RbacIndex::~RbacIndex() = default;

void RbacIndex::refresh() const {
  if (!is_stale_->load()) {
    return;
  }
  const std::unique_lock lock(mutex_);
  if (!is_stale_->exchange(false)) {
    return;
  }
  if (changes_.empty()) {
    reload();
    return;
  }
  const bool has_all = poll_changes();
  if (!has_all) {
    reload();
  }
  gather_aggregates();
}

bool RbacIndex::poll_changes() const {
  for (const auto& subscription : changes_) {
    while (true) {
      auto events = subscription->poll(kBatch);
      if (!events.ok()) {
        return false;
      }
      for (const auto& event : *events) {
        apply(event.object, event.type == store::Event::Type::deleted);
      }
      if (events->size() < kBatch) {
        break;
      }
    }
  }
  return true;
}

void RbacIndex::reload() const {
  roles_.clear();
  bindings_.clear();
  by_subject_.clear();
  changes_.clear();
  const auto snapshot = store_.snapshot();
  for (const auto resource : kResources) {
    auto changes = store_.watch({std::string(resource)}, snapshot.revision());
    if (!changes.ok()) {
      changes_.clear();
      is_stale_->store(true);  // history moved on meanwhile: once more at the next question
      break;
    }
    changes_.push_back(*std::move(changes));
    changes_.back()->on_ready([stale = is_stale_] { stale->store(true); });
  }
  for (const auto resource : kResources) {
    snapshot.scan(resource, "", {}, [&](const Stored& stored) {
      apply(stored, false);
      return true;
    });
  }
  gather_aggregates();
}

void RbacIndex::apply(const Stored& object, bool is_gone) const {
  if (!is_role(object.key.resource)) {
    drop_binding(object.key);
    if (!is_gone) {
      put_binding(object);
    }
    return;
  }
  if (is_gone) {
    has_new_cluster_roles_ = true;
    roles_.erase(object.key);
    return;
  }
  Role role{read_rules(object.root()["rules"]), {}, object.document, {}};
  has_new_cluster_roles_ = has_new_cluster_roles_ || object.key.resource == kClusterRoles;
  for (const View each : object.root().find("aggregationRule.clusterRoleSelectors").elements()) {
    if (auto selector = object::LabelSelector::from_object(each); selector.ok()) {
      role.aggregates.push_back(*std::move(selector));
    }
  }
  roles_.insert_or_assign(object.key, std::move(role));
}

void RbacIndex::put_binding(const Stored& object) const {
  const View ref = object.root()["roleRef"];
  Binding binding{
      object.key.ns, role_key(ref["kind"].string(), object.key.ns, ref["name"].string()), {}};
  for (const View subject : object.root()["subjects"].elements()) {
    binding.subjects.push_back(subject_key(subject, object.key.ns));
    by_subject_[binding.subjects.back()].insert(object.key);
  }
  bindings_.insert_or_assign(object.key, std::move(binding));
}

void RbacIndex::drop_binding(const Key& key) const {
  const auto found = bindings_.find(key);
  if (found == bindings_.end()) {
    return;
  }
  for (const auto& subject : found->second.subjects) {
    if (const auto filed = by_subject_.find(subject); filed != by_subject_.end()) {
      filed->second.erase(key);
      if (filed->second.empty()) {
        by_subject_.erase(filed);
      }
    }
  }
  bindings_.erase(found);
}

bool RbacIndex::each_rule_of_role(const Key& role, const Visit& visit) const {
  const auto found = roles_.find(role);
  if (found == roles_.end()) {
    return true;
  }
  for (const auto& rule : found->second.rules) {
    if (!visit(rule)) {
      return false;
    }
  }
  for (const auto& rule : found->second.gathered) {
    if (!visit(rule)) {
      return false;
    }
  }
  return true;
}

void RbacIndex::gather_aggregates() const {
  if (!std::exchange(has_new_cluster_roles_, false)) {
    return;
  }
  for (auto& [key, role] : roles_) {
    role.gathered.clear();
    if (!role.aggregates.empty()) {
      gather_into(role.gathered, key, kAggregationDepth);
    }
  }
}

void RbacIndex::gather_into(std::vector<PolicyRule>& out, const Key& key, int depth) const {
  const auto& into = roles_.at(key);
  for (const auto& [other_key, other] : roles_) {
    if (other_key.resource != kClusterRoles || other_key == key) {
      continue;
    }
    const View labels = other.document->root()["metadata"]["labels"];
    const bool is_wanted = std::any_of(into.aggregates.begin(),
                                       into.aggregates.end(),
                                       [&](const auto& each) { return each.matches(labels); });
    if (!is_wanted) {
      continue;
    }
    out.insert(out.end(), other.rules.begin(), other.rules.end());
    if (!other.aggregates.empty() && depth > 1) {
      gather_into(out, other_key, depth - 1);
    }
  }
}

bool RbacIndex::each_rule_of(std::string_view subject,
                             std::string_view ns,
                             const Visit& visit) const {
  const auto filed = by_subject_.find(std::string(subject));
  if (filed == by_subject_.end()) {
    return true;
  }
  for (const auto& key : filed->second) {
    const auto& binding = bindings_.at(key);
    if ((binding.ns.empty() || (!ns.empty() && binding.ns == ns)) &&
        !each_rule_of_role(binding.role, visit)) {
      return false;
    }
  }
  return true;
}

bool RbacIndex::each_rule(const trust::Identity& identity,
                          std::string_view ns,
                          const Visit& visit) const {
  if (!each_rule_of("u:" + identity.user, ns, visit)) {
    return false;
  }
  for (const auto& group : identity.groups) {
    if (!each_rule_of("g:" + group, ns, visit)) {
      return false;
    }
  }
  return true;
}

bool RbacIndex::allows(const trust::Identity& identity, const Attributes& asked) const {
  refresh();
  const std::shared_lock lock(mutex_);
  const std::string_view ns = asked.path.empty() ? std::string_view(asked.ns) : std::string_view();
  return !each_rule(identity, ns, [&](const PolicyRule& rule) { return !rule.allows(asked); });
}

std::vector<PolicyRule> RbacIndex::rules_of(const trust::Identity& identity,
                                            std::string_view ns) const {
  refresh();
  const std::shared_lock lock(mutex_);
  std::vector<PolicyRule> out;
  each_rule(identity, ns, [&](const PolicyRule& rule) {
    out.push_back(rule);
    return true;
  });
  return out;
}

std::vector<PolicyRule> RbacIndex::rules_of_role(std::string_view kind,
                                                 std::string_view ns,
                                                 std::string_view name) const {
  refresh();
  const std::shared_lock lock(mutex_);
  std::vector<PolicyRule> out;
  each_rule_of_role(role_key(kind, ns, name), [&](const PolicyRule& rule) {
    out.push_back(rule);
    return true;
  });
  return out;
}

}  // namespace tetrarch::registry

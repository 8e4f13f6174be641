// SPDX-License-Identifier: Apache-2.0
// RbacIndex: roles and bindings, compiled and filed under their subjects. Follows the store's
// events, so that a question costs a few look-ups and a grant holds from the moment its binding is
// committed.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <shared_mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "object/selector.h"
#include "registry/rbac_rules.h"
#include "store/store.h"
#include "trust/identity.h"

namespace tetrarch::registry {

/// Thread-safe. Questions share a lock; only a change of roles or bindings takes it alone.
class RbacIndex {
 public:
  explicit RbacIndex(store::Store& store);
  ~RbacIndex();
  RbacIndex(const RbacIndex&) = delete;
  RbacIndex& operator=(const RbacIndex&) = delete;

  bool allows(const trust::Identity& identity, const Attributes& asked) const;
  /// All rules that hold for somebody in a namespace (empty: cluster-wide ones only).
  std::vector<PolicyRule> rules_of(const trust::Identity& identity, std::string_view ns) const;
  /// The rules of a role as a binding in `ns` refers to it; nothing where there is no such role.
  std::vector<PolicyRule> rules_of_role(std::string_view kind,
                                        std::string_view ns,
                                        std::string_view name) const;

  /// Roles or bindings were committed: look before the next answer.
  void note_change() const { is_stale_->store(true); }

 private:
  struct Role {
    std::vector<PolicyRule> rules;  ///< its own
    std::vector<object::LabelSelector> aggregates;
    DocumentPtr document;  ///< for its labels
    std::vector<PolicyRule>
        gathered;  ///< of the roles it aggregates, made anew when a cluster role changes
  };

  struct Binding {
    std::string ns;  ///< empty: of the whole cluster
    Key role;
    std::vector<std::string> subjects;
  };

  using Visit = std::function<bool(const PolicyRule&)>;  ///< false stops

  void refresh() const;
  void reload() const;
  bool poll_changes() const;
  void apply(const Stored& object, bool is_gone) const;
  void put_binding(const Stored& object) const;
  void drop_binding(const Key& key) const;
  void gather_aggregates() const;
  void gather_into(std::vector<PolicyRule>& out, const Key& key, int depth) const;
  /// False where a visit stopped it. The lock is held.
  bool each_rule(const trust::Identity& identity, std::string_view ns, const Visit& visit) const;
  bool each_rule_of(std::string_view subject, std::string_view ns, const Visit& visit) const;
  bool each_rule_of_role(const Key& role, const Visit& visit) const;

  store::Store& store_;
  mutable std::shared_mutex mutex_;
  mutable std::vector<std::unique_ptr<store::Subscription>> changes_;
  mutable std::unordered_map<Key, Role, KeyHash> roles_;
  mutable std::unordered_map<Key, Binding, KeyHash> bindings_;
  mutable std::unordered_map<std::string, std::set<Key>> by_subject_;
  mutable bool has_new_cluster_roles_ = false;
  // Shared with the store's callbacks, which may outlive this for a moment.
  std::shared_ptr<std::atomic<bool>> is_stale_ = std::make_shared<std::atomic<bool>>(true);
};

}  // namespace tetrarch::registry

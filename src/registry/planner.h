// SPDX-License-Identifier: Apache-2.0
// Planner: from a request to a store transaction, against one snapshot and without waiting. When
// the commit loses a race the plan is made again from a fresh snapshot, so every rule is checked
// against what is really there.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "registry/strategy.h"
#include "schema/decode.h"

namespace tetrarch::registry {

/// What to commit and what to answer.
struct Plan {
  store::Transaction
      transaction;         ///< without mutations there is nothing to commit: answer `settled`
  std::size_t answer = 0;  ///< the mutation whose object is the answer
  Stored settled;          ///< in the storage version
};

/// A request's object, in the storage version.
struct Body {
  DocumentPtr document;
  std::string resource_version;
  DocumentPtr asked = nullptr;  ///< in the caller's version, where that is another
  /// managedFields where they are settled already (apply); else they follow from the change.
  std::optional<std::string> managed = {};
  bool clears_managed = false;  ///< the body has an empty list of them
};

/// Stateless but for the tables; thread-safe.
class Planner {
 public:
  explicit Planner(const Surroundings& here);

  /// `call.kind` is the caller's version throughout.
  Result<Plan> create(const Call& call,
                      std::string_view json,
                      const client::WriteOptions& options) const;
  Result<Plan> update(const Call& call,
                      std::string_view json,
                      const client::WriteOptions& options) const;
  Result<Plan> patch(const Call& call,
                     client::PatchType type,
                     std::string_view body,
                     const client::WriteOptions& options) const;
  /// Server-side apply of a configuration in JSON.
  Result<Plan> apply(const Call& call,
                     std::string_view json,
                     const client::WriteOptions& options) const;
  Result<Plan> remove(const Call& call, const client::DeleteOptions& options) const;
  /// pods/eviction: a delete that the pod's disruption budget must allow.
  Result<Plan> evict(const Call& call, const client::DeleteOptions& options) const;
  /// A quota with what its namespace takes now.
  Result<Plan> recount(const Call& call) const;
  /// pods/binding, namespaces/finalize and the scale subresource change an object in a way of their
  /// own.
  Result<Plan> bind(const Call& call, object::View binding) const;
  Result<Plan> finalize(const Call& call, std::string_view json) const;
  Result<Plan> scale(const Call& call,
                     std::int64_t replicas,
                     std::string_view resource_version) const;

  const Strategy& strategy(const schema::Kind& kind) const;
  const schema::Kind& storage(const schema::Kind& kind) const;
  Key key_of(const Call& call) const;

 private:
  /// What changes: the object, its status, the node it is on, or one part of it.
  enum class Mode : std::uint8_t { object, status, placement, part };

  /// An object with an applied configuration in it, in the caller's version.
  struct Merged {
    DocumentPtr document;
    std::string managed;
  };

  Result<Body> decode(const Call& call, std::string_view json) const;
  /// An applied configuration, without defaults and in the caller's version.
  Result<Body> decode_applied(const Call& call, std::string_view json) const;
  /// `live` is null where nothing is there.
  Result<Merged> merge_configuration(const Call& call,
                                     const DocumentPtr& live,
                                     const DocumentPtr& applied,
                                     bool is_forced) const;
  Result<Plan> create_from(const Call& call, Body body, const client::WriteOptions& options) const;
  Result<Plan> update_from(const Call& call,
                           const store::Snapshot& snapshot,
                           const Stored& old,
                           Body body,
                           const client::WriteOptions& options,
                           bool is_patch) const;
  /// Metadata rules, validation, generation, no-op and last finalizer: the common end of every
  /// change.
  Result<Plan> settle(Write& write, const Stored& old, Draft& draft, Mode mode) const;
  Mode mode_of(const Call& call) const;
  /// What of a sent object counts: all but the status, the status alone, or a part.
  Result<Draft> drafted(Write& write, const Stored& old, const DocumentPtr& fresh, Mode mode) const;
  Result<DocumentPtr> finish_change(Write& write, const Stored& old, Draft& draft, Mode mode) const;
  /// The rules of the schema and of the kind; those of the kind only where the object itself
  /// changes, not a part of it.
  Status check(const Call& call,
               const std::string& name,
               object::View fresh,
               object::View old,
               bool is_whole) const;
  Plan plan_put(Write& write, const Stored& old, DocumentPtr fresh) const;
  Plan plan_erase(Write& write, const Stored& old) const;
  /// Erases it, or marks it as ending with what else is in the draft.
  Result<Plan> end(Write& write,
                   const Stored& old,
                   Draft& draft,
                   const client::DeleteOptions& options) const;
  Result<Stored> existing(const Call& call, const store::Snapshot& snapshot) const;
  Result<DocumentPtr> patched(const Call& call,
                              client::PatchType type,
                              std::string_view body,
                              const Stored& old) const;

  const Surroundings& here_;

  struct Entry {
    const schema::Kind* storage = nullptr;
    Strategy strategy;
  };

  std::map<const schema::Kind*, Entry> entries_;
};

schema::Unknown unknown_of(FieldValidation validation);

/// Files an object for watches by node; empty for all but pods.
std::string tag_of(const Key& key, object::View object);

}  // namespace tetrarch::registry

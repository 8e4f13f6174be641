// SPDX-License-Identifier: Apache-2.0
#include "registry/planner.h"

#include <algorithm>
#include <utility>

#include "base/check.h"
#include "registry/versions.h"
#include "schema/decode.h"

namespace tetrarch::registry {

using object::View;

namespace {

/// Written without fsync (store.h): the leases of nodes, which are renewed all the time.
bool is_volatile(const Key& key) {
  return key.ns == "kube-node-lease" && key.resource == "leases.coordination.k8s.io";
}

}  // namespace

schema::Unknown unknown_of(FieldValidation validation) {
  switch (validation) {
    case FieldValidation::strict:
      return schema::Unknown::refuse;
    case FieldValidation::warn:
      return schema::Unknown::warn;
    case FieldValidation::ignore:
      break;
  }
  return schema::Unknown::ignore;
}

std::string tag_of(const Key& key, View object) {
  return key.resource == "pods" ? std::string(object.find("spec.nodeName").string())
                                : std::string();
}

Planner::Planner(const Surroundings& here) : here_(here) {
  for (const auto& kind : here_.catalog.kinds()) {
    const auto* storage = here_.catalog.by_resource(kind->resource);
    const auto& stored = storage == nullptr ? *kind : *storage;
    entries_.emplace(kind.get(), Entry{&stored, strategy_for(stored)});
  }
}

const Strategy& Planner::strategy(const schema::Kind& kind) const {
  const auto found = entries_.find(&kind);
  CHECK(found != entries_.end());
  return found->second.strategy;
}

const schema::Kind& Planner::storage(const schema::Kind& kind) const {
  const auto found = entries_.find(&kind);
  CHECK(found != entries_.end());
  return *found->second.storage;
}

Key Planner::key_of(const Call& call) const {
  return {call.kind->resource, call.kind->is_namespaced ? call.ns : std::string(), call.name};
}

Result<Body> Planner::decode(const Call& call, std::string_view json) const {
  TRY(auto decoded, schema::decode(*call.kind, json, unknown_of(call.field_validation)));
  if (call.warnings != nullptr) {
    for (auto& text : decoded.warnings) {
      call.warnings->push_back(std::move(text));
    }
  }
  Body out{std::move(decoded.document), std::move(decoded.resource_version)};
  const auto& stored = storage(*call.kind);
  if (&stored != call.kind) {
    out.asked = out.document;
    TRY(out.document, converted(*call.kind, stored, out.asked));
  }
  return out;
}

Result<Stored> Planner::existing(const Call& call, const store::Snapshot& snapshot) const {
  auto found = snapshot.get(key_of(call));
  if (!found) {
    return not_found(qualified(*call.kind), call.name);
  }
  return *std::move(found);
}

Status Planner::check(
    const Call& call, const std::string& name, View fresh, View old, bool is_whole) const {
  const auto& asked = *call.kind;
  auto faults = schema::validate(storage(asked), fresh, old, call.subresource);
  const auto& strategy = this->strategy(asked);
  FieldErrors own;
  if (strategy.check != nullptr && is_whole) {
    strategy.check(fresh, old, own);
  }
  if (strategy.check_from_outside != nullptr && is_whole && !call.is_internal) {
    strategy.check_from_outside(fresh, old, own);
  }
  for (auto& fault : own) {
    // The tables may have found the same already.
    const bool is_known = std::any_of(faults.begin(), faults.end(), [&](const FieldError& each) {
      return each.field == fault.field && each.reason == fault.reason;
    });
    if (!is_known) {
      faults.push_back(std::move(fault));
    }
  }
  if (!faults.empty()) {
    return invalid(qualified_kind(asked), name, std::move(faults));
  }
  return ok();
}

Plan Planner::plan_put(Write& write, const Stored& old, DocumentPtr fresh) const {
  Plan plan;
  write.transaction.is_volatile = is_volatile(old.key);
  write.transaction.compares.push_back({old.key, old.revision});
  plan.answer = write.transaction.mutations.size();
  write.transaction.mutations.push_back({old.key, fresh, tag_of(old.key, fresh->root())});
  plan.settled = {old.key, old.revision, std::move(fresh)};
  plan.transaction = std::move(write.transaction);
  return plan;
}

Plan Planner::plan_erase(Write& write, const Stored& old) const {
  const auto& strategy = this->strategy(*write.call.kind);
  if (strategy.on_gone != nullptr) {
    strategy.on_gone(write, old.root());
  }
  Plan plan;
  write.transaction.is_volatile = is_volatile(old.key);
  write.transaction.compares.push_back({old.key, old.revision});
  plan.answer = write.transaction.mutations.size();
  write.transaction.mutations.push_back({old.key, nullptr});
  plan.settled = old;
  plan.transaction = std::move(write.transaction);
  return plan;
}

}  // namespace tetrarch::registry

// SPDX-License-Identifier: Apache-2.0
// Planner: changes to objects that are there, and the common end of every change.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "object/managed_fields.h"
#include "registry/managed.h"
#include "registry/planner.h"
#include "registry/quota.h"
#include "schema/decode.h"

namespace tetrarch::registry {

using object::View;

namespace {

bool is_own_member(std::string_view name) {
  return name == "kind" || name == "apiVersion" || name == "metadata" || name == "status";
}

/// Whether anything but metadata and status differs.
bool has_other_spec(View fresh, View old) {
  std::size_t members = 0;
  for (const auto [name, value] : fresh.members()) {
    if (is_own_member(name)) {
      continue;
    }
    ++members;
    if (!value.same_as(old[name])) {
      return true;
    }
  }
  std::size_t old_members = 0;
  for (const auto member : old.members()) {
    old_members += is_own_member(member.key) ? 0 : 1;
  }
  return members != old_members;
}

/// What an update can never change, whatever the caller sent.
Status keep_identity(const Call& call, const Meta& before, Meta& fresh) {
  if (!fresh.uid.empty() && fresh.uid != before.uid) {
    return conflict(
        qualified(*call.kind),
        before.name,
        fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                    fresh.uid,
                    before.uid));
  }
  fresh.uid = before.uid;
  fresh.ns = before.ns;
  fresh.name = before.name;
  fresh.created = before.created;
  fresh.deleted = before.deleted;
  fresh.grace_s = before.grace_s;
  fresh.generation = before.generation;
  return ok();
}

/// New times in managedFields alone are no change: then the old document comes back.
DocumentPtr finish_unless_same(const Stored& old, const Meta& before, Draft& draft) {
  auto& managed = draft.meta.managed;
  if (managed != before.managed && managed.size() == before.managed.size()) {
    const auto list = Document::from_canonical(managed);
    if (object::differ_in_times_only(list->root(), old.metadata()["managedFields"])) {
      auto fresh_managed = std::exchange(managed, before.managed);
      if (auto same = draft.finish(); same->bytes() == old.document->bytes()) {
        return same;
      }
      managed = std::move(fresh_managed);
    }
  }
  return draft.finish();
}

Status check_finalizers_kept(const Call& call, const Meta& before, const Meta& fresh) {
  if (before.deleted.empty()) {
    return ok();
  }
  std::string added;
  for (const auto& each : fresh.finalizers) {
    if (std::find(before.finalizers.begin(), before.finalizers.end(), each) ==
        before.finalizers.end()) {
      added += (added.empty() ? "\"" : ", \"") + each + "\"";
    }
  }
  if (added.empty()) {
    return ok();
  }
  FieldErrors faults;
  faults.push_back(forbidden_field(
      "metadata.finalizers",
      fmt::format("no new finalizers can be added if the object is being deleted, found new "
                  "finalizers []string{{{}}}",
                  added)));
  return invalid(qualified_kind(*call.kind), before.name, std::move(faults));
}

/// An ending object goes with its last finalizer. The grace of a pod ends by the agent's own
/// delete.
bool ends_now(const Meta& fresh, View document) {
  return !fresh.deleted.empty() && fresh.finalizers.empty() && fresh.grace_s.value_or(0) == 0 &&
         document.find("spec.finalizers").size() == 0;
}

/// Objects that can take more of a quota after they were made.
bool may_grow(std::string_view resource) {
  return resource == "services" || resource == "pods";
}

Status check_address(const Call& call, const Meta& fresh) {
  if (!fresh.name.empty() && fresh.name != call.name) {
    return bad_request(
        fmt::format("the name of the object ({}) does not match the name on the URL ({})",
                    fresh.name,
                    call.name));
  }
  if (call.kind->is_namespaced && !fresh.ns.empty() && fresh.ns != call.ns) {
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request");
  }
  return ok();
}

}  // namespace

Result<Plan> Planner::update(const Call& call,
                             std::string_view json,
                             const client::WriteOptions& options) const {
  TRY(auto body, decode(call, json));
  body.clears_managed = has_empty_managed(json);
  const auto sent = Meta::read(body.document->root()["metadata"]);
  if (sent.name.empty()) {
    return bad_request(fmt::format(
        "the name of the object ({} based on URL) was undeterminable: name must be provided",
        call.name));
  }
  TRY_STATUS(check_address(call, sent));
  const auto snapshot = here_.store.snapshot();
  auto old = snapshot.get(key_of(call));
  if (old) {
    return update_from(call, snapshot, *old, std::move(body), options, false);
  }
  const bool creates = strategy(*call.kind).creates_on_update && call.subresource.empty() &&
                       body.resource_version.empty() && options.expected.number == 0;
  if (!creates) {
    return not_found(qualified(*call.kind), call.name);
  }
  return create_from(call, std::move(body), options);
}

Result<Plan> Planner::update_from(const Call& call,
                                  const store::Snapshot& snapshot,
                                  const Stored& old,
                                  Body body,
                                  const client::WriteOptions& options,
                                  bool is_patch) const {
  const auto& strategy = this->strategy(*call.kind);
  const auto mode = mode_of(call);
  const auto& version = body.resource_version;
  const bool is_free = version.empty() || version == "0";
  if ((!is_free && version != std::to_string(old.revision.number)) ||
      (options.expected.number != 0 && options.expected != old.revision)) {
    return modified(qualified(*call.kind), call.name);
  }
  if (is_free && !is_patch && !strategy.updates_unconditionally && options.expected.number == 0) {
    FieldErrors faults;
    faults.push_back(
        invalid_value("metadata.resourceVersion", "0", "must be specified for an update"));
    return invalid(qualified_kind(*call.kind), call.name, std::move(faults));
  }
  if (!options.expected_uid.empty() && options.expected_uid != old.uid()) {
    return conflict(
        qualified(*call.kind),
        call.name,
        fmt::format("Precondition failed: UID in precondition: {}, UID in object meta: {}",
                    options.expected_uid,
                    old.uid()));
  }
  Plan plan;
  Write write{here_, call, snapshot, plan.transaction, format_time(here_.clock.now())};
  TRY(auto draft, drafted(write, old, body.document, mode));
  if (mode == Mode::part) {
    body.document = draft.finish();  // what else was sent is nobody's
    body.asked = nullptr;
  }
  TRY(draft.meta.managed, managed_of_update(tracking_of(write), old, body));
  const auto hook = mode == Mode::status   ? strategy.on_status
                    : mode == Mode::object ? strategy.on_update
                                           : nullptr;
  if (hook != nullptr) {
    TRY_STATUS(hook(write, old.root(), draft));
  }
  TRY(plan, settle(write, old, draft, mode));
  if ((call.is_dry_run || options.is_dry_run)) {
    plan.transaction = {};
  }
  return plan;
}

Planner::Mode Planner::mode_of(const Call& call) const {
  // An approval is a part of the status with an access of its own.
  if (call.subresource == "status" || call.subresource == "approval") {
    return Mode::status;
  }
  return call.subresource.empty() || strategy(*call.kind).on_part == nullptr ? Mode::object
                                                                             : Mode::part;
}

Result<Draft> Planner::drafted(Write& write,
                               const Stored& old,
                               const DocumentPtr& fresh,
                               Mode mode) const {
  const auto& strategy = this->strategy(*write.call.kind);
  const auto sent = Meta::read(fresh->root()["metadata"]);
  TRY_STATUS(check_address(write.call, sent));
  Draft draft(storage(*write.call.kind), mode == Mode::object ? fresh : old.document);
  if (mode == Mode::part) {
    draft.meta.uid = sent.uid;
    TRY_STATUS(strategy.on_part(write, fresh->root(), draft));
  } else if (mode == Mode::status) {
    const auto owners = draft.meta.owners;
    draft.meta = sent;
    draft.meta.owners = owners;
    draft.take("status", fresh->root());
  } else if (strategy.has_status) {
    draft.take("status", old.root());
  }
  return draft;
}

Result<DocumentPtr> Planner::finish_change(Write& write,
                                           const Stored& old,
                                           Draft& draft,
                                           Mode mode) const {
  const auto& strategy = this->strategy(*write.call.kind);
  const auto before = Meta::read(old.metadata());
  TRY_STATUS(keep_identity(write.call, before, draft.meta));
  auto fresh = finish_unless_same(old, before, draft);
  if (fresh->bytes() == old.document->bytes()) {
    return fresh;
  }
  // Source: KEP-5067: what a user asks of a pod is of generation 1 until somebody changes it; being
  // placed is no such change.
  if (strategy.counts_generation && mode != Mode::status && mode != Mode::placement &&
      has_other_spec(fresh->root(), old.root())) {
    ++draft.meta.generation;
    fresh = draft.finish();
  }
  TRY_STATUS(check_finalizers_kept(write.call, before, draft.meta));
  if (mode != Mode::placement) {  // what a binding changes, it checks itself
    TRY_STATUS(check(write.call, old.key.name, fresh->root(), old.root(), mode == Mode::object));
  }
  return fresh;
}

Result<Plan> Planner::settle(Write& write, const Stored& old, Draft& draft, Mode mode) const {
  TRY(auto fresh, finish_change(write, old, draft, mode));
  const bool is_same = fresh->bytes() == old.document->bytes();
  if (ends_now(draft.meta, fresh->root())) {
    auto plan = plan_erase(write, old);
    plan.settled.document = std::move(fresh);
    return plan;
  }
  if (is_same) {
    // Same bytes: same resourceVersion, nothing to write.
    Plan plan;
    plan.settled = old;
    return plan;
  }
  if ((mode == Mode::object || mode == Mode::part) && may_grow(old.key.resource)) {
    TRY_STATUS(charge_quotas(write, old.key, fresh->root(), old.root()));
  }
  return plan_put(write, old, std::move(fresh));
}

}  // namespace tetrarch::registry

// SPDX-License-Identifier: Apache-2.0
// Planner: new objects.
#include <utility>

#include "registry/managed.h"
#include "registry/planner.h"
#include "registry/quota.h"
#include "schema/decode.h"

namespace tetrarch::registry {

using object::View;

namespace {

// Source: Kubernetes API conventions, "Idempotency": the base of a generated name is cut so that 5
// characters fit.
constexpr std::size_t kGeneratedBaseMax = 58;
constexpr int kGenerateTries = 8;

Status check_namespace_matches(const Call& call, Meta& meta) {
  if (!call.kind->is_namespaced) {
    // Seen: charts that give cluster roles a namespace; a kube-apiserver drops it.
    meta.ns.clear();
    return ok();
  }
  if (meta.ns.empty()) {
    meta.ns = call.ns;
  }
  if (meta.ns != call.ns) {
    return bad_request(
        "the namespace of the provided object does not match the namespace sent on the request");
  }
  return ok();
}

/// A namespaced object needs a namespace that is there and not ending.
Status check_namespace_open(const Call& call, const Meta& meta, const store::Snapshot& snapshot) {
  const auto found = snapshot.get(Key{"namespaces", "", meta.ns});
  if (!found) {
    return not_found("namespaces", meta.ns);
  }
  if (found->metadata()["deletionTimestamp"]) {
    auto error = forbidden(
        qualified(*call.kind),
        meta.name.empty() ? meta.generate_name : meta.name,
        "unable to create new content in namespace " + meta.ns + " because it is being terminated");
    error.fields.push_back({"NamespaceTerminating",
                            "namespace " + meta.ns + " is being terminated",
                            "metadata.namespace"});
    return error;
  }
  return ok();
}

/// False where every suffix tried is taken; the name is then the last of them.
bool generate_name(Random& random, const store::Snapshot& snapshot, Key key, Meta& meta) {
  for (int i = 0; i < kGenerateTries; ++i) {
    meta.name = meta.generate_name.substr(0, kGeneratedBaseMax) + make_suffix(random);
    key.name = meta.name;
    if (!snapshot.get(key)) {
      return true;
    }
  }
  return false;
}

}  // namespace

Result<Plan> Planner::create(const Call& call,
                             std::string_view json,
                             const client::WriteOptions& options) const {
  TRY(auto body, decode(call, json));
  return create_from(call, std::move(body), options);
}

Result<Plan> Planner::create_from(const Call& call,
                                  Body body,
                                  const client::WriteOptions& options) const {
  const auto snapshot = here_.store.snapshot();
  const auto& kind = storage(*call.kind);
  const auto& strategy = this->strategy(*call.kind);
  if (!body.resource_version.empty() && body.resource_version != "0") {
    return bad_request("resourceVersion should not be set on objects to be created");
  }
  Draft draft(kind, body.document);
  TRY_STATUS(check_namespace_matches(call, draft.meta));
  if (kind.is_namespaced) {
    TRY_STATUS(check_namespace_open(call, draft.meta, snapshot));
  }
  Key key{kind.resource, draft.meta.ns, draft.meta.name};
  if (key.name.empty() && !draft.meta.generate_name.empty()) {
    if (!generate_name(here_.random, snapshot, key, draft.meta)) {
      auto error = already_exists(qualified(*call.kind), draft.meta.name);
      error.message += ", the server was not able to generate a unique name for the object";
      error.retry_after_s = 1;
      return error;
    }
    key.name = draft.meta.name;
  }
  Plan plan;
  Write write{here_, call, snapshot, plan.transaction, format_time(here_.clock.now())};
  draft.meta.uid = make_uuid(here_.random);
  draft.meta.created = write.now;
  draft.meta.deleted.clear();
  draft.meta.grace_s.reset();
  draft.meta.generation = strategy.counts_generation ? 1 : 0;
  TRY(draft.meta.managed, managed_of_new(tracking_of(write), body));
  if (strategy.has_status) {
    draft.drop("status");
  }
  if (strategy.on_create != nullptr) {
    TRY_STATUS(strategy.on_create(write, draft));
  }
  auto document = draft.finish();
  TRY_STATUS(check(call, key.name, document->root(), View(), true));
  if (snapshot.get(key)) {
    return already_exists(qualified(*call.kind), key.name);
  }
  TRY_STATUS(charge_quotas(write, key, document->root(), View()));
  if (call.was_created != nullptr) {
    *call.was_created = true;
  }
  if (call.is_dry_run || options.is_dry_run) {
    plan.transaction = {};
    plan.settled = {std::move(key), Revision{}, std::move(document)};
    return plan;
  }
  auto made = plan_put(write, Stored{std::move(key), Revision{}, nullptr}, std::move(document));
  return made;
}

}  // namespace tetrarch::registry

// SPDX-License-Identifier: Apache-2.0
// Engine: what must be there before the first request.
#include <array>
#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "registry/address.h"
#include "registry/claims_repair.h"
#include "registry/engine.h"
#include "registry/errors.h"
#include "registry/flow_policy.h"
#include "registry/rbac_policy.h"
#include "registry/service_ranges.h"
#include "schema/decode.h"

namespace tetrarch::registry {

using object::View;

namespace {

/// The last is ours: where units are that come by fleet's API.
constexpr std::array kNamespaces = {
    "default", "kube-system", "kube-public", "kube-node-lease", "fleet"};
constexpr std::string_view kAutoUpdate = "rbac.authorization.kubernetes.io/autoupdate";

// Source: Kubernetes documentation, "Pod Priority and Preemption": the two built-in classes.
constexpr std::array<std::string_view, 2> kPriorityClasses = {
    R"({"kind":"PriorityClass","apiVersion":"scheduling.k8s.io/v1",)"
    R"("metadata":{"name":"system-cluster-critical"},)"
    R"("value":2000000000,"description":"Used for system critical pods that must run in the )"
    R"(cluster, but can be )"
    R"(moved to another node if necessary."})",
    R"({"kind":"PriorityClass","apiVersion":"scheduling.k8s.io/v1",)"
    R"("metadata":{"name":"system-node-critical"},)"
    R"("value":2000001000,"description":"Used for system critical pods that must not be moved )"
    R"(from their current )"
    R"(node."})"};

/// Ours: of pods that are units of their machine's systemd.
constexpr std::string_view kSystemdClass =
    R"({"kind":"RuntimeClass","apiVersion":"node.k8s.io/v1","metadata":{"name":"systemd"},)"
    R"("handler":"systemd"})";

trust::Identity bootstrapper() {
  trust::Identity out;
  out.user = "system:apiserver";
  out.groups = {std::string(trust::kMasters), std::string(trust::kAuthenticated)};
  return out;
}

std::string kubernetes_service(const std::string& address) {
  return fmt::format(
      R"({{"kind":"Service","apiVersion":"v1","metadata":{{"name":"kubernetes",)"
      R"("namespace":"default",)"
      R"("labels":{{"component":"apiserver","provider":"kubernetes"}}}},"spec":{{"clusterIP":"{}",)"
      R"("type":"ClusterIP","sessionAffinity":"None","ports":[{{"name":"https","protocol":"TCP",)"
      R"("port":443,"targetPort":6443}}]}}}})",
      address);
}

/// What the operator added is kept; what the policy grants is brought back. Nothing to do: empty.
std::string reconciled(View stored, View policy) {
  if (stored["metadata"]["annotations"][kAutoUpdate].string() == "false") {
    return {};
  }
  Overlay changes;
  bool differs = false;
  for (const auto* list : {"rules", "subjects"}) {
    for (const View wanted : policy[list].elements()) {
      bool is_there = false;
      for (const View each : stored[list].elements()) {
        is_there = is_there || each.same_as(wanted);
      }
      if (!is_there) {
        changes.member(list).append(std::string(wanted.raw()));
        differs = true;
      }
    }
  }
  if (!differs) {
    return {};
  }
  std::string json;
  object::Writer out(json);
  changes.write(out, stored);
  return json;
}

}  // namespace

Task<Status> Engine::ensure(std::string resource,
                            std::string ns,
                            std::string json,
                            bool overwrites) {
  Call call;
  CO_TRY(call.kind, kind_of(resource));
  // Decoded, so that it compares byte by byte with what is stored.
  CO_TRY(const auto decoded, schema::decode(*call.kind, json, schema::Unknown::refuse));
  const auto& wanted = decoded.document;
  call.identity = bootstrapper();
  call.ns = std::move(ns);
  call.name = wanted->root()["metadata"]["name"].string();
  call.field_validation = FieldValidation::strict;
  const auto found = parts_.store.snapshot().get(planner_.key_of(call));
  if (!found) {
    auto made = co_await create(call, std::move(json), client::WriteOptions());
    if (!made.ok() && made.error().code != Code::already_exists) {
      co_return std::move(made).error();
    }
    co_return ok();
  }
  if (overwrites) {
    const auto fresh = reconciled(found->root(), wanted->root());
    if (!fresh.empty()) {
      CO_TRY_STATUS(co_await update(call, fresh, client::WriteOptions()));
    }
  }
  co_return ok();
}

Task<Status> Engine::ensure_service_range(std::string cidr) {
  const Key key{std::string(kServiceCidrs), "", std::string(kDefaultServiceCidr)};
  const auto there = parts_.store.snapshot().get(key);
  if (!there) {
    auto json = fmt::format(R"({{"kind":"ServiceCIDR","apiVersion":"networking.k8s.io/v1",)"
                            R"("metadata":{{"name":"{}"}},"spec":{{"cidrs":["{}"]}}}})",
                            kDefaultServiceCidr,
                            cidr);
    auto made = co_await ensure(key.resource, "", std::move(json), false);
    co_return made;
  }
  if (there->root()["spec"]["cidrs"].at(0).string() == cidr) {
    co_return ok();
  }
  // Nobody else may change the range, but the operator has: services keep what they have.
  log::warning("registry", "service-cidr is {} from now on", cidr);
  CO_TRY(const auto* kind, kind_of(key.resource));
  Draft draft(*kind, there->document);
  draft.set("spec.cidrs", fmt::format("[{}]", quoted(cidr)));
  draft.meta.generation += 1;
  store::Transaction change;
  change.compares.push_back({key, there->revision});
  change.mutations.push_back({key, draft.finish()});
  auto done = co_await parts_.store.commit(std::move(change));
  if (!done.ok()) {
    co_return std::move(done).error();
  }
  co_return ok();
}

Task<Status> Engine::bootstrap() {
  const auto range = AddressRange::parse(options_.service_cidr);
  if (!range) {
    co_return Error{Code::invalid,
                    fmt::format("service-cidr {} is no IPv4 range: write it as 10.43.0.0/16",
                                options_.service_cidr)};
  }
  CO_TRY_STATUS(co_await repair_claims(parts_.store, parts_.clock, parts_.random));
  CO_TRY_STATUS(co_await ensure_service_range(range->text()));
  for (const auto* name : kNamespaces) {
    auto json =
        fmt::format(R"({{"kind":"Namespace","apiVersion":"v1","metadata":{{"name":"{}"}}}})", name);
    CO_TRY_STATUS(co_await ensure("namespaces", "", std::move(json), false));
  }
  for (auto& object : bootstrap_policy()) {
    CO_TRY_STATUS(co_await ensure(object.resource, object.ns, std::move(object.json), true));
  }
  // Changed ones are the affair of a controller (reconcile/flow_control.cc).
  for (auto& object : flow_policy()) {
    CO_TRY_STATUS(co_await ensure(object.resource, "", std::move(object.json), false));
  }
  for (const auto json : kPriorityClasses) {
    CO_TRY_STATUS(
        co_await ensure("priorityclasses.scheduling.k8s.io", "", std::string(json), false));
  }
  CO_TRY_STATUS(
      co_await ensure("runtimeclasses.node.k8s.io", "", std::string(kSystemdClass), false));
  co_return co_await ensure(
      "services", "default", kubernetes_service(ipv4_text(range->at(0))), false);
}

}  // namespace tetrarch::registry

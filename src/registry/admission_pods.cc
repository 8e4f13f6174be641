// SPDX-License-Identifier: Apache-2.0
#include "registry/admission_pods.h"

#include <algorithm>
#include <optional>

#include <fmt/format.h>

namespace tetrarch::registry {

using object::View;
using object::Writer;

namespace {

constexpr std::string_view kTokenPath = "/var/run/secrets/kubernetes.io/serviceaccount";
constexpr std::string_view kMirror = "kubernetes.io/config.mirror";

Error refused(const Draft& draft, std::string_view reason) {
  const auto& meta = draft.meta;
  return forbidden("pods", meta.name.empty() ? meta.generate_name : meta.name, reason);
}

bool mounts_token(View container) {
  for (const View mount : container["volumeMounts"].elements()) {
    if (mount["mountPath"].string() == kTokenPath) {
      return true;
    }
  }
  return false;
}

// Source: Kubernetes documentation, "Configure Service Accounts for Pods", "Launch a Pod using
// service account token projection": the volume that admission adds.
std::string token_volume(std::string_view name) {
  return fmt::format(R"({{"name":"{}","projected":{{"defaultMode":420,"sources":[)"
                     R"({{"serviceAccountToken":{{"expirationSeconds":3607,"path":"token"}}}},)"
                     R"({{"configMap":{{"items":[{{"key":"ca.crt","path":"ca.crt"}}],)"
                     R"("name":"kube-root-ca.crt"}}}},)"
                     R"({{"downwardAPI":{{"items":[{{"fieldRef":{{"apiVersion":"v1",)"
                     R"("fieldPath":"metadata.namespace"}},)"
                     R"("path":"namespace"}}]}}}}]}}}})",
                     name);
}

void add_token_volume(Write& write, Draft& draft) {
  const View spec = draft.base()["spec"];
  std::string volume;
  for (const auto* list : {"initContainers", "containers"}) {
    std::size_t place = 0;
    for (const View container : spec[list].elements()) {
      if (!mounts_token(container)) {
        if (volume.empty()) {
          volume = "kube-api-access-" + make_suffix(write.here.random);
        }
        draft.changes.member("spec")
            .member(list)
            .element(place)
            .member("volumeMounts")
            .append(fmt::format(
                R"({{"mountPath":"{}","name":"{}","readOnly":true}})", kTokenPath, volume));
      }
      ++place;
    }
  }
  if (!volume.empty()) {
    draft.changes.member("spec").member("volumes").append(token_volume(volume));
  }
}

Status admit_service_account(Write& write, Draft& draft) {
  const View spec = draft.base()["spec"];
  if (draft.base()["metadata"]["annotations"][kMirror]) {
    return ok();
  }
  auto given = spec["serviceAccountName"].string();
  if (given.empty()) {
    given = spec["serviceAccount"].string();
  }
  const std::string name(given.empty() ? "default" : given);
  const auto account = write.snapshot.get(Key{"serviceaccounts", draft.meta.ns, name});
  if (!account) {
    return refused(draft,
                   fmt::format("error looking up service account {}/{}: serviceaccount \"{}\" not "
                               "found",
                               draft.meta.ns,
                               name,
                               name));
  }
  draft.set_text("spec.serviceAccountName", name);
  draft.set_text("spec.serviceAccount", name);
  const View own = spec["automountServiceAccountToken"];
  const View theirs = account->root()["automountServiceAccountToken"];
  if (own ? own.boolean() : theirs.boolean(true)) {
    add_token_volume(write, draft);
  }
  const View secrets = account->root()["imagePullSecrets"];
  if (spec["imagePullSecrets"].size() == 0 && secrets.size() > 0) {
    draft.set("spec.imagePullSecrets", std::string(secrets.raw()));
  }
  return ok();
}

/// The class a pod without one gets; absent: none is the default.
std::optional<Stored> default_class(const store::Snapshot& snapshot) {
  std::optional<Stored> out;
  snapshot.scan("priorityclasses.scheduling.k8s.io", "", {}, [&](const Stored& each) {
    if (each.root()["globalDefault"].boolean() &&
        (!out || each.root()["value"].integer() < out->root()["value"].integer())) {
      out = each;
    }
    return true;
  });
  return out;
}

Status admit_priority(Write& write, Draft& draft) {
  const View spec = draft.base()["spec"];
  const auto name = spec["priorityClassName"].string();
  const auto found =
      name.empty()
          ? default_class(write.snapshot)
          : write.snapshot.get(Key{"priorityclasses.scheduling.k8s.io", "", std::string(name)});
  if (!name.empty() && !found) {
    return refused(draft, fmt::format("no PriorityClass with name {} was found", name));
  }
  const auto value = found ? found->root()["value"].integer() : 0;
  if (spec["priority"] && spec["priority"].integer() != value) {
    return refused(
        draft,
        fmt::format("the integer value of priority ({}) must not be provided in pod spec; priority "
                    "admission controller computed {} from the given PriorityClass name",
                    spec["priority"].integer(),
                    value));
  }
  const auto policy = found ? found->root()["preemptionPolicy"].string("PreemptLowerPriority")
                            : std::string_view("PreemptLowerPriority");
  if (spec["preemptionPolicy"] && spec["preemptionPolicy"].string() != policy) {
    return refused(
        draft,
        fmt::format("the string value of PreemptionPolicy ({}) must not be provided in pod "
                    "spec; priority admission controller computed {} from the given "
                    "PriorityClass name",
                    spec["preemptionPolicy"].string(),
                    policy));
  }
  if (found && name.empty()) {
    draft.set_text("spec.priorityClassName", found->key.name);
  }
  draft.set("spec.priority", std::to_string(value));
  draft.set_text("spec.preemptionPolicy", policy);
  return ok();
}

bool tolerates(View tolerations, std::string_view key) {
  for (const View each : tolerations.elements()) {
    const auto own_key = each["key"].string();
    const auto effect = each["effect"].string();
    if ((own_key.empty() || own_key == key) && (effect.empty() || effect == "NoExecute")) {
      return true;
    }
  }
  return false;
}

void add_default_tolerations(Draft& draft) {
  // Source: Kubernetes documentation, "Taint based Evictions": 300 seconds where the pod says
  // nothing.
  const View tolerations = draft.base()["spec"]["tolerations"];
  for (const auto* key : {"node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"}) {
    if (!tolerates(tolerations, key)) {
      draft.changes.member("spec")
          .member("tolerations")
          .append(fmt::format(R"({{"effect":"NoExecute","key":"{}","operator":"Exists",)"
                              R"("tolerationSeconds":300}})",
                              key));
    }
  }
}

bool has_element(View list, View wanted) {
  for (const View each : list.elements()) {
    if (each.same_as(wanted)) {
      return true;
    }
  }
  return false;
}

Status admit_runtime_class(Write& write, Draft& draft) {
  const View spec = draft.base()["spec"];
  const auto name = spec["runtimeClassName"].string();
  if (name.empty()) {
    return spec["overhead"].size() == 0
               ? ok()
               : Status(refused(draft,
                                "pod rejected: Pod Overhead set without corresponding RuntimeClass "
                                "defined Overhead"));
  }
  const auto found = write.snapshot.get(Key{"runtimeclasses.node.k8s.io", "", std::string(name)});
  if (!found) {
    return refused(draft, fmt::format("pod rejected: RuntimeClass \"{}\" not found", name));
  }
  const View overhead = found->root().find("overhead.podFixed");
  if (spec["overhead"].size() > 0 && !spec["overhead"].same_as(overhead)) {
    return refused(draft,
                   "pod rejected: Pod's Overhead doesn't match RuntimeClass's defined Overhead");
  }
  if (overhead.size() > 0) {
    draft.set("spec.overhead", std::string(overhead.raw()));
  }
  for (const auto [key, value] : found->root().find("scheduling.nodeSelector").members()) {
    const View own = spec["nodeSelector"][key];
    if (own && own.string() != value.string()) {
      return refused(draft,
                     fmt::format("conflict: runtimeClass.scheduling.nodeSelector[{}] = {}; "
                                 "pod.spec.nodeSelector[{}] = {}",
                                 key,
                                 value.string(),
                                 key,
                                 own.string()));
    }
    draft.changes.member("spec")
        .member("nodeSelector")
        .member(key)
        .replace(std::string(value.raw()));
  }
  for (const View toleration : found->root().find("scheduling.tolerations").elements()) {
    if (!has_element(spec["tolerations"], toleration)) {
      draft.changes.member("spec").member("tolerations").append(std::string(toleration.raw()));
    }
  }
  return ok();
}

}  // namespace

Status admit_pod(Write& write, Draft& draft) {
  TRY_STATUS(admit_service_account(write, draft));
  TRY_STATUS(admit_priority(write, draft));
  TRY_STATUS(admit_runtime_class(write, draft));
  add_default_tolerations(draft);
  return ok();
}

}  // namespace tetrarch::registry

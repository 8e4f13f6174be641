// SPDX-License-Identifier: Apache-2.0
// Source of the sentences: kube-apiserver, plugin/pkg/admission/noderestriction and
// serviceaccount, v1.35.
#include "registry/mirror_pods.h"

#include <fmt/format.h>

#include "registry/authorizer.h"
#include "registry/pod_references.h"

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::string_view kMirror = "kubernetes.io/config.mirror";

Error refused(const Draft& draft, std::string reason) {
  return forbidden("pods", draft.meta.name, reason);
}

/// The one owner must be the node's own object.
Status check_owner(const Write& write, const Draft& draft, std::string_view node) {
  const View owners = draft.base()["metadata"]["ownerReferences"];
  if (owners.size() > 1) {
    return refused(
        draft,
        fmt::format("node \"{}\" can only create pods with a single owner reference set to itself",
                    node));
  }
  const View owner = owners.at(0);
  if (owner["apiVersion"].string() != "v1" || owner["kind"].string() != "Node" ||
      owner["name"].string() != node) {
    return refused(
        draft,
        fmt::format("node \"{}\" can only create pods with an owner reference set to itself",
                    node));
  }
  if (!owner["controller"].boolean()) {
    return refused(
        draft,
        fmt::format(
            "node \"{}\" can only create pods with a controller owner reference set to itself",
            node));
  }
  if (owner["blockOwnerDeletion"].boolean()) {
    return refused(
        draft,
        fmt::format("node \"{}\" must not set blockOwnerDeletion on an owner reference", node));
  }
  const auto found = write.snapshot.get(Key{"nodes", "", std::string(node)});
  if (!found) {
    return not_found("nodes", node);
  }
  if (found->uid() != owner["uid"].string()) {
    return refused(
        draft,
        fmt::format(
            "node {} UID mismatch: expected {} got {}", node, owner["uid"].string(), found->uid()));
  }
  return ok();
}

/// "secrets", "configmaps" or "serviceaccounts": what the pod names first; empty: nothing.
std::string named_resource(const Draft& draft) {
  for (const View volume : draft.find("spec.volumes").elements()) {
    if (volume["persistentVolumeClaim"]) {
      return "persistentvolumeclaims";
    }
  }
  if (!draft.find("spec.serviceAccountName").string().empty()) {
    return "serviceaccounts";
  }
  const Stored pod{Key{"pods", draft.meta.ns, draft.meta.name}, Revision{}, draft.finish()};
  for (const auto& key : pod_references(pod)) {
    if (key.resource == "secrets" || key.resource == "configmaps" ||
        key.resource == "serviceaccounts") {
      return key.resource;
    }
  }
  return {};
}

Status check_node(const Write& write, const Draft& draft, std::string_view node, bool is_mirror) {
  if (!is_mirror) {
    return refused(draft,
                   fmt::format("pod does not have \"{}\" annotation, node \"{}\" can only create "
                               "mirror pods",
                               kMirror,
                               node));
  }
  if (draft.find("spec.nodeName").string() != node) {
    return refused(
        draft,
        fmt::format("node \"{}\" can only create pods with spec.nodeName set to itself", node));
  }
  TRY_STATUS(check_owner(write, draft, node));
  const auto named = named_resource(draft);
  if (!named.empty()) {
    return refused(draft,
                   fmt::format("node \"{}\" can not create pods that reference {}",
                               node,
                               named == "serviceaccounts" ? "a service account" : named));
  }
  return ok();
}

bool uses_token(const Draft& draft) {
  for (const View volume : draft.find("spec.volumes").elements()) {
    for (const View source : volume["projected"]["sources"].elements()) {
      if (source["serviceAccountToken"]) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace

Status admit_mirror_pod(const Write& write, const Draft& draft) {
  const bool is_mirror = draft.base()["metadata"]["annotations"][kMirror].exists();
  const auto node = node_of(write.call.identity);
  if (!node.empty()) {
    TRY_STATUS(check_node(write, draft, node, is_mirror));
  }
  if (!is_mirror) {
    return ok();
  }
  const auto named = named_resource(draft);
  if (named == "serviceaccounts") {
    return refused(draft, "a mirror pod may not reference service accounts");
  }
  if (named == "secrets") {
    return refused(draft, "a mirror pod may not reference secrets");
  }
  if (uses_token(draft)) {
    return refused(draft, "a mirror pod may not use ServiceAccountToken volume projections");
  }
  return ok();
}

}  // namespace tetrarch::registry

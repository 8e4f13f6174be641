// SPDX-License-Identifier: Apache-2.0
// Nodes, and what a node may not do to itself.
#include <algorithm>

#include <fmt/format.h>

#include "object/tree.h"
#include "registry/authorizer.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

/// Source: Kubernetes documentation, "Using Admission Controllers", NodeRestriction: labels under
/// kubernetes.io and k8s.io that a node may set on itself.
bool may_label_itself(std::string_view key) {
  const auto slash = key.find('/');
  const auto prefix = slash == std::string_view::npos ? std::string_view() : key.substr(0, slash);
  const bool is_reserved = prefix == "kubernetes.io" || prefix.ends_with(".kubernetes.io") ||
                           prefix == "k8s.io" || prefix.ends_with(".k8s.io");
  if (!is_reserved) {
    return true;
  }
  if (prefix == "kubelet.kubernetes.io" || prefix.ends_with(".kubelet.kubernetes.io") ||
      prefix == "node.kubernetes.io" || prefix.ends_with(".node.kubernetes.io")) {
    return true;
  }
  constexpr std::string_view kAllowed[] = {"kubernetes.io/hostname",
                                           "kubernetes.io/arch",
                                           "kubernetes.io/os",
                                           "beta.kubernetes.io/arch",
                                           "beta.kubernetes.io/os",
                                           "beta.kubernetes.io/instance-type",
                                           "topology.kubernetes.io/region",
                                           "topology.kubernetes.io/zone",
                                           "failure-domain.beta.kubernetes.io/region",
                                           "failure-domain.beta.kubernetes.io/zone"};
  return std::find(std::begin(kAllowed), std::end(kAllowed), key) != std::end(kAllowed);
}

std::string refused_labels(View fresh, View old) {
  std::string out;
  const auto note = [&](std::string_view key) {
    if (!may_label_itself(key)) {
      out += (out.empty() ? "" : ", ") + std::string(key);
    }
  };
  for (const auto [key, value] : fresh.members()) {
    if (!value.same_as(old[key])) {
      note(key);
    }
  }
  for (const auto member : old.members()) {
    if (!fresh[member.key].exists()) {
      note(member.key);
    }
  }
  return out;
}

Status restrict_node(const Write& write, View fresh, View old) {
  const auto node = node_of(write.call.identity);
  if (node.empty()) {
    return ok();
  }
  const auto name = fresh["metadata"]["name"].string(write.call.name);
  if (name != node) {
    return forbidden(
        "nodes", name, fmt::format("node \"{}\" is not allowed to modify node \"{}\"", node, name));
  }
  if (old.exists() && !fresh.find("spec.taints").same_as(old.find("spec.taints"))) {
    return forbidden(
        "nodes", name, fmt::format("node \"{}\" is not allowed to modify taints", node));
  }
  if (old.exists() &&
      !fresh.find("metadata.ownerReferences").same_as(old.find("metadata.ownerReferences"))) {
    return forbidden(
        "nodes", name, fmt::format("node \"{}\" is not allowed to modify ownerReferences", node));
  }
  const auto labels = refused_labels(fresh["metadata"]["labels"], old["metadata"]["labels"]);
  if (!labels.empty()) {
    return forbidden("nodes",
                     name,
                     fmt::format("node \"{}\" is not allowed to {} labels: {}",
                                 node,
                                 old.exists() ? "modify" : "set",
                                 labels));
  }
  return ok();
}

std::string_view time_of(View taints, View wanted) {
  for (const auto taint : taints.elements()) {
    const auto is_part_same = [&](const char* part) {
      return taint[part].string() == wanted[part].string();
    };
    if (is_part_same("key") && is_part_same("value") && is_part_same("effect")) {
      return taint["timeAdded"].string();
    }
  }
  return {};
}

/// A NoExecute taint says since when it holds: some Pods may stay for a while from then.
/// Ours: for whoever sets it. kube-controller-manager counts from when it first sees one that says
/// nothing, and from anew after its own restart.
void date_taints(const Write& write, View old, Draft& draft) {
  object::TreeArray dated;
  bool is_changed = false;
  for (const auto taint : draft.find("spec.taints").elements()) {
    dated.push_back(object::to_tree(taint));
    if (taint["effect"].string() != "NoExecute" || !taint["timeAdded"].string().empty()) {
      continue;
    }
    const auto before = time_of(old.find("spec.taints"), taint);
    const auto time = before.empty() ? std::string_view(write.now) : before;
    dated.back().get_object()["timeAdded"] = boost::json::string_view(time.data(), time.size());
    is_changed = true;
  }
  if (is_changed) {
    draft.set("spec.taints", object::to_json(object::Tree(std::move(dated))));
  }
}

Status on_create(Write& write, Draft& draft) {
  // A node registers with its status (capacity, addresses) in the same call.
  draft.take("status", draft.base());
  date_taints(write, {}, draft);
  return restrict_node(write, draft.base(), {});
}

Status on_update(Write& write, View old, Draft& draft) {
  date_taints(write, old, draft);
  return restrict_node(write, draft.base(), old);
}

/// With a status come labels, too.
Status on_status(Write& write, View old, Draft& draft) {
  if (node_of(write.call.identity).empty()) {
    return ok();
  }
  const auto fresh = draft.finish();
  return restrict_node(write, fresh->root(), old);
}

void check(View fresh, View old, FieldErrors& faults) {
  if (!old.exists()) {
    return;
  }
  const auto before = old.find("spec.podCIDR").string();
  if (!before.empty() && fresh.find("spec.podCIDR").string() != before) {
    faults.push_back(forbidden_field(
        "spec.podCIDR", "node updates may not change podCIDR except from \"\" to valid"));
  }
  const auto provider = old.find("spec.providerID").string();
  if (!provider.empty() && fresh.find("spec.providerID").string() != provider) {
    faults.push_back(forbidden_field(
        "spec.providerID", "node updates may not change providerID except from \"\" to valid"));
  }
}

}  // namespace

Strategy nodes_strategy() {
  Strategy out;
  out.has_status = true;
  out.fields = {{"spec.unschedulable", "", "false"}};
  out.on_create = &on_create;
  out.on_update = &on_update;
  out.on_status = &on_status;
  out.check = &check;
  return out;
}

}  // namespace tetrarch::registry

// SPDX-License-Identifier: Apache-2.0
#include "registry/authorizer.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

#include "object/selector.h"
#include "registry/pod_references.h"

namespace tetrarch::registry {

using object::View;

namespace {

bool is_any(std::string_view text, std::initializer_list<std::string_view> choices) {
  return std::find(choices.begin(), choices.end(), text) != choices.end();
}

bool is_read(std::string_view verb) {
  return is_any(verb, {"get", "list", "watch"});
}

}  // namespace

std::string_view node_of(const trust::Identity& identity) {
  const std::string_view user = identity.user;
  return user.starts_with(trust::kNodeUserPrefix) && identity.is_in(trust::kNodes)
             ? user.substr(trust::kNodeUserPrefix.size())
             : std::string_view();
}

std::string forbidden_text(const trust::Identity& identity, const Attributes& asked) {
  // Seen: kubectl 1.35 against a 1.36 server, "Error from server (Forbidden): …".
  if (!asked.path.empty()) {
    return fmt::format(
        "forbidden: User \"{}\" cannot {} path \"{}\"", identity.user, asked.verb, asked.path);
  }
  const auto qualified =
      asked.group.empty() ? asked.resource : fmt::format("{}.{}", asked.resource, asked.group);
  const auto resource = asked.subresource.empty()
                            ? asked.resource
                            : fmt::format("{}/{}", asked.resource, asked.subresource);
  const auto where = asked.ns.empty() ? std::string("at the cluster scope")
                                      : fmt::format("in the namespace \"{}\"", asked.ns);
  const auto name = asked.name.empty() ? std::string() : fmt::format(" \"{}\"", asked.name);
  return fmt::format(
      "{}{} is forbidden: User \"{}\" cannot {} resource \"{}\" in API group \"{}\" {}",
      qualified,
      name,
      identity.user,
      asked.verb,
      resource,
      asked.group,
      where);
}

bool Authorizer::allows(const trust::Identity& identity, const Attributes& asked) const {
  if (identity.is_in(trust::kMasters)) {
    return true;
  }
  const auto node = node_of(identity);
  return (!node.empty() && allows_node(node, asked)) || rbac_.allows(identity, asked);
}

Status Authorizer::authorize(const trust::Identity& identity, const Attributes& asked) const {
  if (allows(identity, asked)) {
    return ok();
  }
  return Error{Code::forbidden, forbidden_text(identity, asked)};
}

// Source: Kubernetes documentation, "Using Node Authorization" and "NodeRestriction"; narrower on
// purpose where the feed already brings what a node needs.
bool Authorizer::allows_node(std::string_view node, const Attributes& asked) const {
  const auto& resource = asked.resource;
  if (!asked.path.empty()) {
    return false;
  }
  if (asked.group.empty() && resource == "nodes") {
    const bool is_own = asked.name == node || (asked.name.empty() && asked.verb == "create");
    // Ours: "delete", for a machine that leaves.
    const bool is_leaving = asked.verb == "delete" && asked.subresource.empty();
    return is_own && (is_leaving ||
                      is_any(asked.verb, {"get", "create", "update", "patch", "watch", "list"}));
  }
  if (asked.group.empty() && resource == "pods") {
    return allows_own_pod(node, asked);
  }
  if (asked.group == "coordination.k8s.io" && resource == "leases") {
    return asked.ns == "kube-node-lease" &&
           (asked.name == node || (asked.name.empty() && asked.verb == "create"));
  }
  if (resource == "events") {
    return is_any(asked.verb, {"create", "update", "patch"});
  }
  if (asked.group.empty() && resource == "serviceaccounts" && asked.subresource == "token") {
    return asked.verb == "create" && allows_token(node, asked);
  }
  if (asked.group.empty() && is_any(resource, {"secrets", "configmaps"})) {
    return asked.verb == "get" && is_named_by_pods(node, asked);
  }
  if (asked.group == "certificates.k8s.io" && resource == "certificatesigningrequests") {
    // Whether what it asks for is approved is the request's own question (selfnodeclient).
    return asked.subresource.empty() && is_any(asked.verb, {"create", "get", "list", "watch"});
  }
  if ((asked.group.empty() && resource == "services") ||
      (asked.group == "discovery.k8s.io" && resource == "endpointslices") ||
      (asked.group == "network.tetrarch.dev" && resource == "noderoutes") ||
      (asked.group == "images.tetrarch.dev" && asked.subresource.empty()) ||
      (asked.group == "node.k8s.io" && resource == "runtimeclasses")) {
    return is_read(asked.verb);
  }
  if (asked.group == "images.tetrarch.dev" && resource == "imageblobs") {
    // Which copies there are. Whoever is told of one that is not there finds another.
    return asked.subresource == "status" && asked.verb == "patch";
  }
  return asked.verb == "create" &&
         is_any(resource, {"tokenreviews", "subjectaccessreviews", "localsubjectaccessreviews"});
}

bool Authorizer::allows_own_pod(std::string_view node, const Attributes& asked) const {
  if (is_any(asked.verb, {"list", "watch"})) {
    const auto fields = object::FieldSelector::parse(asked.fields);
    return fields.ok() && fields->exact("spec.nodeName") == node;
  }
  if (asked.verb == "create" && asked.subresource.empty()) {
    return true;  // of mirror pods only: mirror_pods.h
  }
  const bool is_known =
      asked.subresource.empty()
          ? is_any(asked.verb, {"get", "delete"})
          : (asked.subresource == "status" && is_any(asked.verb, {"get", "update", "patch"})) ||
                (asked.subresource == "eviction" && asked.verb == "create");
  if (!is_known || asked.name.empty()) {
    return false;
  }
  const auto pod = store_.snapshot().get(Key{"pods", asked.ns, asked.name});
  // A pod that is gone is nobody's secret: the node is told "not found" instead of "forbidden".
  return !pod || pod->root().find("spec.nodeName").string() == node;
}

bool Authorizer::allows_token(std::string_view node, const Attributes& asked) const {
  return is_named_by_pods(node, asked);
}

bool Authorizer::is_named_by_pods(std::string_view node, const Attributes& asked) const {
  const auto snapshot = store_.snapshot();
  for (const auto& [ns, name] : node_pods_.on(node)) {
    if (ns != asked.ns) {
      continue;
    }
    const auto pod = snapshot.get(Key{"pods", ns, name});
    if (!pod) {
      continue;
    }
    for (const auto& key : pod_references(*pod)) {
      if (key.resource == asked.resource && key.name == asked.name) {
        return true;
      }
    }
  }
  return false;
}

}  // namespace tetrarch::registry

// SPDX-License-Identifier: Apache-2.0
// Roles and bindings: nobody grants what they do not hold.
#include <algorithm>

#include <fmt/format.h>

#include "registry/authorizer.h"
#include "registry/strategy.h"

namespace tetrarch::registry {

using object::View;

namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

std::string quoted_groups(const std::vector<std::string>& groups) {
  std::string out;
  for (const auto& each : groups) {
    out += (out.empty() ? "\"" : " \"") + each + "\"";
  }
  return out;
}

/// Source: Kubernetes documentation, "Privilege escalation prevention and bootstrapping"; the text
/// of a 1.36 server.
Status refuse_uncovered(const Write& write,
                        const schema::Kind& kind,
                        const std::string& name,
                        const std::vector<PolicyRule>& wanted,
                        std::string_view ns) {
  const auto& identity = write.call.identity;
  const auto missing = not_covered(write.here.authorizer.rbac().rules_of(identity, ns), wanted);
  if (missing.empty()) {
    return ok();
  }
  std::vector<std::string> lines;
  for (const auto& rule : missing) {
    lines.push_back(rule.text());
  }
  std::sort(lines.begin(), lines.end());
  lines.erase(std::unique(lines.begin(), lines.end()), lines.end());
  std::string all;
  for (const auto& line : lines) {
    all += "\n" + line;
  }
  return forbidden(
      qualified(kind),
      name,
      fmt::format("user \"{}\" (groups=[{}]) is attempting to grant RBAC permissions not "
                  "currently held:{}",
                  identity.user,
                  quoted_groups(identity.groups),
                  all));
}

bool may(
    const Write& write, std::string verb, std::string resource, std::string ns, std::string name) {
  Attributes asked{std::move(verb)};
  asked.group = kGroup;
  asked.resource = std::move(resource);
  asked.ns = std::move(ns);
  asked.name = std::move(name);
  return write.here.authorizer.allows(write.call.identity, asked);
}

Status check_role(Write& write, View old, Draft& draft) {
  const View rules = draft.base()["rules"];
  const bool is_same = old.exists() && rules.same_as(old["rules"]) &&
                       draft.base()["aggregationRule"].same_as(old["aggregationRule"]);
  const auto& ns = write.call.ns;
  if (is_same || may(write, "escalate", draft.kind().plural, ns, draft.meta.name)) {
    return ok();
  }
  auto wanted = read_rules(rules);
  if (draft.base()["aggregationRule"]) {
    // Whoever controls the selectors controls every rule.
    wanted.push_back({{"*"}, {"*"}, {"*"}});
    wanted.push_back({{"*"}, {}, {}, {}, {"*"}});
  }
  return refuse_uncovered(write, draft.kind(), draft.meta.name, wanted, ns);
}

Status check_binding(Write& write, View old, Draft& draft) {
  const View ref = draft.base()["roleRef"];
  // A changed roleRef is refused by the schema, whoever asks.
  if (old.exists() && draft.base()["subjects"].same_as(old["subjects"])) {
    return ok();
  }
  const auto& ns = write.call.ns;
  const auto kind = ref["kind"].string();
  const std::string role(ref["name"].string());
  const bool is_cluster = kind == "ClusterRole";
  if (may(write, "bind", is_cluster ? "clusterroles" : "roles", ns, role)) {
    return ok();
  }
  const auto wanted = write.here.authorizer.rbac().rules_of_role(kind, ns, role);
  const bool exists = write.snapshot
                          .get(Key{is_cluster ? "clusterroles.rbac.authorization.k8s.io"
                                              : "roles.rbac.authorization.k8s.io",
                                   is_cluster ? "" : ns,
                                   role})
                          .has_value();
  if (!exists) {
    return not_found(
        is_cluster ? "clusterroles.rbac.authorization.k8s.io" : "roles.rbac.authorization.k8s.io",
        role);
  }
  return refuse_uncovered(write, draft.kind(), draft.meta.name, wanted, ns);
}

Status on_create_role(Write& write, Draft& draft) {
  return check_role(write, {}, draft);
}

Status on_create_binding(Write& write, Draft& draft) {
  return check_binding(write, {}, draft);
}

}  // namespace

Strategy roles_strategy() {
  Strategy out;
  out.creates_on_update = true;
  out.on_create = &on_create_role;
  out.on_update = &check_role;
  return out;
}

Strategy role_bindings_strategy() {
  Strategy out;
  out.creates_on_update = true;
  out.on_create = &on_create_binding;
  out.on_update = &check_binding;
  return out;
}

}  // namespace tetrarch::registry

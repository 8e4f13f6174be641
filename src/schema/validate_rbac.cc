// SPDX-License-Identifier: Apache-2.0
// Rules of roles and bindings. Source: Kubernetes pkg/apis/rbac/validation/validation.go, v1.34.
#include <algorithm>

#include "schema/formats.h"
#include "schema/rules.h"
#include "schema/views/rbac.h"

namespace tetrarch::schema {

namespace {

constexpr std::string_view kGroup = "rbac.authorization.k8s.io";

void check_policy_rule(Problems& problems,
                       const std::string& path,
                       const views::PolicyRuleView& rule,
                       bool is_namespaced) {
  if (rule.verbs().empty()) {
    problems.required(join_path(path, "verbs"), "verbs must contain at least one value");
  }
  const auto urls = rule.non_resource_urls();
  if (!urls.empty()) {
    const bool has_resources =
        !rule.api_groups().empty() || !rule.resources().empty() || !rule.resource_names().empty();
    if (is_namespaced) {
      problems.invalid(join_path(path, "nonResourceURLs"),
                       urls.view(),
                       "namespaced rules cannot apply to non-resource URLs");
    }
    if (has_resources) {
      problems.invalid(join_path(path, "nonResourceURLs"),
                       urls.view(),
                       "rules cannot apply to both regular resources and non-resource URLs");
    }
    return;
  }
  if (rule.api_groups().empty()) {
    problems.required(join_path(path, "apiGroups"),
                      "resource rules must supply at least one api group");
  }
  if (rule.resources().empty()) {
    problems.required(join_path(path, "resources"),
                      "resource rules must supply at least one resource");
  }
}

void check_policy_rules(Problems& problems, const Site& site, bool is_namespaced) {
  std::size_t index = 0;
  for (const auto rule : site.fresh["rules"].elements()) {
    const auto path = index_path(site.at("rules"), index++);
    check_policy_rule(problems, path, views::PolicyRuleView{rule}, is_namespaced);
  }
}

void check_subject(Problems& problems,
                   const std::string& path,
                   const views::RbacSubjectView& subject) {
  const auto kind = subject.kind();
  if (subject.name().empty()) {
    return;  // the table requires it
  }
  if (kind == "ServiceAccount") {
    problems.invalid_each(
        join_path(path, "name"), subject.name(), object::dns_subdomain_faults(subject.name()));
    if (!subject.api_group().empty()) {
      problems.not_supported(join_path(path, "apiGroup"), subject.api_group(), {""});
    }
    if (subject.namespace_().empty()) {
      problems.required(join_path(path, "namespace"));
    }
  } else if (kind == "User" || kind == "Group") {
    if (subject.api_group() != kGroup) {
      problems.not_supported(
          join_path(path, "apiGroup"), subject.api_group(), {std::string{kGroup}});
    }
  } else if (!kind.empty()) {
    problems.not_supported(join_path(path, "kind"), kind, {"ServiceAccount", "User", "Group"});
  }
}

void check_binding(Problems& problems,
                   const Site& site,
                   const std::vector<std::string>& role_kinds) {
  const views::RoleRefView role{site.fresh["roleRef"]};
  if (role.api_group() != kGroup) {
    problems.not_supported(site.at("roleRef.apiGroup"), role.api_group(), {std::string{kGroup}});
  }
  if (!role.kind().empty() &&
      std::find(role_kinds.begin(), role_kinds.end(), role.kind()) == role_kinds.end()) {
    problems.not_supported(site.at("roleRef.kind"), role.kind(), role_kinds);
  }
  if (!role.name().empty()) {
    problems.invalid_each(
        site.at("roleRef.name"), role.name(), format_faults("path-segment", role.name()));
  }
  std::size_t index = 0;
  for (const auto subject : site.fresh["subjects"].elements()) {
    check_subject(
        problems, index_path(site.at("subjects"), index++), views::RbacSubjectView{subject});
  }
  if (site.is_update() && !role.view().same_as(site.old["roleRef"])) {
    problems.invalid(site.at("roleRef"), role.view(), "cannot change roleRef");
  }
}

}  // namespace

void check_role(Problems& problems, const Site& site) {
  check_policy_rules(problems, site, true);
}

void check_cluster_role(Problems& problems, const Site& site) {
  check_policy_rules(problems, site, false);
  const auto aggregation = site.fresh["aggregationRule"];
  if (aggregation && aggregation["clusterRoleSelectors"].size() == 0) {
    problems.required(site.at("aggregationRule.clusterRoleSelectors"),
                      "at least one clusterRoleSelector required if aggregationRule is non-nil");
  }
}

void check_role_binding(Problems& problems, const Site& site) {
  check_binding(problems, site, {"Role", "ClusterRole"});
}

void check_cluster_role_binding(Problems& problems, const Site& site) {
  check_binding(problems, site, {"ClusterRole"});
}

}  // namespace tetrarch::schema

// SPDX-License-Identifier: Apache-2.0
// Rules of flow schemas. Source: Kubernetes pkg/apis/flowcontrol/validation/validation.go, v1.35.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "object/names.h"
#include "schema/rules.h"

namespace tetrarch::schema {

namespace {

using object::View;

constexpr std::int64_t kPrecedenceMax = 10'000;
constexpr auto kVerbs = std::to_array<std::string_view>(
    {"create", "delete", "deletecollection", "get", "list", "patch", "proxy", "update", "watch"});

bool has_star(View list) {
  for (const auto each : list.elements()) {
    if (each.string() == "*") {
      return true;
    }
  }
  return false;
}

/// A list that is not empty, in which "*" stands alone.
void check_list(Problems& problems,
                const Site& rule,
                std::string_view name,
                std::string_view absent,
                std::string_view others) {
  const auto list = rule.fresh[name];
  if (list.size() == 0) {
    problems.required(rule.at(name), absent);
  } else if (list.size() > 1 && has_star(list)) {
    problems.invalid(
        rule.at(name), list, fmt::format("if '*' is present, must not specify other {}", others));
  }
}

void check_verbs(Problems& problems, const Site& rule) {
  check_list(problems, rule, "verbs", "verbs must contain at least one value", "verbs");
  const auto verbs = rule.fresh["verbs"];
  if (has_star(verbs)) {
    return;
  }
  for (const auto verb : verbs.elements()) {
    if (std::find(kVerbs.begin(), kVerbs.end(), verb.string()) == kVerbs.end()) {
      problems.not_supported(rule.at("verbs"), verb.string(), {kVerbs.begin(), kVerbs.end()});
    }
  }
}

/// What is wrong with a path that may end in "/*"; empty: nothing.
std::string_view path_fault(std::string_view path) {
  if (path.empty()) {
    return "must not be empty";
  }
  if (path == "/") {
    return {};
  }
  if (path.front() != '/') {
    return "must start with slash";
  }
  if (path.find(' ') != std::string_view::npos) {
    return "must not contain white-space";
  }
  if (path.find("//") != std::string_view::npos) {
    return "must not contain double slash";
  }
  const auto stars = std::count(path.begin(), path.end(), '*');
  return stars > 1 || (stars == 1 && !path.ends_with("/*")) ? "wildcard can only do suffix matching"
                                                            : "";
}

/// The member that a subject of this kind has.
std::string_view member_of(std::string_view kind) {
  return kind == "User"             ? "user"
         : kind == "Group"          ? "group"
         : kind == "ServiceAccount" ? "serviceAccount"
                                    : "";
}

void check_account(Problems& problems, const Site& account) {
  const auto name = account.fresh["name"].string();
  if (!name.empty() && name != "*") {
    problems.invalid_each(account.at("name"), name, object::dns_subdomain_faults(name));
  }
  const auto ns = account.fresh["namespace"].string();
  if (ns.empty()) {
    problems.required(account.at("namespace"), "must specify namespace for service account");
  } else {
    problems.invalid_each(account.at("namespace"), ns, object::dns_label_faults(ns));
  }
}

void check_precedence(Problems& problems, const Site& spec, std::string_view name) {
  const auto value = spec.fresh["matchingPrecedence"];
  const auto path = spec.at("matchingPrecedence");
  if (value.integer() <= 0) {
    problems.invalid(path, value, "must be a positive value");
  }
  if (value.integer() > kPrecedenceMax) {
    problems.invalid(path, value, fmt::format("must not be greater than {}", kPrecedenceMax));
  }
  if (value.integer() == 1 && name != "exempt") {
    problems.invalid(path, value, "only the schema named 'exempt' may have matchingPrecedence 1");
  }
}

}  // namespace

void check_flow_conditions(Problems& problems, const Site& site) {
  std::set<std::string_view> types;
  std::size_t index = 0;
  for (const auto condition : site.fresh["status"]["conditions"].elements()) {
    const auto path = index_path(site.at("status.conditions"), index++);
    const auto type = condition["type"].string();
    if (!types.insert(type).second) {
      problems.duplicate(join_path(path, "type"), type);
    }
    if (type.empty()) {
      problems.required(join_path(path, "type"), "must not be empty");
    }
  }
}

void check_flow_schema(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  check_precedence(problems, spec, site.fresh["metadata"]["name"].string());
  const auto method = spec.fresh["distinguisherMethod"];
  const auto type = method["type"].string();
  if (method && type != "ByUser" && type != "ByNamespace") {
    problems.not_supported(spec.at("distinguisherMethod.type"), type, {"ByNamespace", "ByUser"});
  }
  const auto level = spec.fresh["priorityLevelConfiguration"]["name"].string();
  const auto level_path = spec.at("priorityLevelConfiguration.name");
  if (level.empty()) {
    problems.required(level_path, "must reference a priority level");
  } else {
    problems.invalid_each(level_path, level, object::dns_subdomain_faults(level));
  }
  check_flow_conditions(problems, site);
}

void check_flow_rules(Problems& problems, const Site& site) {
  if (site.fresh["subjects"].size() == 0) {
    problems.required(site.at("subjects"), "subjects must contain at least one value");
  }
  if (site.fresh["resourceRules"].size() == 0 && site.fresh["nonResourceRules"].size() == 0) {
    problems.required(site.path,
                      "at least one of resourceRules and nonResourceRules has to be non-empty");
  }
}

void check_flow_subject(Problems& problems, const Site& site) {
  const auto kind = site.fresh["kind"].string();
  const auto wanted = member_of(kind);
  if (wanted.empty()) {
    problems.not_supported(site.at("kind"), kind, {"Group", "ServiceAccount", "User"});
    return;
  }
  if (!site.fresh[wanted]) {
    problems.required(site.at(wanted),
                      fmt::format("{} is required when subject kind is '{}'", wanted, kind));
  } else if (wanted == "serviceAccount") {
    check_account(problems, site.child(wanted));
  }
  for (const std::string_view other : {"User", "Group", "ServiceAccount"}) {
    const auto member = member_of(other);
    if (member != wanted && site.fresh[member]) {
      problems.forbidden(
          site.at(member),
          fmt::format("{} is forbidden when subject kind is not '{}'", member, other));
    }
  }
}

void check_flow_resource_rule(Problems& problems, const Site& site) {
  check_verbs(problems, site);
  check_list(problems,
             site,
             "apiGroups",
             "resource rules must supply at least one api group",
             "api groups");
  check_list(
      problems, site, "resources", "resource rules must supply at least one resource", "resources");
  const auto namespaces = site.fresh["namespaces"];
  if (namespaces.size() == 0) {
    if (!site.fresh["clusterScope"].boolean()) {
      problems.required(
          site.at("namespaces"),
          "resource rules that are not cluster scoped must supply at least one namespace");
    }
  } else if (has_star(namespaces)) {
    check_list(problems, site, "namespaces", "", "namespaces");
  } else {
    std::size_t index = 0;
    for (const auto ns : namespaces.elements()) {
      const auto path = index_path(site.at("namespaces"), index++);
      for (const auto& fault : object::dns_label_faults(ns.string())) {
        problems.invalid(
            path, ns, "each member of this list must be '*' or a DNS-1123 label; " + fault);
      }
    }
  }
}

void check_flow_path_rule(Problems& problems, const Site& site) {
  check_verbs(problems, site);
  check_list(problems,
             site,
             "nonResourceURLs",
             "nonResourceURLs must contain at least one value",
             "non-resource URLs");
  const auto urls = site.fresh["nonResourceURLs"];
  std::size_t index = 0;
  for (const auto url : urls.elements()) {
    const auto path = index_path(site.at("nonResourceURLs"), index++);
    const auto fault = has_star(urls) ? std::string_view() : path_fault(url.string());
    if (!fault.empty()) {
      problems.invalid(path, url, fault);
    }
  }
}

}  // namespace tetrarch::schema

// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/audit_policy.h"

#include <algorithm>
#include <array>

#include <fmt/core.h>

namespace tetrarch::api::kubernetes {
namespace {

// Source: Kubernetes API reference v1.35, audit.k8s.io/v1, Level and Stage.
constexpr std::array<std::string_view, 4> kLevels{"None", "Metadata", "Request", "RequestResponse"};
// Panic is a stage too: ours has no such thing, so it may be omitted and is never seen.
constexpr std::array<std::string_view, 4> kStages{
    "RequestReceived", "ResponseStarted", "ResponseComplete", "Panic"};

template <std::size_t N>
std::size_t place_of(const std::array<std::string_view, N>& words, std::string_view word) {
  return static_cast<std::size_t>(std::find(words.begin(), words.end(), word) - words.begin());
}

Error bad(std::string_view where, std::string_view why) {
  return {Code::invalid, fmt::format("audit policy: {}: {}", where, why)};
}

bool has(const std::vector<std::string>& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

Status check_keys(object::View object,
                  std::string_view where,
                  std::initializer_list<std::string_view> known) {
  if (!object.is_object()) {
    return bad(where, "must be a map");
  }
  for (const auto& [key, value] : object.members()) {
    if (std::find(known.begin(), known.end(), key) == known.end()) {
      return bad(where, fmt::format("unknown field \"{}\"", key));
    }
  }
  return ok();
}

Result<std::vector<std::string>> texts(object::View list, const std::string& where) {
  std::vector<std::string> out;
  if (list && !list.is_array()) {
    return bad(where, "must be a list");
  }
  for (const auto element : list.elements()) {
    if (!element.is_string()) {
      return bad(where, "must be a list of texts");
    }
    out.emplace_back(element.string());
  }
  return out;
}

Result<std::uint8_t> stages_of(object::View list, const std::string& where) {
  TRY(const auto words, texts(list, where));
  unsigned int out = 0;
  for (const auto& word : words) {
    const auto at = place_of(kStages, word);
    if (at == kStages.size()) {
      return bad(where, fmt::format("\"{}\" is no stage", word));
    }
    out |= 1U << at;
  }
  return static_cast<std::uint8_t>(out);
}

Result<std::vector<AuditRule::Resources>> resources_of(object::View list,
                                                       const std::string& where) {
  std::vector<AuditRule::Resources> out;
  if (list && !list.is_array()) {
    return bad(where, "must be a list");
  }
  for (const auto element : list.elements()) {
    TRY_STATUS(check_keys(element, where, {"group", "resources", "resourceNames"}));
    AuditRule::Resources made;
    made.group = element["group"].string();
    TRY(made.resources, texts(element["resources"], where + ".resources"));
    TRY(made.names, texts(element["resourceNames"], where + ".resourceNames"));
    if (!made.names.empty() && made.resources.empty()) {
      return bad(where, "resourceNames need resources");
    }
    out.push_back(std::move(made));
  }
  return out;
}

Result<AuditRule> rule_of(object::View rule, const std::string& where) {
  TRY_STATUS(check_keys(rule,
                        where,
                        {"level",
                         "users",
                         "userGroups",
                         "verbs",
                         "resources",
                         "namespaces",
                         "nonResourceURLs",
                         "omitStages",
                         "omitManagedFields"}));
  AuditRule out;
  const auto level = place_of(kLevels, rule["level"].string());
  if (level == kLevels.size()) {
    return bad(where + ".level",
               fmt::format("\"{}\" is none of None, Metadata, Request, RequestResponse",
                           rule["level"].string()));
  }
  out.level = static_cast<AuditLevel>(level);
  TRY(out.users, texts(rule["users"], where + ".users"));
  TRY(out.groups, texts(rule["userGroups"], where + ".userGroups"));
  TRY(out.verbs, texts(rule["verbs"], where + ".verbs"));
  TRY(out.namespaces, texts(rule["namespaces"], where + ".namespaces"));
  TRY(out.paths, texts(rule["nonResourceURLs"], where + ".nonResourceURLs"));
  TRY(out.resources, resources_of(rule["resources"], where + ".resources"));
  TRY(out.omitted_stages, stages_of(rule["omitStages"], where + ".omitStages"));
  out.omits_managed_fields = rule["omitManagedFields"].boolean();
  if (!out.paths.empty() && (!out.resources.empty() || !out.namespaces.empty())) {
    return bad(where,
               "a rule is about resources and namespaces or about nonResourceURLs, not both");
  }
  for (const auto& path : out.paths) {
    const auto star = path.find('*');
    if (path != "*" &&
        (!path.starts_with('/') || (star != std::string::npos && star + 1 != path.size()))) {
      return bad(where + ".nonResourceURLs",
                 fmt::format("\"{}\": begins with '/', and has '*' at its end only", path));
    }
  }
  return out;
}

bool matches_path(std::string_view pattern, std::string_view path) {
  if (pattern.ends_with('*')) {
    return path.starts_with(pattern.substr(0, pattern.size() - 1));
  }
  return pattern == path;
}

/// `pods`, `pods/log`, `pods/*`, `*/status`, `*`.
bool matches_resource(std::string_view pattern, const AuditSubject& subject) {
  const auto slash = pattern.find('/');
  if (pattern == "*") {
    return true;
  }
  if (slash == std::string_view::npos) {
    return subject.subresource.empty() && pattern == subject.resource;
  }
  const auto resource = pattern.substr(0, slash);
  const auto subresource = pattern.substr(slash + 1);
  if (resource == "*") {
    return !subject.subresource.empty() && subresource == subject.subresource;
  }
  return resource == subject.resource && (subresource == "*" || subresource == subject.subresource);
}

bool matches_resources(const AuditRule::Resources& wanted, const AuditSubject& subject) {
  if (wanted.group != subject.group) {
    return false;
  }
  if (wanted.resources.empty()) {
    return true;
  }
  const bool is_named = wanted.names.empty() || has(wanted.names, subject.name);
  return is_named &&
         std::any_of(wanted.resources.begin(), wanted.resources.end(), [&](const auto& pattern) {
           return matches_resource(pattern, subject);
         });
}

}  // namespace

std::string_view word_of(AuditLevel level) {
  return kLevels.at(static_cast<std::size_t>(level));
}

std::string_view word_of(AuditStage stage) {
  return kStages.at(static_cast<std::size_t>(stage));
}

// Source: Kubernetes documentation, "Auditing", and the fields' descriptions of PolicyRule v1.
bool AuditRule::matches(const AuditSubject& subject) const {
  if (!users.empty() && !has(users, subject.user)) {
    return false;
  }
  if (!groups.empty() && std::none_of(subject.groups.begin(),
                                      subject.groups.end(),
                                      [this](const auto& g) { return has(groups, g); })) {
    return false;
  }
  if (!verbs.empty() && !has(verbs, subject.verb)) {
    return false;
  }
  if (!paths.empty()) {
    return !subject.is_resource &&
           std::any_of(paths.begin(), paths.end(), [&](const auto& pattern) {
             return matches_path(pattern, subject.path);
           });
  }
  if (namespaces.empty() && resources.empty()) {
    return true;
  }
  if (!subject.is_resource || (!namespaces.empty() && !has(namespaces, subject.ns))) {
    return false;
  }
  return resources.empty() ||
         std::any_of(resources.begin(), resources.end(), [&](const auto& wanted) {
           return matches_resources(wanted, subject);
         });
}

Result<AuditPolicy> AuditPolicy::parse(object::View policy) {
  TRY_STATUS(
      check_keys(policy,
                 "the file",
                 {"apiVersion", "kind", "metadata", "rules", "omitStages", "omitManagedFields"}));
  if (policy["apiVersion"].string() != "audit.k8s.io/v1" || policy["kind"].string() != "Policy") {
    return bad("the file", "must have apiVersion audit.k8s.io/v1 and kind Policy");
  }
  if (!policy["rules"].is_array() || policy["rules"].size() == 0) {
    return bad("rules", "must be a list with at least one rule");
  }
  TRY(const auto omitted, stages_of(policy["omitStages"], "omitStages"));
  AuditPolicy out;
  for (const auto rule : policy["rules"].elements()) {
    TRY(auto made, rule_of(rule, fmt::format("rules[{}]", out.rules_.size())));
    made.omitted_stages = static_cast<std::uint8_t>(made.omitted_stages | omitted);
    if (!rule["omitManagedFields"].exists()) {
      made.omits_managed_fields = policy["omitManagedFields"].boolean();
    }
    out.rules_.push_back(std::move(made));
  }
  return out;
}

const AuditRule& AuditPolicy::rule_for(const AuditSubject& subject) const {
  for (const auto& rule : rules_) {
    if (rule.matches(subject)) {
      return rule;
    }
  }
  return nothing_;
}

}  // namespace tetrarch::api::kubernetes

// SPDX-License-Identifier: Apache-2.0
#include "registry/rbac_rules.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

namespace tetrarch::registry {

using object::View;

namespace {

std::vector<std::string> texts(View list) {
  std::vector<std::string> out;
  for (const View each : list.elements()) {
    out.emplace_back(each.string());
  }
  return out;
}

bool has(const std::vector<std::string>& list, std::string_view text) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& each) {
    return each == text || each == "*";
  });
}

/// "pods/log", "pods/*"? Source: Kubernetes documentation, "Referring to resources": `*/scale`
/// means the subresource of every resource.
bool has_resource(const std::vector<std::string>& list, const Attributes& asked) {
  for (const std::string_view each : list) {
    if (each == "*") {
      return true;
    }
    if (asked.subresource.empty()) {
      if (each == asked.resource) {
        return true;
      }
      continue;
    }
    const auto slash = each.find('/');
    if (slash != std::string_view::npos && each.substr(slash + 1) == asked.subresource &&
        (each.substr(0, slash) == asked.resource || each.substr(0, slash) == "*")) {
      return true;
    }
  }
  return false;
}

bool has_path(const std::vector<std::string>& list, std::string_view path) {
  return std::any_of(list.begin(), list.end(), [&](const std::string& each) {
    if (each == "*" || each == path) {
      return true;
    }
    return each.ends_with('*') &&
           path.starts_with(std::string_view(each).substr(0, each.size() - 1));
  });
}

std::string quoted_list(const std::vector<std::string>& list) {
  std::string out;
  for (const auto& each : list) {
    out += (out.empty() ? "\"" : ", \"") + each + "\"";
  }
  return "[" + out + "]";
}

/// Every combination of one verb, group, resource and name, or one verb and path.
std::vector<PolicyRule> broken_down(const PolicyRule& rule) {
  std::vector<PolicyRule> out;
  for (const auto& verb : rule.verbs) {
    for (const auto& url : rule.urls) {
      out.push_back({{verb}, {}, {}, {}, {url}});
    }
    for (const auto& group : rule.groups) {
      for (const auto& resource : rule.resources) {
        if (rule.names.empty()) {
          out.push_back({{verb}, {group}, {resource}});
        }
        for (const auto& name : rule.names) {
          out.push_back({{verb}, {group}, {resource}, {name}});
        }
      }
    }
  }
  return out;
}

bool covers_resource(const std::vector<std::string>& held, std::string_view wanted) {
  if (has(held, wanted)) {
    return true;
  }
  const auto slash = wanted.find('/');
  return slash != std::string_view::npos && has(held, "*" + std::string(wanted.substr(slash)));
}

bool covers(const PolicyRule& held, const PolicyRule& part) {
  if (!has(held.verbs, part.verbs.front())) {
    return false;
  }
  if (!part.urls.empty()) {
    return has_path(held.urls, part.urls.front());
  }
  const bool is_named =
      held.names.empty() ||
      (!part.names.empty() &&
       std::find(held.names.begin(), held.names.end(), part.names.front()) != held.names.end());
  return is_named && has(held.groups, part.groups.front()) &&
         covers_resource(held.resources, part.resources.front());
}

}  // namespace

PolicyRule PolicyRule::read(View rule) {
  return {texts(rule["verbs"]),
          texts(rule["apiGroups"]),
          texts(rule["resources"]),
          texts(rule["resourceNames"]),
          texts(rule["nonResourceURLs"])};
}

std::vector<PolicyRule> read_rules(View rules) {
  std::vector<PolicyRule> out;
  for (const View rule : rules.elements()) {
    out.push_back(PolicyRule::read(rule));
  }
  return out;
}

bool PolicyRule::allows(const Attributes& asked) const {
  if (!has(verbs, asked.verb)) {
    return false;
  }
  if (!asked.path.empty()) {
    return has_path(urls, asked.path);
  }
  return has(groups, asked.group) && has_resource(resources, asked) &&
         (names.empty() || std::find(names.begin(), names.end(), asked.name) != names.end());
}

std::string PolicyRule::text() const {
  std::string out;
  const auto add = [&](std::string_view name, const std::vector<std::string>& list) {
    if (!list.empty()) {
      out += fmt::format("{}{}:{}", out.empty() ? "" : ", ", name, quoted_list(list));
    }
  };
  add("APIGroups", groups);
  add("Resources", resources);
  add("ResourceNames", names);
  add("NonResourceURLs", urls);
  add("Verbs", verbs);
  return "{" + out + "}";
}

std::vector<PolicyRule> not_covered(const std::vector<PolicyRule>& held,
                                    const std::vector<PolicyRule>& wanted) {
  std::vector<PolicyRule> out;
  for (const auto& rule : wanted) {
    for (auto& part : broken_down(rule)) {
      const bool is_held = std::any_of(
          held.begin(), held.end(), [&](const PolicyRule& each) { return covers(each, part); });
      if (!is_held) {
        out.push_back(std::move(part));
      }
    }
  }
  return out;
}

}  // namespace tetrarch::registry

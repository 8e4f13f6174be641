// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes pkg/quota/v1/evaluator/core, v1.35: names, scopes and what services count.
#include "schema/quota.h"

#include <algorithm>

#include "schema/quota_pods.h"

namespace tetrarch::schema {

using object::Quantity;
using object::View;

namespace {

constexpr std::string_view kCount = "count/";

bool is_any(std::string_view text, std::initializer_list<std::string_view> choices) {
  return std::find(choices.begin(), choices.end(), text) != choices.end();
}

/// Resources that are counted under their own name too.
bool has_plain_name(std::string_view resource) {
  return is_any(resource,
                {"configmaps",
                 "persistentvolumeclaims",
                 "replicationcontrollers",
                 "resourcequotas",
                 "secrets",
                 "services"});
}

std::int64_t node_ports_of(View spec) {
  const auto type = spec["type"].string();
  const auto ports = static_cast<std::int64_t>(spec["ports"].size());
  if (type == "NodePort") {
    return ports;
  }
  if (type != "LoadBalancer") {
    return 0;
  }
  if (spec["allocateLoadBalancerNodePorts"].boolean(true)) {
    return ports;
  }
  std::int64_t out = 0;
  for (const View port : spec["ports"].elements()) {
    out += port["nodePort"].integer() != 0 ? 1 : 0;
  }
  return out;
}

bool has_foreign_terms(View affinity) {
  for (const auto* list : {"requiredDuringSchedulingIgnoredDuringExecution",
                           "preferredDuringSchedulingIgnoredDuringExecution"}) {
    for (const View each : affinity[list].elements()) {
      const View term = each["podAffinityTerm"] ? each["podAffinityTerm"] : each;
      if (term["namespaces"].size() > 0 || term["namespaceSelector"]) {
        return true;
      }
    }
  }
  return false;
}

bool has_value(View values, std::string_view wanted) {
  for (const View each : values.elements()) {
    if (each.string() == wanted) {
      return true;
    }
  }
  return false;
}

bool matches_class(View expression, std::string_view priority_class) {
  const auto op = expression["operator"].string("Exists");
  const bool is_named = !priority_class.empty();
  if (op == "Exists") {
    return is_named;
  }
  if (op == "DoesNotExist") {
    return !is_named;
  }
  const bool is_listed = is_named && has_value(expression["values"], priority_class);
  return op == "In" ? is_listed : !is_listed;
}

bool matches_scope(std::string_view scope, View expression, View pod) {
  const View spec = pod["spec"];
  const bool is_terminating =
      spec["activeDeadlineSeconds"] && spec["activeDeadlineSeconds"].integer() >= 0;
  const bool is_best_effort = pod["status"]["qosClass"].string() == "BestEffort";
  if (scope == "Terminating") {
    return is_terminating;
  }
  if (scope == "NotTerminating") {
    return !is_terminating;
  }
  if (scope == "BestEffort") {
    return is_best_effort;
  }
  if (scope == "NotBestEffort") {
    return !is_best_effort;
  }
  if (scope == "PriorityClass") {
    return matches_class(expression, spec["priorityClassName"].string());
  }
  return scope == "CrossNamespacePodAffinity" &&
         (has_foreign_terms(spec["affinity"]["podAffinity"]) ||
          has_foreign_terms(spec["affinity"]["podAntiAffinity"]));
}

// Source: the same file: a quota of these makes containers state them. ("it was a mistake": no
// further ones.)
bool must_be_stated(std::string_view name) {
  return is_any(
      name, {"cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory"});
}

}  // namespace

Amounts amounts_in(View map) {
  Amounts out;
  for (const auto& [name, value] : map.members()) {
    if (auto amount = Quantity::from(value); amount.ok()) {
      out.emplace(name, *amount);
    }
  }
  return out;
}

std::string amounts_text(const Amounts& amounts) {
  std::string out;
  for (const auto& [name, value] : amounts) {
    out += (out.empty() ? "" : ",") + name + "=" + value.text();
  }
  return out;
}

Amounts masked(const Amounts& amounts, const Amounts& names) {
  Amounts out;
  for (const auto& [name, value] : amounts) {
    if (names.contains(name)) {
      out.emplace(name, value);
    }
  }
  return out;
}

bool is_counted_by(std::string_view name, std::string_view resource) {
  if (name.starts_with(kCount)) {
    return name.substr(kCount.size()) == resource;
  }
  if (resource == "pods") {
    return is_pod_amount(name);
  }
  return (name == resource && has_plain_name(resource)) ||
         (resource == "services" && is_any(name, {"services.nodeports", "services.loadbalancers"}));
}

Amounts usage_of(std::string_view resource, View object, TimePoint now) {
  Amounts out;
  const auto one = Quantity::of_value(1);
  if (resource == "pods" && is_charged(object, now)) {
    const View spec = object["spec"];
    out = compute_amounts(sum_of_pod(spec, "requests"), sum_of_pod(spec, "limits"));
    out["pods"] = one;
  } else if (resource == "services") {
    const View spec = object["spec"];
    out["services.nodeports"] = Quantity::of_value(node_ports_of(spec));
    out["services.loadbalancers"] =
        Quantity::of_value(spec["type"].string() == "LoadBalancer" ? 1 : 0);
  }
  out[std::string(kCount).append(resource)] = one;
  if (has_plain_name(resource)) {
    out[std::string(resource)] = one;
  }
  return out;
}

bool is_in_scope(View spec, std::string_view resource, View object) {
  const View scopes = spec["scopes"];
  const View expressions = spec["scopeSelector"]["matchExpressions"];
  if (scopes.size() + expressions.size() > 0 && resource != "pods") {
    return false;
  }
  for (const View scope : scopes.elements()) {
    if (!matches_scope(scope.string(), {}, object)) {
      return false;
    }
  }
  for (const View expression : expressions.elements()) {
    if (!matches_scope(expression["scopeName"].string(), expression, object)) {
      return false;
    }
  }
  return true;
}

std::string missing_amounts(const Amounts& hard, View pod_spec) {
  const auto whole = compute_amounts(amounts_in(pod_spec["resources"]["requests"]),
                                     amounts_in(pod_spec["resources"]["limits"]));
  std::string out;
  for (const auto& [name, most] : hard) {
    if (!must_be_stated(name) || whole.contains(name)) {
      continue;
    }
    std::set<std::string> lacking;
    for (const auto* list : {"containers", "initContainers"}) {
      for (const View container : pod_spec[list].elements()) {
        const View resources = container["resources"];
        if (!compute_amounts(amounts_in(resources["requests"]), amounts_in(resources["limits"]))
                 .contains(name)) {
          lacking.emplace(container["name"].string());
        }
      }
    }
    std::string containers;
    for (const auto& each : lacking) {
      containers += (containers.empty() ? "" : ",") + each;
    }
    if (!containers.empty()) {
      out += (out.empty() ? "" : "; ") + name + " for: " + containers;
    }
  }
  return out;
}

Amounts counted(View quota_spec, TimePoint now, const ForEach& for_each) {
  const auto hard = amounts_in(quota_spec["hard"]);
  Amounts out;
  std::set<std::string> resources;
  for (const auto& [name, most] : hard) {
    out[name] = Quantity::of_value(0);
    const std::string_view text = name;
    if (text.starts_with(kCount)) {
      resources.emplace(text.substr(kCount.size()));
    } else if (has_plain_name(text)) {
      resources.insert(name);
    } else if (text.starts_with("services.")) {
      resources.emplace("services");
    } else if (is_pod_amount(text)) {
      resources.emplace("pods");
    }
  }
  for (const auto& resource : resources) {
    for_each(resource, [&](View object) {
      if (is_in_scope(quota_spec, resource, object)) {
        for (const auto& [name, value] : masked(usage_of(resource, object, now), hard)) {
          out[name] += value;
        }
      }
    });
  }
  return out;
}

}  // namespace tetrarch::schema

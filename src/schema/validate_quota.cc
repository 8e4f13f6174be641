// SPDX-License-Identifier: Apache-2.0
// Rules of resource quotas and limit ranges.
// Source: Kubernetes pkg/apis/core/validation/validation.go, ValidateResourceQuotaSpec and
// ValidateLimitRange, v1.35.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "object/names.h"
#include "object/quantity.h"
#include "schema/quota_pods.h"
#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

namespace {

using object::Quantity;
using object::View;

constexpr auto kScopes = std::to_array<std::string_view>({"BestEffort",
                                                          "CrossNamespacePodAffinity",
                                                          "NotBestEffort",
                                                          "NotTerminating",
                                                          "PriorityClass",
                                                          "Terminating"});
constexpr auto kObjects = std::to_array<std::string_view>({"configmaps",
                                                           "persistentvolumeclaims",
                                                           "replicationcontrollers",
                                                           "requests.storage",
                                                           "resourcequotas",
                                                           "secrets",
                                                           "services",
                                                           "services.loadbalancers",
                                                           "services.nodeports"});

template <class List>
bool contains(const List& list, std::string_view text) {
  return std::find(list.begin(), list.end(), text) != list.end();
}

bool is_standard(std::string_view name) {
  return contains(kObjects, name) || is_pod_amount(name);
}

/// Amounts of objects are whole.
bool is_whole(std::string_view name) {
  return name == "pods" || name.starts_with("count/") ||
         (contains(kObjects, name) && name != "requests.storage");
}

void check_hard(Problems& problems, const Site& site, std::string_view list) {
  for (const auto& [name, value] : site.fresh[list].members()) {
    const auto path = key_path(site.at(list), name);
    problems.invalid_each(path, name, object::label_key_faults(name));
    if (name.find('/') == std::string_view::npos && !is_standard(name)) {
      problems.invalid(path, name, "must be a standard resource for quota");
    }
    const auto amount = Quantity::from(value).value_or(Quantity());
    if (amount.is_negative()) {
      problems.invalid(path, value, "must be greater than or equal to 0");
    } else if (is_whole(name) && amount != Quantity::of_value(amount.value())) {
      problems.invalid(path, value, "must be an integer");
    }
  }
}

/// Amounts that a quota about such pods can count. Of pods without requests there is only the
/// number.
void check_scope(Problems& problems, const std::string& path, std::string_view scope, View spec) {
  if (!contains(kScopes, scope)) {
    problems.invalid(path, scope, "unsupported scope");
    return;
  }
  for (const auto& [name, value] : spec["hard"].members()) {
    const bool is_number = name == "pods" || name == "count/pods";
    if (scope == "BestEffort" ? !is_number : !is_number && !is_pod_amount(name)) {
      problems.invalid(path, scope, "unsupported scope applied to resource");
      return;
    }
  }
}

void check_conflicts(Problems& problems,
                     const Site& spec,
                     const std::set<std::string_view>& scopes) {
  if ((scopes.contains("BestEffort") && scopes.contains("NotBestEffort")) ||
      (scopes.contains("Terminating") && scopes.contains("NotTerminating"))) {
    problems.invalid(spec.at("scopes"), spec.fresh["scopes"], "conflicting scopes");
  }
}

void check_expression(Problems& problems, const Site& expression) {
  const auto op = expression.fresh["operator"].string();
  const auto values = expression.fresh["values"].size();
  if ((op == "In" || op == "NotIn") && values == 0) {
    problems.required(
        expression.at("values"),
        "must be at least one value when `operator` is 'In' or 'NotIn' for scope selector");
  }
  if ((op == "Exists" || op == "DoesNotExist") && values > 0) {
    problems.invalid(
        expression.at("values"),
        expression.fresh["values"],
        "must be no value when `operator` is 'Exists' or 'DoesNotExist' for scope selector");
  }
  if (expression.fresh["scopeName"].string() != "PriorityClass" && op != "Exists") {
    problems.invalid(expression.at("operator"),
                     op,
                     "must be 'Exist' when scope is any of ResourceQuotaScopeTerminating, "
                     "ResourceQuotaScopeNotTerminating, ResourceQuotaScopeBestEffort, "
                     "ResourceQuotaScopeNotBestEffort or "
                     "ResourceQuotaScopeCrossNamespacePodAffinity");
  }
}

/// What a limit range item says of one resource; null: nothing.
struct Bounds {
  const Quantity* min;
  const Quantity* max;
  const Quantity* fallback;  ///< default
  const Quantity* request;   ///< defaultRequest
  const Quantity* ratio;     ///< maxLimitRequestRatio
};

class LimitItem {
 public:
  LimitItem(Problems& problems, Site site)
      : problems_(problems),
        site_(std::move(site)),
        min_(amounts_in(site_.fresh["min"])),
        max_(amounts_in(site_.fresh["max"])),
        fallback_(amounts_in(site_.fresh["default"])),
        request_(amounts_in(site_.fresh["defaultRequest"])),
        ratio_(amounts_in(site_.fresh["maxLimitRequestRatio"])) {}

  void check() {
    const auto type = site_.fresh["type"].string();
    if (type == "Pod") {
      forbid_for_pods("default", fallback_);
      forbid_for_pods("defaultRequest", request_);
    }
    if (type == "PersistentVolumeClaim" && !min_.contains("storage") && !max_.contains("storage")) {
      problems_.required(
          site_.at("limits"),
          "either minimum or maximum storage value is required, but neither was provided");
    }
    std::set<std::string_view> names;
    for (const auto* amounts : {&min_, &max_, &fallback_, &request_, &ratio_}) {
      for (const auto& [name, value] : *amounts) {
        names.insert(name);
      }
    }
    for (const auto name : names) {
      check_order(name);
    }
  }

 private:
  void forbid_for_pods(std::string_view list, const Amounts& amounts) {
    if (!amounts.empty()) {
      problems_.forbidden(site_.at(list), "may not be specified when `type` is 'Pod'");
    }
  }

  static const Quantity* find(const Amounts& amounts, std::string_view name) {
    const auto at = amounts.find(name);
    return at == amounts.end() ? nullptr : &at->second;
  }

  /// `low` of one list must not be above `high` of another.
  void keep_order(std::string_view name,
                  std::string_view list,
                  const Quantity* low,
                  const Quantity* high,
                  std::string_view words) {
    if (low != nullptr && high != nullptr && *low > *high) {
      problems_.invalid(key_path(site_.at(list), name),
                        site_.fresh[list][name],
                        fmt::format(fmt::runtime(words), low->text(), high->text()));
    }
  }

  void check_order(std::string_view name) {
    const Bounds b{find(min_, name),
                   find(max_, name),
                   find(fallback_, name),
                   find(request_, name),
                   find(ratio_, name)};
    keep_order(name, "min", b.min, b.max, "min value {} is greater than max value {}");
    keep_order(name,
               "defaultRequest",
               b.min,
               b.request,
               "min value {} is greater than default request value {}");
    keep_order(name,
               "defaultRequest",
               b.request,
               b.max,
               "default request value {} is greater than max value {}");
    keep_order(name,
               "defaultRequest",
               b.request,
               b.fallback,
               "default request value {} is greater than default limit value {}");
    keep_order(name, "default", b.min, b.fallback, "min value {} is greater than default value {}");
    keep_order(name, "default", b.fallback, b.max, "default value {} is greater than max value {}");
    check_ratio(name, b);
  }

  void check_ratio(std::string_view name, const Bounds& b) {
    if (b.ratio == nullptr) {
      return;
    }
    const auto path = key_path(site_.at("maxLimitRequestRatio"), name);
    const auto value = site_.fresh["maxLimitRequestRatio"][name];
    if (*b.ratio < Quantity::of_value(1)) {
      problems_.invalid(path, value, fmt::format("ratio {} is less than 1", b.ratio->text()));
    }
    if (b.min == nullptr || b.max == nullptr || b.min->is_zero()) {
      return;
    }
    const auto widest = b.max->as_double() / b.min->as_double();
    if (b.ratio->as_double() > widest) {
      problems_.invalid(
          path,
          value,
          fmt::format("ratio {} is greater than max/min = {:.6f}", b.ratio->text(), widest));
    }
  }

  Problems& problems_;
  const Site site_;
  const Amounts min_;
  const Amounts max_;
  const Amounts fallback_;
  const Amounts request_;
  const Amounts ratio_;
};

}  // namespace

void check_resource_quota(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  check_hard(problems, spec, "hard");
  std::set<std::string_view> scopes;
  for (const View scope : spec.fresh["scopes"].elements()) {
    scopes.insert(scope.string());
    check_scope(problems, spec.at("scopes"), scope.string(), spec.fresh);
  }
  std::size_t place = 0;
  const auto selector = spec.child("scopeSelector");
  for (const View each : selector.fresh["matchExpressions"].elements()) {
    const auto path = index_path(selector.at("matchExpressions"), place++);
    const auto name = each["scopeName"].string();
    scopes.insert(name);
    check_scope(problems, join_path(path, "scopeName"), name, spec.fresh);
    check_expression(problems, Site{each, {}, path});
  }
  check_conflicts(problems, spec, scopes);
}

void check_limit_range(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  std::set<std::string_view> types;
  std::size_t place = 0;
  for (const View limit : spec.fresh["limits"].elements()) {
    const auto path = index_path(spec.at("limits"), place++);
    const auto type = limit["type"].string();
    const bool is_known = type == "Container" || type == "Pod" || type == "PersistentVolumeClaim";
    if (!type.empty() && !is_known && type.find('/') == std::string_view::npos) {
      problems.invalid(
          join_path(path, "type"), type, "must be a standard limit type or fully qualified");
    }
    if (!types.insert(type).second) {
      problems.duplicate(join_path(path, "type"), type);
    }
    LimitItem(problems, Site{limit, {}, path}).check();
  }
}

}  // namespace tetrarch::schema

// SPDX-License-Identifier: Apache-2.0
// Rules of Deployments and ReplicaSets: selector and template agree, strategy.
// Source: Kubernetes pkg/apis/apps/validation/validation.go, v1.34.
#include <charconv>

#include "object/selector.h"
#include "schema/formats.h"
#include "schema/rules.h"
#include "schema/views/apps.h"

namespace tetrarch::schema {

namespace {

using object::View;

void check_selector(Problems& problems, const Site& spec, std::string_view owner) {
  const auto selector = spec.fresh["selector"];
  if (!selector) {
    return;
  }
  if (selector["matchLabels"].size() + selector["matchExpressions"].size() == 0) {
    problems.invalid(
        spec.at("selector"), selector, std::string{"empty selector is invalid for "}.append(owner));
    return;
  }
  const auto parsed = object::LabelSelector::from_object(selector);
  if (!parsed.ok()) {
    return;  // its requirements are refused one by one
  }
  const auto labels = spec.fresh.find("template.metadata.labels");
  if (!parsed->matches(labels)) {
    const auto document = Document::from_canonical("{}");
    problems.invalid(spec.at("template.metadata.labels"),
                     labels ? labels : document->root(),
                     "`selector` does not match template `labels`");
  }
}

void check_template(Problems& problems, const Site& spec) {
  const views::PodTemplateSpecView pod{spec.fresh["template"]};
  const auto policy = pod.spec().restart_policy();
  if (!policy.empty() && policy != "Always") {
    problems.not_supported(spec.at("template.spec.restartPolicy"), policy, {"Always"});
  }
  if (pod.spec().has_active_deadline_seconds()) {
    problems.forbidden(spec.at("template.spec.activeDeadlineSeconds"),
                       "activeDeadlineSeconds in ReplicaSet is not Supported");
  }
}

/// The number before '%'; -1 where it is a plain number or no percentage.
std::int64_t percent_of(View value) {
  const auto text = value.string();
  std::int64_t number = -1;
  if (text.ends_with('%')) {
    std::from_chars(text.data(), text.data() + text.size() - 1, number);
  }
  return number;
}

void check_share(Problems& problems, const std::string& path, View value) {
  if (value.is_string()) {
    problems.invalid_each(path, value.string(), percent_faults(value.string()));
  } else if (value.is_number() && value.integer() < 0) {
    problems.invalid(path, value, "must be greater than or equal to 0");
  }
}

bool is_zero(View value) {
  return value.is_string() ? percent_of(value) == 0 : value.integer() == 0;
}

void check_strategy(Problems& problems, const Site& spec) {
  const views::DeploymentStrategyView strategy{spec.fresh["strategy"]};
  const auto rolling = strategy.rolling_update();
  if (strategy.type() == "Recreate" && rolling) {
    problems.forbidden(spec.at("strategy.rollingUpdate"),
                       "may not be specified when strategy `type` is 'Recreate'");
    return;
  }
  if (strategy.type() != "RollingUpdate" || !rolling) {
    return;
  }
  const auto path = spec.at("strategy.rollingUpdate.maxUnavailable");
  check_share(problems, path, rolling.max_unavailable());
  check_share(problems, spec.at("strategy.rollingUpdate.maxSurge"), rolling.max_surge());
  if (is_zero(rolling.max_unavailable()) && is_zero(rolling.max_surge())) {
    problems.invalid(path, rolling.max_unavailable(), "may not be 0 when `maxSurge` is 0");
  }
  if (percent_of(rolling.max_unavailable()) > 100) {
    problems.invalid(path, rolling.max_unavailable(), "must not be greater than 100%");
  }
}

}  // namespace

void check_deployment(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  const views::DeploymentSpecView view{spec.fresh};
  check_selector(problems, spec, "deployment");
  check_template(problems, spec);
  check_strategy(problems, spec);
  if (view.has_progress_deadline_seconds() &&
      view.progress_deadline_seconds() <= view.min_ready_seconds()) {
    problems.invalid(spec.at("progressDeadlineSeconds"),
                     view.view()["progressDeadlineSeconds"],
                     "must be greater than minReadySeconds");
  }
}

void check_replica_set(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  check_selector(problems, spec, "replicaset");
  check_template(problems, spec);
}

}  // namespace tetrarch::schema

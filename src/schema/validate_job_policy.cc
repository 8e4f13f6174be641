// SPDX-License-Identifier: Apache-2.0
// Rules of what a job's failed pods mean and of when it has succeeded.
// Source: Kubernetes pkg/apis/batch/validation/validation.go, v1.34.
#include <algorithm>
#include <set>

#include <fmt/format.h>

#include "object/index_set.h"
#include "schema/rules.h"
#include "schema/views/batch.h"

namespace tetrarch::schema {

namespace {

using object::View;

constexpr std::size_t kRulesMost = 20;
constexpr std::size_t kExitCodesMost = 255;
constexpr std::size_t kIndexesTextMost = 64 * 1024;

bool names_container(views::JobSpecView job, std::string_view name) {
  const auto pod = job.template_().spec();
  for (const auto container : pod.containers()) {
    if (container.name() == name) {
      return true;
    }
  }
  for (const auto container : pod.init_containers()) {
    if (container.name() == name) {
      return true;
    }
  }
  return false;
}

void check_exit_values(Problems& problems, const Site& codes) {
  const views::PodFailurePolicyOnExitCodesRequirementView view{codes.fresh};
  const auto path = codes.at("values");
  const auto values = view.values();
  if (values.empty()) {
    problems.invalid(path, values.view(), "at least one value is required");
  } else if (values.size() > kExitCodesMost) {
    problems.too_many(path, values.size(), kExitCodesMost);
  }
  std::set<std::int64_t> seen;
  bool is_ordered = true;
  std::size_t index = 0;
  for (const auto value : values) {
    const auto place = index_path(path, index++);
    if (view.operator_() == "In" && value == 0) {
      problems.invalid(place, values.view().at(index - 1), "must not be 0 for the In operator");
    }
    is_ordered = is_ordered && (seen.empty() || *seen.rbegin() <= value);
    if (!seen.insert(value).second) {
      problems.duplicate(place, fmt::format("{}", value));
    }
  }
  if (!is_ordered) {
    problems.invalid(path, values.view(), "must be ordered");
  }
}

void check_failure_rule(Problems& problems, views::JobSpecView job, const Site& rule) {
  const views::PodFailurePolicyRuleView view{rule.fresh};
  if (view.action() == "FailIndex" && !job.has_backoff_limit_per_index()) {
    problems.invalid(
        rule.at("action"), view.action(), "requires the backoffLimitPerIndex to be set");
  }
  const auto codes = view.on_exit_codes();
  const auto conditions = view.on_pod_conditions();
  if (codes) {
    if (codes.has_container_name() && !names_container(job, codes.container_name())) {
      problems.invalid(rule.at("onExitCodes.containerName"),
                       codes.container_name(),
                       "must be one of the container or initContainer names in the pod template");
    }
    check_exit_values(problems, rule.child("onExitCodes"));
  }
  if (conditions.size() > kRulesMost) {
    problems.too_many(rule.at("onPodConditions"), conditions.size(), kRulesMost);
  }
  if (codes && !conditions.empty()) {
    problems.invalid(
        rule.path, rule.fresh, "specifying both OnExitCodes and OnPodConditions is not supported");
  } else if (!codes && conditions.empty()) {
    problems.invalid(
        rule.path, rule.fresh, "specifying one of OnExitCodes and OnPodConditions is required");
  }
}

void check_success_rule(Problems& problems, views::JobSpecView job, const Site& rule) {
  const views::SuccessPolicyRuleView view{rule.fresh};
  if (!view.has_succeeded_count() && !view.has_succeeded_indexes()) {
    problems.required(rule.path,
                      "at least one of succeededCount or succeededIndexes must be specified");
    return;
  }
  std::int64_t indexes = 0;
  if (view.has_succeeded_indexes()) {
    const auto path = rule.at("succeededIndexes");
    if (view.succeeded_indexes().size() > kIndexesTextMost) {
      problems.too_long(path, kIndexesTextMost);
      return;
    }
    const auto parsed = object::IndexSet::parse(view.succeeded_indexes(), job.completions());
    if (!parsed.ok()) {
      problems.invalid(path,
                       view.succeeded_indexes(),
                       "error parsing succeededIndexes: " + parsed.error().message);
    } else {
      indexes = parsed->count();
    }
  }
  if (!view.has_succeeded_count()) {
    return;
  }
  const auto path = rule.at("succeededCount");
  const auto count = rule.fresh["succeededCount"];
  if (view.succeeded_count() > job.completions()) {
    problems.invalid(
        path,
        count,
        fmt::format("must be less than or equal to {} (the number of specified completions)",
                    job.completions()));
  }
  if (view.has_succeeded_indexes() && view.succeeded_count() > indexes) {
    problems.invalid(path,
                     count,
                     fmt::format("must be less than or equal to {} (the number of indexes in the "
                                 "specified succeededIndexes field)",
                                 indexes));
  }
}

template <class Check>
void check_each(Problems& problems, const Site& policy, Check check) {
  const auto path = policy.at("rules");
  const auto rules = policy.fresh["rules"];
  if (rules.size() > kRulesMost) {
    problems.too_many(path, rules.size(), kRulesMost);
  }
  std::size_t index = 0;
  for (const auto rule : rules.elements()) {
    check(Site{rule, {}, index_path(path, index++)});
  }
}

}  // namespace

void check_pod_failure_policy(Problems& problems, const Site& job_spec) {
  const views::JobSpecView job{job_spec.fresh};
  if (job.pod_failure_policy()) {
    check_each(problems, job_spec.child("podFailurePolicy"), [&](const Site& rule) {
      check_failure_rule(problems, job, rule);
    });
  }
}

void check_success_policy(Problems& problems, const Site& job_spec) {
  const views::JobSpecView job{job_spec.fresh};
  if (!job.success_policy()) {
    return;
  }
  const auto policy = job_spec.child("successPolicy");
  if (job.completion_mode() != "Indexed") {
    problems.invalid(policy.path, policy.fresh, "requires indexed completion mode");
    return;
  }
  if (job.success_policy().rules().empty()) {
    problems.required(policy.at("rules"),
                      "at least one rules must be specified when the successPolicy is specified");
  }
  check_each(problems, policy, [&](const Site& rule) { check_success_rule(problems, job, rule); });
}

}  // namespace tetrarch::schema

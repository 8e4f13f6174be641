// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes documentation, "Jobs", pod failure policy and success policy; the sentences
// are those of kube-controller-manager (1.31).
#include "reconcile/job_policy.h"

#include <algorithm>
#include <limits>

#include <fmt/format.h>

namespace tetrarch::reconcile {

namespace {

constexpr auto kNoLimit = std::numeric_limits<std::int64_t>::max();

FailureAction action_of(std::string_view text) {
  if (text == "Ignore") {
    return FailureAction::ignore;
  }
  if (text == "FailIndex") {
    return FailureAction::fail_index;
  }
  return text == "FailJob" ? FailureAction::fail_job : FailureAction::count;
}

bool matches_code(views::PodFailurePolicyOnExitCodesRequirementView rule, std::int64_t code) {
  bool is_listed = false;
  for (const auto value : rule.values()) {
    is_listed = is_listed || value == code;
  }
  return code != 0 && is_listed == (rule.operator_() == "In");
}

/// What of the pod matches, in words; empty: nothing does.
std::string match_exit_code(views::PodFailurePolicyOnExitCodesRequirementView rule,
                            const Stored& pod) {
  if (!rule) {
    return {};
  }
  const views::PodStatusView status(pod.root()["status"]);
  for (const auto list : {status.container_statuses(), status.init_container_statuses()}) {
    for (const auto container : list) {
      const auto ended = container.state().terminated();
      const bool is_meant =
          rule.container_name().empty() || rule.container_name() == container.name();
      if (ended && is_meant && matches_code(rule, ended.exit_code())) {
        return fmt::format("Container {} for pod {}/{} failed with exit code {}",
                           container.name(),
                           pod.key.ns,
                           pod.key.name,
                           ended.exit_code());
      }
    }
  }
  return {};
}

std::string match_condition(views::PodFailurePolicyRuleView rule, const Stored& pod) {
  const views::PodStatusView status(pod.root()["status"]);
  for (const auto pattern : rule.on_pod_conditions()) {
    for (const auto condition : status.conditions()) {
      if (condition.type() == pattern.type() && condition.status() == pattern.status()) {
        return fmt::format(
            "Pod {}/{} has condition {}", pod.key.ns, pod.key.name, condition.type());
      }
    }
  }
  return {};
}

bool fulfils(views::SuccessPolicyRuleView rule,
             std::int64_t completions,
             const object::IndexSet& succeeded) {
  if (!rule.has_succeeded_indexes()) {
    return rule.has_succeeded_count() && succeeded.count() >= rule.succeeded_count();
  }
  const auto wanted = object::IndexSet::parse_leniently(rule.succeeded_indexes(), completions);
  std::int64_t have = 0;
  for (const auto& ours : succeeded.intervals()) {
    for (const auto& theirs : wanted.intervals()) {
      have += std::max<std::int64_t>(
          0, std::min(ours.last, theirs.last) - std::max(ours.first, theirs.first) + 1);
    }
  }
  return have >= (rule.has_succeeded_count() ? rule.succeeded_count() : wanted.count());
}

}  // namespace

FailureVerdict judge_failure(views::JobSpecView job, const Stored& pod) {
  // Rules are about pods that have failed; one that is only ending is simply counted.
  if (pod.root()["status"]["phase"].string() != "Failed") {
    return {};
  }
  std::size_t index = 0;
  for (const auto rule : job.pod_failure_policy().rules()) {
    auto match = match_exit_code(rule.on_exit_codes(), pod);
    match = match.empty() ? match_condition(rule, pod) : match;
    if (!match.empty()) {
      return {
          .action = action_of(rule.action()),
          .message = fmt::format("{} matching {} rule at index {}", match, rule.action(), index)};
    }
    ++index;
  }
  return {};
}

std::optional<std::string> success_message(views::JobSpecView job,
                                           const object::IndexSet& succeeded) {
  const auto completions = job.has_completions() ? job.completions() : kNoLimit;
  std::size_t index = 0;
  for (const auto rule : job.success_policy().rules()) {
    if (fulfils(rule, completions, succeeded)) {
      return fmt::format("Matched rules at index {}", index);
    }
    ++index;
  }
  return std::nullopt;
}

}  // namespace tetrarch::reconcile

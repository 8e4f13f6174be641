// SPDX-License-Identifier: Apache-2.0
// Rules of jobs: how many pods, in which mode, and what may change later.
// Source: Kubernetes pkg/apis/batch/validation/validation.go, v1.34.
#include <fmt/format.h>

#include "object/names.h"
#include "schema/rules.h"
#include "schema/views/batch.h"
#include "schema/workload_checks.h"

namespace tetrarch::schema {

namespace {

using object::View;

constexpr std::int64_t kIndexesMost = 100'000;
constexpr std::int64_t kIndexesMostWithBackoff = 10'000;
constexpr std::size_t kManagerMost = 63;

bool is_indexed(views::JobSpecView spec) {
  return spec.completion_mode() == "Indexed";
}

void check_below(Problems& problems,
                 const Site& spec,
                 std::string_view field,
                 std::string_view why) {
  problems.invalid(spec.at(field), spec.fresh[field], why);
}

/// Very many indexes with a limit each: what is remembered of them must stay bounded.
void check_many_indexes(Problems& problems, const Site& spec) {
  const views::JobSpecView view{spec.fresh};
  if (view.completions() <= kIndexesMost || !view.has_backoff_limit_per_index()) {
    return;
  }
  if (!view.has_max_failed_indexes()) {
    problems.required(spec.at("maxFailedIndexes"),
                      fmt::format("must be specified when completions is above {}", kIndexesMost));
  }
  for (const auto field : {"parallelism", "maxFailedIndexes"}) {
    if (spec.fresh[field].integer() > kIndexesMostWithBackoff) {
      check_below(problems,
                  spec,
                  field,
                  fmt::format("must be less than or equal to {} when completions are above {} and "
                              "used with backoff limit per index",
                              kIndexesMostWithBackoff,
                              kIndexesMost));
    }
  }
}

void check_indexed(Problems& problems, const Site& spec) {
  const views::JobSpecView view{spec.fresh};
  if (!view.has_completions()) {
    problems.required(spec.at("completions"), "when completion mode is Indexed");
  }
  if (view.parallelism() > kIndexesMost) {
    check_below(problems,
                spec,
                "parallelism",
                fmt::format("must be less than or equal to {} when completion mode is Indexed",
                            kIndexesMost));
  }
  if (view.has_completions() && view.max_failed_indexes() > view.completions()) {
    check_below(problems, spec, "maxFailedIndexes", "must be less than or equal to completions");
  }
  if (view.max_failed_indexes() > kIndexesMost) {
    check_below(problems,
                spec,
                "maxFailedIndexes",
                fmt::format("must be less than or equal to {}", kIndexesMost));
  }
  check_many_indexes(problems, spec);
}

void check_numbers(Problems& problems, const Site& spec) {
  const views::JobSpecView view{spec.fresh};
  if (view.has_max_failed_indexes() && !view.has_backoff_limit_per_index()) {
    problems.required(spec.at("backoffLimitPerIndex"), "when maxFailedIndexes is specified");
  }
  if (is_indexed(view)) {
    check_indexed(problems, spec);
    return;
  }
  for (const auto field : {"backoffLimitPerIndex", "maxFailedIndexes"}) {
    if (spec.fresh[field].exists()) {
      check_below(problems, spec, field, "requires indexed completion mode");
    }
  }
}

void check_manager(Problems& problems, const Site& spec) {
  const views::JobSpecView view{spec.fresh};
  if (!view.has_managed_by()) {
    return;
  }
  const auto path = spec.at("managedBy");
  const auto name = view.managed_by();
  const auto slash = name.find('/');
  if (slash == name.npos || slash + 1 == name.size()) {
    problems.invalid(path, name, "must be a domain-prefixed path (such as \"acme.io/foo\")");
  } else {
    problems.invalid_each(path, name, object::dns_subdomain_faults(name.substr(0, slash)));
  }
  if (name.size() > kManagerMost) {
    problems.too_long(path, kManagerMost);
  }
}

void check_replacement(Problems& problems, const Site& spec) {
  const views::JobSpecView view{spec.fresh};
  const auto policy = view.pod_replacement_policy();
  if (policy.empty() || policy == "Failed") {
    return;
  }
  const auto path = spec.at("podReplacementPolicy");
  if (view.pod_failure_policy()) {
    problems.not_supported(path, policy, {"Failed"});
  } else if (policy != "TerminatingOrFailed") {
    problems.not_supported(path, policy, {"Failed", "TerminatingOrFailed"});
  }
}

void check_restart_policy(Problems& problems, const Site& spec) {
  const views::JobSpecView view{spec.fresh};
  const auto path = spec.at("template.spec.restartPolicy");
  const auto policy = view.template_().spec().restart_policy();
  if (policy.empty() || policy == "Always") {
    problems.required(path, "valid values: \"OnFailure\", \"Never\"");
  } else if (policy != "OnFailure" && policy != "Never") {
    problems.not_supported(path, policy, {"OnFailure", "Never"});
  } else if (policy != "Never" && view.pod_failure_policy()) {
    problems.invalid(
        path, policy, "only \"Never\" is supported when podFailurePolicy is specified");
  }
}

void check_immutable(Problems& problems, const Site& spec, std::string_view field) {
  if (!spec.fresh[field].same_as(spec.old[field])) {
    problems.invalid(spec.at(field), spec.fresh[field], "field is immutable");
  }
}

/// The completions of an indexed job may follow its parallelism.
void check_completions_update(Problems& problems, const Site& spec) {
  const auto fresh = spec.fresh["completions"];
  if (fresh.same_as(spec.old["completions"])) {
    return;
  }
  if (!is_indexed(views::JobSpecView{spec.fresh}) || !fresh || !spec.old["completions"]) {
    problems.invalid(spec.at("completions"), fresh, "field is immutable");
  } else if (!fresh.same_as(spec.fresh["parallelism"])) {
    problems.invalid(
        spec.at("completions"), fresh, "can only be modified in tandem with spec.parallelism");
  }
}

/// Only what decides where its pods go differs.
bool is_redirected(View fresh, View old) {
  const auto fresh_spec = fresh["spec"];
  const auto old_spec = old["spec"];
  return same_but(fresh, old, {"metadata", "spec"}) &&
         same_but(fresh["metadata"], old["metadata"], {"labels", "annotations"}) &&
         same_but(fresh_spec,
                  old_spec,
                  {"nodeSelector", "tolerations", "schedulingGates", "affinity"}) &&
         same_but(fresh_spec["affinity"], old_spec["affinity"], {"nodeAffinity"});
}

void check_template_update(Problems& problems, const Site& job, const Site& spec) {
  const auto fresh = spec.fresh["template"];
  const auto old = spec.old["template"];
  const bool waits = spec.old["suspend"].boolean() && !job.old.find("status.startTime").exists();
  if (!fresh.same_as(old) && !(waits && is_redirected(fresh, old))) {
    problems.invalid(spec.at("template"), fresh, "field is immutable");
  }
}

/// The cluster made the selector: it must still be that one.
void check_generated_selector(Problems& problems, const Site& site) {
  const views::JobView job{site.fresh};
  if (job.spec().manual_selector()) {
    return;
  }
  const auto labels = job.spec().template_().metadata().labels();
  const std::pair<std::string_view, std::string_view> wanted[] = {
      {"batch.kubernetes.io/controller-uid", job.metadata().uid()},
      {"batch.kubernetes.io/job-name", job.metadata().name()}};
  const auto document = Document::from_canonical("{}");
  for (const auto& [key, value] : wanted) {
    const auto path = site.at("spec.template.metadata.labels");
    const auto shown = labels.view() ? labels.view() : document->root();
    if (!labels.contains(key)) {
      problems.required(key_path(path, key), fmt::format("must be '{}'", value));
    } else if (labels.find(key) != value) {
      problems.invalid(path, shown, fmt::format("must be '{}'", value));
    }
  }
  const auto selector = job.spec().selector().match_labels();
  if (selector.find(wanted[0].first) != wanted[0].second) {
    problems.invalid(
        site.at("spec.selector"), job.spec().selector().view(), "`selector` not auto-generated");
  }
}

void check_job_update(Problems& problems, const Site& job, const Site& spec) {
  check_completions_update(problems, spec);
  check_immutable(problems, spec, "selector");
  check_template_update(problems, job, spec);
  for (const auto field : {"completionMode",
                           "podFailurePolicy",
                           "backoffLimitPerIndex",
                           "managedBy",
                           "successPolicy"}) {
    check_immutable(problems, spec, field);
  }
}

}  // namespace

void check_job_spec(Problems& problems, const Site& site) {
  check_numbers(problems, site);
  check_manager(problems, site);
  check_pod_failure_policy(problems, site);
  check_success_policy(problems, site);
  check_replacement(problems, site);
  check_restart_policy(problems, site);
}

void check_job(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  const views::JobView job{site.fresh};
  if (!spec.fresh["selector"]) {
    problems.required(spec.at("selector"));
  } else {
    check_selector_matches(problems, spec);
  }
  check_generated_selector(problems, site);
  if (is_indexed(job.spec()) && job.spec().completions() > 0) {
    const auto last = fmt::format("{}-{}", job.metadata().name(), job.spec().completions() - 1);
    if (!object::dns_label_faults(last).empty()) {
      problems.invalid(site.at("metadata.name"),
                       job.metadata().name(),
                       "will not able to create pod with invalid DNS label: " + last);
    }
  }
  if (site.is_update()) {
    check_job_update(problems, site, spec);
  }
}

void check_job_template(Problems& problems, const Site& site) {
  const views::JobTemplateSpecView view{site.fresh};
  if (view.spec().selector()) {
    problems.invalid(site.at("spec.selector"),
                     view.spec().selector().view(),
                     "`selector` will be auto-generated");
  }
  if (view.spec().manual_selector()) {
    problems.not_supported(site.at("spec.manualSelector"), "true", {"nil", "false"});
  }
}

}  // namespace tetrarch::schema

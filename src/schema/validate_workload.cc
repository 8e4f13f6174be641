// SPDX-License-Identifier: Apache-2.0
// Rules of the workloads whose pods last: selector and template agree, how they are updated.
// Source: Kubernetes pkg/apis/apps/validation/validation.go and, for replication controllers,
// pkg/apis/core/validation/validation.go, v1.34.
#include "object/selector.h"
#include "schema/rules.h"
#include "schema/views/apps.h"
#include "schema/workload_checks.h"

namespace tetrarch::schema {

namespace {

using object::View;

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
  if (is_zero_share(rolling.max_unavailable()) && is_zero_share(rolling.max_surge())) {
    problems.invalid(path, rolling.max_unavailable(), "may not be 0 when `maxSurge` is 0");
  }
  check_at_most_all(problems, path, rolling.max_unavailable());
}

void check_daemon_strategy(Problems& problems, const Site& spec) {
  const views::DaemonSetUpdateStrategyView strategy{spec.fresh["updateStrategy"]};
  if (strategy.type() != "RollingUpdate") {
    return;
  }
  const auto rolling = strategy.rolling_update();
  if (!rolling) {
    problems.required(spec.at("updateStrategy.rollingUpdate"));
    return;
  }
  const auto unavailable = spec.at("updateStrategy.rollingUpdate.maxUnavailable");
  const auto surge = spec.at("updateStrategy.rollingUpdate.maxSurge");
  check_share(problems, unavailable, rolling.max_unavailable());
  check_share(problems, surge, rolling.max_surge());
  check_at_most_all(problems, unavailable, rolling.max_unavailable());
  check_at_most_all(problems, surge, rolling.max_surge());
  const bool has_unavailable = !is_zero_share(rolling.max_unavailable());
  const bool has_surge = !is_zero_share(rolling.max_surge());
  if (has_unavailable && has_surge) {
    problems.invalid(surge, rolling.max_surge(), "may not be set when maxUnavailable is non-zero");
  } else if (!has_unavailable && !has_surge) {
    problems.required(unavailable, "cannot be 0 when maxSurge is 0");
  }
}

void check_stateful_strategy(Problems& problems, const Site& spec) {
  const views::StatefulSetUpdateStrategyView strategy{spec.fresh["updateStrategy"]};
  const auto rolling = strategy.rolling_update();
  if (strategy.type() == "OnDelete") {
    if (rolling) {
      problems.invalid(spec.at("updateStrategy.rollingUpdate"),
                       rolling.view(),
                       "only allowed for updateStrategy 'RollingUpdate'");
    }
    return;
  }
  if (strategy.type() != "RollingUpdate") {
    problems.invalid(
        spec.at("updateStrategy"), strategy.view(), "must be 'RollingUpdate' or 'OnDelete'");
    return;
  }
  const auto unavailable = rolling.max_unavailable();
  if (unavailable.exists()) {
    const auto path = spec.at("updateStrategy.rollingUpdate.maxUnavailable");
    check_share(problems, path, unavailable);
    check_at_most_all(problems, path, unavailable);
    if (is_zero_share(unavailable)) {
      problems.invalid(path, unavailable, "cannot be 0");
    }
  }
}

constexpr std::string_view kStatefulOnlyThese =
    "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and "
    "'minReadySeconds' are forbidden";

}  // namespace

void check_deployment(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  const views::DeploymentSpecView view{spec.fresh};
  check_selector(problems, spec, "deployment");
  check_lasting_template(problems, spec, "ReplicaSet");
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
  check_lasting_template(problems, spec, "ReplicaSet");
}

void check_replication_controller(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  const auto selector = spec.fresh["selector"];
  if (selector.size() == 0) {
    problems.required(spec.at("selector"));
  }
  if (!spec.fresh["template"]) {
    problems.required(spec.at("template"));
    return;
  }
  const auto labels = spec.fresh.find("template.metadata.labels");
  if (selector && !object::LabelSelector::from_map(selector).matches(labels)) {
    complain_of_labels(problems, spec);
  }
  check_lasting_template(problems, spec, "ReplicationController");
}

void check_daemon_set(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  check_selector(problems, spec, "daemonset");
  check_lasting_template(problems, spec, "DaemonSet");
  check_daemon_strategy(problems, spec);
}

void check_stateful_set(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  const views::StatefulSetSpecView view{spec.fresh};
  const auto policy = view.pod_management_policy();
  if (policy != "OrderedReady" && policy != "Parallel") {
    problems.invalid(
        spec.at("podManagementPolicy"), policy, "must be 'OrderedReady' or 'Parallel'");
  }
  check_stateful_strategy(problems, spec);
  check_selector(problems, spec, "statefulset");
  check_lasting_template(problems, spec, "StatefulSet");
  // Ours: there are no persistent volume claims yet, so its pods could never start.
  if (!view.volume_claim_templates().empty()) {
    problems.forbidden(spec.at("volumeClaimTemplates"),
                       "this cluster has no persistent volume claims");
  }
  if (site.is_update() && !same_but(spec.fresh,
                                    spec.old,
                                    {"replicas",
                                     "ordinals",
                                     "template",
                                     "updateStrategy",
                                     "revisionHistoryLimit",
                                     "persistentVolumeClaimRetentionPolicy",
                                     "minReadySeconds"})) {
    problems.forbidden(spec.path, kStatefulOnlyThese);
  }
}

}  // namespace tetrarch::schema

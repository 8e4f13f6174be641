// SPDX-License-Identifier: Apache-2.0
// What an update of a pod may change, and which rules hold for its parts. Placement (spec.nodeName)
// and status have none. Source: Kubernetes pkg/apis/core/validation/validation.go,
// ValidatePodUpdate, v1.34.
#include <algorithm>
#include <string>
#include <string_view>
#include <vector>

#include "schema/rules.h"
#include "schema/views/core.h"
#include "schema/workload_checks.h"

namespace tetrarch::schema {

namespace {

using object::View;

constexpr std::string_view kOnlyThese =
    "pod updates may not change fields other than "
    "`spec.containers[*].image`,`spec.initContainers[*].image`,"
    "`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),"
    "`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";

/// Only images (and the pull policies that default from them) differ.
bool same_containers(View fresh, View old) {
  if (fresh.size() != old.size()) {
    return false;
  }
  std::size_t index = 0;
  for (const auto container : fresh.elements()) {
    if (!same_but(container, old.at(index++), {"image"})) {
      return false;
    }
  }
  return true;
}

bool contains(View list, View wanted) {
  for (const auto each : list.elements()) {
    if (each.same_as(wanted)) {
      return true;
    }
  }
  return false;
}

/// More may be added, and what is there may be tolerated for another time.
void check_tolerations(Problems& problems, const Site& spec) {
  for (const auto old : spec.old["tolerations"].elements()) {
    bool is_kept = false;
    for (const auto each : spec.fresh["tolerations"].elements()) {
      is_kept = is_kept || same_but(each, old, {"tolerationSeconds"});
    }
    if (!is_kept) {
      problems.forbidden(spec.at("tolerations"),
                         "existing toleration can not be modified except its tolerationSeconds");
    }
  }
}

/// Gates are lifted, never added; while a pod is gated its node selector and affinity may be
/// narrowed.
void check_gates(Problems& problems, const Site& spec) {
  const auto old_gates = spec.old["schedulingGates"];
  for (const auto gate : spec.fresh["schedulingGates"].elements()) {
    if (!contains(old_gates, gate)) {
      problems.forbidden(spec.at("schedulingGates"),
                         "only deletion is allowed, but found new scheduling gate '" +
                             std::string{gate["name"].string()} + "'");
    }
  }
}

void check_deadline(Problems& problems, const Site& spec) {
  const auto fresh = spec.fresh["activeDeadlineSeconds"];
  const auto old = spec.old["activeDeadlineSeconds"];
  if (old && !fresh) {
    problems.invalid(spec.at("activeDeadlineSeconds"),
                     fresh,
                     "must not update from a positive integer to nil value");
  } else if (old && fresh.integer() > old.integer()) {
    problems.invalid(
        spec.at("activeDeadlineSeconds"), fresh, "must be less than or equal to previous value");
  }
}

bool grace_may_change(View fresh, View old) {
  return fresh.same_as(old) || (old.integer() < 0 && fresh.integer() == 1);
}

/// What shows a static pod does so from the beginning to the end.
void check_mirror(Problems& problems, const Site& pod) {
  const auto fresh = pod.fresh["metadata"]["annotations"][kMirrorAnnotation];
  const auto path = key_path("metadata.annotations", kMirrorAnnotation);
  if (!pod.is_update()) {
    if (fresh && pod.fresh["spec"]["nodeName"].string().empty()) {
      problems.invalid(path, fresh, "must set spec.nodeName if mirror pod annotation is set");
    }
    return;
  }
  const auto old = pod.old["metadata"]["annotations"][kMirrorAnnotation];
  if (old && !old.same_as(fresh)) {
    problems.forbidden(path, "may not remove or update mirror pod annotation");
  } else if (fresh && !old) {
    problems.forbidden(path, "may not add mirror pod annotation");
  }
}

/// Of an update of the pod itself.
void check_pod_update(Problems& problems, const Site& site) {
  const auto spec = site.child("spec");
  check_gates(problems, spec);
  check_deadline(problems, spec);
  check_tolerations(problems, spec);
  std::vector<std::string_view> except{"containers",
                                       "initContainers",
                                       "activeDeadlineSeconds",
                                       "tolerations",
                                       "schedulingGates",
                                       "terminationGracePeriodSeconds"};
  if (spec.old["schedulingGates"].size() > 0) {
    except.insert(except.end(), {"nodeSelector", "affinity"});
  }
  const bool is_allowed =
      same_containers(spec.fresh["containers"], spec.old["containers"]) &&
      same_containers(spec.fresh["initContainers"], spec.old["initContainers"]) &&
      grace_may_change(spec.fresh["terminationGracePeriodSeconds"],
                       spec.old["terminationGracePeriodSeconds"]) &&
      same_but(spec.fresh, spec.old, except);
  if (!is_allowed) {
    problems.forbidden(spec.path, kOnlyThese);
  }
}

}  // namespace

void check_pod(Problems& problems, const Site& site) {
  if (site.part == "ephemeralcontainers") {
    check_ephemeral_update(problems, site);
  } else if (site.part == "resize") {
    check_resize(problems, site);
    return;
  }
  if (!site.part.empty()) {
    return;
  }
  check_mirror(problems, site);
  if (site.is_update()) {
    check_pod_update(problems, site);
  } else if (site.fresh["spec"]["ephemeralContainers"].size() > 0) {
    problems.forbidden("spec.ephemeralContainers", "cannot be set on create");
  }
}

}  // namespace tetrarch::schema

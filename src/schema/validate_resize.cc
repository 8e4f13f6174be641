// SPDX-License-Identifier: Apache-2.0
// Resize of pods while they run: which amounts may change, and how. Source: Kubernetes
// pkg/apis/core/validation/validation.go, ValidatePodResize and validateResizePolicy, v1.35.
#include <set>

#include <fmt/format.h>

#include "schema/pod_qos.h"
#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

namespace {

using object::View;

bool is_sidecar(View container) {
  return container["restartPolicy"].string() == "Always";
}

bool is_removed(View fresh, View old) {
  for (const auto member : old.members()) {
    if (!fresh[member.key].exists()) {
      return true;
    }
  }
  return false;
}

/// Equal, but for cpu and memory.
bool same_but_compute(View fresh, View old) {
  const auto is_covered = [](View one, View other) {
    for (const auto [name, value] : one.members()) {
      if (name != "cpu" && name != "memory" && !value.same_as(other[name])) {
        return false;
      }
    }
    return true;
  };
  return is_covered(fresh, old) && is_covered(old, fresh);
}

void check_container(Problems& problems, const std::string& path, View fresh, View old) {
  const auto place = join_path(path, "resources");
  if (is_removed(fresh["requests"], old["requests"])) {
    problems.forbidden(join_path(place, "requests"), "resource requests cannot be removed");
  }
  if (is_removed(fresh["limits"], old["limits"])) {
    problems.forbidden(join_path(place, "limits"), "resource limits cannot be removed");
  }
  if (!same_but_compute(fresh["requests"], old["requests"]) ||
      !same_but_compute(fresh["limits"], old["limits"]) ||
      !fresh["claims"].same_as(old["claims"])) {
    problems.forbidden("spec", "only cpu and memory resources are mutable");
  }
}

/// The lists have the same containers in the same order: nothing else of what was sent counts.
void check_list(Problems& problems, const Site& pod, std::string_view list) {
  const View fresh = pod.fresh["spec"][list];
  const View old = pod.old["spec"][list];
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const View before = old.at(i);
    if (list == "containers" || is_sidecar(before)) {
      check_container(problems,
                      index_path(fmt::format("spec.{}", list), i),
                      fresh.at(i)["resources"],
                      before["resources"]);
    } else if (!fresh.at(i)["resources"].same_as(before["resources"])) {
      problems.forbidden("spec", "resources for non-sidecar init containers are immutable");
    }
  }
}

/// A node that tells no amounts of what runs cannot change them.
bool is_supported(View pod) {
  for (const View status : pod["status"]["containerStatuses"].elements()) {
    if (status["state"]["running"].exists() && !status["resources"].exists()) {
      return false;
    }
  }
  return true;
}

}  // namespace

void check_resize(Problems& problems, const Site& pod) {
  if (pod.old["metadata"]["annotations"][kMirrorAnnotation]) {
    problems.forbidden("", "static pods cannot be resized");
    return;
  }
  const auto before = qos_class(pod.old["spec"]);
  if (qos_class(pod.fresh["spec"]) != before) {
    problems.invalid("spec", before, "Pod QOS Class may not change as a result of resizing");
  }
  if (!is_supported(pod.old)) {
    problems.forbidden("spec", "Pod running on node without support for resize");
  }
  for (const auto* list : {"containers", "initContainers"}) {
    check_list(problems, pod, list);
  }
}

void check_resize_policy(Problems& problems,
                         const std::string& path,
                         View policies,
                         std::string_view restart_policy) {
  std::set<std::string_view> names;
  std::size_t index = 0;
  for (const View policy : policies.elements()) {
    const auto name = policy["resourceName"].string();
    if (!names.insert(name).second) {
      problems.duplicate(index_path(path, index), name);
    }
    ++index;
    const auto restart = policy["restartPolicy"].string();
    if (restart_policy == "Never" && restart != "NotRequired" && !restart.empty()) {
      problems.invalid(path, restart, "must be 'NotRequired' when `restartPolicy` is 'Never'");
    }
  }
}

}  // namespace tetrarch::schema

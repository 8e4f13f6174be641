// SPDX-License-Identifier: Apache-2.0
// Containers that are added to a running pod for debugging: what they may not have, and that they
// can only be added. Source: Kubernetes pkg/apis/core/validation/validation.go, v1.35.
#include <array>
#include <set>

#include <fmt/format.h>

#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

namespace {

using object::View;

// Fields of EphemeralContainerCommon that are not on the list of allowed ones, in their order.
constexpr auto kRefusedFields = std::to_array<std::string_view>({"ports",
                                                                 "resources",
                                                                 "resizePolicy",
                                                                 "restartPolicy",
                                                                 "restartPolicyRules",
                                                                 "livenessProbe",
                                                                 "readinessProbe",
                                                                 "startupProbe",
                                                                 "lifecycle"});
constexpr std::string_view kRefused = "cannot be set for an Ephemeral Container";

bool is_set(View value) {
  return value.is_string() ? !value.string().empty() : value && value.size() > 0;
}

std::set<std::string_view> other_names(View spec) {
  std::set<std::string_view> out;
  for (const auto* list : {"containers", "initContainers"}) {
    for (const View container : spec[list].elements()) {
      out.insert(container["name"].string());
    }
  }
  return out;
}

void check_one(Problems& problems,
               const std::string& path,
               View container,
               const std::set<std::string_view>& others) {
  const auto target = container["targetContainerName"].string();
  if (!target.empty() && !others.contains(target)) {
    problems.not_found(join_path(path, "targetContainerName"), target);
  }
  for (const auto field : kRefusedFields) {
    if (is_set(container[field])) {
      problems.forbidden(join_path(path, field), kRefused);
    }
  }
  std::size_t index = 0;
  for (const View mount : container["volumeMounts"].elements()) {
    const auto place = index_path(join_path(path, "volumeMounts"), index++);
    for (const auto* field : {"subPath", "subPathExpr"}) {
      if (is_set(mount[field])) {
        problems.forbidden(join_path(place, field), kRefused);
      }
    }
  }
}

View named(View list, std::string_view name) {
  for (const View each : list.elements()) {
    if (each["name"].string() == name) {
      return each;
    }
  }
  return {};
}

}  // namespace

void check_ephemeral_containers(Problems& problems, const Site& spec) {
  const View list = spec.fresh["ephemeralContainers"];
  if (list.size() == 0) {
    return;
  }
  const auto others = other_names(spec.fresh);
  std::size_t index = 0;
  for (const View container : list.elements()) {
    check_one(problems, index_path(spec.at("ephemeralContainers"), index++), container, others);
  }
}

void check_pod_template(Problems& problems, const Site& site) {
  if (site.fresh["spec"]["ephemeralContainers"].size() > 0) {
    problems.forbidden(site.at("spec.ephemeralContainers"),
                       "ephemeral containers not allowed in pod template");
  }
}

void check_ephemeral_update(Problems& problems, const Site& pod) {
  if (pod.old["metadata"]["annotations"][kMirrorAnnotation]) {
    problems.forbidden("", "static pods do not support ephemeral containers");
    return;
  }
  const View fresh = pod.fresh["spec"]["ephemeralContainers"];
  for (const View old : pod.old["spec"]["ephemeralContainers"].elements()) {
    const auto name = old["name"].string();
    const View now = named(fresh, name);
    if (!now) {
      problems.forbidden(
          "spec.ephemeralContainers",
          fmt::format("existing ephemeral containers \"{}\" may not be removed\n", name));
    } else if (!now.same_as(old)) {
      // Ours: without the difference that kube-apiserver prints behind it.
      problems.forbidden(
          "spec.ephemeralContainers",
          fmt::format("existing ephemeral containers \"{}\" may not be changed\n", name));
    }
  }
}

}  // namespace tetrarch::schema

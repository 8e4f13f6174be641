// SPDX-License-Identifier: Apache-2.0
// Rules of one container: image, environment, mounts, resources, probes and hooks.
// Source: Kubernetes pkg/apis/core/validation/validation.go, v1.34, unless a line says otherwise.
#include <algorithm>
#include <array>
#include <set>

#include <fmt/format.h>

#include "object/quantity.h"
#include "schema/formats.h"
#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

namespace {

constexpr auto kResources =
    std::to_array<std::string_view>({"cpu", "memory", "ephemeral-storage", "storage"});

/// cpu, memory, hugepages-…: names without a domain.
bool is_native(std::string_view resource) {
  return std::find(kResources.begin(), kResources.end(), resource) != kResources.end() ||
         resource.starts_with("hugepages-");
}

void check_mount(Problems& problems, const std::string& path, const views::VolumeMountView& mount) {
  for (const auto& [name, value] :
       {std::pair{"subPath", mount.sub_path()}, std::pair{"subPathExpr", mount.sub_path_expr()}}) {
    if (value.empty()) {
      continue;
    }
    const auto padded = fmt::format("/{}/", value);
    if (value.starts_with('/')) {
      problems.invalid(join_path(path, name), value, "must be a relative path");
    } else if (padded.find("/../") != padded.npos) {
      problems.invalid(join_path(path, name), value, "must not contain '..'");
    }
  }
  if (!mount.sub_path().empty() && !mount.sub_path_expr().empty()) {
    problems.invalid(join_path(path, "subPathExpr"),
                     mount.sub_path_expr(),
                     "subPathExpr and subPath are mutually exclusive");
  }
}

void check_mounts(Problems& problems, const Site& site, const views::ContainerView& container) {
  std::set<std::string_view> places;
  std::size_t index = 0;
  for (const auto mount : container.volume_mounts()) {
    const auto path = index_path(site.at("volumeMounts"), index++);
    if (!mount.mount_path().empty() && !places.insert(mount.mount_path()).second) {
      problems.invalid(join_path(path, "mountPath"), mount.mount_path(), "must be unique");
    }
    check_mount(problems, path, mount);
  }
}

void check_port_names(Problems& problems, const Site& site, const views::ContainerView& container) {
  std::set<std::string_view> names;
  std::size_t index = 0;
  for (const auto port : container.ports()) {
    const auto path = index_path(site.at("ports"), index++);
    if (!port.name().empty() && !names.insert(port.name()).second) {
      problems.duplicate(join_path(path, "name"), port.name());
    }
  }
}

bool is_annotation_or_label(std::string_view field) {
  return (field.starts_with("metadata.labels['") || field.starts_with("metadata.annotations['")) &&
         field.ends_with("']");
}

void check_field_ref(Problems& problems, const Site& site, std::string_view field) {
  static const std::vector<std::string> kFields{"metadata.name",
                                                "metadata.namespace",
                                                "metadata.uid",
                                                "spec.nodeName",
                                                "spec.serviceAccountName",
                                                "status.hostIP",
                                                "status.hostIPs",
                                                "status.podIP",
                                                "status.podIPs"};
  if (field.empty() || is_annotation_or_label(field)) {
    return;
  }
  if (std::find(kFields.begin(), kFields.end(), field) == kFields.end()) {
    problems.not_supported(site.at("fieldRef.fieldPath"), field, kFields);
  }
}

object::Quantity quantity_of(object::View value) {
  return object::Quantity::from(value).value_or({});
}

void check_amounts(Problems& problems, const Site& site, const std::string& name) {
  for (const auto& [resource, value] : site.fresh[name].members()) {
    const auto path = key_path(site.at(name), resource);
    if (resource.find('/') == resource.npos && !is_native(resource)) {
      problems.invalid(path, resource, "must be a standard resource type or fully qualified");
    }
    problems.invalid_each(path, resource, object::label_key_faults(resource));
    const auto amount = quantity_of(value);
    if (amount.is_negative()) {
      problems.invalid(path, value, "must be greater than or equal to 0");
    }
    if (!is_native(resource) && amount.milli_value() % 1000 != 0) {
      problems.invalid(path, value, "must be an integer");
    }
  }
}

}  // namespace

void check_container(Problems& problems, const Site& site) {
  const views::ContainerView container{site.fresh};
  const auto image = container.image();
  if (!image.empty() &&
      (image.front() == ' ' || image.back() == ' ' || image.find('\n') != image.npos)) {
    problems.invalid(site.at("image"), image, "must not have leading or trailing whitespace");
  }
  check_port_names(problems, site, container);
  check_mounts(problems, site, container);
  for (const auto& [name, probe] : {std::pair{"livenessProbe", container.liveness_probe()},
                                    std::pair{"startupProbe", container.startup_probe()}}) {
    if (probe && probe.success_threshold() != 1) {
      problems.invalid(fmt::format("{}.successThreshold", site.at(name)),
                       probe.view()["successThreshold"],
                       "must be 1");
    }
  }
}

void check_env_var(Problems& problems, const Site& site) {
  const views::EnvVarView variable{site.fresh};
  const auto source = variable.value_from();
  if (!source) {
    return;
  }
  const auto from = site.child("valueFrom");
  const auto count = source.view().size();
  if (count == 0) {
    problems.invalid(
        from.path,
        "",
        "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`");
  } else if (!variable.value().empty()) {
    problems.invalid(from.path, "", "may not be specified when `value` is not empty");
  } else if (count > 1) {
    problems.invalid(from.path, "", "may not have more than one field specified at a time");
  }
  check_field_ref(problems, from, source.field_ref().field_path());
}

void check_probe(Problems& problems, const Site& site) {
  constexpr std::array kHandlers{"exec", "httpGet", "tcpSocket", "grpc"};
  int count = 0;
  for (const auto* handler : kHandlers) {
    if (site.fresh[handler] && count++ > 0) {
      problems.forbidden(site.at(handler), "may not specify more than 1 handler type");
    }
  }
  if (count == 0) {
    problems.required(site.path, "must specify a handler type");
  }
  if (site.fresh["exec"] && site.fresh["exec"]["command"].size() == 0) {
    problems.required(site.at("exec.command"));
  }
}

void check_lifecycle_handler(Problems& problems, const Site& site) {
  constexpr std::array kHandlers{"exec", "httpGet", "tcpSocket", "sleep"};
  int count = 0;
  for (const auto* handler : kHandlers) {
    if (site.fresh[handler] && count++ > 0) {
      problems.forbidden(site.at(handler), "may not specify more than 1 handler type");
    }
  }
  if (count == 0) {
    problems.required(site.path, "must specify a handler type");
  }
  if (site.fresh["exec"] && site.fresh["exec"]["command"].size() == 0) {
    problems.required(site.at("exec.command"));
  }
}

void check_resources(Problems& problems, const Site& site) {
  check_amounts(problems, site, "limits");
  check_amounts(problems, site, "requests");
  for (const auto& [resource, value] : site.fresh["requests"].members()) {
    const auto limit_value = site.fresh["limits"][resource];
    if (!limit_value) {
      continue;
    }
    const auto request = quantity_of(value);
    const auto limit = quantity_of(limit_value);
    if (!is_native(resource) && request != limit) {
      problems.invalid(
          site.at("requests"),
          value,
          fmt::format("must be equal to {} limit of {}", resource, limit_value.string()));
    } else if (request > limit) {
      problems.invalid(
          site.at("requests"),
          value,
          fmt::format(
              "must be less than or equal to {} limit of {}", resource, limit_value.string()));
    }
  }
}

}  // namespace tetrarch::schema

// SPDX-License-Identifier: Apache-2.0
#include "registry/pod_rules.h"

#include <set>
#include <string_view>
#include <utility>

#include <fmt/format.h>

#include "object/quantity.h"
#include "object/selector.h"

namespace tetrarch::registry {

using object::Quantity;
using object::View;

namespace {

using Names = std::set<std::string_view>;

/// What all containers of a pod share while they are checked.
struct PodNames {
  Names volumes;
  Names containers;
  std::set<std::string> host_ports;
};

void check_resources(const std::string& path, View resources, FieldErrors& faults) {
  for (const auto [name, request] : resources["requests"].members()) {
    const auto wanted = Quantity::from(request);
    const View limit = resources["limits"][name];
    const auto most = Quantity::from(limit);
    if (limit && wanted.ok() && most.ok() && *wanted > *most) {
      faults.push_back(invalid_text(
          path + ".requests",
          wanted->text(),
          fmt::format("must be less than or equal to {} limit of {}", name, most->text())));
    }
  }
  for (const auto* list : {"limits", "requests"}) {
    for (const auto [name, amount] : resources[list].members()) {
      const auto value = Quantity::from(amount);
      if (value.ok() && value->is_negative()) {
        faults.push_back(invalid_text(fmt::format("{}.{}[{}]", path, list, name),
                                      value->text(),
                                      "must be greater than or equal to 0"));
      }
    }
  }
}

void check_mounts(const std::string& path,
                  View container,
                  const Names& volumes,
                  FieldErrors& faults) {
  Names paths;
  std::size_t place = 0;
  for (const View mount : container["volumeMounts"].elements()) {
    const auto here = fmt::format("{}.volumeMounts[{}]", path, place++);
    if (!volumes.contains(mount["name"].string())) {
      faults.push_back(not_found_value(here + ".name", mount["name"].string()));
    }
    if (!paths.insert(mount["mountPath"].string()).second) {
      faults.push_back(
          invalid_text(here + ".mountPath", mount["mountPath"].string(), "must be unique"));
    }
  }
}

void check_ports(const std::string& path, View container, PodNames& pod, FieldErrors& faults) {
  Names names;
  std::size_t place = 0;
  for (const View port : container["ports"].elements()) {
    const auto here = fmt::format("{}.ports[{}]", path, place++);
    const auto name = port["name"].string();
    if (!name.empty() && !names.insert(name).second) {
      faults.push_back(duplicate(here + ".name", name));
    }
    if (port["hostPort"].integer() == 0) {
      continue;
    }
    const auto host = fmt::format("{}/{}/{}",
                                  port["protocol"].string("TCP"),
                                  port["hostIP"].string(),
                                  port["hostPort"].integer());
    if (!pod.host_ports.insert(host).second) {
      faults.push_back(duplicate(here + ".hostPort", host));
    }
  }
}

int handlers_of(View handler) {
  int count = 0;
  for (const auto* name : {"exec", "httpGet", "tcpSocket", "grpc", "sleep"}) {
    count += handler[name] ? 1 : 0;
  }
  return count;
}

void check_handlers(const std::string& path, View container, FieldErrors& faults) {
  const auto check = [&](const std::string& name, View handler) {
    if (!handler) {
      return;
    }
    const int count = handlers_of(handler);
    if (count == 0) {
      faults.push_back(required(path + "." + name, "must specify a handler type"));
    } else if (count > 1) {
      faults.push_back(
          forbidden_field(path + "." + name, "may not specify more than 1 handler type"));
    }
  };
  for (const auto* probe : {"livenessProbe", "readinessProbe", "startupProbe"}) {
    check(probe, container[probe]);
    const View threshold = container[probe]["successThreshold"];
    if (std::string_view(probe) != "readinessProbe" && threshold && threshold.integer() != 1) {
      faults.push_back(invalid_value(
          fmt::format("{}.{}.successThreshold", path, probe), threshold.raw(), "must be 1"));
    }
  }
  check("lifecycle.preStop", container["lifecycle"]["preStop"]);
  check("lifecycle.postStart", container["lifecycle"]["postStart"]);
}

void check_container(const std::string& path, View container, PodNames& pod, FieldErrors& faults) {
  const auto name = container["name"].string();
  if (!name.empty() && !pod.containers.insert(name).second) {
    faults.push_back(duplicate(path + ".name", name));
  }
  if (container["image"].string().empty()) {
    faults.push_back(required(path + ".image"));
  }
  check_resources(path + ".resources", container["resources"], faults);
  check_mounts(path, container, pod.volumes, faults);
  check_ports(path, container, pod, faults);
  check_handlers(path, container, faults);
}

}  // namespace

void check_pod_spec(const std::string& path, View spec, FieldErrors& faults) {
  PodNames pod;
  std::size_t place = 0;
  for (const View volume : spec["volumes"].elements()) {
    const auto name = volume["name"].string();
    if (!pod.volumes.insert(name).second) {
      faults.push_back(duplicate(fmt::format("{}.volumes[{}].name", path, place), name));
    }
    if (volume.size() > 2) {
      faults.push_back(forbidden_field(fmt::format("{}.volumes[{}]", path, place),
                                       "may not specify more than 1 volume type"));
    }
    ++place;
  }
  // Names are unique over both lists; a mount of the token volume that admission adds is there by
  // now.
  for (const auto* list : {"initContainers", "containers"}) {
    place = 0;
    for (const View container : spec[list].elements()) {
      check_container(fmt::format("{}.{}[{}]", path, list, place++), container, pod, faults);
    }
  }
}

void check_template(View spec, FieldErrors& faults) {
  const auto selector = object::LabelSelector::from_object(spec["selector"]);
  const View labels = spec.find("template.metadata.labels");
  if (!selector.ok()) {
    faults.push_back(
        invalid_value("spec.selector", spec["selector"].raw(), selector.error().message));
  } else if (spec["selector"] && selector->is_everything()) {
    faults.push_back(
        invalid_value("spec.selector", "{}", "empty selector is invalid for deployment"));
  } else if (spec["selector"] && !selector->matches(labels)) {
    faults.push_back(invalid_value("spec.template.metadata.labels",
                                   labels.exists() ? labels.raw() : std::string_view("{}"),
                                   "`selector` does not match template `labels`"));
  }
  const auto policy = spec.find("template.spec.restartPolicy").string("Always");
  if (policy != "Always") {
    faults.push_back(not_supported("spec.template.spec.restartPolicy", policy, {"Always"}));
  }
  check_pod_spec("spec.template.spec", spec.find("template.spec"), faults);
}

}  // namespace tetrarch::registry

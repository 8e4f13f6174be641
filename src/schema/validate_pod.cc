// SPDX-License-Identifier: Apache-2.0
// Rules that hold between the parts of a pod's spec: names of containers, host ports, mounts and
// their volumes, init containers, DNS. Source: Kubernetes pkg/apis/core/validation/validation.go,
// v1.34.
#include <array>
#include <set>

#include <fmt/format.h>

#include "object/names.h"
#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

namespace {

using views::ContainerView;
using views::PodSpecView;

/// Ours: what its pods run is in the pod itself (a unit of the machine's systemd).
constexpr std::string_view kWithoutImages = "systemd";
constexpr std::array kContainerLists{"initContainers", "containers", "ephemeralContainers"};

/// What is known of the whole pod while its containers are gone through.
struct Seen {
  std::set<std::string_view> names;
  std::set<std::string> host_ports;  ///< of those that this one is compared with
  std::set<std::string_view> volumes;
  bool needs_images = true;
};

/// Source: Kubernetes validateHostNetwork (1.35): a template may leave out what its pods get by
/// default.
void check_host_network_ports(Problems& problems, const Site& site, const PodSpecView& spec) {
  const bool is_of_pod = site.path == "spec";
  std::size_t container_index = 0;
  for (const auto container : spec.containers()) {
    const auto ports = join_path(index_path(site.at("containers"), container_index++), "ports");
    std::size_t index = 0;
    for (const auto port : container.ports()) {
      const auto path = join_path(index_path(ports, index++), "hostPort");
      if ((is_of_pod || port.host_port() != 0) && port.host_port() != port.container_port()) {
        problems.invalid(
            path, port.view()["hostPort"], "must match `containerPort` when `hostNetwork` is true");
      }
    }
  }
}

void check_ports(Problems& problems,
                 const std::string& path,
                 const ContainerView& container,
                 Seen& seen) {
  std::size_t index = 0;
  for (const auto port : container.ports()) {
    const auto place = index_path(join_path(path, "ports"), index++);
    if (port.host_port() == 0) {
      continue;
    }
    const auto text = fmt::format("{}/{}/{}", port.protocol(), port.host_ip(), port.host_port());
    if (!seen.host_ports.insert(text).second) {
      problems.duplicate(join_path(place, "hostPort"), text);
    }
  }
}

void check_mounted_volumes(Problems& problems,
                           const std::string& path,
                           const ContainerView& container,
                           const Seen& seen) {
  std::size_t index = 0;
  for (const auto mount : container.volume_mounts()) {
    const auto place = index_path(join_path(path, "volumeMounts"), index++);
    if (!mount.name().empty() && !seen.volumes.contains(mount.name())) {
      problems.not_found(join_path(place, "name"), mount.name());
    }
  }
}

void check_init_container(Problems& problems,
                          const std::string& path,
                          const ContainerView& container) {
  if (container.restart_policy() == "Always") {
    return;
  }
  if (!container.restart_policy().empty()) {
    problems.not_supported(
        join_path(path, "restartPolicy"), container.restart_policy(), {"Always"});
  }
  for (const auto* field : {"lifecycle", "livenessProbe", "readinessProbe", "startupProbe"}) {
    if (container.view()[field]) {
      problems.forbidden(join_path(path, field),
                         "may not be set for init containers without restartPolicy=Always");
    }
  }
}

void check_container_list(Problems& problems, const Site& site, std::string_view list, Seen& seen) {
  std::size_t index = 0;
  seen.host_ports.clear();
  for (const auto element : site.fresh[list].elements()) {
    if (list == "initContainers") {
      seen.host_ports.clear();  // they run one by one; Kubernetes takes sidecars so, too
    }
    const ContainerView container{element};
    const auto path = index_path(site.at(list), index++);
    if (!container.name().empty() && !seen.names.insert(container.name()).second) {
      problems.duplicate(join_path(path, "name"), container.name());
    }
    if (seen.needs_images && container.image().empty()) {
      problems.required(join_path(path, "image"));
    }
    check_ports(problems, path, container, seen);
    check_mounted_volumes(problems, path, container, seen);
    if (list != "ephemeralContainers") {
      check_resize_policy(problems,
                          join_path(path, "resizePolicy"),
                          element["resizePolicy"],
                          site.fresh["restartPolicy"].string());
    }
    if (list == "initContainers") {
      check_init_container(problems, path, container);
    } else if (list == "containers" && !container.restart_policy().empty()) {
      problems.forbidden(join_path(path, "restartPolicy"),
                         "may not be set for non-init containers");
    }
  }
}

void check_dns(Problems& problems, const Site& site, const PodSpecView& spec) {
  const auto servers = spec.dns_config().nameservers();
  if (spec.dns_policy() == "None" && servers.empty()) {
    problems.required(site.at(spec.dns_config() ? "dnsConfig.nameservers" : "dnsConfig"),
                      "must provide at least one DNS nameserver when `dnsPolicy` is None");
  }
  if (servers.size() > 3) {
    problems.too_many(site.at("dnsConfig.nameservers"), servers.size(), 3);
  }
}

void check_host_aliases(Problems& problems, const Site& site, const PodSpecView& spec) {
  std::size_t index = 0;
  for (const auto alias : spec.host_aliases()) {
    const auto path = join_path(index_path(site.at("hostAliases"), index++), "hostnames");
    for (const auto name : alias.hostnames()) {
      problems.invalid_each(path, name, object::dns_subdomain_faults(name));
    }
  }
}

}  // namespace

void check_pod_spec(Problems& problems, const Site& site) {
  const PodSpecView spec{site.fresh};
  Seen seen;
  seen.needs_images = spec.runtime_class_name() != kWithoutImages;
  for (const auto volume : spec.volumes()) {
    seen.volumes.insert(volume.name());
  }
  for (const auto* list : kContainerLists) {
    check_container_list(problems, site, list, seen);
  }
  if (spec.host_network()) {
    check_host_network_ports(problems, site, spec);
  }
  check_ephemeral_containers(problems, site);
  check_dns(problems, site, spec);
  check_host_aliases(problems, site, spec);
  check_sysctls(problems, site);
}

}  // namespace tetrarch::schema

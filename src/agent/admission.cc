// SPDX-License-Identifier: Apache-2.0
#include "agent/admission.h"

#include <algorithm>
#include <array>
#include <cstdint>
#include <string>
#include <utility>

#include <fmt/format.h>

#include "agent/status.h"

namespace tetrarch::agent {
namespace {

// Source: Kubernetes documentation, "Using sysctls in a Kubernetes Cluster": the safe set, v1.34.
constexpr auto kSafeSysctls =
    std::to_array<std::string_view>({"kernel.shm_rmid_forced",
                                     "net.ipv4.ip_local_port_range",
                                     "net.ipv4.tcp_syncookies",
                                     "net.ipv4.ping_group_range",
                                     "net.ipv4.ip_unprivileged_port_start",
                                     "net.ipv4.ip_local_reserved_ports",
                                     "net.ipv4.tcp_keepalive_time",
                                     "net.ipv4.tcp_fin_timeout",
                                     "net.ipv4.tcp_keepalive_intvl",
                                     "net.ipv4.tcp_keepalive_probes",
                                     "net.ipv4.tcp_rmem",
                                     "net.ipv4.tcp_wmem"});

bool wants_apparmor(object::View context) {
  const auto profile = context["appArmorProfile"];
  return profile.exists() && profile["type"].string() != "Unconfined";
}

bool wants_apparmor(views::PodView pod) {
  const auto spec = pod.spec().view();
  if (wants_apparmor(spec["securityContext"])) {
    return true;
  }
  for (const char* list : {"initContainers", "containers"}) {
    for (const auto container : spec[list].elements()) {
      if (wants_apparmor(container["securityContext"])) {
        return true;
      }
    }
  }
  return false;
}

struct HostPort {
  std::string_view address;  ///< empty: every one
  std::string_view protocol;
  std::int64_t number;

  bool clashes(const HostPort& other) const {
    return number == other.number && protocol == other.protocol &&
           (address.empty() || other.address.empty() || address == other.address);
  }
};

std::vector<HostPort> host_ports(views::PodView pod) {
  std::vector<HostPort> out;
  const auto add = [&](views::ContainerView container) {
    for (const auto port : container.ports()) {
      if (port.host_port() > 0) {
        const auto address = port.host_ip() == "0.0.0.0" ? std::string_view() : port.host_ip();
        const auto protocol = port.protocol().empty() ? std::string_view("TCP") : port.protocol();
        out.push_back({address, protocol, port.host_port()});
      }
    }
  };
  for (const auto container : pod.spec().containers()) {
    add(container);
  }
  for (const auto container : pod.spec().init_containers()) {
    if (container.restart_policy() == "Always") {
      add(container);
    }
  }
  return out;
}

bool comes_before(views::PodView other, views::PodView pod) {
  const auto standing = [](views::PodView each) {
    return std::pair(each.metadata().creation_timestamp(), each.metadata().uid());
  };
  return !other.status().start_time().empty() || standing(other) < standing(pod);
}

}  // namespace

std::optional<Reason> port_conflict(views::PodView pod, const std::vector<Stored>& pods) {
  const auto wanted = host_ports(pod);
  for (const auto& stored : pods) {
    const views::PodView other(stored.root());
    if (wanted.empty() || other.metadata().uid() == pod.metadata().uid() ||
        is_final(other.view()) || !comes_before(other, pod)) {
      continue;
    }
    for (const auto& held : host_ports(other)) {
      if (std::ranges::any_of(wanted, [&](const auto& port) { return port.clashes(held); })) {
        // Source: kubelet, lifecycle/predicate.go (1.34).
        return Reason{"NodePorts",
                      "Predicate NodePorts failed: node(s) didn't have free ports for the "
                      "requested pod ports"};
      }
    }
  }
  return std::nullopt;
}

std::optional<Reason> refusal_of(views::PodView pod, bool has_apparmor) {
  // Source: kubelet's reasons and messages (pkg/kubelet/sysctl, pkg/security/apparmor), v1.34.
  for (const auto sysctl : pod.spec().security_context().sysctls()) {
    std::string name(sysctl.name());
    std::ranges::replace(name, '/', '.');  // both ways of writing are taken
    if (std::ranges::find(kSafeSysctls, name) == kSafeSysctls.end()) {
      return Reason{"SysctlForbidden",
                    fmt::format("forbidden sysctl: \"{}\" not allowlisted", name)};
    }
  }
  // Ours: it was bound by somebody else than the scheduler, which waits with such a pod.
  if (!pod.spec().resource_claims().empty()) {
    return Reason{"UnexpectedAdmissionError",
                  "the pod names resource claims, and devices by claim are not allocated here yet"};
  }
  if (!has_apparmor && wants_apparmor(pod)) {
    return Reason{"AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"};
  }
  return std::nullopt;
}

}  // namespace tetrarch::agent

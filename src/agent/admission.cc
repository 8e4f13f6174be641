// SPDX-License-Identifier: Apache-2.0
#include "agent/admission.h"

#include <algorithm>
#include <array>

#include <fmt/format.h>

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

}  // namespace

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
  if (!has_apparmor && wants_apparmor(pod)) {
    return Reason{"AppArmor", "Cannot enforce AppArmor: AppArmor is not enabled on the host"};
  }
  return std::nullopt;
}

}  // namespace tetrarch::agent

// SPDX-License-Identifier: Apache-2.0
// Rules of security contexts. Source: Kubernetes pkg/apis/core/validation/validation.go, v1.34.
#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

void check_security_context(Problems& problems, const Site& site) {
  const views::SecurityContextView context{site.fresh};
  if (!context.has_allow_privilege_escalation() || context.allow_privilege_escalation()) {
    return;
  }
  if (context.privileged()) {
    problems.invalid(site.path,
                     site.fresh,
                     "cannot set `allowPrivilegeEscalation` to false and `privileged` to true");
  }
  for (const auto name : context.capabilities().add()) {
    if (name == "CAP_SYS_ADMIN") {
      problems.invalid(
          site.path,
          site.fresh,
          "cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN");
    }
  }
}

void check_seccomp_profile(Problems& problems, const Site& site) {
  const views::SeccompProfileView profile{site.fresh};
  const bool is_localhost = profile.type() == "Localhost";
  if (is_localhost && profile.localhost_profile().empty()) {
    problems.required(site.at("localhostProfile"), "must be set when seccomp type is Localhost");
  } else if (!is_localhost && profile.has_localhost_profile()) {
    problems.invalid(site.at("localhostProfile"),
                     profile.localhost_profile(),
                     "can only be set when seccomp type is Localhost");
  }
}

void check_sysctls(Problems& problems, const Site& spec) {
  const views::PodSpecView pod{spec.fresh};
  const auto path = spec.at("securityContext.sysctls");
  for (const auto sysctl : pod.security_context().sysctls()) {
    const auto name = sysctl.name();
    // Source: Kubernetes pkg/apis/core/validation (ValidateHostSysctl) and
    // k8s.io/component-helpers/node/util/sysctl (the prefixes of each namespace).
    if (pod.host_network() && name.starts_with("net.")) {
      problems.invalid(
          key_path(path, name), name, "may not be specified when 'hostNetwork' is true");
    }
    if (pod.host_ipc() && (name == "kernel.sem" || name.starts_with("kernel.shm") ||
                           name.starts_with("kernel.msg") || name.starts_with("fs.mqueue."))) {
      problems.invalid(key_path(path, name), name, "may not be specified when 'hostIPC' is true");
    }
  }
}

}  // namespace tetrarch::schema

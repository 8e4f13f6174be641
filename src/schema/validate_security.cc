// SPDX-License-Identifier: Apache-2.0
// Rules of security contexts. Source: Kubernetes pkg/apis/core/validation/validation.go, v1.34.
#include <cstdint>

#include <fmt/format.h>

#include "schema/rules.h"
#include "schema/views/core.h"

namespace tetrarch::schema {

namespace {

/// Parts between dots or slashes: a-z, 0-9, and - and _ inside. Source: Kubernetes
/// pkg/apis/core/validation, SysctlContainSlashFmt (1.35).
bool is_sysctl_name(std::string_view name) {
  constexpr std::size_t kLengthMax = 253;
  enum class Before : std::uint8_t { nothing, plain, dash } before = Before::nothing;
  for (const char c : name) {
    if ((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9')) {
      before = Before::plain;
    } else if ((c == '-' || c == '_') && before != Before::nothing) {
      before = Before::dash;
    } else if ((c == '.' || c == '/') && before == Before::plain) {
      before = Before::nothing;
    } else {
      return false;
    }
  }
  return before == Before::plain && name.size() <= kLengthMax;
}

}  // namespace

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
  std::size_t place = 0;
  for (const auto sysctl : pod.security_context().sysctls()) {
    const auto name = sysctl.name();
    const auto at = fmt::format("{}[{}].name", path, place++);
    if (!name.empty() && !is_sysctl_name(name)) {
      problems.invalid(at,
                       name,
                       "must have at most 253 characters and match regex "
                       "^([a-z0-9]([-_a-z0-9]*[a-z0-9])?[\\./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?$");
    }
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

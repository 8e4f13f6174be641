// SPDX-License-Identifier: Apache-2.0
#include "agent/runtime/cri_convert.h"

namespace tetrarch::agent::runtime {
namespace {

template <class Map>
void copy_to(const Labels& from, Map& to) {
  for (const auto& [key, value] : from) {
    to[key] = value;
  }
}

template <class Map>
Labels copy_labels(const Map& from) {
  return {from.begin(), from.end()};
}

TimePoint from_nanoseconds(std::int64_t nanoseconds) {
  return TimePoint{
      std::chrono::duration_cast<std::chrono::microseconds>(std::chrono::nanoseconds{nanoseconds})};
}

std::optional<TimePoint> optional_time(std::int64_t nanoseconds) {
  return nanoseconds > 0 ? std::optional(from_nanoseconds(nanoseconds)) : std::nullopt;
}

cri::NamespaceMode pid_mode(const Namespaces& namespaces) {
  if (namespaces.is_host_pid) {
    return cri::NODE;
  }
  return namespaces.is_shared_pid ? cri::POD : cri::CONTAINER;
}

void fill(cri::NamespaceOption& out, const Namespaces& namespaces) {
  out.set_network(namespaces.is_host_network ? cri::NODE : cri::POD);
  out.set_ipc(namespaces.is_host_ipc ? cri::NODE : cri::POD);
  out.set_pid(pid_mode(namespaces));
}

void fill(cri::SecurityProfile& out, const SecurityContext& security) {
  switch (security.seccomp) {
    case Seccomp::unconfined:
      out.set_profile_type(cri::SecurityProfile::Unconfined);
      return;
    case Seccomp::runtime_default:
      out.set_profile_type(cri::SecurityProfile::RuntimeDefault);
      return;
    case Seccomp::localhost:
      out.set_profile_type(cri::SecurityProfile::Localhost);
      out.set_localhost_ref(security.seccomp_profile);
      return;
  }
}

// Source: the paths that the OCI default of Docker and containerd masks (containerd oci/spec_opts).
constexpr const char* kMaskedPaths[] = {"/proc/acpi",
                                        "/proc/asound",
                                        "/proc/kcore",
                                        "/proc/keys",
                                        "/proc/latency_stats",
                                        "/proc/timer_list",
                                        "/proc/timer_stats",
                                        "/proc/sched_debug",
                                        "/proc/scsi",
                                        "/sys/firmware"};
constexpr const char* kReadOnlyPaths[] = {
    "/proc/bus", "/proc/fs", "/proc/irq", "/proc/sys", "/proc/sysrq-trigger"};

void fill(cri::LinuxContainerSecurityContext& out,
          const SecurityContext& security,
          const Namespaces& namespaces) {
  fill(*out.mutable_namespace_options(), namespaces);
  if (security.user) {
    out.mutable_run_as_user()->set_value(*security.user);
  }
  if (security.group) {
    out.mutable_run_as_group()->set_value(*security.group);
    if (!security.user) {
      out.mutable_run_as_user()->set_value(0);  // CRI refuses a group without a user
    }
  }
  for (const std::int64_t group : security.supplemental_groups) {
    out.add_supplemental_groups(group);
  }
  out.set_privileged(security.is_privileged);
  out.set_readonly_rootfs(security.is_root_read_only);
  out.set_no_new_privs(security.no_new_privileges);
  for (const auto& name : security.add_capabilities) {
    out.mutable_capabilities()->add_add_capabilities(name);
  }
  for (const auto& name : security.drop_capabilities) {
    out.mutable_capabilities()->add_drop_capabilities(name);
  }
  fill(*out.mutable_seccomp(), security);
  if (!security.is_privileged) {
    for (const char* path : kMaskedPaths) {
      out.add_masked_paths(path);
    }
    for (const char* path : kReadOnlyPaths) {
      out.add_readonly_paths(path);
    }
  }
}

void fill(cri::LinuxContainerResources& out, const Resources& resources) {
  out.set_cpu_shares(resources.cpu_shares);
  out.set_cpu_quota(resources.cpu_quota_us);
  out.set_cpu_period(resources.cpu_period_us);
  out.set_memory_limit_in_bytes(resources.memory_limit_bytes);
  out.set_oom_score_adj(resources.oom_score_adjust);
}

cri::Protocol to_protocol(const std::string& name) {
  if (name == "UDP") {
    return cri::UDP;
  }
  return name == "SCTP" ? cri::SCTP : cri::TCP;
}

ContainerState from_state(cri::ContainerState state) {
  switch (state) {
    case cri::CONTAINER_CREATED:
      return ContainerState::created;
    case cri::CONTAINER_RUNNING:
      return ContainerState::running;
    case cri::CONTAINER_EXITED:
      return ContainerState::exited;
    default:
      return ContainerState::unknown;
  }
}

template <class Message>
Sandbox sandbox_of(const Message& message) {
  Sandbox out;
  out.id = message.id();
  out.name = message.metadata().name();
  out.ns = message.metadata().namespace_();
  out.uid = message.metadata().uid();
  out.attempt = message.metadata().attempt();
  out.is_ready = message.state() == cri::SANDBOX_READY;
  out.created = from_nanoseconds(message.created_at());
  out.labels = copy_labels(message.labels());
  out.annotations = copy_labels(message.annotations());
  return out;
}

void fill_linux(cri::LinuxPodSandboxConfig& out, const SandboxConfig& config) {
  out.set_cgroup_parent(config.cgroup_parent);
  copy_to(config.sysctls, *out.mutable_sysctls());
  auto& security = *out.mutable_security_context();
  fill(*security.mutable_namespace_options(), config.namespaces);
  security.set_privileged(config.security.is_privileged);
  if (config.security.user) {
    security.mutable_run_as_user()->set_value(*config.security.user);
  }
  if (config.security.user && config.security.group) {
    security.mutable_run_as_group()->set_value(*config.security.group);
  }
  for (const std::int64_t group : config.security.supplemental_groups) {
    security.add_supplemental_groups(group);
  }
  // The pause process needs no more than the default profile; what containers may do is said per
  // container.
  security.mutable_seccomp()->set_profile_type(config.security.is_privileged
                                                   ? cri::SecurityProfile::Unconfined
                                                   : cri::SecurityProfile::RuntimeDefault);
}

}  // namespace

cri::PodSandboxConfig to_cri(const SandboxConfig& config) {
  cri::PodSandboxConfig out;
  out.mutable_metadata()->set_name(config.name);
  out.mutable_metadata()->set_namespace_(config.ns);
  out.mutable_metadata()->set_uid(config.uid);
  out.mutable_metadata()->set_attempt(config.attempt);
  if (!config.namespaces.is_host_network) {
    out.set_hostname(config.hostname);  // runc refuses a name for the host's own UTS namespace
  }
  out.set_log_directory(config.log_directory);
  if (config.dns) {
    auto& dns = *out.mutable_dns_config();
    for (const auto& server : config.dns->servers) {
      dns.add_servers(server);
    }
    for (const auto& search : config.dns->searches) {
      dns.add_searches(search);
    }
    for (const auto& option : config.dns->options) {
      dns.add_options(option);
    }
  }
  for (const auto& port : config.ports) {
    auto& mapping = *out.add_port_mappings();
    mapping.set_protocol(to_protocol(port.protocol));
    mapping.set_container_port(port.container_port);
    mapping.set_host_port(port.host_port);
    mapping.set_host_ip(port.host_ip);
  }
  copy_to(config.labels, *out.mutable_labels());
  copy_to(config.annotations, *out.mutable_annotations());
  fill_linux(*out.mutable_linux(), config);
  return out;
}

cri::ContainerConfig to_cri(const ContainerConfig& config, const Namespaces& namespaces) {
  cri::ContainerConfig out;
  out.mutable_metadata()->set_name(config.name);
  out.mutable_metadata()->set_attempt(config.attempt);
  out.mutable_image()->set_image(config.image);
  for (const auto& word : config.command) {
    out.add_command(word);
  }
  for (const auto& word : config.args) {
    out.add_args(word);
  }
  out.set_working_dir(config.working_directory);
  for (const auto& [key, value] : config.environment) {
    auto& pair = *out.add_envs();
    pair.set_key(key);
    pair.set_value(value);
  }
  for (const auto& mount : config.mounts) {
    auto& entry = *out.add_mounts();
    entry.set_host_path(mount.host_path);
    entry.set_container_path(mount.container_path);
    entry.set_readonly(mount.is_read_only);
    entry.set_propagation(static_cast<cri::MountPropagation>(mount.propagation));
  }
  copy_to(config.labels, *out.mutable_labels());
  copy_to(config.annotations, *out.mutable_annotations());
  out.set_log_path(config.log_path);
  out.set_stdin(config.has_stdin);
  out.set_stdin_once(config.is_stdin_once);
  out.set_tty(config.has_tty);
  fill(*out.mutable_linux()->mutable_resources(), config.resources);
  fill(*out.mutable_linux()->mutable_security_context(), config.security, namespaces);
  auto& options = *out.mutable_linux()->mutable_security_context()->mutable_namespace_options();
  if (!config.pid_target.empty() && options.pid() == cri::CONTAINER) {
    options.set_pid(cri::TARGET);
    options.set_target_id(config.pid_target);
  }
  return out;
}

cri::LinuxContainerResources to_cri(const Resources& resources) {
  cri::LinuxContainerResources out;
  fill(out, resources);
  return out;
}

Sandbox from_cri(const cri::PodSandbox& sandbox) {
  return sandbox_of(sandbox);
}

Sandbox from_cri(const cri::PodSandboxStatus& sandbox) {
  Sandbox out = sandbox_of(sandbox);
  if (!sandbox.network().ip().empty()) {
    out.addresses.push_back(sandbox.network().ip());
  }
  for (const auto& address : sandbox.network().additional_ips()) {
    out.addresses.push_back(address.ip());
  }
  return out;
}

Container from_cri(const cri::Container& container) {
  Container out;
  out.id = container.id();
  out.sandbox_id = container.pod_sandbox_id();
  out.name = container.metadata().name();
  out.attempt = container.metadata().attempt();
  out.state = from_state(container.state());
  out.labels = copy_labels(container.labels());
  out.annotations = copy_labels(container.annotations());
  out.created = from_nanoseconds(container.created_at());
  out.image = container.image().image();
  out.image_ref = container.image_ref();
  return out;
}

Container from_cri(const cri::ContainerStatus& container) {
  Container out;
  out.id = container.id();
  out.name = container.metadata().name();
  out.attempt = container.metadata().attempt();
  out.state = from_state(container.state());
  out.labels = copy_labels(container.labels());
  out.annotations = copy_labels(container.annotations());
  out.created = from_nanoseconds(container.created_at());
  out.started = optional_time(container.started_at());
  out.finished = optional_time(container.finished_at());
  out.exit_code = container.exit_code();
  out.reason = container.reason();
  out.message = container.message();
  out.image = container.image().image();
  out.image_ref = container.image_ref();
  out.log_path = container.log_path();
  return out;
}

Image from_cri(const cri::Image& image) {
  Image out;
  out.id = image.id();
  out.tags = {image.repo_tags().begin(), image.repo_tags().end()};
  out.digests = {image.repo_digests().begin(), image.repo_digests().end()};
  out.size_bytes = image.size();
  if (image.has_uid()) {
    out.user_id = image.uid().value();
  }
  out.user_name = image.username();
  return out;
}

}  // namespace tetrarch::agent::runtime

// SPDX-License-Identifier: Apache-2.0
// What a container sees of its pod's volumes, and the small files that every container gets.
#include <filesystem>

#include "agent/container_config.h"
#include "agent/volume_files.h"
#include "agent/worker.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

views::VolumeView volume_named(views::PodView pod, std::string_view name) {
  for (const auto volume : pod.spec().volumes()) {
    if (volume.name() == name) {
      return volume;
    }
  }
  return {};
}

std::string inner_path(views::VolumeMountView mount, const Environment& environment) {
  const auto pattern = mount.sub_path_expr();
  if (pattern.empty()) {
    return std::string(mount.sub_path());
  }
  return expand(pattern, [&](std::string_view name) -> std::optional<std::string> {
    for (const auto& [key, value] : environment) {
      if (key == name) {
        return value;
      }
    }
    return std::nullopt;
  });
}

runtime::Propagation propagation_of(views::VolumeMountView mount) {
  if (mount.mount_propagation() == "HostToContainer") {
    return runtime::Propagation::host_to_container;
  }
  return mount.mount_propagation() == "Bidirectional" ? runtime::Propagation::bidirectional
                                                      : runtime::Propagation::none;
}

}  // namespace

Status PodWorker::ContainerFiles::make() const {
  if (!hosts.empty() && !fs::exists(hosts)) {
    TRY_STATUS(write_file(hosts, hosts_text, 0644));
  }
  if (!message.empty()) {
    TRY_STATUS(write_file(message, "", 0666));
  }
  for (const auto& part : sub_paths) {
    TRY_STATUS(bind_sub_path(part));
  }
  return ok();
}

void PodWorker::add_volume_mount(Making& out,
                                 views::PodView pod,
                                 views::VolumeMountView mount,
                                 const fs::path& target) const {
  const auto volume = volume_named(pod, mount.name());
  const bool is_host = kind_of(volume) == VolumeKind::host_path;
  const fs::path path = is_host ? fs::path(std::string(volume.host_path().path()))
                                : directory() / "volumes" / std::string(mount.name());
  const auto inner = inner_path(mount, out.config.environment);
  if (!inner.empty()) {
    out.files.sub_paths.push_back({path, inner, target});
  }
  runtime::Mount entry{(inner.empty() ? path : target).string(), std::string(mount.mount_path())};
  entry.is_read_only = mount.read_only() || kind_of(volume) == VolumeKind::payload;
  entry.propagation = propagation_of(mount);
  out.config.mounts.push_back(std::move(entry));
}

/// Parts of volumes are bound below the pod's own directory first (subpaths/<container>/<number>),
/// and the container gets that: the runtime goes by names, and a name may lead elsewhere by then.
void PodWorker::add_mounts(Making& out,
                           views::PodView pod,
                           views::ContainerView container,
                           std::uint32_t attempt) const {
  const std::string name(container.name());
  bool has_hosts = pod.spec().host_network() && pod.spec().host_aliases().empty();
  int number = 0;
  for (const auto mount : container.volume_mounts()) {
    add_volume_mount(out, pod, mount, directory() / "subpaths" / name / std::to_string(number++));
    has_hosts = has_hosts || mount.mount_path() == "/etc/hosts";
  }
  if (!has_hosts) {
    out.files.hosts = directory() / "etc-hosts";
    out.files.hosts_text = etc_hosts(pod, memory_.facts, shop_.node);
    out.config.mounts.push_back({out.files.hosts.string(), "/etc/hosts"});
  }
  if (const auto path = container.termination_message_path(); !path.empty()) {
    out.files.message = directory() / "containers" / name / std::to_string(attempt);
    out.config.mounts.push_back({out.files.message.string(), std::string(path)});
  }
}

}  // namespace tetrarch::agent

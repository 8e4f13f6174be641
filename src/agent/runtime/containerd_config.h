// SPDX-License-Identifier: Apache-2.0
// What our containerd is told: its configuration file, as a pure function.
#pragma once

#include <filesystem>
#include <string>
#include <string_view>

namespace tetrarch::agent::runtime {

struct ContainerdSettings {
  std::filesystem::path root;   ///< images, snapshots, metadata
  std::filesystem::path state;  ///< of running tasks
  std::string socket;
  std::string pause_image;
  std::filesystem::path cni_bin_directory;
  std::filesystem::path cni_conf_directory;
  std::filesystem::path registry_directory;  ///< hosts.toml per registry, for whoever wants mirrors
  bool may_lower_oom_score = true;           ///< whether we hold CAP_SYS_RESOURCE
};

/// config.toml, version 2. Source: containerd 1.6 and 1.7, docs/man/containerd-config.toml.5 and
/// docs/cri/config.md.
std::string containerd_config(const ContainerdSettings& settings);

/// CAP_SYS_RESOURCE in the effective set of a /proc/<pid>/status text.
bool may_lower_oom_score(std::string_view proc_status);

}  // namespace tetrarch::agent::runtime

// SPDX-License-Identifier: Apache-2.0
// Volumes as files. Blocking; used on the pool. All is idempotent: a new agent process prepares
// again what is there.
#pragma once

#include <filesystem>
#include <optional>
#include <string>

#include "agent/volumes.h"
#include "base/result.h"

namespace tetrarch::agent {

/// Replaces the whole content in one step: a process in the pod sees all old or all new files,
/// never a mixture. The files are in a dated folder, `..data` is a link to it that is renamed over
/// the old one. Source: Kubernetes documentation, "ConfigMaps", mounted ConfigMaps are updated
/// automatically; the same layout, which programs that watch `..data` rely on.
Status write_payload(const std::filesystem::path& directory,
                     const Payload& payload,
                     std::optional<int> group);

/// The same in a tmpfs, so that nothing of it is on the disk. A folder that holds files already was
/// written by a version that did otherwise: what runs sees that one, so it stays until the pod
/// ends.
Status write_payload_in_memory(const std::filesystem::path& directory,
                               const Payload& payload,
                               std::optional<int> group);

/// `size_bytes` 0: no limit. `is_memory`: a tmpfs is mounted there, once.
Status make_empty_dir(const std::filesystem::path& directory,
                      bool is_memory,
                      std::int64_t size_bytes,
                      std::optional<int> group);

/// Checks (or makes) what hostPath.type asks for.
Status check_host_path(const std::filesystem::path& path, std::string_view type);

/// Writes a small file through a rename.
Status write_file(const std::filesystem::path& path, std::string_view bytes, int mode);
/// The same, and a power cut leaves the old content or the new, never an empty file.
Status write_lasting_file(const std::filesystem::path& path, std::string_view bytes, int mode);

}  // namespace tetrarch::agent

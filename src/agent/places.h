// SPDX-License-Identifier: Apache-2.0
// Where an agent keeps what, for a data directory.
#pragma once

#include <filesystem>
#include <string>

namespace tetrarch::agent {

struct Places {
  std::filesystem::path agent;       ///< all of the agent's
  std::filesystem::path containerd;  ///< configuration, log, images and snapshots
  std::filesystem::path objects;     ///< what the feed brought
  std::filesystem::path pods;        ///< volumes and small files of pods
  std::filesystem::path logs;
  std::filesystem::path network;
  std::filesystem::path
      run;             ///< of this boot: sockets and task state; short, sockets have 107 bytes
  std::string socket;  ///< containerd's
  std::filesystem::path units;        ///< files of systemd units, of this boot
  std::string cgroup;                 ///< of all pods
  std::filesystem::path logind_note;  ///< logind's configuration of ours, of this boot
};

Places places_of(const std::filesystem::path& data_directory);

}  // namespace tetrarch::agent

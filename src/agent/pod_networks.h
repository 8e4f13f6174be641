// SPDX-License-Identifier: Apache-2.0
// What CNI made for pods and containerd can no longer take away: for `tetrarch down`, where the
// daemon does not start or its shims have gone. Blocking.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "agent/places.h"
#include "base/result.h"

namespace tetrarch::agent {

struct PodNetworks {
  std::vector<std::filesystem::path> namespaces;  ///< mounted under /run/netns
  std::vector<std::filesystem::path> notes;       ///< what CNI's library remembers of ours
  std::filesystem::path leases;                   ///< addresses given to pods
};

PodNetworks find_pod_networks(const Places& places);
/// Unmounts and removes them, and with the namespaces the interfaces in them. What is gone already
/// is success.
Status remove_pod_networks(const PodNetworks& networks);

}  // namespace tetrarch::agent

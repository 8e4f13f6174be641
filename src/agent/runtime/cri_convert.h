// SPDX-License-Identifier: Apache-2.0
// Between the seam's plain structs and CRI messages. Heavy header: for this room's .cc files.
#pragma once

#include <cri.pb.h>

#include "agent/runtime/runtime.h"

namespace tetrarch::agent::runtime {

namespace cri = ::runtime::v1;

cri::PodSandboxConfig to_cri(const SandboxConfig& config);
cri::LinuxContainerResources to_cri(const Resources& resources);
cri::ContainerConfig to_cri(const ContainerConfig& config, const Namespaces& namespaces);
Sandbox from_cri(const cri::PodSandbox& sandbox);
Sandbox from_cri(const cri::PodSandboxStatus& sandbox);
Container from_cri(const cri::Container& container);
Container from_cri(const cri::ContainerStatus& container);
Image from_cri(const cri::Image& image);

}  // namespace tetrarch::agent::runtime

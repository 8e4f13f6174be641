// SPDX-License-Identifier: Apache-2.0
// From a pod's spec to what the runtime is told. Pure.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "agent/env.h"
#include "agent/runtime/runtime.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

/// What the node adds to every pod.
struct NodeSettings {
  std::string instance;  ///< see down.h
  std::string logs_directory;
  std::string cluster_domain;
  std::string dns_address;
  std::int64_t memory_bytes = 0;
  std::string host_resolv_conf;  ///< the text of the node's own
};

std::string log_directory(const NodeSettings& node, views::PodView pod);
/// Relative to log_directory: "main/0.log".
std::string log_path(std::string_view container, std::uint32_t attempt);

/// A kernel_name that is too long is left out; who makes the sandbox asks before.
runtime::SandboxConfig sandbox_config(views::PodView pod,
                                      const NodeSettings& node,
                                      std::uint32_t attempt);

/// Source: Kubernetes documentation, "DNS for Services and Pods", pod's DNS policy and config.
runtime::Dns dns_of(views::PodView pod, const NodeSettings& node);
/// The text of the pod's /etc/hosts.
std::string etc_hosts(views::PodView pod, const PodFacts& facts, const NodeSettings& node);
std::string host_name(views::PodView pod);
/// What the pod's kernel is told that it is called: host_name, or the whole name where the pod asks
/// for that. An error: it is longer than a kernel takes.
Result<std::string> kernel_name(views::PodView pod, const NodeSettings& node);

/// The image's own user, for runAsNonRoot.
struct ImageUser {
  std::optional<std::int64_t> id = {};
  std::string name = {};
};

/// An error is `container has runAsNonRoot and image will run as root` and its like
/// (CreateContainerConfigError).
Result<runtime::SecurityContext> security_of(views::PodView pod,
                                             views::ContainerView container,
                                             const ImageUser& image);

/// All but mounts, environment and image, which need more than the pod.
runtime::ContainerConfig container_config(views::PodView pod,
                                          views::ContainerView container,
                                          const NodeSettings& node,
                                          std::uint32_t attempt,
                                          const Environment& environment);

}  // namespace tetrarch::agent

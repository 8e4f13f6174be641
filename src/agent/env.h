// SPDX-License-Identifier: Apache-2.0
// A container's environment: env, envFrom, references to fields, services' variables, $(NAME)
// expansion. Pure.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/result.h"
#include "object/document.h"
#include "schema/views/core.h"

namespace tetrarch::agent {

/// `$(NAME)` becomes the value of NAME where `lookup` knows it and stays as it is where not; `$$`
/// becomes `$`. Source: Kubernetes documentation, "Define Dependent Environment Variables".
std::string expand(std::string_view text,
                   const std::function<std::optional<std::string>(std::string_view)>& lookup);

/// Where references are looked up; null where an object is not there (or not yet).
struct Sources {
  std::function<DocumentPtr(std::string_view ns, std::string_view name)> config_map;
  std::function<DocumentPtr(std::string_view ns, std::string_view name)> secret;
  std::vector<DocumentPtr>
      services;  ///< of the pod's namespace, and the service "kubernetes" of "default"
};

/// What only the node knows of the pod.
struct PodFacts {
  std::string pod_ip = {};
  std::vector<std::string> pod_ips = {};
  std::string host_ip = {};
  std::int64_t node_cpu_milli = 0;  ///< allocatable: stands for an absent limit in resourceFieldRef
  std::int64_t node_memory = 0;
  std::int64_t node_disk = 0;  ///< "ephemeral-storage"
};

/// The value of `metadata.labels['a']`, `status.podIP` …; an error names a path that is none.
Result<std::string> field_value(views::PodView pod, const PodFacts& facts, std::string_view path);
/// The value of "limits.cpu" … divided and rounded up.
Result<std::string> resource_value(views::PodView pod,
                                   const PodFacts& facts,
                                   views::ResourceFieldSelectorView selector,
                                   std::string_view own_container);

using Environment = std::vector<std::pair<std::string, std::string>>;

/// Errors are what becomes CreateContainerConfigError: `configmap "x" not found` …
Result<Environment> environment_of(views::PodView pod,
                                   views::ContainerView container,
                                   const Sources& sources,
                                   const PodFacts& facts);

}  // namespace tetrarch::agent

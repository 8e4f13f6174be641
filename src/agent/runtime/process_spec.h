// SPDX-License-Identifier: Apache-2.0
// The OCI process of an exec, made from the container's own specification.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::agent::runtime {

// Source: containerd, typeurl of opencontainers/runtime-spec: what an ExecProcessRequest's spec is.
inline constexpr const char* kProcessType =
    "types.containerd.io/opencontainers/runtime-spec/1/Process";

/// User, environment, directory, capabilities and limits are the container's; arguments and
/// terminal are given.
Result<std::string> process_spec(std::string_view container_spec_json,
                                 const std::vector<std::string>& command,
                                 bool has_tty);

}  // namespace tetrarch::agent::runtime

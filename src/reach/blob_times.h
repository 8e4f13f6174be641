// SPDX-License-Identifier: Apache-2.0
// How long a blob may be with an agent before it is written down that it is kept: what the server
// waits for and the agent's patience are one promise. docs/adr/0044-image-registry.md
#pragma once

#include <chrono>

namespace tetrarch::reach {

/// From a blob's last piece until the agent has said that it is kept: it may have to check and
/// write some GB.
inline constexpr std::chrono::minutes kBlobCommitMax{5};

/// What an agent has kept, and no ImageBlob names, it drops after this: by then the server has
/// heard from the slowest other machine, and has written down what a client was told, or it never
/// will.
inline constexpr std::chrono::minutes kBlobStrayMax = 2 * kBlobCommitMax + std::chrono::minutes(5);

}  // namespace tetrarch::reach

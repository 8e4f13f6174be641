// SPDX-License-Identifier: Apache-2.0
// Two Streams that are each other's other end, in memory: for tests and for joining parts of one
// process. The ends may be on different strands.
#pragma once

#include <memory>
#include <utility>

#include "net/http.h"

namespace tetrarch::net {

using PipePair = std::pair<std::unique_ptr<Stream>, std::unique_ptr<Stream>>;

/// A writer waits while `capacity` bytes are unread.
PipePair make_pipe(std::size_t capacity = 64 * 1024);

}  // namespace tetrarch::net

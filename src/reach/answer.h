// SPDX-License-Identifier: Apache-2.0
// The first line of every reach stream: the agent says whether it can do what was asked, before any
// data.
#pragma once

#include <string>
#include <string_view>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"

namespace tetrarch::reach {

/// {"status":200} for success, {"status":404,"message":"…"} for an Error; with its line end.
std::string format_answer(const Status& outcome);
/// Success, or the Error that the agent's status and message stand for.
Status parse_answer(std::string_view line);

/// Up to a line end, without it; not a byte more is taken off the stream.
Task<Result<std::string>> read_line(net::Stream& stream, std::size_t bytes_max = 64 * 1024);

}  // namespace tetrarch::reach

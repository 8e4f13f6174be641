// SPDX-License-Identifier: Apache-2.0
// exec and attach over SPDY/3.1: the client opens one stream per channel, named by the header
// streamtype.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"

namespace tetrarch::api::kubernetes {

/// Which streams the client will open beside the error stream.
struct SpdyStreams {
  bool has_stdin = false;
  bool has_stdout = false;
  bool has_stderr = false;
  bool has_resize = false;
};

/// The best of X-Stream-Protocol-Version. Code::forbidden where none is known.
Result<std::string> choose_spdy_protocol(const std::vector<std::string_view>& offered);

/// Until the command has ended or the client has gone. Both streams have been taken over.
Task<Status> relay_spdy(std::unique_ptr<net::Stream> connection,
                        std::unique_ptr<net::Stream> agent,
                        SpdyStreams expected,
                        std::string protocol);

}  // namespace tetrarch::api::kubernetes

// SPDX-License-Identifier: Apache-2.0
// A streamed session (exec, attach): frames between server and agent (reach/frames.h) on
// one side, whatever protocol the client speaks on the other.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"
#include "reach/frames.h"

namespace tetrarch::api::kubernetes {

using reach::Channel;
using Frame = reach::ChannelFrame;

/// One frame, or several where the payload is long.
std::string encode_frame(const Frame& frame);

/// Cuts an agent's stream into frames. One strand; the stream outlives it.
class FrameReader {
 public:
  explicit FrameReader(net::Stream& stream) : stream_(stream) {}

  /// Empty at the end of the stream. Code::malformed: no frame of ours.
  Task<Result<std::optional<Frame>>> read();

 private:
  net::Stream& stream_;
  reach::ChannelDecoder decoder_;
};

/// A seam: the client's end of a session, over WebSocket or SPDY. One reader and one writer.
class RemoteClient {
 public:
  virtual ~RemoteClient() = default;
  /// The next input, resize or close. Code::cancelled: the client has gone.
  virtual Task<Result<Frame>> read() = 0;
  virtual Task<Status> write(Frame frame) = 0;
  virtual Task<void> finish() = 0;
  /// Asked while its input is held up, so that nothing is read of it. Sends what means nothing, and
  /// fails once the client has gone.
  virtual Task<Status> sign() = 0;
};

/// What clients older than v4 get on the error channel: the message of a failure; empty for
/// success.
std::string plain_error(std::string_view status_json);

/// Passes frames both ways until the agent has sent the final Status, or either side has gone, also
/// where the command takes no input and the client's waits.
Task<Status> relay(RemoteClient& client,
                   net::Stream& agent,
                   std::chrono::nanoseconds sign_interval = std::chrono::seconds(10));

}  // namespace tetrarch::api::kubernetes

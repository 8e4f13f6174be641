// SPDX-License-Identifier: Apache-2.0
// The frames of a streamed session (exec, attach) between server and agent, and the client's side of it in whatever
// protocol the client speaks. Ours: 1 byte channel, 4 bytes length (big-endian), payload.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/result.h"
#include "net/http.h"

namespace tetrarch::api::kubernetes {

/// The numbers of the Kubernetes remote command protocols.
enum class Channel : std::uint8_t {
  standard_in = 0,
  standard_out = 1,
  standard_error = 2,
  error = 3,   ///< the final Status, as JSON
  resize = 4,  ///< {"Width":…,"Height":…}
  close = 255, ///< payload: the number of the channel that ends
};

struct Frame {
  Channel channel = Channel::standard_in;
  std::string payload;
};

inline constexpr std::size_t kFrameBytesMax = 1 << 20;

std::string encode_frame(const Frame& frame);

/// Cuts an agent's stream into frames. One strand; the stream outlives it.
class FrameReader {
 public:
  explicit FrameReader(net::Stream& stream) : stream_(stream) {}
  /// Empty at the end of the stream. Code::malformed: a frame that is too long.
  Task<Result<std::optional<Frame>>> read();

 private:
  Task<Result<bool>> fill(std::size_t size);

  net::Stream& stream_;
  std::string buffer_;
};

/// A seam: the client's end of a session, over WebSocket or SPDY. One reader and one writer.
class RemoteClient {
 public:
  virtual ~RemoteClient() = default;
  /// The next input, resize or close. Code::cancelled: the client has gone.
  virtual Task<Result<Frame>> read() = 0;
  virtual Task<Status> write(Frame frame) = 0;
  virtual Task<void> finish() = 0;
};

/// Passes frames both ways until the agent has sent the final Status, or either side has gone.
Task<Status> relay(RemoteClient& client, net::Stream& agent);

}  // namespace tetrarch::api::kubernetes

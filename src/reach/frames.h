// SPDX-License-Identifier: Apache-2.0
// Channel frames of exec and attach between server and agent: 1 byte channel, 4 bytes big-endian
// length, payload. Ours: the channels are those of Kubernetes' v5.channel.k8s.io, so that the
// server's side only re-frames.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::reach {

enum class Channel : std::uint8_t {
  in = 0,
  out = 1,
  err = 2,
  status = 3,  ///< the final Status, as JSON
  resize = 4,  ///< {"Width":…,"Height":…}
  close = 255  ///< payload: one byte, the channel that ends
};

struct ChannelFrame {
  Channel channel = Channel::in;
  std::string payload;
  bool operator==(const ChannelFrame&) const = default;
};

/// Senders cut what is longer into several frames.
inline constexpr std::size_t kFramePayloadMax = 64 * 1024;
/// Longest payload that a decoder takes.
inline constexpr std::size_t kFrameTakenMax = 1024 * 1024;

/// Appends one frame, or several where the payload is longer than a frame may be.
void append_channel_frame(std::string& out, Channel channel, std::string_view payload);
/// The frame that ends a channel.
std::string close_channel_frame(Channel ended);

/// Takes whole frames off a growing buffer.
class ChannelDecoder {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }

  /// Empty: more bytes are needed. Code::malformed: unknown channel or too long.
  Result<std::optional<ChannelFrame>> next();

 private:
  std::string buffer_;
  std::size_t begin_ = 0;
};

}  // namespace tetrarch::reach

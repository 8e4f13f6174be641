// SPDX-License-Identifier: Apache-2.0
// WebSocket frames as pure functions of bytes, for the server's side: without extensions. Beast's
// own stream wants the socket underneath; this one runs over any Stream. Source: RFC 6455.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::net::websocket {

enum class Opcode : std::uint8_t {
  continuation = 0,
  text = 1,
  binary = 2,
  close = 8,
  ping = 9,
  pong = 10
};

// Source: RFC 6455 section 7.4.1.
inline constexpr std::uint16_t kNormal = 1000;
inline constexpr std::uint16_t kProtocolError = 1002;
inline constexpr std::uint16_t kTooBig = 1009;

struct Frame {
  Opcode opcode = Opcode::binary;
  bool is_final = true;
  std::string payload;  ///< unmasked
};

/// Sec-WebSocket-Accept for a Sec-WebSocket-Key.
std::string accept_key(std::string_view key);

/// Appends a frame as a server sends it (not masked).
void append_frame(std::string& out, Opcode opcode, std::string_view payload);
/// The payload of a close frame.
std::string close_payload(std::uint16_t code, std::string_view reason);

/// Takes frames that a client sent off a growing buffer.
class Decoder {
 public:
  explicit Decoder(std::size_t payload_max) : payload_max_(payload_max) {}

  void feed(std::string_view bytes) { buffer_.append(bytes); }

  /// The next whole frame; empty: more bytes are needed. Errors: malformed (1002), too_large
  /// (1009).
  Result<std::optional<Frame>> next();

 private:
  const std::size_t payload_max_;
  std::string buffer_;
  std::size_t begin_ = 0;
};

}  // namespace tetrarch::net::websocket

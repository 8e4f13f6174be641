// SPDX-License-Identifier: Apache-2.0
#include "net/websocket_codec.h"

#include <array>

#include <openssl/sha.h>

#include "base/encoding.h"

namespace tetrarch::net::websocket {
namespace {

std::uint64_t big_endian(std::string_view bytes) {
  std::uint64_t value = 0;
  for (const char c : bytes) {
    value = value << 8U | static_cast<unsigned char>(c);
  }
  return value;
}

void append_big_endian(std::string& out, std::uint64_t value, int bytes) {
  for (int shift = (bytes - 1) * 8; shift >= 0; shift -= 8) {
    out += static_cast<char>(value >> static_cast<unsigned>(shift));
  }
}

bool is_known(unsigned opcode) {
  return opcode <= 2 || (opcode >= 8 && opcode <= 10);
}

}  // namespace

std::string accept_key(std::string_view key) {
  // Source: RFC 6455 section 1.3.
  const std::string text = std::string(key) + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11";
  std::array<unsigned char, SHA_DIGEST_LENGTH> digest{};
  SHA1(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest.data());
  return base64_encode({reinterpret_cast<const char*>(digest.data()), digest.size()});
}

void append_frame(std::string& out, Opcode opcode, std::string_view payload) {
  out += static_cast<char>(0x80U | static_cast<unsigned>(opcode));
  if (payload.size() < 126) {
    out += static_cast<char>(payload.size());
  } else if (payload.size() <= 0xFFFF) {
    out += static_cast<char>(126);
    append_big_endian(out, payload.size(), 2);
  } else {
    out += static_cast<char>(127);
    append_big_endian(out, payload.size(), 8);
  }
  out += payload;
}

std::string close_payload(std::uint16_t code, std::string_view reason) {
  std::string out;
  append_big_endian(out, code, 2);
  out += reason.substr(0, 123);  // a control frame holds at most 125 bytes
  return out;
}

Result<std::optional<Frame>> Decoder::next() {
  const std::string_view in = std::string_view(buffer_).substr(begin_);
  if (in.size() < 2) {
    return std::optional<Frame>{};
  }
  const auto first = static_cast<unsigned char>(in[0]);
  const auto second = static_cast<unsigned char>(in[1]);
  const unsigned opcode = first & 0x0FU;
  const bool is_control = opcode >= 8;
  const bool is_final = (first & 0x80U) != 0;
  if ((first & 0x70U) != 0 || !is_known(opcode)) {
    return Error{Code::malformed, "a WebSocket frame has reserved bits or an unknown opcode"};
  }
  if ((second & 0x80U) == 0) {
    return Error{Code::malformed, "a WebSocket frame of a client must be masked"};
  }
  std::uint64_t size = second & 0x7FU;
  if (is_control && (size > 125 || !is_final)) {
    return Error{Code::malformed, "a WebSocket control frame is too long or in parts"};
  }
  const std::size_t extended = size == 126 ? 2 : size == 127 ? 8 : 0;
  const std::size_t head = 2 + extended + 4;
  if (in.size() < head) {
    return std::optional<Frame>{};
  }
  if (extended > 0) {
    size = big_endian(in.substr(2, extended));
  }
  if (size > payload_max_) {
    return Error{Code::too_large,
                 "a WebSocket frame is larger than " + std::to_string(payload_max_) + " bytes"};
  }
  if (in.size() - head < size) {
    return std::optional<Frame>{};
  }
  const auto mask = in.substr(head - 4, 4);
  Frame frame{static_cast<Opcode>(opcode), is_final, std::string(in.substr(head, size))};
  for (std::size_t i = 0; i < frame.payload.size(); ++i) {
    frame.payload[i] = static_cast<char>(frame.payload[i] ^ mask[i % 4]);
  }
  begin_ += head + size;
  if (begin_ == buffer_.size() || begin_ > 64 * 1024) {
    buffer_.erase(0, begin_);
    begin_ = 0;
  }
  return std::optional<Frame>(std::move(frame));
}

}  // namespace tetrarch::net::websocket

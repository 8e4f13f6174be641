// SPDX-License-Identifier: Apache-2.0
// SPDY/3.1 frames and header blocks as bytes: what kubectl before 1.30 speaks for exec, attach, cp
// and port-forward. Source: "SPDY Protocol - Draft 3.1", The Chromium Projects;
// draft-mbelshe-httpbis-spdy-00 for the base.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"
#include "net/http.h"

namespace tetrarch::net::spdy {

// Source: Draft 3.1, section 2.6.
enum class Type : std::uint16_t {
  data = 0,  ///< Ours: data frames have no type on the wire
  syn_stream = 1,
  syn_reply = 2,
  rst_stream = 3,
  settings = 4,
  ping = 6,
  goaway = 7,
  headers = 8,
  window_update = 9,
};

inline constexpr std::uint8_t kFin = 0x01;
inline constexpr std::uint8_t kUnidirectional = 0x02;

// Source: Draft 3.1, section 2.6.3 (status of RST_STREAM).
enum class Reset : std::uint32_t {
  protocol_error = 1,
  invalid_stream = 2,
  refused_stream = 3,
  cancel = 5
};

struct Frame {
  Type type = Type::data;
  std::uint8_t flags = 0;
  std::uint32_t stream = 0;  ///< of data frames; control frames carry it in the payload
  std::string payload;

  bool is_fin() const { return (flags & kFin) != 0; }
};

void append_u32(std::string& out, std::uint32_t value);
/// The four bytes at `at`; the caller has checked the size.
std::uint32_t read_u32(std::string_view bytes, std::size_t at);

std::string control_frame(Type type, std::uint8_t flags, std::string_view payload);
/// The eight bytes before a data frame's payload.
std::string data_head(std::uint32_t stream, std::uint8_t flags, std::size_t size);

/// Takes whole frames off a growing buffer.
class Decoder {
 public:
  void feed(std::string_view bytes) { buffer_.append(bytes); }

  Result<std::optional<Frame>> next();

 private:
  std::string buffer_;
  std::size_t begin_ = 0;
};

/// The two compression contexts of a session: all header blocks of one direction share one.
class HeaderBlocks {
 public:
  HeaderBlocks();
  ~HeaderBlocks();
  HeaderBlocks(const HeaderBlocks&) = delete;
  HeaderBlocks& operator=(const HeaderBlocks&) = delete;

  Result<Headers> decode(std::string_view block);
  std::string encode(const Headers& headers);

 private:
  struct Streams;
  std::unique_ptr<Streams> streams_;
};

/// The dictionary that primes both contexts.
const std::string& dictionary();

}  // namespace tetrarch::net::spdy

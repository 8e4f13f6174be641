// SPDX-License-Identifier: Apache-2.0
// Where a server is: https://host:port, http://host:port or unix:///path.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::net {

struct Url {
  enum class Scheme : std::uint8_t { https, http, unix_socket };
  Scheme scheme = Scheme::https;
  std::string host;  ///< without brackets; for a unix socket its path
  std::uint16_t port = 0;
  /// A prefix of every path ("/clusters/a"), without a slash at its end.
  std::string base_path = {};
  /// As it goes into the Host header.
  std::string authority() const;
};

Result<Url> parse_url(std::string_view text);

}  // namespace tetrarch::net

// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/remote_identity.h"

#include <string>

#include <fmt/core.h>

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kPrefix = "X-Remote-";

/// RFC 9110 section 5.6.2, but '%', which escapes what is not.
bool is_plain(unsigned char c) {
  constexpr std::string_view kMarks = "!#$&'*+-.^_`|~";
  return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
         kMarks.find(static_cast<char>(c)) != std::string_view::npos;
}

std::string escaped(std::string_view key) {
  std::string out;
  for (const char c : key) {
    const auto byte = static_cast<unsigned char>(c);
    out += is_plain(byte) ? std::string(1, c) : fmt::format("%{:02X}", byte);
  }
  return out;
}

}  // namespace

bool is_identity_header(std::string_view name) {
  return net::equals_ignoring_case(name.substr(0, kPrefix.size()), kPrefix);
}

void add_identity(const trust::Identity& identity, net::Headers& headers) {
  headers.add("X-Remote-User", identity.user);
  if (!identity.uid.empty()) {
    headers.add("X-Remote-Uid", identity.uid);
  }
  for (const auto& group : identity.groups) {
    headers.add("X-Remote-Group", group);
  }
  for (const auto& [key, values] : identity.extra) {
    const auto name = "X-Remote-Extra-" + escaped(key);
    for (const auto& value : values) {
      headers.add(name, value);
    }
  }
}

}  // namespace tetrarch::api::kubernetes

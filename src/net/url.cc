// SPDX-License-Identifier: Apache-2.0
#include "net/url.h"

#include <charconv>

namespace tetrarch::net {
namespace {

Result<std::uint16_t> parse_port(std::string_view text) {
  std::uint16_t port = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), port);
  if (error != std::errc{} || end != text.data() + text.size() || port == 0) {
    return Error{Code::invalid, "\"" + std::string(text) + "\" is no port"};
  }
  return port;
}

bool take_prefix(std::string_view& text, std::string_view prefix) {
  const bool has = text.starts_with(prefix);
  text.remove_prefix(has ? prefix.size() : 0);
  return has;
}

}  // namespace

std::string Url::authority() const {
  if (scheme == Scheme::unix_socket) {
    return "localhost";
  }
  const bool is_v6 = host.find(':') != std::string::npos;
  return (is_v6 ? "[" + host + "]" : host) + ":" + std::to_string(port);
}

Result<Url> parse_url(std::string_view text) {
  const Error bad(Code::invalid,
                  "\"" + std::string(text) + "\" is no URL like https://host:port or unix:///path");
  Url url;
  std::string_view rest = text;
  if (take_prefix(rest, "unix://")) {
    url.scheme = Url::Scheme::unix_socket;
    url.host = rest;
    return rest.starts_with('/') ? Result<Url>(url) : bad;
  }
  if (take_prefix(rest, "http://")) {
    url.scheme = Url::Scheme::http;
    url.port = 80;
  } else if (take_prefix(rest, "https://")) {
    url.port = 443;
  } else {
    return bad;
  }
  const auto slash = rest.find('/');
  if (slash != std::string_view::npos) {
    url.base_path = rest.substr(slash);
    while (url.base_path.ends_with('/')) {
      url.base_path.pop_back();
    }
    rest = rest.substr(0, slash);
  }
  std::string_view port;
  if (rest.starts_with('[')) {
    const auto end = rest.find(']');
    if (end == std::string_view::npos) {
      return bad;
    }
    url.host = rest.substr(1, end - 1);
    port = rest.substr(end + 1);
  } else {
    const auto colon = rest.find(':');
    url.host = rest.substr(0, colon);
    port = colon == std::string_view::npos ? std::string_view{} : rest.substr(colon);
  }
  if (take_prefix(port, ":")) {
    TRY(url.port, parse_port(port));
  } else if (!port.empty()) {
    return bad;
  }
  return url.host.empty() ? Result<Url>(bad) : Result<Url>(url);
}

}  // namespace tetrarch::net

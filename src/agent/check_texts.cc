// SPDX-License-Identifier: Apache-2.0
#include "agent/check_texts.h"

#include <algorithm>
#include <array>
#include <cctype>
#include <optional>

#include <boost/asio/error.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

#include "net/http.h"
#include "object/names.h"

namespace tetrarch::agent {
namespace {

constexpr std::string_view kTimeIsUp =
    "context deadline exceeded (Client.Timeout exceeded while awaiting headers)";

/// The timer closes the socket, so what runs is aborted and what begins finds it closed.
bool is_time_up(const boost::system::error_code& error) {
  return error == boost::asio::error::operation_aborted ||
         error == boost::asio::error::bad_descriptor || error == boost::asio::error::timed_out;
}

/// As Go writes what the system says: "connection refused".
std::string in_lower_case(std::string text) {
  if (!text.empty()) {
    text.front() = static_cast<char>(std::tolower(static_cast<unsigned char>(text.front())));
  }
  return text;
}

/// Source: Go's net/http, Request.write (reqWriteExcludeHeader): what it writes itself, or nobody.
constexpr std::array<std::string_view, 5> kNotCopied{
    "Host", "User-Agent", "Content-Length", "Transfer-Encoding", "Trailer"};

/// As a server reads it: with the slash in front.
std::string path_of(object::View handler) {
  const auto path = handler["path"].string();
  return fmt::format("{}{}", path.starts_with('/') ? "" : "/", path);
}

/// The first header of that name, in whatever case it is written.
std::optional<std::string_view> header_of(object::View handler, std::string_view name) {
  for (const auto header : handler["httpHeaders"].elements()) {
    if (net::equals_ignoring_case(header["name"].string(), name)) {
      return header["value"].string();
    }
  }
  return std::nullopt;
}

std::string header_line(std::string_view name, std::string_view value) {
  return value.empty() ? std::string() : fmt::format("{}: {}\r\n", name, value);
}

/// Those of the handler that go out as they are. Source: Kubernetes pkg/probe/http (1.35): an empty
/// Accept takes away the default and is not sent.
std::string copied_headers(object::View handler) {
  const bool takes_nothing = header_of(handler, "Accept") == std::string_view();
  std::string out;
  for (const auto header : handler["httpHeaders"].elements()) {
    const auto name = header["name"].string();
    const auto is = [name](std::string_view other) {
      return net::equals_ignoring_case(name, other);
    };
    if (std::none_of(kNotCopied.begin(), kNotCopied.end(), is) &&
        !(takes_nothing && is("Accept"))) {
      out += fmt::format("{}: {}\r\n", name, header["value"].string());
    }
  }
  return out;
}

}  // namespace

std::string authority(std::string_view host, int port) {
  const bool is_ipv6 = host.find(':') != std::string_view::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string url_of(object::View handler, std::string_view host, int port) {
  return fmt::format("{}://{}{}",
                     handler["scheme"].string() == "HTTPS" ? "https" : "http",
                     authority(host, port),
                     path_of(handler));
}

std::string http_request(object::View handler,
                         std::string_view host,
                         int port,
                         std::string_view agent) {
  const auto given_host = header_of(handler, "Host").value_or("");
  return fmt::format("GET {} HTTP/1.1\r\n{}{}{}Connection: close\r\n{}\r\n",
                     path_of(handler),
                     header_line("Host", given_host.empty() ? authority(host, port) : given_host),
                     header_line("User-Agent", header_of(handler, "User-Agent").value_or(agent)),
                     header_of(handler, "Accept") ? "" : "Accept: */*\r\n",
                     copied_headers(handler));
}

std::string lookup_fault(std::string_view host, const boost::system::error_code& error) {
  const bool is_unknown =
      error == boost::asio::error::host_not_found || error == boost::asio::error::no_data;
  return fmt::format("dial tcp: lookup {}: {}",
                     host,
                     is_time_up(error) ? "i/o timeout"
                     : is_unknown      ? "no such host"
                                       : in_lower_case(error.message()));
}

std::string dial_fault(std::string_view authority, const boost::system::error_code& error) {
  return is_time_up(error)
             ? fmt::format("dial tcp {}: i/o timeout", authority)
             : fmt::format("dial tcp {}: connect: {}", authority, in_lower_case(error.message()));
}

std::string answer_fault(const boost::system::error_code& error) {
  if (is_time_up(error)) {
    return std::string(kTimeIsUp);
  }
  return !error || error == boost::asio::error::eof
             ? "EOF"
             : fmt::format("read: {}", in_lower_case(error.message()));
}

std::string get_fault(std::string_view url, std::string_view fault) {
  // A request whose time is up says so, wherever it was.
  return fmt::format(
      "Get {}: {}", object::go_quoted(url), fault.ends_with("i/o timeout") ? kTimeIsUp : fault);
}

std::string command_timeout(const std::vector<std::string>& command) {
  return fmt::format("command {} timed out",
                     object::go_quoted(fmt::format("{}", fmt::join(command, " "))));
}

}  // namespace tetrarch::agent

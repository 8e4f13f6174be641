// SPDX-License-Identifier: Apache-2.0
#include "agent/check_texts.h"

#include <cctype>

#include <boost/asio/error.hpp>
#include <fmt/format.h>
#include <fmt/ranges.h>

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

}  // namespace

std::string authority(std::string_view host, int port) {
  const bool is_ipv6 = host.find(':') != std::string_view::npos;
  return is_ipv6 ? fmt::format("[{}]:{}", host, port) : fmt::format("{}:{}", host, port);
}

std::string url_of(object::View handler, std::string_view host, int port) {
  const auto path = handler["path"].string();
  return fmt::format("{}://{}{}{}",
                     handler["scheme"].string() == "HTTPS" ? "https" : "http",
                     authority(host, port),
                     path.starts_with('/') ? "" : "/",
                     path);
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

// SPDX-License-Identifier: Apache-2.0
#include "net/peer_address.h"

#include <array>
#include <cstring>

#include <arpa/inet.h>
#include <fmt/format.h>
#include <netinet/in.h>
#include <sys/socket.h>

namespace tetrarch::net {

void describe_address(const Socket& socket, Peer& peer) {
  boost::system::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) {
    return;
  }
  std::array<char, INET6_ADDRSTRLEN> text{};
  if (endpoint.protocol().family() == AF_INET) {
    sockaddr_in address{};
    std::memcpy(&address, endpoint.data(), std::min(sizeof(address), endpoint.size()));
    ::inet_ntop(AF_INET, &address.sin_addr, text.data(), text.size());
    peer.address = fmt::format("{}:{}", text.data(), ntohs(address.sin_port));
  } else if (endpoint.protocol().family() == AF_INET6) {
    sockaddr_in6 address{};
    std::memcpy(&address, endpoint.data(), std::min(sizeof(address), endpoint.size()));
    ::inet_ntop(AF_INET6, &address.sin6_addr, text.data(), text.size());
    peer.address = fmt::format("[{}]:{}", text.data(), ntohs(address.sin6_port));
  } else {
    peer.address = "unix";
    peer.is_local_socket = true;
  }
}

std::string address_bytes(const Socket& socket) {
  boost::system::error_code error;
  const auto endpoint = socket.remote_endpoint(error);
  if (error) {
    return {};
  }
  const auto copy = [&endpoint](auto& into) {
    std::memcpy(&into, endpoint.data(), std::min(sizeof(into), endpoint.size()));
  };
  if (endpoint.protocol().family() == AF_INET) {
    sockaddr_in address{};
    copy(address);
    return {reinterpret_cast<const char*>(&address.sin_addr), sizeof(address.sin_addr)};
  }
  if (endpoint.protocol().family() == AF_INET6) {
    sockaddr_in6 address{};
    copy(address);
    return {reinterpret_cast<const char*>(&address.sin6_addr), sizeof(address.sin6_addr)};
  }
  return {};
}

std::string format_http_date(std::chrono::sys_seconds time) {
  static constexpr std::array<std::string_view, 7> kDays{
      "Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static constexpr std::array<std::string_view, 12> kMonths{
      "Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date(day);
  const std::chrono::hh_mm_ss clock(time - day);
  return fmt::format("{}, {:02} {} {:04} {:02}:{:02}:{:02} GMT",
                     kDays.at(std::chrono::weekday(day).c_encoding()),
                     static_cast<unsigned>(date.day()),
                     kMonths.at(static_cast<unsigned>(date.month()) - 1),
                     static_cast<int>(date.year()),
                     clock.hours().count(),
                     clock.minutes().count(),
                     clock.seconds().count());
}

}  // namespace tetrarch::net

// SPDX-License-Identifier: Apache-2.0
#include "net/response_head.h"

#include <iterator>

#include <fmt/format.h>

#include "net/peer_address.h"

namespace tetrarch::net {

void append_clean(std::string& out, std::string_view text) {
  static constexpr std::string_view kForbidden("\r\n\0", 3);
  if (text.find_first_of(kForbidden) == std::string_view::npos) {
    out += text;
    return;
  }
  for (const char c : text) {
    out += kForbidden.find(c) == std::string_view::npos ? c : ' ';
  }
}

void begin_head(std::string& head, int status, std::string_view date, const Headers& headers) {
  fmt::format_to(std::back_inserter(head),
                 "HTTP/1.1 {} {}\r\nDate: {}\r\n",
                 status,
                 status_phrase(status),
                 date);
  for (const auto& header : headers.list()) {
    append_clean(head, header.name);
    head += ": ";
    append_clean(head, header.value);
    head += "\r\n";
  }
}

std::uint64_t size_of(const Body& body) {
  std::uint64_t total = 0;
  for (const auto piece : body.pieces) {
    total += piece.size();
  }
  return total;
}

bool has_no_content(int status) {
  return status < 200 || status == 204 || status == 304;
}

std::string_view DateText::at(TimePoint now) {
  const auto second = std::chrono::floor<std::chrono::seconds>(now);
  if (second.time_since_epoch().count() != second_) {
    second_ = second.time_since_epoch().count();
    text_ = format_http_date(second);
  }
  return text_;
}

}  // namespace tetrarch::net

// SPDX-License-Identifier: Apache-2.0
#include "net/http.h"

#include <algorithm>
#include <array>

#include "base/encoding.h"
#include "base/trim.h"

namespace tetrarch::net {
namespace {

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
}

/// Cuts the part before `separator` off `rest`.
std::string_view take_until(std::string_view& rest, char separator) {
  const auto at = rest.find(separator);
  const auto part = rest.substr(0, at);
  rest = at == std::string_view::npos ? std::string_view{} : rest.substr(at + 1);
  return part;
}

/// A badly encoded component stands for itself.
std::string decoded(std::string_view text) {
  auto plain = percent_decode(text, true);
  return plain.ok() ? std::move(plain).value() : std::string(text);
}

struct Phrase {
  int status;
  std::string_view text;
};

// Source: IANA HTTP Status Code Registry (RFC 9110 section 15).
constexpr auto kPhrases = std::to_array<Phrase>({
    {100, "Continue"},
    {101, "Switching Protocols"},
    {200, "OK"},
    {201, "Created"},
    {202, "Accepted"},
    {204, "No Content"},
    {206, "Partial Content"},
    {301, "Moved Permanently"},
    {302, "Found"},
    {304, "Not Modified"},
    {307, "Temporary Redirect"},
    {308, "Permanent Redirect"},
    {400, "Bad Request"},
    {401, "Unauthorized"},
    {403, "Forbidden"},
    {404, "Not Found"},
    {405, "Method Not Allowed"},
    {406, "Not Acceptable"},
    {408, "Request Timeout"},
    {409, "Conflict"},
    {410, "Gone"},
    {411, "Length Required"},
    {412, "Precondition Failed"},
    {413, "Content Too Large"},
    {415, "Unsupported Media Type"},
    {416, "Range Not Satisfiable"},
    {417, "Expectation Failed"},
    {422, "Unprocessable Content"},
    {426, "Upgrade Required"},
    {428, "Precondition Required"},
    {429, "Too Many Requests"},
    {431, "Request Header Fields Too Large"},
    {500, "Internal Server Error"},
    {501, "Not Implemented"},
    {502, "Bad Gateway"},
    {503, "Service Unavailable"},
    {504, "Gateway Timeout"},
    {505, "HTTP Version Not Supported"},
    {507, "Insufficient Storage"},
});

}  // namespace

bool equals_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(
      a.begin(), a.end(), b.begin(), b.end(), [](char x, char y) { return lower(x) == lower(y); });
}

std::string_view status_phrase(int status) {
  const auto* const at =
      std::lower_bound(kPhrases.begin(), kPhrases.end(), status, [](const Phrase& p, int s) {
        return p.status < s;
      });
  return at != kPhrases.end() && at->status == status ? at->text : std::string_view{};
}

std::string_view Headers::get(std::string_view name) const {
  for (const auto& header : list_) {
    if (equals_ignoring_case(header.name, name)) {
      return header.value;
    }
  }
  return {};
}

std::vector<std::string_view> Headers::all(std::string_view name) const {
  std::vector<std::string_view> out;
  for (const auto& header : list_) {
    if (equals_ignoring_case(header.name, name)) {
      out.emplace_back(header.value);
    }
  }
  return out;
}

bool Headers::contains(std::string_view name) const {
  return std::any_of(list_.begin(), list_.end(), [name](const Header& h) {
    return equals_ignoring_case(h.name, name);
  });
}

bool Headers::has_word(std::string_view name, std::string_view word) const {
  for (auto rest : all(name)) {
    while (!rest.empty()) {
      if (equals_ignoring_case(trim(take_until(rest, ',')), word)) {
        return true;
      }
    }
  }
  return false;
}

std::optional<std::string> Request::parameter(std::string_view name) const {
  std::string_view rest = query;
  while (!rest.empty()) {
    auto pair = take_until(rest, '&');
    const auto key = take_until(pair, '=');
    if (key == name || decoded(key) == name) {
      return decoded(pair);
    }
  }
  return std::nullopt;
}

std::vector<std::string> Request::parameters(std::string_view name) const {
  std::vector<std::string> out;
  std::string_view rest = query;
  while (!rest.empty()) {
    auto pair = take_until(rest, '&');
    const auto key = take_until(pair, '=');
    if (key == name || decoded(key) == name) {
      out.push_back(decoded(pair));
    }
  }
  return out;
}

ErrorBody Handler::error_body(int /*status*/, std::string_view message) const {
  return {"text/plain; charset=utf-8", std::string(message) + "\n"};
}

}  // namespace tetrarch::net

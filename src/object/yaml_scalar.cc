// SPDX-License-Identifier: Apache-2.0
#include "object/yaml_scalar.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <string>

namespace tetrarch::object {

namespace {

constexpr auto kTrue = std::to_array<std::string_view>(
    {"y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"});
constexpr auto kFalse = std::to_array<std::string_view>(
    {"n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"});
constexpr auto kNull = std::to_array<std::string_view>({"", "~", "null", "Null", "NULL"});
constexpr auto kNoNumber = std::to_array<std::string_view>({".nan",
                                                            ".NaN",
                                                            ".NAN",
                                                            ".inf",
                                                            ".Inf",
                                                            ".INF",
                                                            "+.inf",
                                                            "+.Inf",
                                                            "+.INF",
                                                            "-.inf",
                                                            "-.Inf",
                                                            "-.INF"});

template <class Words>
bool is_one_of(const Words& words, std::string_view text) {
  return std::find(words.begin(), words.end(), text) != words.end();
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

struct Based {
  std::string_view digits;
  int base = 10;
};

/// As Go's strconv reads base 0: 0x, 0o, 0b, and a leading 0 for octal.
Based split_base(std::string_view text) {
  if (text.size() < 2 || text[0] != '0') {
    return {text, 10};
  }
  switch (text[1]) {
    case 'x':
    case 'X':
      return {text.substr(2), 16};
    case 'o':
    case 'O':
      return {text.substr(2), 8};
    case 'b':
    case 'B':
      return {text.substr(2), 2};
    default:
      return {text.substr(1), 8};
  }
}

std::optional<YamlScalar> whole_number(std::string_view text) {
  const bool is_negative = text.starts_with('-');
  const bool is_signed = is_negative || text.starts_with('+');
  text.remove_prefix(is_signed ? 1 : 0);
  const auto [digits, base] = split_base(text);
  std::uint64_t size = 0;
  const auto* const end = digits.data() + digits.size();
  const auto [rest, error] = std::from_chars(digits.data(), end, size, base);
  if (digits.empty() || error != std::errc{} || rest != end) {
    return std::nullopt;
  }
  constexpr std::uint64_t kMax = INT64_MAX;
  if (is_negative) {
    if (size > kMax + 1) {
      return std::nullopt;
    }
    return static_cast<std::int64_t>(~size + 1);
  }
  if (size <= kMax) {
    return static_cast<std::int64_t>(size);
  }
  return is_signed ? std::nullopt : std::optional<YamlScalar>(size);
}

/// [-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?
bool is_float(std::string_view text) {
  std::size_t at = 0;
  const auto skip_sign = [&] { at += at < text.size() && (text[at] == '-' || text[at] == '+'); };
  const auto skip_digits = [&] {
    const auto from = at;
    while (at < text.size() && is_digit(text[at])) {
      ++at;
    }
    return at - from;
  };
  skip_sign();
  const auto whole = skip_digits();
  if (at < text.size() && text[at] == '.') {
    ++at;
    if (skip_digits() + whole == 0) {
      return false;
    }
  } else if (whole == 0) {
    return false;
  }
  if (at < text.size() && (text[at] == 'e' || text[at] == 'E')) {
    ++at;
    skip_sign();
    if (skip_digits() == 0) {
      return false;
    }
  }
  return at == text.size();
}

YamlScalar number(std::string_view text) {
  std::string plain(text);
  std::erase(plain, '_');
  if (const auto whole = whole_number(plain); whole) {
    return *whole;
  }
  if (!is_float(plain)) {
    return {};
  }
  const auto from = plain.starts_with('+') ? 1U : 0U;
  double value = 0;
  const auto [rest, error] =
      std::from_chars(plain.data() + from, plain.data() + plain.size(), value);
  return error == std::errc{} ? YamlScalar(value) : YamlScalar();
}

}  // namespace

YamlScalar resolve_yaml(std::string_view text) {
  if (is_one_of(kNull, text)) {
    return YamlNull{};
  }
  if (is_one_of(kTrue, text) || is_one_of(kFalse, text)) {
    return is_one_of(kTrue, text);
  }
  if (is_one_of(kNoNumber, text)) {
    return YamlNoNumber{};
  }
  const char first = text.front();
  return is_digit(first) || first == '-' || first == '+' || first == '.' ? number(text)
                                                                         : YamlScalar();
}

}  // namespace tetrarch::object

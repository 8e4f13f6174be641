// SPDX-License-Identifier: Apache-2.0
// Source of the texts: Kubernetes apimachinery, pkg/util/validation/validation.go and
// pkg/api/validation/path/name.go, v0.34.
#include "schema/formats.h"

#include <algorithm>
#include <array>
#include <string>

#include <arpa/inet.h>

namespace tetrarch::schema {

namespace {

bool is_lower(char c) {
  return c >= 'a' && c <= 'z';
}

bool is_digit(char c) {
  return c >= '0' && c <= '9';
}

bool is_letter(char c) {
  return is_lower(c) || (c >= 'A' && c <= 'Z');
}

Faults dns_1035_label_faults(std::string_view text) {
  Faults faults;
  if (text.size() > 63) {
    faults.emplace_back("must be no more than 63 bytes");
  }
  const auto is_inner = [](char c) { return is_lower(c) || is_digit(c) || c == '-'; };
  const bool is_good = !text.empty() && is_lower(text.front()) && text.back() != '-' &&
                       std::all_of(text.begin(), text.end(), is_inner);
  if (!is_good) {
    faults.emplace_back(
        "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an "
        "alphabetic "
        "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex "
        "used for validation "
        "is '[a-z]([-a-z0-9]*[a-z0-9])?')");
  }
  return faults;
}

Faults path_segment_faults(std::string_view text) {
  if (text == "." || text == "..") {
    return {"may not be '" + std::string{text} + "'"};
  }
  Faults faults;
  for (const char c : {'/', '%'}) {
    if (text.find(c) != text.npos) {
      faults.push_back(std::string{"may not contain '"} + c + "'");
    }
  }
  return faults;
}

/// Ours follows the relaxed rule that Kubernetes uses since 1.32.
Faults env_name_faults(std::string_view text) {
  const auto is_good = [](char c) { return c >= ' ' && c <= '~' && c != '='; };
  if (!text.empty() && std::all_of(text.begin(), text.end(), is_good)) {
    return {};
  }
  return {
      "a valid environment variable name must consist only of printable ASCII characters other "
      "than '=' (e.g. "
      "'my.env-name',  or 'MY_ENV.NAME',  or 'MyEnvName1', regex used for validation is '[ "
      "-<>-~]+')"};
}

struct Format {
  std::string_view name;
  Faults (*faults)(std::string_view);
};

constexpr auto kFormats = std::to_array<Format>({
    {"config-key", config_key_faults},
    {"dns-1035-label", dns_1035_label_faults},
    {"dns-label", object::dns_label_faults},
    {"dns-subdomain", object::dns_subdomain_faults},
    {"env-name", env_name_faults},
    {"ip", ip_faults},
    {"label-key", object::label_key_faults},
    {"path-segment", path_segment_faults},
    {"port-name", port_name_faults},
});

const Format* find_format(std::string_view name) {
  const auto at = std::find_if(
      kFormats.begin(), kFormats.end(), [&](const Format& format) { return format.name == name; });
  return at == kFormats.end() ? nullptr : &*at;
}

}  // namespace

Faults format_faults(std::string_view format, std::string_view text) {
  const auto* found = find_format(format);
  return found == nullptr ? Faults{} : found->faults(text);
}

bool is_known_format(std::string_view format) {
  // labels (of a map) and port (of a number or a name) are checked where their shape is known.
  return find_format(format) != nullptr || format == "labels" || format == "port";
}

Faults ip_faults(std::string_view text) {
  std::array<unsigned char, sizeof(in6_addr)> address{};
  const std::string copy{text};
  const bool is_ip = inet_pton(AF_INET, copy.c_str(), address.data()) == 1 ||
                     inet_pton(AF_INET6, copy.c_str(), address.data()) == 1;
  if (is_ip && copy.find('\0') == copy.npos) {
    return {};
  }
  return {"must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"};
}

Faults port_name_faults(std::string_view text) {
  Faults faults;
  if (text.size() > 15) {
    faults.emplace_back("must be no more than 15 bytes");
  }
  const auto is_inner = [](char c) { return is_lower(c) || is_digit(c) || c == '-'; };
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_inner)) {
    faults.emplace_back("must contain only alpha-numeric characters (a-z, 0-9), and hyphens (-)");
  }
  if (std::none_of(text.begin(), text.end(), is_lower)) {
    faults.emplace_back("must contain at least one letter (a-z)");
  }
  if (text.find("--") != text.npos) {
    faults.emplace_back("must not contain consecutive hyphens");
  }
  if (!text.empty() && (text.front() == '-' || text.back() == '-')) {
    faults.emplace_back("must not begin or end with a hyphen");
  }
  return faults;
}

Faults config_key_faults(std::string_view text) {
  Faults faults;
  if (text.size() > 253) {
    faults.emplace_back("must be no more than 253 bytes");
  }
  const auto is_inner = [](char c) {
    return is_letter(c) || is_digit(c) || c == '-' || c == '_' || c == '.';
  };
  if (text.empty() || !std::all_of(text.begin(), text.end(), is_inner)) {
    faults.emplace_back(
        "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. "
        "'key.name',  or "
        "'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')");
  }
  if (text == ".") {
    faults.emplace_back("must not be '.'");
  } else if (text.starts_with("..")) {
    faults.emplace_back(text == ".." ? "must not be '..'" : "must not start with '..'");
  }
  return faults;
}

Faults port_number_faults(std::int64_t port) {
  return port >= 1 && port <= 65535 ? Faults{} : Faults{"must be between 1 and 65535, inclusive"};
}

Faults percent_faults(std::string_view text) {
  const bool is_good =
      text.size() >= 2 && text.back() == '%' && std::all_of(text.begin(), text.end() - 1, is_digit);
  if (is_good) {
    return {};
  }
  return {
      "a valid percent string must be a numeric string followed by an ending '%' (e.g. '1%',  or "
      "'93%', regex used "
      "for validation is '[0-9]+%')"};
}

}  // namespace tetrarch::schema

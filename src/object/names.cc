// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes apimachinery, pkg/api/validate/content/{kube,dns}.go, v0.34.
#include "object/names.h"

#include <algorithm>
#include <cstddef>

namespace tetrarch::object {
namespace {

constexpr std::size_t kLabelMax = 63;
constexpr std::size_t kSubdomainMax = 253;

constexpr std::string_view kLabelKeyRule =
    "must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
    "alphanumeric character "
    "(e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
    "'([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
constexpr std::string_view kLabelValueRule =
    "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', "
    "and must start and "
    "end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used "
    "for validation is "
    "'(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
constexpr std::string_view kSubdomainRule =
    "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or "
    "'.', and must start "
    "and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
constexpr std::string_view kLabelRule =
    "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and "
    "must start and end "
    "with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
    "'[a-z0-9]([-a-z0-9]*[a-z0-9])?')";

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_alphanumeric(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

bool is_name(std::string_view text) {
  const auto is_inner = [](char c) {
    return is_alphanumeric(c) || c == '-' || c == '_' || c == '.';
  };
  return !text.empty() && is_alphanumeric(text.front()) && is_alphanumeric(text.back()) &&
         std::all_of(text.begin(), text.end(), is_inner);
}

bool is_dns_label(std::string_view text) {
  const auto is_inner = [](char c) { return is_lower_or_digit(c) || c == '-'; };
  return !text.empty() && is_lower_or_digit(text.front()) && is_lower_or_digit(text.back()) &&
         std::all_of(text.begin(), text.end(), is_inner);
}

bool is_dns_subdomain(std::string_view text) {
  while (true) {
    const auto dot = text.find('.');
    if (!is_dns_label(text.substr(0, dot))) {
      return false;
    }
    if (dot == std::string_view::npos) {
      return true;
    }
    text.remove_prefix(dot + 1);
  }
}

std::string too_long(std::size_t max) {
  return "must be no more than " + std::to_string(max) + " bytes";
}

}  // namespace

Faults label_key_faults(std::string_view text) {
  if (std::count(text.begin(), text.end(), '/') > 1) {
    return {"a valid label key " + std::string(kLabelKeyRule) +
            " with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"};
  }
  Faults faults;
  const auto slash = text.find('/');
  if (slash != std::string_view::npos) {
    const auto prefix = text.substr(0, slash);
    for (const auto& fault :
         prefix.empty() ? Faults{"must be non-empty"} : dns_subdomain_faults(prefix)) {
      faults.push_back("prefix part " + fault);
    }
  }
  const auto name = slash == std::string_view::npos ? text : text.substr(slash + 1);
  if (name.empty()) {
    faults.emplace_back("name part must be non-empty");
  } else if (name.size() > kLabelMax) {
    faults.push_back("name part " + too_long(kLabelMax));
  }
  if (!is_name(name)) {
    faults.push_back("name part " + std::string(kLabelKeyRule));
  }
  return faults;
}

Faults label_value_faults(std::string_view text) {
  Faults faults;
  if (text.size() > kLabelMax) {
    faults.push_back(too_long(kLabelMax));
  }
  if (!text.empty() && !is_name(text)) {
    faults.emplace_back(kLabelValueRule);
  }
  return faults;
}

Faults dns_subdomain_faults(std::string_view text) {
  Faults faults;
  if (text.size() > kSubdomainMax) {
    faults.push_back(too_long(kSubdomainMax));
  }
  if (!is_dns_subdomain(text)) {
    faults.emplace_back(kSubdomainRule);
  }
  return faults;
}

Faults dns_label_faults(std::string_view text) {
  Faults faults;
  if (text.size() > kLabelMax) {
    faults.push_back(too_long(kLabelMax));
  }
  if (!is_dns_label(text)) {
    faults.emplace_back(is_dns_subdomain(text) ? "must not contain dots" : kLabelRule);
  }
  return faults;
}

std::string joined(const Faults& faults) {
  std::string out;
  for (const auto& fault : faults) {
    out += (out.empty() ? "" : "; ") + fault;
  }
  return out;
}

std::string go_quoted(std::string_view text) {
  constexpr std::string_view kHex = "0123456789abcdef";
  std::string out = "\"";
  for (const char c : text) {
    const auto byte = static_cast<unsigned char>(c);
    if (c == '"' || c == '\\') {
      out += '\\';
      out += c;
    } else if (c == '\n' || c == '\r' || c == '\t') {
      out += c == '\n' ? "\\n" : c == '\r' ? "\\r" : "\\t";
    } else if (byte < 0x20 || byte == 0x7f) {
      out += "\\x";
      out += kHex[byte >> 4];
      out += kHex[byte & 15];
    } else {
      out += c;
    }
  }
  return out + '"';
}

}  // namespace tetrarch::object

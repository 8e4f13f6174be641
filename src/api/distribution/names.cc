// SPDX-License-Identifier: Apache-2.0
#include "api/distribution/names.h"

#include <algorithm>

#include <fmt/format.h>

#include "trust/sha256.h"

namespace tetrarch::api::distribution {
namespace {

// Source: OCI distribution specification 1.1, "Pulling manifests": <name> and <reference>.
constexpr std::size_t kPathMax = 255;
constexpr std::size_t kTagMax = 128;
constexpr std::string_view kDigestHead = "sha256:";
constexpr std::size_t kHexDigits = 64;
constexpr std::size_t kReadableMax = 40;

bool is_lower_or_digit(char c) {
  return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

bool is_word(char c) {
  return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z') || c == '_';
}

/// [a-z0-9]+ parted by '.', '_', "__" or any number of '-'.
bool is_component(std::string_view text) {
  if (text.empty() || !is_lower_or_digit(text.front()) || !is_lower_or_digit(text.back())) {
    return false;
  }
  for (std::size_t at = 0; at < text.size();) {
    const auto end = std::find_if(text.begin() + static_cast<std::ptrdiff_t>(at),
                                  text.end(),
                                  [](char c) { return is_lower_or_digit(c); });
    const auto between = text.substr(at, static_cast<std::size_t>(end - text.begin()) - at);
    const bool is_separator = between.empty() || between == "." || between == "_" ||
                              between == "__" ||
                              between.find_first_not_of('-') == std::string_view::npos;
    if (!is_separator) {
      return false;
    }
    at += between.size() + 1;
  }
  return true;
}

bool is_hub(std::string_view host) {
  return host == "docker.io" || host == "index.docker.io" || host == "registry-1.docker.io";
}

/// Source: distribution reference grammar: a first part with a dot or a port, or "localhost".
bool is_host(std::string_view part) {
  return part.find_first_of(".:") != std::string_view::npos || part == "localhost";
}

std::string familiar(std::string_view path) {
  const auto slash = path.find('/');
  if (slash != std::string_view::npos && is_hub(path.substr(0, slash))) {
    path.remove_prefix(slash + 1);
  }
  constexpr std::string_view kLibrary = "library/";
  if (path.starts_with(kLibrary) && path.find('/', kLibrary.size()) == std::string_view::npos) {
    path.remove_prefix(kLibrary.size());
  }
  return std::string(path);
}

}  // namespace

bool is_repository_path(std::string_view path) {
  if (path.empty() || path.size() > kPathMax) {
    return false;
  }
  while (true) {
    const auto slash = path.find('/');
    if (!is_component(path.substr(0, slash))) {
      return false;
    }
    if (slash == std::string_view::npos) {
      return true;
    }
    path.remove_prefix(slash + 1);
  }
}

bool is_tag(std::string_view text) {
  return !text.empty() && text.size() <= kTagMax && is_word(text.front()) &&
         std::all_of(
             text.begin(), text.end(), [](char c) { return is_word(c) || c == '.' || c == '-'; });
}

bool is_digest(std::string_view text) {
  return text.size() == kDigestHead.size() + kHexDigits && text.starts_with(kDigestHead) &&
         text.find_first_not_of("0123456789abcdef", kDigestHead.size()) == std::string_view::npos;
}

std::string repository_of(std::string_view path,
                          std::string_view ns,
                          const std::vector<std::string>& own) {
  const bool is_plain =
      ns.empty() || is_hub(ns) || std::find(own.begin(), own.end(), ns) != own.end();
  return is_plain ? familiar(path) : fmt::format("{}/{}", ns, path);
}

Result<Reference> parse_reference(std::string_view text) {
  const Error wrong{
      Code::invalid,
      fmt::format("\"{}\" is not an image's name: NAME:TAG, such as app:1, team/app:1 "
                  "or registry.example/app:1",
                  text)};
  Reference out;
  auto rest = text;
  if (const auto at = rest.find('@'); at != std::string_view::npos) {
    out.digest = rest.substr(at + 1);
    rest = rest.substr(0, at);
    if (!is_digest(out.digest)) {
      return wrong;
    }
  }
  const auto slash = rest.rfind('/');
  const auto colon = rest.find(':', slash == std::string_view::npos ? 0 : slash);
  if (colon != std::string_view::npos) {
    out.tag = rest.substr(colon + 1);
    rest = rest.substr(0, colon);
    if (!is_tag(out.tag)) {
      return wrong;
    }
  } else if (out.digest.empty()) {
    out.tag = "latest";
  }
  const auto first = rest.find('/');
  if (first != std::string_view::npos && is_host(rest.substr(0, first))) {
    out.host = rest.substr(0, first);
    rest.remove_prefix(first + 1);
  }
  out.path = rest;
  return is_repository_path(rest) ? Result<Reference>(std::move(out)) : Result<Reference>(wrong);
}

std::string image_name(std::string_view repository, std::string_view tag) {
  const auto whole = fmt::format("{}:{}", repository, tag);
  std::string readable = whole.substr(0, kReadableMax);
  for (char& c : readable) {
    c = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    c = is_lower_or_digit(c) ? c : '-';
  }
  return fmt::format("{}-{}", readable, trust::sha256_hex(whole).substr(0, 10));
}

std::string manifest_name(std::string_view repository, std::string_view digest) {
  return fmt::format(
      "{}-{}", trust::sha256_hex(repository).substr(0, 16), digest.substr(kDigestHead.size()));
}

std::string blob_name(std::string_view digest) {
  return fmt::format("sha256-{}", digest.substr(kDigestHead.size()));
}

}  // namespace tetrarch::api::distribution

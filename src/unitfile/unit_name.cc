// SPDX-License-Identifier: Apache-2.0
#include "unitfile/unit_name.h"

#include <algorithm>
#include <array>
#include <cstddef>

namespace tetrarch::unitfile {
namespace {

constexpr std::size_t kNameMax = 256;
constexpr std::array<std::string_view, 13> kSuffixes = {"automount",
                                                        "busname",
                                                        "device",
                                                        "mount",
                                                        "path",
                                                        "scope",
                                                        "service",
                                                        "slice",
                                                        "snapshot",
                                                        "socket",
                                                        "swap",
                                                        "target",
                                                        "timer"};
constexpr std::array<std::string_view, 5> kTemplateSuffixes = {
    "path", "service", "socket", "target", "timer"};

bool is_name_character(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
         std::string_view(":-_.\\@").find(c) != std::string_view::npos;
}

Error malformed(std::string text) {
  return {Code::malformed, std::move(text)};
}

Status check_stem(const UnitName& name) {
  const auto bad = std::find_if_not(name.stem.begin(), name.stem.end(), is_name_character);
  if (bad != name.stem.end()) {
    return malformed("invalid character '" + std::string(1, *bad) + "' in unit name");
  }
  if (name.stem.starts_with('@')) {
    return malformed("unit name cannot start in \"@\"");
  }
  return ok();
}

}  // namespace

UnitName split_name(std::string_view name) {
  UnitName parts;
  parts.full = name;
  const auto dot = name.rfind('.');
  parts.stem = name.substr(0, dot);
  parts.suffix = dot == std::string_view::npos ? std::string_view{} : name.substr(dot + 1);
  const auto at = parts.stem.find('@');
  parts.prefix = parts.stem.substr(0, at);
  parts.has_at = at != std::string_view::npos;
  parts.instance = parts.has_at ? parts.stem.substr(at + 1) : std::string_view{};
  return parts;
}

std::string template_of(const UnitName& name) {
  if (!name.is_instance()) {
    return {};
  }
  return std::string(name.prefix) + "@." + std::string(name.suffix);
}

Status check_name(std::string_view name) {
  if (name.empty()) {
    return malformed("unit name cannot be empty");
  }
  if (name.size() > kNameMax) {
    return malformed("unit name exceeds maximum length (" + std::to_string(kNameMax) + ")");
  }
  if (name.find('.') == std::string_view::npos) {
    return malformed("unit name must contain \".\"");
  }
  if (name.back() == '.') {
    return malformed("unit name cannot end in \".\"");
  }
  const UnitName parts = split_name(name);
  if (std::find(kSuffixes.begin(), kSuffixes.end(), parts.suffix) == kSuffixes.end()) {
    return malformed("invalid unit type: \"" + std::string(parts.suffix) + "\"");
  }
  TRY_STATUS(check_stem(parts));
  const bool is_of_template_kind =
      std::find(kTemplateSuffixes.begin(), kTemplateSuffixes.end(), parts.suffix) !=
      kTemplateSuffixes.end();
  if (parts.has_at && !is_of_template_kind) {
    return malformed("invalid unit type for template: \"" + std::string(parts.suffix) + "\"");
  }
  return ok();
}

}  // namespace tetrarch::unitfile

// SPDX-License-Identifier: Apache-2.0
#include "unitfile/machine_metadata.h"

#include <algorithm>

#include "base/trim.h"

namespace tetrarch::unitfile {
namespace {

constexpr std::string_view kBlanks = " \t\r\n";

}  // namespace

Metadata read_metadata(std::string_view text) {
  Metadata found;
  while (!text.empty()) {
    const auto comma = std::min(text.find(','), text.size());
    const auto pair = text.substr(0, comma);
    text.remove_prefix(std::min(comma + 1, text.size()));
    const auto equals = pair.find('=');
    if (equals != std::string_view::npos) {
      found[std::string(trim(pair.substr(0, equals), kBlanks))] =
          trim(pair.substr(equals + 1), kBlanks);
    }
  }
  return found;
}

Overlay read_overlay(object::View machine) {
  Overlay overlay;
  for (const auto& [key, value] : machine["spec"]["metadata"].members()) {
    overlay[std::string(key)] = std::string(value.string());
  }
  for (const object::View key : machine["spec"]["hidden"].elements()) {
    overlay[std::string(key.string())] = std::nullopt;
  }
  return overlay;
}

void lay_over(const Overlay& overlay, Metadata& metadata) {
  for (const auto& [key, value] : overlay) {
    if (value) {
      metadata[key] = *value;
    } else {
      metadata.erase(key);
    }
  }
}

}  // namespace tetrarch::unitfile

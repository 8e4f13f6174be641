// SPDX-License-Identifier: Apache-2.0
// Strings in containerd's settings.
#pragma once

#include <string>
#include <string_view>

namespace tetrarch::agent::runtime {

/// A TOML basic string. Source: TOML 1.0, section String.
inline std::string toml_string(std::string_view text) {
  std::string out = "\"";
  for (const char c : text) {
    if (c == '"' || c == '\\') {
      out += '\\';
    }
    out += c;
  }
  return out + "\"";
}

}  // namespace tetrarch::agent::runtime

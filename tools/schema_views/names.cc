// SPDX-License-Identifier: Apache-2.0
#include "names.h"

#include <algorithm>
#include <array>

namespace tetrarch::schema_views {

namespace {

constexpr auto kKeywords = std::to_array<std::string_view>({
    "case",      "class",    "continue", "default",   "delete", "do",       "double",   "else",
    "enum",      "explicit", "export",   "for",       "if",     "int",      "long",     "new",
    "namespace", "operator", "private",  "protected", "public", "register", "requires", "return",
    "static",    "struct",   "switch",   "template",  "this",   "union",    "using",    "virtual",
    "void",      "volatile", "while",    "view",      "signed", "short",
});

bool is_upper(char c) {
  return c >= 'A' && c <= 'Z';
}

/// A new word starts at an upper-case letter behind a lower-case one, and at the last letter of a
/// run of upper-case ones that goes on in lower case; a lone plural s belongs to the run (podIPs).
bool starts_word(std::string_view name, std::size_t i) {
  if (i == 0 || !is_upper(name[i])) {
    return false;
  }
  if (!is_upper(name[i - 1])) {
    return true;
  }
  const bool ends_run = i + 1 < name.size() && !is_upper(name[i + 1]);
  const bool is_plural =
      i + 1 < name.size() && name[i + 1] == 's' && (i + 2 == name.size() || is_upper(name[i + 2]));
  return ends_run && !is_plural;
}

}  // namespace

std::string accessor_name(std::string_view json_name) {
  std::string name;
  for (std::size_t i = 0; i < json_name.size(); ++i) {
    if (starts_word(json_name, i)) {
      name += '_';
    }
    const char c = json_name[i];
    name += is_upper(c) ? static_cast<char>(c - 'A' + 'a') : c;
  }
  if (std::find(kKeywords.begin(), kKeywords.end(), name) != kKeywords.end()) {
    name += '_';
  }
  return name;
}

}  // namespace tetrarch::schema_views

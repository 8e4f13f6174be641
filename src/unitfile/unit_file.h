// SPDX-License-Identifier: Apache-2.0
// The text of a systemd unit as fleet reads and writes it. Source: fleet reference, section 4.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::unitfile {

/// One line `Name=Value` of a section. Repeated ones are kept, in order.
struct Option {
  std::string section;
  std::string name;
  std::string value;
  bool operator==(const Option&) const = default;
};

using Options = std::vector<Option>;

/// A line is read up to this many bytes.
inline constexpr std::size_t kLineMax = 2048;

/// Reads a unit's text. Comments go; a value that continues over lines keeps its backslashes and
/// newlines as they are. Code::malformed: text behind a section's bracket, a line without '=', a
/// line of kLineMax bytes or more.
Result<Options> parse(std::string_view text);

/// The text that a machine's systemd gets and that the hash is of: options by section, sections in
/// the order of their first option, an empty line between them.
std::string canonical_text(const Options& options);

/// SHA-1 of the canonical text, 40 hexadecimal digits: what tells one version of a unit from
/// another. Not for security.
std::string hash_of(const Options& options);

/// What fleet says of options that no unit's text can hold: they are written and read again.
Status check_options(const Options& options);

}  // namespace tetrarch::unitfile

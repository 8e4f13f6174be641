// SPDX-License-Identifier: Apache-2.0
// Patterns of unit names, as Go's path.Match has them: what Conflicts= is written in.
#pragma once

#include <string_view>

namespace tetrarch::unitfile {

/// Whether the whole text matches. `*` and `?` stand for anything but '/'; `[a-z]` and `[^a-z]` for
/// a character of a class; a backslash takes the next character as it is. A bad pattern matches
/// nothing. Characters are bytes: a name of a unit has no others. Time is bounded by pattern times
/// text.
bool matches_glob(std::string_view pattern, std::string_view text);

}  // namespace tetrarch::unitfile

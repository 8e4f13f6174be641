// SPDX-License-Identifier: Apache-2.0
// What a machine's operator says of it: --metadata of the agent, and what was changed since, which
// a Machine object keeps. Source: fleet reference, sections 1 and 2.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "object/document.h"

namespace tetrarch::unitfile {

using Metadata = std::map<std::string, std::string>;

/// "k=v,k2=v2": blanks around both go, the last of a key counts, what has no '=' is left out.
Metadata read_metadata(std::string_view text);

/// What was set since: a value, or nothing where the key is hidden.
using Overlay = std::map<std::string, std::optional<std::string>>;

/// Of a Machine object; absent: nothing was set.
Overlay read_overlay(object::View machine);
void lay_over(const Overlay& overlay, Metadata& metadata);

}  // namespace tetrarch::unitfile

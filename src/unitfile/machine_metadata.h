// SPDX-License-Identifier: Apache-2.0
// What a machine's operator says of it: --metadata of the agent. Source: fleet reference,
// section 1.
#pragma once

#include <map>
#include <string>
#include <string_view>

namespace tetrarch::unitfile {

using Metadata = std::map<std::string, std::string>;

/// "k=v,k2=v2": blanks around both go, the last of a key counts, what has no '=' is left out.
Metadata read_metadata(std::string_view text);

}  // namespace tetrarch::unitfile

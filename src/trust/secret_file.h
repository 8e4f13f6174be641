// SPDX-License-Identifier: Apache-2.0
// Files that hold secrets: 0600, replaced atomically and durably.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::trust {

/// Writes beside the file, fsyncs, renames over it, fsyncs the directory. `mode`: permission bits.
Status write_file_atomically(const std::string& path, std::string_view bytes, unsigned mode = 0600);
/// The bytes; nullopt where there is no such file.
Result<std::optional<std::string>> read_file_if_present(const std::string& path);
/// Error (Code::not_found) where there is no such file.
Result<std::string> read_file(const std::string& path);

}  // namespace tetrarch::trust

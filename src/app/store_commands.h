// SPDX-License-Identifier: Apache-2.0
// The words of `tetrarch store`, each in its own file.
#pragma once

#include <string>
#include <vector>

#include "app/config.h"
#include "store/check.h"

namespace tetrarch::app {

/// Against the running server, or where none runs against its directory.
Status back_up(const Config& config, const std::string& where);
/// Into a data directory that nothing runs from; with `is_forced` what is there is put aside.
Status restore(const Config& config, const std::string& file, bool is_forced);
/// Exit status: 0 where all is well. An empty `file`: the store of the data directory.
int check(const Config& config, const std::string& file);

std::string store_directory(const Config& config);
/// "120 objects (nodes 1, pods 119)".
std::string count_objects(const store::CheckReport& report);
/// The keys of a data directory; none where there is no file of keys.
Result<store::Sealing> sealing_of(const Config& config);

}  // namespace tetrarch::app

// SPDX-License-Identifier: Apache-2.0
// What `tetrarch down --purge` removes of a data directory, and of which directory it does.
#pragma once

#include <filesystem>

#include "base/result.h"

namespace tetrarch::app {

/// Code::invalid: this is no data directory, and what is in it by names that we use may be
/// somebody's work. One whose first start was cut off early counts as one.
Status check_purge(const std::filesystem::path& data_dir);

/// Only what we made: a directory that holds anything else stays, with that in it. The directory
/// and the lock in it are left to who has the lock.
void purge(const std::filesystem::path& data_dir);

}  // namespace tetrarch::app

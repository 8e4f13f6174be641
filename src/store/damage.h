// SPDX-License-Identifier: Apache-2.0
// What the store says where something of it is lost: what, that nothing was changed, what to do.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "base/result.h"

namespace tetrarch::store {

/// Code::internal: a start refuses it and leaves everything as it is.
Error damaged_store(std::string_view place, std::string_view what);

/// The same for an Error with that code; any other as it is.
Error refusal(std::string_view place, Error error);

/// Why a format is not read.
std::string newer_format(std::uint64_t format);

}  // namespace tetrarch::store

// SPDX-License-Identifier: Apache-2.0
// "Integer or percentage" fields, such as maxSurge and maxUnavailable.
#pragma once

#include <cstdint>

#include "base/result.h"
#include "object/document.h"

namespace tetrarch::object {

enum class Rounding : std::uint8_t { down, up };

/// 3 is 3; "25%" is that share of `total`, rounded. Error (Code::invalid): neither.
Result<std::int64_t> scaled_value(View int_or_percent, std::int64_t total, Rounding rounding);

}  // namespace tetrarch::object

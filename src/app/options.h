// SPDX-License-Identifier: Apache-2.0
// Flags of single commands, among the words that read_config has left.
#pragma once

#include <chrono>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::app {

/// Takes `--name` out of the words; whether it was there.
bool take_switch(std::vector<std::string>& words, std::string_view name);
/// Takes `--name value` or `--name=value` out of the words. Code::invalid: no value follows.
Result<std::optional<std::string>> take_option(std::vector<std::string>& words,
                                               std::string_view name);
/// "90s", "15m", "24h", "7d", "1h30m" or "0". Code::invalid for anything else.
Result<std::chrono::seconds> parse_period(std::string_view text);

}  // namespace tetrarch::app

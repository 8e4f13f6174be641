// SPDX-License-Identifier: Apache-2.0
// One line per event on stderr: time, level, room, message. Thread-safe; the level is set once at
// start.
#pragma once

#include <string_view>

#include <fmt/core.h>

namespace tetrarch::log {

enum class Level { debug, info, warning, error };

/// "debug", "info", "warn"/"warning" or "error"; false where the word is none of these.
bool set_level(std::string_view word);
bool enabled(Level level);
void write(Level level, std::string_view room, std::string_view message);

template <class... Args>
void debug(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  if (enabled(Level::debug)) {
    write(Level::debug, room, fmt::format(format, std::forward<Args>(args)...));
  }
}

template <class... Args>
void info(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  write(Level::info, room, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void warning(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  write(Level::warning, room, fmt::format(format, std::forward<Args>(args)...));
}

template <class... Args>
void error(std::string_view room, fmt::format_string<Args...> format, Args&&... args) {
  write(Level::error, room, fmt::format(format, std::forward<Args>(args)...));
}

}  // namespace tetrarch::log

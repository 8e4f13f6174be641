// SPDX-License-Identifier: Apache-2.0
#include "base/log.h"

#include <memory>

#include <spdlog/sinks/stdout_sinks.h>
#include <spdlog/spdlog.h>

namespace tetrarch::log {
namespace {

spdlog::level::level_enum to_spdlog(Level level) {
  switch (level) {
    case Level::debug:
      return spdlog::level::debug;
    case Level::info:
      return spdlog::level::info;
    case Level::warning:
      return spdlog::level::warn;
    case Level::error:
      return spdlog::level::err;
  }
  return spdlog::level::err;
}

spdlog::logger& logger() {
  static const auto made = [] {
    auto sink = std::make_shared<spdlog::sinks::stderr_sink_mt>();
    auto out = std::make_shared<spdlog::logger>("tetrarch", sink);
    out->set_pattern("%Y-%m-%dT%H:%M:%S.%eZ %L %v", spdlog::pattern_time_type::utc);
    out->flush_on(spdlog::level::info);
    return out;
  }();
  return *made;
}

}  // namespace

bool set_level(std::string_view word) {
  struct Row {
    std::string_view word;
    spdlog::level::level_enum level;
  };

  constexpr Row kRows[] = {{"debug", spdlog::level::debug},
                           {"info", spdlog::level::info},
                           {"warn", spdlog::level::warn},
                           {"warning", spdlog::level::warn},
                           {"error", spdlog::level::err}};
  for (const Row& row : kRows) {
    if (row.word == word) {
      logger().set_level(row.level);
      return true;
    }
  }
  return false;
}

bool enabled(Level level) {
  return logger().should_log(to_spdlog(level));
}

void write(Level level, std::string_view room, std::string_view message) {
  logger().log(to_spdlog(level), "[{}] {}", room, message);
}

}  // namespace tetrarch::log

// SPDX-License-Identifier: Apache-2.0
// `tetrarch store backup|restore|check`: which of them, and their words.
#include <algorithm>

#include <fmt/format.h>

#include "app/command.h"
#include "app/store_commands.h"

namespace tetrarch::app {
namespace {

constexpr std::string_view kUsage =
    "usage: tetrarch store backup FILE|DIR | restore FILE [--force] | check [FILE]  [--data-dir "
    "DIR]";

int answer(const Status& done) {
  return done.ok() ? 0 : fail(done.error().message);
}

}  // namespace

int run_store(const Config& config, const std::vector<std::string>& rest) {
  std::vector<std::string> words = rest;
  const bool is_forced = std::erase(words, "--force") > 0;
  const auto strange =
      std::ranges::find_if(words, [](const std::string& word) { return word.starts_with("--"); });
  const std::string what = words.empty() ? "" : words[0];
  if (strange != words.end()) {
    return fail(fmt::format("unknown flag or word '{}'; {}", *strange, kUsage));
  }
  if (what == "restore" && words.size() == 2) {
    return answer(restore(config, words[1], is_forced));
  }
  if (what == "backup" && words.size() == 2 && !is_forced) {
    return answer(back_up(config, words[1]));
  }
  if (what == "check" && words.size() <= 2 && !is_forced) {
    return check(config, words.size() == 2 ? words[1] : "");
  }
  return fail(kUsage);
}

}  // namespace tetrarch::app

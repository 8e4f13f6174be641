// SPDX-License-Identifier: Apache-2.0
// The `tetrarch` command: finds the command, reads its configuration, runs it.
#include <fmt/core.h>

#include "app/command.h"
#include "base/log.h"

namespace tetrarch::app {
namespace {

void print_help() {
  fmt::print("usage: tetrarch COMMAND [flags]\n\n");
  for (const Command& command : commands()) {
    const auto head = fmt::format("{} {}", command.name, command.arguments);
    fmt::print("  {:<26} {}\n", head, command.doc);
  }
  fmt::print("\nflags (each is also a key of the YAML file that --config names):\n");
  for (const ConfigKey& key : config_keys()) {
    const auto head = fmt::format("--{} {}", key.name, key.argument);
    fmt::print("  {:<32} {}\n", head, key.doc);
  }
}

int run(const std::vector<std::string>& words) {
  if (words.empty() || words[0] == "help" || words[0] == "--help" || words[0] == "-h") {
    print_help();
    return words.empty() ? 2 : 0;
  }
  for (const Command& command : commands()) {
    if (command.name != words[0]) {
      continue;
    }
    std::vector<std::string> rest;
    const auto config = read_config({words.begin() + 1, words.end()}, rest);
    if (!config.ok()) {
      return fail(config.error().message);
    }
    if (!rest.empty() && (rest[0] == "--help" || rest[0] == "-h")) {
      print_help();
      return 0;
    }
    if (!log::set_level(config->log_level)) {
      return fail(
          fmt::format("log-level: '{}' is not debug, info, warn or error", config->log_level));
    }
    return command.run(*config, rest);
  }
  return fail(fmt::format("no command '{}'; `tetrarch help` lists them", words[0]));
}

}  // namespace
}  // namespace tetrarch::app

int main(int argc, char** argv) {
  return tetrarch::app::run({argv + 1, argv + argc});
}

// SPDX-License-Identifier: Apache-2.0
// The commands of `tetrarch`: one table for dispatch, help and shell completion.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "app/config.h"

namespace tetrarch::app {

/// The process's exit status; messages have been printed.
using Run = int (*)(const Config& config, const std::vector<std::string>& rest);

struct Command {
  std::string_view name;
  std::string_view arguments;
  std::string_view doc;
  std::vector<std::string_view> keys;  ///< of the configuration; "*": all
  Run run;
};

const std::vector<Command>& commands();
/// Prints "tetrarch: <message>" to stderr; returns 1.
int fail(std::string_view message);

// Each in its own file.
int run_up(const Config& config, const std::vector<std::string>& rest);      // run.cc
int run_server(const Config& config, const std::vector<std::string>& rest);  // run.cc
int run_agent(const Config& config, const std::vector<std::string>& rest);   // run.cc
int run_down(const Config& config, const std::vector<std::string>& rest);
int run_status(const Config& config, const std::vector<std::string>& rest);
int run_token(const Config& config, const std::vector<std::string>& rest);
int run_node(const Config& config, const std::vector<std::string>& rest);
int run_store(const Config& config, const std::vector<std::string>& rest);
int run_rotate(const Config& config, const std::vector<std::string>& rest);
int run_image(const Config& config, const std::vector<std::string>& rest);
int run_bench(const Config& config, const std::vector<std::string>& rest);
int run_version(const Config& config, const std::vector<std::string>& rest);
int run_completion(const Config& config, const std::vector<std::string>& rest);

}  // namespace tetrarch::app

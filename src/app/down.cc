// SPDX-License-Identifier: Apache-2.0
// `tetrarch down`: ends the process of a data directory, then everything that it left running.
#include "agent/down.h"

#include <filesystem>
#include <unistd.h>

#include <fmt/format.h>

#include "app/command.h"
#include "app/machine.h"

namespace tetrarch::app {
namespace {

/// Only what we made: a directory that holds anything else stays, with that in it.
void purge(const std::string& data_dir) {
  std::error_code ignored;
  for (const std::string_view name : {"server",
                                      "agent",
                                      "images",
                                      "manifests",
                                      "admin.kubeconfig",
                                      "join-token",
                                      "tetrarch.pid",
                                      "tetrarch.log",
                                      "agent.sock"}) {
    std::filesystem::remove_all(std::filesystem::path(data_dir) / name, ignored);
  }
  // What `store restore` puts aside, or did not finish.
  for (const auto& entry : std::filesystem::directory_iterator(data_dir, ignored)) {
    const std::string name = entry.path().filename();
    if (name.starts_with("server.replaced-") || name == "server.restoring") {
      std::filesystem::remove_all(entry.path(), ignored);
    }
  }
  std::filesystem::remove(data_dir, ignored);
}

}  // namespace

int run_down(const Config& config, const std::vector<std::string>& rest) {
  const bool is_purge = !rest.empty() && rest[0] == "--purge";
  if (rest.size() > (is_purge ? 1U : 0U)) {
    return fail(fmt::format("unknown flag or word '{}'", rest[is_purge ? 1 : 0]));
  }
  if (geteuid() != 0) {
    return fail("down needs root");
  }
  if (!std::filesystem::exists(config.data_dir)) {
    fmt::print("nothing runs from {}: there is no such directory\n", config.data_dir);
    return 0;
  }
  end_process(config.data_dir);
  const auto done = agent::take_down(config.data_dir, is_purge);
  if (!done.ok()) {
    return fail(done.error().message);
  }
  if (is_purge) {
    purge(config.data_dir);
  }
  fmt::print("nothing runs from {} any more{}\n",
             config.data_dir,
             is_purge ? "; its data is removed" : "");
  return 0;
}

}  // namespace tetrarch::app

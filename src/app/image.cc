// SPDX-License-Identifier: Apache-2.0
// `tetrarch image load FILE.tar`: hands an archive to the agent of this machine.
#include <filesystem>

#include <fmt/format.h>

#include "app/command.h"
#include "app/connect.h"
#include "app/node.h"

namespace tetrarch::app {
namespace {

Result<std::string> load(const std::string& data_dir, const std::string& file) {
  std::error_code error;
  const auto path = std::filesystem::canonical(file, error);
  if (error) {
    return Error{Code::not_found, fmt::format("{}: {}", file, error.message())};
  }
  net::ClientOptions options;
  options.url = "unix://" + agent_socket(data_dir);
  options.request_limit = std::chrono::minutes(10);
  TRY(const auto connection, Connection::open(std::move(options), nullptr));
  TRY(auto answer,
      connection->ask(
          {.method = "POST", .target = "/images/load", .headers = {}, .body = path.string()}));
  if (answer.status != 200) {
    return Error{Code::invalid, answer.body.substr(0, answer.body.find_last_not_of('\n') + 1)};
  }
  return std::move(answer.body);
}

}  // namespace

int run_image(const Config& config, const std::vector<std::string>& rest) {
  if (rest.size() != 2 || rest[0] != "load") {
    return fail("usage: tetrarch image load FILE.tar [--data-dir DIR]");
  }
  const auto names = load(config.data_dir, rest[1]);
  if (!names.ok()) {
    return fail(names.error().message);
  }
  fmt::print("{}", *names);
  return 0;
}

}  // namespace tetrarch::app

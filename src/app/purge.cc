// SPDX-License-Identifier: Apache-2.0
#include "app/purge.h"

#include <algorithm>
#include <array>
#include <string>
#include <string_view>

#include <fmt/format.h>

namespace tetrarch::app {
namespace {

namespace fs = std::filesystem;

/// What nobody else has: made by the first start of each kind, and what the removal of an agent's
/// part that got stuck leaves.
constexpr auto kMarks = std::to_array<std::string_view>({"tetrarch.pid",
                                                         "server/ca.crt",
                                                         "server/ca.key",
                                                         "agent/client.pem",
                                                         "agent/client.crt",
                                                         "agent/objects.key",
                                                         "agent/pods",
                                                         "agent/containerd"});
constexpr auto kFolders = std::to_array<std::string_view>({"server", "agent"});
constexpr auto kPlain = std::to_array<std::string_view>(
    {"images", "manifests", "admin.kubeconfig", "join-token", "tetrarch.log", "agent.sock"});
/// Its operator's: it stays, and says that the directory is ours.
constexpr std::string_view kLogins = "registry-credentials.json";

/// What `store restore` puts aside, or did not finish.
bool is_of_restore(std::string_view name) {
  return name.starts_with("server.replaced-") || name == "server.restoring";
}

/// Others call folders "server" and "agent" as well: without a mark in them only empty ones count.
bool is_harmless(const fs::path& path) {
  std::error_code error;
  const std::string name = path.filename();
  if (std::ranges::find(kFolders, name) != kFolders.end()) {
    return fs::is_empty(path, error) && !error;
  }
  return std::ranges::find(kPlain, name) != kPlain.end() || name == kLogins || is_of_restore(name);
}

}  // namespace

Status check_purge(const fs::path& data_dir) {
  std::error_code error;
  if (std::ranges::any_of(
          kMarks, [&](std::string_view mark) { return fs::exists(data_dir / mark, error); })) {
    return ok();
  }
  for (const auto& entry : fs::directory_iterator(data_dir, error)) {
    if (!is_harmless(entry.path())) {
      return Error{Code::invalid,
                   fmt::format("{} is no data directory of tetrarch: it has {}, and neither "
                               "server/ca.crt nor agent/objects.key. Nothing is removed",
                               data_dir.string(),
                               entry.path().filename().string())};
    }
  }
  return error ? Status(Error{Code::invalid,
                              fmt::format("{}: {}", data_dir.string(), error.message())})
               : ok();
}

void purge(const fs::path& data_dir) {
  std::error_code ignored;
  for (const auto name : kFolders) {
    fs::remove_all(data_dir / name, ignored);
  }
  for (const auto name : kPlain) {
    fs::remove_all(data_dir / name, ignored);
  }
  for (const auto& entry : fs::directory_iterator(data_dir, ignored)) {
    if (is_of_restore(entry.path().filename().string())) {
      fs::remove_all(entry.path(), ignored);
    }
  }
}

}  // namespace tetrarch::app

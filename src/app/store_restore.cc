// SPDX-License-Identifier: Apache-2.0
// `tetrarch store restore`: a backup becomes the server's part of a data directory. It is made
// beside what is there and takes its place at the very end, by one rename.
#include <array>
#include <filesystem>
#include <string_view>

#include <fmt/format.h>

#include "app/backup_file.h"
#include "app/keys.h"
#include "app/machine.h"
#include "app/ownership.h"
#include "app/store_commands.h"
#include "base/clock.h"
#include "store/journal_rocksdb.h"
#include "trust/secret_file.h"

namespace tetrarch::app {
namespace {

namespace fs = std::filesystem;

Error failed(const fs::path& path, const std::error_code& error) {
  return {Code::unavailable, fmt::format("{}: {}", path.string(), error.message())};
}

Status clear(const fs::path& path) {
  std::error_code error;
  fs::remove_all(path, error);
  return error ? Status(failed(path, error)) : ok();
}

Status move_to(const fs::path& from, const fs::path& to) {
  std::error_code error;
  fs::rename(from, to, error);
  return error ? Status(failed(from, error)) : ok();
}

bool has_something(const fs::path& directory) {
  std::error_code ignored;
  return fs::exists(directory, ignored) && !fs::is_empty(directory, ignored);
}

Status write_store(const BackupFile& backup, const std::string& directory, std::uint64_t revision) {
  TRY(const auto journal, store::open_rocksdb_journal({.directory = directory}));
  TRY_STATUS(journal->begin());
  store::RestoreWriter writer(*journal, revision);
  TRY_STATUS(backup.pairs(
      [&writer](std::string_view key, std::string_view value) { return writer.put(key, value); }));
  return writer.finish();
}

/// All of server/ in a directory beside it; the join token waits in there too.
Status stage(const BackupFile& backup, const fs::path& staging, std::uint64_t revision) {
  TRY_STATUS(clear(staging));  // of a restore that was cut off
  TRY_STATUS(make_directory(staging));
  for (const auto& [name, bytes] : backup.files()) {
    TRY_STATUS(trust::write_file_atomically((staging / fs::path(name).filename()).string(), bytes));
  }
  return write_store(backup, (staging / "store").string(), revision);
}

/// With fewer of them a start would make new ones, and nobody would be known any more.
constexpr auto kNeeded = std::to_array<std::string_view>(
    {"server/ca.crt", "server/ca.key", "server/encryption.keys", "server/service-account.keys"});

Status check_backup(const BackupFile& backup) {
  for (const auto name : kNeeded) {
    if (!backup.files().contains(std::string(name))) {
      return Error{Code::invalid, fmt::format("this backup lacks {}", name)};
    }
  }
  TRY(const auto report, backup.check());
  if (!report.damage.empty()) {
    return Error{Code::internal,
                 fmt::format("this backup is not whole ({}): `tetrarch store check FILE` says more",
                             report.damage.front())};
  }
  return ok();
}

Status check_staged(const fs::path& staging) {
  TRY(const auto keys, trust::read_file((staging / "encryption.keys").string()));
  TRY(auto ring, trust::KeyRing::from_text(keys));
  const auto sealing = sealing_with(std::make_shared<RestKeys>(std::move(ring)));
  TRY(const auto written, store::check_store((staging / "store").string(), sealing));
  if (!written.damage.empty()) {
    return Error{Code::internal,
                 fmt::format("what was written cannot be read back: {}", written.damage.front())};
  }
  return ok();
}

/// What was there stays, under another name.
Status put_aside(const fs::path& server) {
  const auto seconds = system_clock().now().time_since_epoch() / std::chrono::seconds(1);
  const fs::path aside = fmt::format("{}.replaced-{}", server.string(), seconds);
  TRY_STATUS(move_to(server, aside));
  fmt::print(
      "what was in {} is in {} now; remove it when all is well\n", server.string(), aside.string());
  return ok();
}

}  // namespace

Status restore(const Config& config, const std::string& file, bool is_forced) {
  TRY(const auto backup, BackupFile::open(file));
  TRY_STATUS(check_backup(backup));
  TRY(const auto owned, Ownership::take(config.data_dir));
  const fs::path data_dir = config.data_dir;
  const fs::path server = data_dir / "server";
  const bool is_occupied = has_something(server);
  if (is_occupied && !is_forced) {
    return Error{Code::already_exists,
                 fmt::format("{} is not empty; --force puts aside what is there", server.string())};
  }
  const auto revision = store::revision_after_restore(backup.head(), system_clock().now());
  const fs::path staging = data_dir / "server.restoring";
  TRY_STATUS(stage(backup, staging, revision));
  TRY_STATUS(check_staged(staging));
  if (is_occupied) {
    TRY_STATUS(put_aside(server));
  } else {
    TRY_STATUS(clear(server));
  }
  if (const fs::path token = staging / "join-token"; fs::exists(token)) {
    TRY_STATUS(move_to(token, data_dir / "join-token"));
  }
  TRY_STATUS(move_to(staging, server));
  TRY_STATUS(sync_directory(data_dir));
  fmt::print("restored the store as of {} (revision {}); the cluster goes on above revision {}\n",
             format_time(backup.head().taken_at),
             backup.head().revision.number,
             revision);
  return ok();
}

}  // namespace tetrarch::app

// SPDX-License-Identifier: Apache-2.0
// `tetrarch store backup`: the store at one revision, as the running server streams it, and the
// files that a cluster needs besides, which never cross the network.
#include <filesystem>

#include <fmt/format.h>

#include "app/backup_file.h"
#include "app/connect.h"
#include "app/machine.h"
#include "app/ownership.h"
#include "app/store_commands.h"
#include "base/clock.h"
#include "store/journal_rocksdb.h"

namespace tetrarch::app {
namespace {

/// The file that is asked for, or one in the directory, named by the time.
std::string name_file(const std::string& where) {
  if (!std::filesystem::is_directory(where)) {
    return where;
  }
  std::string time = format_time(system_clock().now());
  std::erase(time, ':');
  return fmt::format("{}/tetrarch-{}.backup", where, time);
}

/// The server goes on writing; what it sends is checked and written as it comes.
Result<store::BackupHead> copy_running(const Config& config, BackupWriter& out) {
  TRY(const auto connection, Connection::as_admin(config.data_dir));
  store::BackupDecoder decoder;
  const auto take = [&](const store::BackupFrame& frame) {
    switch (frame.type) {
      case store::BackupFrame::Type::head:
        return out.head(*decoder.head());
      case store::BackupFrame::Type::pair:
        return out.pair(frame.key, frame.value);
      default:
        return ok();
    }
  };
  TRY_STATUS(connection->receive({.target = "/tetrarch/v1/backup"}, [&](std::string_view bytes) {
    return decoder.push(bytes, take);
  }));
  TRY_STATUS(decoder.finish());
  return *decoder.head();
}

/// A store that is damaged is not copied: the backup would be too.
Result<store::BackupHead> copy_stopped(const Config& config, BackupWriter& out) {
  TRY(const auto owned, Ownership::take(config.data_dir));
  TRY(const auto sealing, sealing_of(config));
  TRY(const auto report, store::check_store(store_directory(config), sealing));
  if (!report.damage.empty()) {
    return Error{Code::internal,
                 fmt::format("the store in {} is damaged ({}): `tetrarch store check` says more",
                             store_directory(config),
                             report.damage.front())};
  }
  const store::BackupHead head{Revision{report.reserved}, system_clock().now()};
  TRY_STATUS(out.head(head));
  TRY(const auto journal, store::open_rocksdb_journal({.directory = store_directory(config)}));
  TRY_STATUS(journal->load(
      [&](std::string_view key, std::string_view value) { return out.pair(key, value); }));
  return head;
}

}  // namespace

Status back_up(const Config& config, const std::string& where) {
  const auto path = name_file(where);
  TRY(const auto out, BackupWriter::make(path));
  TRY(const auto head,
      running_process(config.data_dir) > 0 ? copy_running(config, *out)
                                           : copy_stopped(config, *out));
  // Behind the store: keys that seal something in it are among them, whatever was rotated
  // meanwhile.
  TRY(const auto files, files_to_keep(config.data_dir));
  TRY_STATUS(out->finish(files));
  fmt::print(
      "{}: the store at revision {} and {} files, {} bytes. It holds the cluster's keys: keep it "
      "where nobody else reads it\n",
      path,
      head.revision.number,
      files.size(),
      out->bytes());
  return ok();
}

}  // namespace tetrarch::app

// SPDX-License-Identifier: Apache-2.0
#include "app/backup_file.h"

#include <cerrno>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <fstream>
#include <unistd.h>
#include <utility>

#include <fmt/format.h>

#include "app/keys.h"
#include "app/machine.h"

namespace tetrarch::app {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kWrite = std::size_t{1} << 20;
constexpr std::string_view kServer = "server/";
constexpr std::string_view kJoinToken = "join-token";

/// A plain file of server/, or the join token: nothing in a backup is written anywhere else.
bool is_ours(std::string_view name) {
  if (name == kJoinToken) {
    return true;
  }
  if (!name.starts_with(kServer)) {
    return false;
  }
  name.remove_prefix(kServer.size());
  return !name.empty() && name != "store" && name.front() != '.' &&
         name.find('/') == std::string_view::npos && name.find('\0') == std::string_view::npos;
}

}  // namespace

Result<std::map<std::string, std::string>> files_to_keep(const std::string& data_dir) {
  std::map<std::string, std::string> files;
  std::error_code error;
  for (fs::directory_iterator at(data_dir + "/server", error), end; !error && at != end;
       at.increment(error)) {
    const auto name = std::string(kServer) + at->path().filename().string();
    if (at->is_regular_file() && is_ours(name)) {
      TRY(files[name], read_file(at->path()));
    }
  }
  if (error) {
    return Error{Code::unavailable,
                 fmt::format("cannot read {}/server: {}", data_dir, error.message())};
  }
  if (const auto token = read_file(data_dir + "/join-token"); token.ok()) {
    files[std::string(kJoinToken)] = *token;
  }
  return files;
}

Result<std::unique_ptr<BackupWriter>> BackupWriter::make(const std::string& path) {
  if (fs::exists(path)) {
    return Error{Code::already_exists,
                 fmt::format("{} exists; a backup replaces no file: take another name", path)};
  }
  std::string part = path + ".XXXXXX";
  const int fd = mkostemp(part.data(), O_CLOEXEC);  // 0600
  if (fd < 0) {
    return Error{Code::unavailable, fmt::format("cannot write {}: {}", path, std::strerror(errno))};
  }
  return std::make_unique<BackupWriter>(path, std::move(part), fd);
}

BackupWriter::~BackupWriter() {
  if (fd_ >= 0) {
    close(fd_);
    unlink(part_.c_str());
  }
}

Status BackupWriter::head(const store::BackupHead& head) {
  waiting_ += encoder_.head(head);
  return ok();
}

Status BackupWriter::pair(std::string_view key, std::string_view value) {
  encoder_.pair(waiting_, key, value);
  return waiting_.size() < kWrite ? ok() : flush();
}

Status BackupWriter::finish(const std::map<std::string, std::string>& files) {
  for (const auto& [name, bytes] : files) {
    waiting_ += encoder_.file(name, bytes);
  }
  waiting_ += encoder_.end();
  TRY_STATUS(flush());
  if (fsync(fd_) != 0) {
    return failed("sync");
  }
  if (renameat2(AT_FDCWD, part_.c_str(), AT_FDCWD, path_.c_str(), RENAME_NOREPLACE) != 0) {
    return failed("name");
  }
  close(std::exchange(fd_, -1));
  return sync_directory(fs::absolute(path_).parent_path());
}

Status BackupWriter::flush() {
  std::string_view rest = waiting_;
  while (!rest.empty()) {
    const ssize_t count = write(fd_, rest.data(), rest.size());
    if (count < 0 && errno != EINTR) {
      return failed("write");
    }
    rest.remove_prefix(count < 0 ? 0 : static_cast<std::size_t>(count));
  }
  bytes_ += waiting_.size();
  waiting_.clear();
  return ok();
}

Error BackupWriter::failed(std::string_view doing) const {
  return {Code::unavailable, fmt::format("cannot {} {}: {}", doing, path_, std::strerror(errno))};
}

Result<BackupFile> BackupFile::open(const std::string& path) {
  BackupFile file(path);
  TRY_STATUS(file.read([&file](const store::BackupFrame& frame) {
    if (frame.type != store::BackupFrame::Type::file) {
      return ok();
    }
    if (!is_ours(frame.key)) {
      return Status(
          Error{Code::internal, fmt::format("it has a file of no known place: {}", frame.key)});
    }
    file.files_[std::string(frame.key)] = frame.value;
    return ok();
  }));
  return file;
}

Status BackupFile::read(const store::BackupDecoder::Visit& visit) {
  std::ifstream in(path_, std::ios::binary);
  if (!in) {
    return Error{Code::not_found, fmt::format("cannot read {}: {}", path_, std::strerror(errno))};
  }
  store::BackupDecoder decoder;
  std::string piece(kWrite, '\0');
  Status outcome = ok();
  while (outcome.ok() && in) {
    in.read(piece.data(), static_cast<std::streamsize>(piece.size()));
    outcome = decoder.push(std::string_view(piece).substr(0, static_cast<std::size_t>(in.gcount())),
                           visit);
  }
  if (outcome.ok() && in.bad()) {
    outcome = Error{Code::unavailable, std::strerror(errno)};
  }
  outcome = outcome.ok() ? decoder.finish() : outcome;
  if (!outcome.ok()) {
    return Error{outcome.error().code, fmt::format("{}: {}", path_, outcome.error().message)};
  }
  head_ = *decoder.head();
  return ok();
}

Status BackupFile::pairs(const Visit& visit) const {
  BackupFile again(path_);
  return again.read([&visit](const store::BackupFrame& frame) {
    return frame.type == store::BackupFrame::Type::pair ? visit(frame.key, frame.value) : ok();
  });
}

Result<store::CheckReport> BackupFile::check() const {
  store::Sealing sealing;
  if (const auto keys = files_.find("server/encryption.keys"); keys != files_.end()) {
    TRY(auto ring, trust::KeyRing::from_text(keys->second));
    sealing = sealing_with(std::make_shared<RestKeys>(std::move(ring)));
  }
  store::PairChecker checker(sealing);
  TRY_STATUS(pairs([&checker](std::string_view key, std::string_view value) {
    checker.see(key, value);
    return ok();
  }));
  return checker.finish();
}

}  // namespace tetrarch::app

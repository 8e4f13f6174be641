// SPDX-License-Identifier: Apache-2.0
#include "app/audit_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <fcntl.h>
#include <filesystem>
#include <unistd.h>
#include <vector>

#include <fmt/core.h>
#include <sys/stat.h>

#include "base/log.h"

namespace tetrarch::app {
namespace {

namespace fs = std::filesystem;

constexpr std::string_view kRoom = "audit";

Error failure(std::string_view what, const std::string& path) {
  return {Code::unavailable, fmt::format("{} {}: {}", what, path, std::strerror(errno))};
}

/// audit.log is put aside as audit-2026-11-28T05-26-24.123456Z.log: names sort by age.
std::string stamp(TimePoint time) {
  auto text = format_micro_time(time);
  std::replace(text.begin(), text.end(), ':', '-');
  return text;
}

}  // namespace

AuditFile::AuditFile(AuditFileOptions options,
                     async::BlockingPool& pool,
                     Metrics& metrics,
                     const Clock& clock)
    : options_(std::move(options)),
      pool_(pool),
      clock_(clock),
      // Source: Kubernetes documentation, "Auditing", metrics.
      written_(metrics.counter("apiserver_audit_event_total", "Audit events written.")),
      failed_(metrics.counter("apiserver_audit_error_total",
                              "Audit events that could not be written, and those dropped.",
                              R"(plugin="log")")),
      dropped_(metrics.counter("tetrarch_audit_dropped_total",
                               "Audit events dropped because the disk was too slow.")) {}

AuditFile::~AuditFile() {
  flush();
  if (fd_ >= 0) {
    ::close(fd_);
  }
}

/// The file before stays in use until the new one is: it is written to where none can be opened.
Status AuditFile::open() {
  const int fresh = ::open(options_.path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
  if (fresh < 0) {
    return failure("cannot open the audit log", options_.path);
  }

  struct stat info {};

  if (::fstat(fresh, &info) != 0) {
    const auto error = failure("cannot read the size of", options_.path);
    ::close(fresh);
    return error;
  }
  if (fd_ >= 0) {
    ::close(fd_);
  }
  fd_ = fresh;
  size_ = static_cast<std::uint64_t>(info.st_size);
  return ok();
}

void AuditFile::write(std::string line) {
  line += '\n';
  const std::lock_guard lock(mutex_);
  if (queue_.size() + line.size() > options_.queue_max) {
    dropped_.add();
    failed_.add();
    return;
  }
  queue_ += line;
  if (!is_draining_) {
    is_draining_ = true;
    pool_.post([this] { drain(); });
  }
}

void AuditFile::flush() {
  std::unique_lock lock(mutex_);
  idle_.wait(lock, [this] { return !is_draining_; });
}

void AuditFile::drain() {
  std::string taken;
  while (true) {
    taken.clear();
    {
      const std::lock_guard lock(mutex_);
      if (queue_.empty()) {
        is_draining_ = false;
        idle_.notify_all();
        return;
      }
      std::swap(taken, queue_);
    }
    put(taken);
  }
}

/// As many lines as the file has room for, then a new one.
void AuditFile::put(std::string_view lines) {
  while (!lines.empty()) {
    const auto room = options_.size_max > size_ ? options_.size_max - size_ : 0;
    auto end = lines.size();
    if (end > room) {
      const auto last = room == 0 ? std::string_view::npos : lines.rfind('\n', room - 1);
      end = last == std::string_view::npos ? 0 : last + 1;
    }
    if (end == 0 && size_ == 0) {
      end = lines.find('\n') + 1;  // one line that is larger than a file
    }
    append(lines.substr(0, end));
    lines.remove_prefix(end);
    if (lines.empty()) {
      return;
    }
    if (const auto rotated = rotate(); !rotated.ok()) {
      note_failure(rotated.error());
      append(lines);  // rather a file that is too large than none
      return;
    }
  }
}

void AuditFile::append(std::string_view lines) {
  const auto count = static_cast<std::uint64_t>(std::count(lines.begin(), lines.end(), '\n'));
  while (!lines.empty()) {
    const auto done = ::write(fd_, lines.data(), lines.size());
    if (done < 0 && errno == EINTR) {
      continue;
    }
    if (done < 0) {
      failed_.add(count);
      note_failure(failure("cannot write to", options_.path));
      return;
    }
    size_ += static_cast<std::uint64_t>(done);
    lines.remove_prefix(static_cast<std::size_t>(done));
  }
  written_.add(count);
}

Status AuditFile::rotate() {
  const fs::path path(options_.path);
  const auto aside =
      path.parent_path() /
      fmt::format("{}-{}{}", path.stem().string(), stamp(clock_.now()), path.extension().string());
  // It may be gone: removed by somebody, or put aside when no new one could be opened.
  if (::rename(options_.path.c_str(), aside.c_str()) != 0 && errno != ENOENT) {
    return failure("cannot put aside", options_.path);
  }
  TRY_STATUS(open());
  prune();
  return ok();
}

void AuditFile::prune() const {
  const fs::path path(options_.path);
  const auto folder = path.has_parent_path() ? path.parent_path() : fs::path(".");
  const auto begin = path.stem().string() + "-2";  // a year follows
  std::vector<fs::path> aside;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto name = entry.path().filename().string();
    if (name.starts_with(begin) && entry.path().extension() == path.extension()) {
      aside.push_back(entry.path());
    }
  }
  std::sort(aside.begin(), aside.end());
  const auto oldest =
      fmt::format("{}-{}", path.stem().string(), stamp(clock_.now() - options_.age_max));
  for (std::size_t i = 0; i < aside.size(); ++i) {
    const bool is_surplus = options_.backups_max > 0 && i + options_.backups_max < aside.size();
    const bool is_old = options_.age_max.count() > 0 && aside[i].filename().string() < oldest;
    if (is_surplus || is_old) {
      fs::remove(aside[i], error);
    }
  }
}

/// At most once a minute: a full disk would fill the process's own log as well.
void AuditFile::note_failure(const Error& error) {
  const auto now = clock_.steady();
  if (told_ == SteadyPoint{} || now - told_ > std::chrono::minutes(1)) {
    told_ = now;
    log::error(kRoom, "{}", error.message);
  }
}

}  // namespace tetrarch::app

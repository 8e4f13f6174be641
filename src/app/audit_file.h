// SPDX-License-Identifier: Apache-2.0
// The file that the audit log is written to: lines from any thread, written by one task of the
// blocking pool at a time, rotated by size, count and age. Never makes a request wait: lines that
// come faster than the disk takes them are dropped and counted. Owned by the control plane, which
// stops the server first.
#pragma once

#include <condition_variable>
#include <mutex>
#include <string>

#include "async/io_pool.h"
#include "base/clock.h"
#include "base/metrics.h"
#include "base/result.h"

namespace tetrarch::app {

struct AuditFileOptions {
  std::string path;
  std::uint64_t size_max = 100 * 1024 * 1024;  ///< of one file; then it is put aside
  std::size_t backups_max = 10;                ///< files put aside that are kept; 0: all
  std::chrono::hours age_max{0};               ///< older ones are removed; 0: never
  std::size_t queue_max = 16 * 1024 * 1024;    ///< bytes that wait to be written
};

class AuditFile {
 public:
  /// `pool`, `metrics` and `clock` outlive it.
  AuditFile(AuditFileOptions options,
            async::BlockingPool& pool,
            Metrics& metrics,
            const Clock& clock);
  /// Waits until what was taken is written.
  ~AuditFile();
  AuditFile(const AuditFile&) = delete;
  AuditFile& operator=(const AuditFile&) = delete;

  Status open();
  /// Any thread; never waits.
  void write(std::string line);
  /// Waits until what was taken so far is written. Not from a thread of the pool.
  void flush();

 private:
  void drain();
  void put(std::string_view lines);
  void append(std::string_view lines);
  Status rotate();
  void prune() const;
  void note_failure(const Error& error);

  const AuditFileOptions options_;
  async::BlockingPool& pool_;
  const Clock& clock_;
  Counter& written_;
  Counter& failed_;
  Counter& dropped_;
  std::mutex mutex_;  // guards what follows
  std::condition_variable idle_;
  std::string queue_;
  bool is_draining_ = false;
  // Of the one task that drains:
  int fd_ = -1;
  std::uint64_t size_ = 0;
  SteadyPoint told_{};  // when a failure was logged last
};

}  // namespace tetrarch::app

// SPDX-License-Identifier: Apache-2.0
// A journal in memory, for tests and the simulator: its Disk outlives it, so that a restart, a
// power loss, damage and a full disk can be played. Thread-safe where Disk is.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <mutex>
#include <string>

#include "store/journal.h"

namespace tetrarch::store {

/// What is left when the process ends. Thread-safe.
class MemoryDisk {
 public:
  std::map<std::string, std::string> contents() const;
  /// As a person with an editor would: changes what the next start finds.
  void overwrite(std::string key, std::string value);
  /// What the next start would find if the process were killed now (all that was appended), or the
  /// machine lost power (what was appended durably). A disk of its own; this one goes on.
  std::shared_ptr<MemoryDisk> after_kill() const;
  std::shared_ptr<MemoryDisk> after_power_loss() const;
  /// Every append fails from now on.
  void break_down();
  std::size_t syncs() const;
  std::size_t appends() const;

 private:
  friend class MemoryJournal;
  Status append(const std::vector<Journal::Write>& writes, bool is_durable);

  mutable std::mutex mutex_;  // guards all below
  std::map<std::string, std::string> written_;
  std::map<std::string, std::string> durable_;
  std::vector<Journal::Write> unsynced_;  // bodies moved into the heads
  std::size_t syncs_ = 0;
  std::size_t appends_ = 0;
  bool is_broken_ = false;
};

std::unique_ptr<Journal> make_memory_journal(std::shared_ptr<MemoryDisk> disk);

}  // namespace tetrarch::store

// SPDX-License-Identifier: Apache-2.0
#include "store/journal_memory.h"

#include <utility>
#include <vector>

namespace tetrarch::store {
namespace {

void apply(std::map<std::string, std::string>& pairs, const Journal::Write& write) {
  if (write.is_delete) {
    pairs.erase(write.key);
    return;
  }
  std::string value = write.head;
  value += write.body;
  pairs.insert_or_assign(write.key, std::move(value));
}

}  // namespace

std::map<std::string, std::string> MemoryDisk::contents() const {
  const std::lock_guard lock(mutex_);
  return written_;
}

void MemoryDisk::overwrite(std::string key, std::string value) {
  const std::lock_guard lock(mutex_);
  durable_.insert_or_assign(key, value);
  written_.insert_or_assign(std::move(key), std::move(value));
}

std::shared_ptr<MemoryDisk> MemoryDisk::after_kill() const {
  const std::lock_guard lock(mutex_);
  auto disk = std::make_shared<MemoryDisk>();
  disk->written_ = written_;
  disk->durable_ = written_;
  return disk;
}

std::shared_ptr<MemoryDisk> MemoryDisk::after_power_loss() const {
  const std::lock_guard lock(mutex_);
  auto disk = std::make_shared<MemoryDisk>();
  disk->written_ = durable_;
  disk->durable_ = durable_;
  return disk;
}

void MemoryDisk::break_down() {
  const std::lock_guard lock(mutex_);
  is_broken_ = true;
}

std::size_t MemoryDisk::syncs() const {
  const std::lock_guard lock(mutex_);
  return syncs_;
}

std::size_t MemoryDisk::appends() const {
  const std::lock_guard lock(mutex_);
  return appends_;
}

Status MemoryDisk::append(const std::vector<Journal::Write>& writes, bool is_durable) {
  const std::lock_guard lock(mutex_);
  if (is_broken_) {
    return Error{Code::unavailable, "the memory disk was told to break down"};
  }
  ++appends_;
  for (const Journal::Write& write : writes) {
    apply(written_, write);
    Journal::Write kept{
        .key = write.key, .head = write.head, .body = {}, .is_delete = write.is_delete};
    kept.head += write.body;
    unsynced_.push_back(std::move(kept));
  }
  if (is_durable) {
    ++syncs_;
    for (const Journal::Write& write : unsynced_) {
      apply(durable_, write);
    }
    unsynced_.clear();
  }
  return ok();
}

class MemoryJournal : public Journal {
 public:
  explicit MemoryJournal(std::shared_ptr<MemoryDisk> disk) : disk_(std::move(disk)) {}

  Status load(const Visit& visit) override {
    for (const auto& [key, value] : disk_->contents()) {
      TRY_STATUS(visit(key, value));
    }
    return ok();
  }

  Status begin() override { return ok(); }

  Status append(const std::vector<Write>& writes, bool is_durable) override {
    return disk_->append(writes, is_durable);
  }

  std::string place() const override { return "memory"; }

 private:
  const std::shared_ptr<MemoryDisk> disk_;  // shared with the test that looks at it afterwards
};

std::unique_ptr<Journal> make_memory_journal(std::shared_ptr<MemoryDisk> disk) {
  return std::make_unique<MemoryJournal>(std::move(disk));
}

}  // namespace tetrarch::store

// SPDX-License-Identifier: Apache-2.0
#include "agent/status_writer.h"

#include "agent/static_pods.h"
#include "agent/status.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

constexpr std::size_t kBatchMax = 64;
constexpr int kConflictTries = 5;

bool is_away(const Error& error) {
  return error.code == Code::unavailable || error.code == Code::timeout ||
         error.code == Code::exhausted || error.code == Code::unauthenticated;
}

}  // namespace

client::WriteOptions status_write(const std::string& uid, Revision expected) {
  client::WriteOptions out;
  out.subresource = "status";
  out.expected = expected;
  out.expected_uid = uid;
  return out;
}

StatusWriter::StatusWriter(client::Client& client, Objects& objects)
    : client_(client), objects_(objects) {
  objects_.on_untold_end([this](const Stored& pod) {
    submit(pod.key, std::string(pod.uid()), std::string(pod.root()["status"].raw()));
  });
}

void StatusWriter::submit(Key pod, std::string uid, std::string status) {
  waiting_[std::move(uid)] = Entry{std::move(pod), std::move(status), ++count_};
  changed_.raise();
}

void StatusWriter::drop(const std::string& uid, std::uint64_t number) {
  const auto at = waiting_.find(uid);
  if (at != waiting_.end() && at->second.number == number) {
    waiting_.erase(at);
  }
}

Task<void> StatusWriter::run() {
  std::chrono::seconds pause(1);
  while (true) {
    while (waiting_.empty()) {
      co_await changed_.wait();
    }
    if (co_await write_batch()) {
      pause = std::chrono::seconds(1);
      continue;
    }
    co_await async::sleep_for(pause);
    pause = std::min(pause * 2, std::chrono::seconds(10));
  }
}

/// False where the server is away.
Task<bool> StatusWriter::write_batch() {
  std::vector<std::pair<std::string, Entry>> batch;
  std::vector<client::Change> changes;
  for (const auto& [uid, entry] : waiting_) {
    if (batch.size() == kBatchMax) {
      break;
    }
    const auto* stored = objects_.find(entry.pod);
    if (stored == nullptr || !is_shown_by(*stored, uid)) {
      batch.emplace_back(uid, entry);
      changes.emplace_back();
      continue;
    }
    client::Change change;
    change.key = entry.pod;
    change.document = with_status(stored->root(), entry.status);
    change.write = status_write(std::string(stored->uid()), stored->revision);
    batch.emplace_back(uid, entry);
    changes.push_back(std::move(change));
  }
  // Pods that have gone in the meantime are not written.
  std::vector<client::Change> sent;
  std::vector<std::pair<std::string, Entry>> sent_entries;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    if (changes[i].document == nullptr) {
      drop(batch[i].first, batch[i].second.number);
    } else {
      sent.push_back(std::move(changes[i]));
      sent_entries.push_back(std::move(batch[i]));
    }
  }
  if (sent.empty()) {
    co_return true;
  }
  co_await save_ends(sent);
  is_server_away_ = false;
  auto written = co_await client_.apply(std::move(sent));
  for (std::size_t i = 0; i < sent_entries.size() && i < written.size(); ++i) {
    co_await settle(sent_entries[i].first, sent_entries[i].second, std::move(written[i]));
  }
  co_return !is_server_away_;
}

/// A pod's end is on our disk before anybody else learns of it: what a machine that loses power a
/// moment later would otherwise run again.
Task<void> StatusWriter::save_ends(const std::vector<client::Change>& changes) {
  bool has_new = false;
  for (const auto& change : changes) {
    has_new |= is_final(change.document->root()) &&
               objects_.end_pod(change.key, change.document->root()["status"].raw());
  }
  if (has_new) {
    co_await objects_.saved();
  }
}

Task<void> StatusWriter::settle(std::string uid, Entry entry, Result<Stored> written) {
  for (int tries = 0;
       !written.ok() && written.error().code == Code::conflict && tries < kConflictTries;
       ++tries) {
    written = co_await write_on_fresh(uid, entry);
  }
  if (written.ok()) {
    objects_.note(*written);
  } else if (is_away(written.error())) {
    is_server_away_ = true;
    co_return;  // stays waiting
  } else if (written.error().code != Code::not_found &&
             written.error().code != Code::precondition) {
    log::warning("agent",
                 "status of pod {}/{} refused: {}",
                 entry.pod.ns,
                 entry.pod.name,
                 written.error().message);
  }
  drop(uid, entry.number);
}

Task<Result<Stored>> StatusWriter::write_on_fresh(std::string uid, Entry entry) {
  CO_TRY(const Stored fresh, co_await client_.get(entry.pod));
  if (!is_shown_by(fresh, uid)) {
    co_return Error{Code::not_found, "another pod of that name"};
  }
  auto options = status_write(std::string(fresh.uid()), fresh.revision);
  co_return co_await client_.update(
      entry.pod, with_status(fresh.root(), entry.status), std::move(options));
}

}  // namespace tetrarch::agent

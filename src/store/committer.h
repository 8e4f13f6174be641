// SPDX-License-Identifier: Apache-2.0
// Committer: the one thread that writes. Takes everything that waits as one batch: evaluates it on
// the head, writes it to the journal with one fsync, publishes the new root, then the changes, then
// answers. While the fsync runs the next batch gathers in the queue.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <vector>

#include "base/clock.h"
#include "base/metrics.h"
#include "store/batch.h"
#include "store/hub.h"
#include "store/journal.h"
#include "store/queue.h"
#include "store/recovery.h"

namespace tetrarch::store {

/// The newest root. A mutex held for the copy of one pointer: std::atomic<std::shared_ptr> of
/// libstdc++ 12 is a spin lock too, and one that ThreadSanitizer takes for a race.
class PublishedRoot {
 public:
  explicit PublishedRoot(std::shared_ptr<const Snapshot::Root> root) : root_(std::move(root)) {}

  std::shared_ptr<const Snapshot::Root> get() const {
    const std::lock_guard lock(mutex_);
    return root_;
  }

  void set(std::shared_ptr<const Snapshot::Root> root) {
    const std::lock_guard lock(mutex_);
    root_.swap(root);  // the old one is freed after the lock
  }

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<const Snapshot::Root> root_;
};

class Committer {
 public:
  struct Parts {
    Journal& journal;
    Queue& queue;
    Hub& hub;
    PublishedRoot& published;
  };

  /// `options` outlives it.
  Committer(Parts parts, const Options& options, Revision reserved);

  /// Until the queue is closed and drained; then closes the journal's books. On the committer's
  /// thread.
  void run();
  /// One batch of what waits, if anything does.
  void turn();

 private:
  void commit(std::vector<Request> requests);
  Status write(Batch& batch);
  void publish(const Batch& batch);
  void count(const Batch& batch);
  void count(const std::vector<Committing>& answers);
  void give_back_reservation();

  struct Series {
    explicit Series(Metrics& metrics);
    Counter& committed;
    Counter& refused;
    Counter& batches;
    Counter& mutations;
    Counter& written_bytes;
    Histogram& append_s;
    Gauge& bytes;
    Metrics& metrics;
    std::unordered_map<std::string, Gauge*> objects = {};  // by resource
  };

  const Parts parts_;
  const Options& options_;
  const Clock& clock_;
  std::shared_ptr<const Snapshot::Root> head_;  // what was published last
  Revision reserved_;                           // durably: revisions up to here may be given out
  std::uint64_t next_batch_id_ = 2;
  std::optional<Error> failure_;  // set once the journal has failed; for good
  std::optional<Series> series_;
};

}  // namespace tetrarch::store

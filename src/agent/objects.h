// SPDX-License-Identifier: Apache-2.0
// What the feed has brought: the pods of this node, what they refer to, services and endpoints.
// Kept on disk, so that an agent that starts while no server answers runs what it ran before. Used
// on the agent's strand.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "async/io_pool.h"
#include "async/task.h"
#include "async/timer.h"
#include "base/result.h"
#include "client/client.h"
#include "object/stored.h"
#include "trust/at_rest.h"

namespace tetrarch::agent {

class Objects {
 public:
  Objects(std::filesystem::path directory, async::BlockingPool& blocking);

  /// Secrets are saved sealed with these; `keys` outlives it. Before load.
  void set_keys(const trust::KeyRing* keys) { keys_ = keys; }

  /// Called for every change, with null for an object that has gone.
  void on_change(std::function<void(const Key&, DocumentPtr)> listener) {
    listener_ = std::move(listener);
  }

  /// Called with a pod that has ended here while what the server says of it shows no end yet: our
  /// own is kept, and the server has to be told (again).
  void on_untold_end(std::function<void(const Stored&)> listener) { untold_ = std::move(listener); }

  /// What an earlier process saved. Unreadable files are skipped and logged. Blocking; once, before
  /// run.
  void load();
  /// A new feed begins: what it does not name before its bookmark is gone.
  void begin_relist();
  void apply(const client::WatchEvent& event);
  /// Our own write's answer: newer than what the feed has brought so far.
  void note(const Stored& stored);

  /// The pod has ended with this status (canonical JSON). False where that is known already, or the
  /// pod is not.
  bool end_pod(const Key& pod, std::string_view status);

  const Stored* find(const Key& key) const;
  DocumentPtr document(std::string_view resource, std::string_view ns, std::string_view name) const;
  std::vector<Stored> all(std::string_view resource) const;

  bool is_synced() const { return is_synced_; }

  /// Writes changes to disk, gathered for a moment. Owned by a TaskGroup; the only one that writes
  /// while it runs.
  Task<void> save_changes();
  /// Returns when save_changes has written (or, logged, failed to write) all changes up to now. One
  /// caller at a time.
  Task<void> saved();
  /// What cannot be written stays to be saved; the rest is written. The first error.
  Task<Status> save_now();

 private:
  void set(Stored stored);
  void keep_end(const Stored& known, Stored& stored);
  void remove(const Key& key);
  void changed(const Key& key, DocumentPtr document);

  std::filesystem::path directory_;
  const trust::KeyRing* keys_ = nullptr;
  async::BlockingPool& blocking_;
  std::function<void(const Key&, DocumentPtr)> listener_;
  std::map<Key, Stored> objects_;
  std::set<Key> seen_;  ///< during a relist
  bool is_relisting_ = false;
  bool is_synced_ = false;
  std::set<Key> dirty_;  ///< not saved yet
  async::Event has_dirty_;
  std::function<void(const Stored&)> untold_;
  std::uint64_t asked_ = 0;  ///< calls of saved() so far
  std::uint64_t saved_ = 0;  ///< those of them that are answered
  async::Event hurry_;
  async::Event was_saved_;
};

}  // namespace tetrarch::agent

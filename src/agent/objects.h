// SPDX-License-Identifier: Apache-2.0
// What the feed has brought: the pods of this node, what they refer to, services and endpoints.
// Kept on disk, so that an agent that starts while no server answers runs what it ran before. Used
// on the agent's strand.
#pragma once

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

  /// What an earlier process saved. Unreadable files are skipped and logged. Blocking; once, before
  /// run.
  void load();
  /// A new feed begins: what it does not name before its bookmark is gone.
  void begin_relist();
  void apply(const client::WatchEvent& event);
  /// Our own write's answer: newer than what the feed has brought so far.
  void note(const Stored& stored);

  const Stored* find(const Key& key) const;
  DocumentPtr document(std::string_view resource, std::string_view ns, std::string_view name) const;
  std::vector<Stored> all(std::string_view resource) const;

  bool is_synced() const { return is_synced_; }

  /// Writes changes to disk, gathered for a second. Owned by a TaskGroup.
  Task<void> save_changes();
  Task<Status> save_now();

 private:
  void set(const Stored& stored);
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
};

}  // namespace tetrarch::agent

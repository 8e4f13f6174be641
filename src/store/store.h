// SPDX-License-Identifier: Apache-2.0
// Store: the revisioned store. One in-memory index (immutable snapshots, no locks for readers), a bounded history
// for watches, and a journal behind both. Nothing is visible before it is durable, but for keys whose transaction
// says `is_volatile`. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "async/task.h"
#include "base/ids.h"
#include "base/result.h"
#include "object/stored.h"

namespace tetrarch::store {

/// What must hold for a transaction to be applied.
struct Compare {
  Key key;
  /// Revision 0: the key must not exist. Otherwise: it must exist at exactly this revision.
  Revision expected;
};

/// A put (document not null) or a delete.
struct Mutation {
  Key key;
  DocumentPtr document;
  /// Files the object for watches by tag: the node name of a pod; empty: none. At a change of tag, watchers of the
  /// old tag get a delete, those of the new one an add.
  std::string tag = {};
};

/// Applied wholly or not at all. Every mutation gets a revision of its own, in order. No key twice.
struct Transaction {
  std::vector<Compare> compares;
  std::vector<Mutation> mutations;
  bool is_volatile = false;  ///< written without fsync: survives kill -9, not power loss
};

/// The objects as stored, in the order of the mutations; for a delete the last state with the deletion's revision.
struct Committed {
  std::vector<Stored> objects;
};

/// Why a transaction was refused: Code::conflict, with the compare that failed in `failed`.
using Committing = Result<Committed>;

struct Event {
  enum class Type : std::uint8_t { added, modified, deleted };
  Type type = Type::added;
  Stored object;               ///< deleted: the last state, with the deletion's revision
  DocumentPtr previous;        ///< state before; null for added. Selectors need it: match to no match is a delete
};

/// An immutable view of everything at one revision. Cheap to take and to copy; holding one holds its memory.
class Snapshot {
 public:
  class Root;
  explicit Snapshot(std::shared_ptr<const Root> root) : root_(std::move(root)) {}

  Revision revision() const;
  std::optional<Stored> get(const Key& key) const;
  /// Calls `visit` in key order (namespace, then name) for the objects of a resource, in one namespace or (empty) all,
  /// beginning strictly after `after` (ns, name; empty: from the start). `visit` returns false to stop.
  void scan(std::string_view resource,
            std::string_view ns,
            const std::pair<std::string, std::string>& after,
            const std::function<bool(const Stored&)>& visit) const;
  std::size_t count(std::string_view resource, std::string_view ns) const;
  /// Every resource that has an object.
  std::vector<std::string> resources() const;

 private:
  std::shared_ptr<const Root> root_;
};

struct WatchFilter {
  std::string resource;
  std::string ns = {};   ///< empty: all
  std::string tag = {};  ///< empty: all
  std::string name = {}; ///< empty: all
};

/// A cursor in the history. Not thread-safe, but for the callback, which is called from the committer.
class Subscription {
 public:
  virtual ~Subscription() = default;
  /// Up to `max` further events in order, without waiting; empty: none yet. Code::expired: fell behind the history.
  virtual Result<std::vector<Event>> poll(std::size_t max) = 0;
  /// Called (from the committer's thread; must not block) when there may be something to poll.
  virtual void on_ready(std::function<void()> callback) = 0;
  /// All events up to this revision have been polled, matching or not: fit for a bookmark.
  virtual Revision position() const = 0;
};

struct Options {
  std::size_t history_events_max = 200'000;
  std::uint64_t revision_block = 10'000;  ///< revisions reserved durably at a time
};

class Journal;

class Store {
 public:
  /// Loads everything the journal has.
  static Result<std::unique_ptr<Store>> open(std::unique_ptr<Journal> journal, Options options);
  virtual ~Store() = default;

  virtual Snapshot snapshot() const = 0;
  /// `done` is called once, from the committer's thread, when the transaction is durable and visible, or refused.
  virtual void commit(Transaction transaction, std::function<void(Committing)> done) = 0;
  /// The same for a coroutine; resumes on its own strand.
  virtual Task<Committing> commit(Transaction transaction) = 0;
  /// Many independent transactions in one batch and one fsync; one answer each.
  virtual Task<std::vector<Committing>> commit_each(std::vector<Transaction> transactions) = 0;
  /// Events after `from`. Code::expired where history no longer reaches back; Code::invalid for a future revision.
  virtual Result<std::unique_ptr<Subscription>> watch(WatchFilter filter, Revision from) = 0;
  /// The oldest revision that a watch can start from.
  virtual Revision compacted() const = 0;
};

}  // namespace tetrarch::store

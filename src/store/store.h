// SPDX-License-Identifier: Apache-2.0
// Store: the revisioned store. One in-memory index (immutable snapshots, no locks for readers), a
// bounded history for watches, and a journal behind both. Nothing is visible before it is durable,
// but for keys whose transaction says `is_volatile`. Thread-safe.
#pragma once

#include <chrono>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "async/task.h"
#include "base/ids.h"
#include "base/result.h"
#include "object/stored.h"

namespace tetrarch {
class Clock;
class Metrics;
}  // namespace tetrarch

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
  /// Files the object for watches by tag: the node name of a pod; empty: none. At a change of tag,
  /// watchers of the old tag get a delete, those of the new one an add.
  std::string tag = {};
};

/// Applied wholly or not at all. Every mutation gets a revision of its own, in order. No key twice.
/// A delete of what is not there is refused with Code::not_found.
struct Transaction {
  std::vector<Compare> compares;
  std::vector<Mutation> mutations;
  bool is_volatile = false;  ///< written without fsync: survives kill -9, not power loss
};

/// The objects as stored, in the order of the mutations; for a delete the last state with the
/// deletion's revision.
struct Committed {
  std::vector<Stored> objects;
};

/// Refused: Code::conflict where a compare failed (which one: failed_compare), not_found for the
/// delete of a missing key, invalid for a key twice or one that cannot be stored, exhausted when
/// the queue is full (nothing was done, try again), unavailable when the journal has failed (it may
/// or may not be durable) or the store is closing.
using Committing = Result<Committed>;

/// The place of the compare that failed; none where the refusal has another cause.
std::optional<std::size_t> failed_compare(const Error& error);

struct Event {
  enum class Type : std::uint8_t { added, modified, deleted };
  Type type = Type::added;
  Stored object;  ///< deleted: the last state, with the deletion's revision
  DocumentPtr previous =
      {};  ///< state before; null for added. Selectors need it: match to no match is a delete
};

/// An immutable view of everything at one revision. Cheap to take and to copy; holding one holds
/// its memory.
class Snapshot {
 public:
  class Root;

  explicit Snapshot(std::shared_ptr<const Root> root) : root_(std::move(root)) {}

  Revision revision() const;
  std::optional<Stored> get(const Key& key) const;
  /// Calls `visit` in key order (namespace, then name) for the objects of a resource, in one
  /// namespace or (empty) all, beginning strictly after `after` (ns, name; empty: from the start).
  /// `visit` returns false to stop.
  void scan(std::string_view resource,
            std::string_view ns,
            const std::pair<std::string, std::string>& after,
            const std::function<bool(const Stored&)>& visit) const;
  std::size_t count(std::string_view resource, std::string_view ns) const;
  /// Every resource that has an object.
  std::vector<std::string> resources() const;

  /// For this room: see root.h.
  const Root& root() const { return *root_; }

 private:
  std::shared_ptr<const Root> root_;
};

struct WatchFilter {
  std::string resource;
  std::string ns = {};    ///< empty: all
  std::string tag = {};   ///< empty: all
  std::string name = {};  ///< empty: all
};

/// A cursor in the history. Not thread-safe, but for the callback, which is called from the
/// committer. May outlive the store (nothing comes any more). Destroying it waits for a callback
/// under way: never from within one.
class Subscription {
 public:
  virtual ~Subscription() = default;
  /// Up to `max` further events in order, without waiting; empty: none yet. Code::expired: fell
  /// behind the history.
  virtual Result<std::vector<Event>> poll(std::size_t max) = 0;
  /// Called (from the committer's thread; must not block) when there may be something to poll; at
  /// once, from here, if there already is. A null function ends it.
  virtual void on_ready(std::function<void()> callback) = 0;
  /// All events up to this revision have been polled, matching or not: fit for a bookmark.
  virtual Revision position() const = 0;
};

/// Encryption at rest of some resources: what goes to the journal passes through `seal`, what comes
/// back through `open`. `bound` is the place the text belongs to (key and revision), to be
/// authenticated with it.
struct Sealing {
  std::set<std::string, std::less<>> resources = {};
  std::function<Result<std::string>(std::string_view plain, std::string_view bound)> seal = {};
  std::function<Result<std::string>(std::string_view sealed, std::string_view bound)> open = {};
};

struct Options {
  /// The history is bounded by both; the resource with the most goes first, so that leases do not
  /// crowd out pods.
  std::size_t history_events_max = 200'000;
  std::size_t history_bytes_max = std::size_t{128}
                                  << 20;  ///< of the documents that the events hold
  std::size_t subscription_events_max =
      20'000;  ///< a watcher with more unread than this has fallen behind
  /// The same by the bytes of the documents that it has not read.
  std::size_t subscription_bytes_max = std::size_t{64} << 20;
  std::uint64_t revision_block = 10'000;  ///< revisions reserved durably at a time
  std::size_t queue_max = 16'384;  ///< transactions waiting; further ones are refused as exhausted
  std::size_t batch_max = 2'048;   ///< transactions of one journal batch
  /// Transactions that need no fsync wait so long for others while nothing else is to be written:
  /// the renewals of a thousand leases then cost a few batches.
  std::chrono::nanoseconds volatile_patience{0};
  Sealing sealing = {};
  Metrics* metrics = nullptr;    ///< outlives the store; null: none kept
  const Clock* clock = nullptr;  ///< for the metrics; null: the machine's
  /// How the committer gets a turn: called when writes wait, it has the function run once, later,
  /// on the thread that uses the store, which then needs none of its own: for a simulation. Null:
  /// a thread of the store's.
  std::function<void(std::function<void()>)> turns = {};
};

/// Behind the store: see journal.h.
class Journal;

class Store {
 public:
  /// Loads everything the journal has. An error says what to do: newer format, damaged key, missing
  /// encryption key.
  static Result<std::unique_ptr<Store>> open(std::unique_ptr<Journal> journal, Options options);
  virtual ~Store() = default;

  /// Cheap: copies one pointer. Holds everything that was committed before the call.
  virtual Snapshot snapshot() const = 0;
  /// `done` is called once, from the committer's thread, when the transaction is durable and
  /// visible, or refused.
  virtual void commit(Transaction transaction, std::function<void(Committing)> done) = 0;
  /// The same for a coroutine; resumes on its own strand.
  virtual Task<Committing> commit(Transaction transaction) = 0;
  /// Many independent transactions, in order, in as few batches (one fsync each) as possible; one
  /// answer each.
  virtual Task<std::vector<Committing>> commit_each(std::vector<Transaction> transactions) = 0;
  /// Events after `from`. Code::expired where history no longer reaches back (it begins anew with
  /// each start: then only the revision of the last commit before it will do); Code::invalid for a
  /// future revision.
  virtual Result<std::unique_ptr<Subscription>> watch(WatchFilter filter, Revision from) = 0;
  /// The oldest revision that a watch of any resource can start from.
  virtual Revision compacted() const = 0;
};

}  // namespace tetrarch::store

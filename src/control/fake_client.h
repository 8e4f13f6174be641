// SPDX-License-Identifier: Apache-2.0
// FakeClient: a server in memory for the tests of the loops. Thread-safe. Only tests include it.
#pragma once

#include <condition_variable>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "async/timer.h"
#include "client/client.h"

namespace tetrarch::control {

class FakeClient final : public client::Client {
 public:
  Task<Result<Stored>> get(Key key) override;
  Task<Result<client::ListPage>> list(client::ListQuery query) override;
  Task<Result<std::unique_ptr<client::Watch>>> watch(client::WatchQuery query) override;
  Task<Result<Stored>> create(std::string resource,
                              std::string ns,
                              DocumentPtr document,
                              client::WriteOptions options) override;
  Task<Result<Stored>> update(Key key, DocumentPtr document, client::WriteOptions options) override;
  Task<Result<Stored>> patch(Key key,
                             client::PatchType type,
                             std::string body,
                             client::WriteOptions options) override;
  Task<Result<Stored>> remove(Key key, client::DeleteOptions options) override;
  Task<std::vector<Result<Stored>>> apply(std::vector<client::Change> changes) override;
  Task<Result<std::unique_ptr<client::Watch>>> feed(NodeName node) override;

  // For tests, from their own thread.
  Stored put(Key key, std::string json);
  void erase(const Key& key);
  /// Watches show nothing new while held.
  void hold_watches(bool is_held);
  /// Every open watch of the resource ends with this error.
  void break_watches(const std::string& resource, Error error);
  /// apply() waits before it does anything while held.
  void hold_applies(bool is_held);
  /// The next `times` creates of the resource ("bind": bindings) are refused.
  void refuse_creates(const std::string& resource, Error error, int times);

  /// The next `times` removals are refused.
  void refuse_removals(Error error, int times) {
    refuse_creates("remove", std::move(error), times);
  }

  /// As pods on a node end: a removal sets a deletionTimestamp, and only erase() makes them go.
  void make_removals_graceful();
  /// Blocks until `holds` says so of all objects, at most ten seconds; false: it never did.
  using Objects = std::map<Key, Stored>;
  bool wait_until(const std::function<bool(const Objects&)>& holds);
  /// "create pods", "list pods", "get pods", "update", "remove", "apply", "apply events",
  /// "patch", "bind".
  int calls(const std::string& verb) const;

  bool wait_for_call(const std::string& verb) { return wait_for_calls(verb, 1); }

  bool wait_for_calls(const std::string& verb, int count);

 private:
  friend class FakeWatch;

  class Waiter;

  Result<Stored> bind_locked(const Key& key,
                             const DocumentPtr& binding,
                             const client::WriteOptions& options);
  Result<Stored> create_locked(const Key& key, const DocumentPtr& document);
  Result<Stored> update_locked(const Key& key,
                               const DocumentPtr& document,
                               const client::WriteOptions& options);
  Result<Stored> remove_locked(const Key& key, const client::DeleteOptions& options);
  Stored erase_locked(const Key& key);
  Stored store_locked(const Key& key, DocumentPtr document);
  void wake_locked();

  mutable std::mutex mutex_;
  std::condition_variable changed_;
  std::uint64_t revision_ = 1;
  Objects objects_;
  std::vector<client::WatchEvent> history_;
  std::map<std::string, std::pair<Error, int>> refused_;
  std::map<std::string, std::pair<Error, int>> broken_;  // error and generation
  std::vector<async::Event*> waiters_;
  std::map<std::string, int> calls_;
  bool is_held_ = false;
  bool applies_are_held_ = false;
  bool removals_are_graceful_ = false;
};

}  // namespace tetrarch::control

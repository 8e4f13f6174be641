// SPDX-License-Identifier: Apache-2.0
// A server in a map, for tests of the agent alone: the verbs that the agent uses, with revisions,
// conflicts and a feed.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <vector>

#include "async/bounded_queue.h"
#include "client/client.h"
#include "object/tree.h"
#include "object/writer.h"

namespace tetrarch::agent {

class MemoryClient final : public client::Client {
 public:
  using Queue = async::BoundedQueue<client::WatchEvent>;

  /// Puts an object as a user or a controller would.
  Stored put(const Key& key, std::string_view json) {
    const std::lock_guard lock(mutex_);
    return store(key, *Document::parse(json));
  }

  void take_out(const Key& key) {
    const std::lock_guard lock(mutex_);
    erase(key);
  }

  DocumentPtr look(const Key& key) const {
    const std::lock_guard lock(mutex_);
    const auto at = objects_.find(key);
    return at == objects_.end() ? nullptr : at->second.document;
  }

  std::vector<std::string> event_reasons() const {
    const std::lock_guard lock(mutex_);
    std::vector<std::string> out;
    for (const auto& [key, stored] : objects_) {
      if (key.resource == "events") {
        out.emplace_back(stored.root()["reason"].string());
      }
    }
    return out;
  }

  Task<Result<Stored>> get(Key key) override {
    const std::lock_guard lock(mutex_);
    const auto at = objects_.find(key);
    if (at == objects_.end()) {
      co_return Error{Code::not_found, key.resource + " \"" + key.name + "\" not found"};
    }
    co_return at->second;
  }

  Task<Result<client::ListPage>> list(client::ListQuery) override {
    co_return Error{Code::unimplemented, "list"};
  }

  Task<Result<std::unique_ptr<client::Watch>>> watch(client::WatchQuery) override {
    co_return Error{Code::unimplemented, "watch"};
  }

  Task<Result<Stored>> create(std::string resource,
                              std::string ns,
                              DocumentPtr document,
                              client::WriteOptions options) override {
    const std::lock_guard lock(mutex_);
    if (options.subresource == "token") {
      auto tree = object::to_tree(document->root());
      tree.get_object()["status"] = {{"token", "token-" + std::to_string(++tokens_)},
                                     {"expirationTimestamp", "2999-01-01T00:00:00Z"}};
      co_return Stored{Key{resource, ns, "token"}, Revision{1}, object::to_document(tree)};
    }
    const Key key{resource, ns, std::string(document->root().find("metadata.name").string())};
    if (objects_.contains(key)) {
      co_return Error{Code::already_exists, key.name};
    }
    co_return store(key, document);
  }

  Task<Result<Stored>> update(Key key,
                              DocumentPtr document,
                              client::WriteOptions options) override {
    const std::lock_guard lock(mutex_);
    co_return write(key, document, options);
  }

  Task<Result<Stored>> patch(Key key,
                             client::PatchType,
                             std::string,
                             client::WriteOptions) override {
    co_return co_await get(std::move(key));
  }

  Task<Result<Stored>> remove(Key key, client::DeleteOptions) override {
    const std::lock_guard lock(mutex_);
    const auto at = objects_.find(key);
    if (at == objects_.end()) {
      co_return Error{Code::not_found, key.name};
    }
    const Stored last = at->second;
    erase(key);
    co_return last;
  }

  Task<std::vector<Result<Stored>>> apply(std::vector<client::Change> changes) override {
    const std::lock_guard lock(mutex_);
    std::vector<Result<Stored>> out;
    for (const auto& change : changes) {
      out.push_back(write(change.key, change.document, change.write));
    }
    co_return out;
  }

  Task<Result<std::unique_ptr<client::Watch>>> feed(NodeName) override {
    const std::lock_guard lock(mutex_);
    auto queue = std::make_shared<Queue>(10'000);
    for (const auto& [key, stored] : objects_) {
      queue->try_push({client::EventType::added, stored});
    }
    queue->try_push({client::EventType::bookmark, {}});
    queues_.push_back(queue);
    co_return std::unique_ptr<client::Watch>(std::make_unique<Feed>(queue));
  }

 private:
  class Feed final : public client::Watch {
   public:
    explicit Feed(std::shared_ptr<Queue> queue) : queue_(std::move(queue)) {}

    Task<Result<std::vector<client::WatchEvent>>> next() override {
      auto event = co_await queue_->pop();
      if (!event) {
        co_return Error{Code::unavailable, "closed"};
      }
      std::vector<client::WatchEvent> out;
      out.push_back(std::move(*event));
      co_return out;
    }

   private:
    std::shared_ptr<Queue> queue_;
  };

  void tell(client::EventType type, const Stored& stored) {
    for (const auto& queue : queues_) {
      queue->try_push({type, stored});
    }
  }

  Stored store(const Key& key, DocumentPtr document) {
    const bool is_new = !objects_.contains(key);
    const Stored stored{key, Revision{++revision_}, std::move(document)};
    objects_[key] = stored;
    tell(is_new ? client::EventType::added : client::EventType::modified, stored);
    return stored;
  }

  Result<Stored> write(const Key& key, DocumentPtr document, const client::WriteOptions& options) {
    const auto at = objects_.find(key);
    if (at == objects_.end()) {
      return Error{Code::not_found, key.name};
    }
    if (options.expected.number != 0 && options.expected != at->second.revision) {
      return Error{Code::conflict, "stale"};
    }
    return store(key, std::move(document));
  }

  void erase(const Key& key) {
    const auto at = objects_.find(key);
    if (at == objects_.end()) {
      return;
    }
    Stored last = at->second;
    last.revision = Revision{++revision_};
    objects_.erase(at);
    tell(client::EventType::deleted, last);
  }

  mutable std::mutex mutex_;
  std::map<Key, Stored> objects_;
  std::vector<std::shared_ptr<Queue>> queues_;
  std::uint64_t revision_ = 0;
  int tokens_ = 0;
};

}  // namespace tetrarch::agent

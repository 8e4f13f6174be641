// SPDX-License-Identifier: Apache-2.0
#include "control/fake_client.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "object/tree.h"

namespace tetrarch::control {

/// Somebody who wants to know of every change, while it lives.
class FakeClient::Waiter {
 public:
  explicit Waiter(FakeClient& client) : client_(client) {
    const std::lock_guard lock(client_.mutex_);
    client_.waiters_.push_back(&ready_);
  }

  ~Waiter() {
    const std::lock_guard lock(client_.mutex_);
    std::erase(client_.waiters_, &ready_);
  }

  Task<void> wait() { return ready_.wait(); }

 private:
  FakeClient& client_;
  async::Event ready_;
};

/// One open watch; registered with its client while it lives.
class FakeWatch final : public client::Watch {
 public:
  FakeWatch(FakeClient& client, client::WatchQuery query, std::size_t at, int generation)
      : client_(client), query_(std::move(query)), at_(at), generation_(generation) {
    client_.waiters_.push_back(&ready_);
  }

  ~FakeWatch() override {
    const std::lock_guard lock(client_.mutex_);
    std::erase(client_.waiters_, &ready_);
  }

  Task<Result<std::vector<client::WatchEvent>>> next() override {
    while (true) {
      std::vector<client::WatchEvent> events;
      {
        const std::lock_guard lock(client_.mutex_);
        const auto broken = client_.broken_.find(query_.resource);
        if (broken != client_.broken_.end() && broken->second.second > generation_) {
          co_return broken->second.first;
        }
        for (; !client_.is_held_ && at_ < client_.history_.size(); ++at_) {
          if (client_.history_[at_].object.key.resource == query_.resource) {
            events.push_back(client_.history_[at_]);
          }
        }
      }
      if (!events.empty()) {
        co_return events;
      }
      co_await ready_.wait();
    }
  }

 private:
  FakeClient& client_;
  client::WatchQuery query_;
  std::size_t at_;
  int generation_;
  async::Event ready_;
};

void FakeClient::wake_locked() {
  for (auto* waiter : waiters_) {
    waiter->raise();
  }
  changed_.notify_all();
}

Stored FakeClient::store_locked(const Key& key, DocumentPtr document) {
  const bool is_new = !objects_.contains(key);
  Stored stored{key, Revision{++revision_}, std::move(document)};
  objects_[key] = stored;
  history_.push_back({is_new ? client::EventType::added : client::EventType::modified, stored});
  wake_locked();
  return stored;
}

/// As the API binds: once, and only the pod that is meant.
Result<Stored> FakeClient::bind_locked(const Key& key,
                                       const DocumentPtr& binding,
                                       const client::WriteOptions& options) {
  ++calls_["bind"];
  auto& refused = refused_["bind"];
  if (refused.second > 0) {
    --refused.second;
    changed_.notify_all();
    return refused.first;
  }
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    return Error(Code::not_found, key.name + " not found");
  }
  const auto bound = found->second.root()["spec"]["nodeName"].string();
  if (!bound.empty() || found->second.uid() != options.expected_uid) {
    return Error(Code::conflict, key.name + " is bound, or another");
  }
  auto tree = object::to_tree(found->second.root());
  tree.as_object()["spec"].as_object()["nodeName"] = binding->root()["target"]["name"].string();
  return store_locked(key, object::to_document(tree));
}

Result<Stored> FakeClient::create_locked(const Key& key, const DocumentPtr& document) {
  ++calls_["create " + key.resource];
  const auto refused = refused_.find(key.resource);
  if (refused != refused_.end() && refused->second.second > 0) {
    --refused->second.second;
    changed_.notify_all();
    return refused->second.first;
  }
  if (objects_.contains(key)) {
    return Error(Code::already_exists, key.name + " already exists");
  }
  auto tree = object::to_tree(document->root());
  tree.as_object()["metadata"].as_object()["uid"] = fmt::format("uid-{}", revision_ + 1);
  return store_locked(key, object::to_document(tree));
}

Result<Stored> FakeClient::update_locked(const Key& key,
                                         const DocumentPtr& document,
                                         const client::WriteOptions& options) {
  ++calls_["update"];
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    return Error(Code::not_found, key.name + " not found");
  }
  if (options.expected.number != 0 && options.expected != found->second.revision) {
    return Error(Code::conflict, key.name + " was changed");
  }
  if (document->bytes() == found->second.document->bytes()) {
    return found->second;
  }
  return store_locked(key, document);
}

Result<Stored> FakeClient::remove_locked(const Key& key, const client::DeleteOptions& options) {
  ++calls_["remove"];
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    return Error(Code::not_found, key.name + " not found");
  }
  if (!options.expected_uid.empty() && found->second.uid() != options.expected_uid) {
    return Error(Code::precondition, key.name + " is another");
  }
  auto& refused = refused_["remove"];
  if (refused.second > 0) {
    --refused.second;
    changed_.notify_all();
    return refused.first;
  }
  if (!removals_are_graceful_) {
    return erase_locked(key);
  }
  auto tree = object::to_tree(found->second.root());
  tree.as_object()["metadata"].as_object()["deletionTimestamp"] = "2026-01-01T00:00:00Z";
  return store_locked(key, object::to_document(tree));
}

Stored FakeClient::erase_locked(const Key& key) {
  const auto found = objects_.find(key);
  Stored last = found->second;
  objects_.erase(found);
  last.revision = Revision{++revision_};
  history_.push_back({client::EventType::deleted, last});
  wake_locked();
  return last;
}

Task<Result<Stored>> FakeClient::get(Key key) {
  const std::lock_guard lock(mutex_);
  ++calls_["get " + key.resource];
  changed_.notify_all();
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    co_return Error(Code::not_found, key.name + " not found");
  }
  co_return found->second;
}

Task<Result<client::ListPage>> FakeClient::list(client::ListQuery query) {
  const std::lock_guard lock(mutex_);
  ++calls_["list " + query.resource];
  client::ListPage page;
  page.revision = Revision{revision_};
  for (const auto& [key, stored] : objects_) {
    if (key.resource == query.resource && (query.ns.empty() || key.ns == query.ns)) {
      page.items.push_back(stored);
    }
  }
  changed_.notify_all();
  co_return page;
}

Task<Result<std::unique_ptr<client::Watch>>> FakeClient::watch(client::WatchQuery query) {
  const std::lock_guard lock(mutex_);
  const auto first = std::find_if(history_.begin(), history_.end(), [&](const auto& event) {
    return event.object.revision > query.from;
  });
  const auto broken = broken_.find(query.resource);
  const int generation = broken == broken_.end() ? 0 : broken->second.second;
  const auto at = static_cast<std::size_t>(first - history_.begin());
  std::unique_ptr<client::Watch> out = std::make_unique<FakeWatch>(*this, query, at, generation);
  co_return out;
}

Task<Result<Stored>> FakeClient::create(std::string resource,
                                        std::string ns,
                                        DocumentPtr document,
                                        client::WriteOptions) {
  const std::lock_guard lock(mutex_);
  const Key key{resource, ns, std::string(document->root()["metadata"]["name"].string())};
  co_return create_locked(key, document);
}

Task<Result<Stored>> FakeClient::update(Key key,
                                        DocumentPtr document,
                                        client::WriteOptions options) {
  const std::lock_guard lock(mutex_);
  co_return update_locked(key, document, options);
}

Task<Result<Stored>> FakeClient::patch(Key key,
                                       client::PatchType,
                                       std::string body,
                                       client::WriteOptions) {
  const std::lock_guard lock(mutex_);
  ++calls_["patch"];
  const auto found = objects_.find(key);
  if (found == objects_.end()) {
    co_return Error(Code::not_found, key.name + " not found");
  }
  auto tree = object::to_tree(found->second.root());
  const auto patch = Document::parse(body);
  const auto changes = object::to_tree((*patch)->root());
  for (const auto& [name, value] : changes.as_object()) {
    tree.as_object()[name] = value;
  }
  co_return store_locked(key, object::to_document(tree));
}

Task<Result<Stored>> FakeClient::remove(Key key, client::DeleteOptions options) {
  const std::lock_guard lock(mutex_);
  co_return remove_locked(key, options);
}

Task<std::vector<Result<Stored>>> FakeClient::apply(std::vector<client::Change> changes) {
  Waiter waiter(*this);
  {
    const std::lock_guard lock(mutex_);
    const bool are_events = !changes.empty() && changes.front().key.resource == "events";
    ++calls_[are_events ? "apply events" : "apply"];
    changed_.notify_all();
  }
  while (true) {
    {
      const std::lock_guard lock(mutex_);
      if (!applies_are_held_) {
        break;
      }
    }
    co_await waiter.wait();
  }
  const std::lock_guard lock(mutex_);
  std::vector<Result<Stored>> out;
  for (const auto& change : changes) {
    switch (change.verb) {
      case client::Change::Verb::create:
        out.push_back(change.write.subresource == "binding"
                          ? bind_locked(change.key, change.document, change.write)
                          : create_locked(change.key, change.document));
        break;
      case client::Change::Verb::update:
        out.push_back(update_locked(change.key, change.document, change.write));
        break;
      case client::Change::Verb::remove:
        out.push_back(remove_locked(change.key, change.remove));
        break;
    }
  }
  co_return out;
}

Task<Result<std::unique_ptr<client::Watch>>> FakeClient::feed(NodeName) {
  co_return Error(Code::unimplemented, "no feed here");
}

Stored FakeClient::put(Key key, std::string json) {
  const std::lock_guard lock(mutex_);
  return store_locked(key, Document::from_canonical(std::move(json)));
}

void FakeClient::erase(const Key& key) {
  const std::lock_guard lock(mutex_);
  ASSERT_TRUE(objects_.contains(key)) << key.name;
  erase_locked(key);
}

void FakeClient::make_removals_graceful() {
  const std::lock_guard lock(mutex_);
  removals_are_graceful_ = true;
}

void FakeClient::hold_watches(bool is_held) {
  const std::lock_guard lock(mutex_);
  is_held_ = is_held;
  wake_locked();
}

void FakeClient::hold_applies(bool is_held) {
  const std::lock_guard lock(mutex_);
  applies_are_held_ = is_held;
  wake_locked();
}

void FakeClient::break_watches(const std::string& resource, Error error) {
  const std::lock_guard lock(mutex_);
  auto& broken = broken_[resource];
  broken = {std::move(error), broken.second + 1};
  wake_locked();
}

void FakeClient::refuse_creates(const std::string& resource, Error error, int times) {
  const std::lock_guard lock(mutex_);
  refused_[resource] = {std::move(error), times};
}

bool FakeClient::wait_for_calls(const std::string& verb, int count) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return calls_[verb] >= count; });
}

bool FakeClient::wait_until(const std::function<bool(const Objects&)>& holds) {
  std::unique_lock lock(mutex_);
  return changed_.wait_for(lock, std::chrono::seconds(10), [&] { return holds(objects_); });
}

int FakeClient::calls(const std::string& verb) const {
  const std::lock_guard lock(mutex_);
  const auto found = calls_.find(verb);
  return found == calls_.end() ? 0 : found->second;
}

}  // namespace tetrarch::control

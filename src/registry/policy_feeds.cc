// SPDX-License-Identifier: Apache-2.0
#include "registry/policy_feeds.h"

#include <algorithm>
#include <array>
#include <utility>

#include "object/writer.h"

namespace tetrarch::registry {

using client::EventType;
using client::WatchEvent;

namespace {

constexpr std::size_t kBatch = 1024;
constexpr std::array<std::string_view, 2> kSelected{"namespaces", "pods"};

/// Enough of a document to say which one has gone.
DocumentPtr gone_document(const Key& key) {
  std::string json;
  object::Writer writer(json);
  writer.begin_object().field("apiVersion", "network.tetrarch.dev/v1");
  writer.field("kind", key.resource == kNodePolicies ? "NodePolicy" : "PolicyPod");
  writer.key("metadata").begin_object().field("name", key.name).field("namespace", key.ns);
  writer.end_object().end_object();
  return Document::from_canonical(std::move(json));
}

}  // namespace

PolicyFeeds::~PolicyFeeds() = default;

std::unique_ptr<PolicyFeeds::View> PolicyFeeds::open(std::string node, std::function<void()> wake) {
  auto view = std::make_unique<View>(*this, std::move(node), std::move(wake));
  const std::lock_guard lock(mutex_);
  views_[view->node_].insert(view.get());
  if (index_) {
    want_all(*view);
  }
  return view;
}

void PolicyFeeds::close(View& view) {
  const std::lock_guard lock(mutex_);
  {
    const std::lock_guard waiting(waiting_mutex_);
    waiting_.erase(&view);
    if (has_news_ && !waiting_.empty()) {
      (*waiting_.begin())->wake_();  // it may have been woken for all
    }
  }
  const auto found = views_.find(view.node_);
  found->second.erase(&view);
  if (found->second.empty()) {
    views_.erase(found);
  }
  if (views_.empty()) {
    // Unread events would only pile up.
    changes_.clear();
    index_.reset();
    note_news();
  }
}

/// Called from the committer too.
void PolicyFeeds::note_news() {
  const std::lock_guard lock(waiting_mutex_);
  has_news_ = true;
  if (!waiting_.empty()) {
    auto* one = *waiting_.begin();
    waiting_.erase(waiting_.begin());
    one->wake_();
  }
}

void PolicyFeeds::wait(View& view) {
  const std::lock_guard lock(waiting_mutex_);
  if (has_news_) {
    view.wake_();
  } else {
    waiting_.insert(&view);
  }
}

void PolicyFeeds::refresh() {
  {
    const std::lock_guard lock(waiting_mutex_);
    if (!std::exchange(has_news_, false)) {
      return;
    }
  }
  if (!index_) {
    reload();
    return;
  }
  const auto is_behind = [this](const auto& changes) { return !drain(*changes); };
  if (std::any_of(changes_.begin(), changes_.end(), is_behind)) {
    reload();
  }
}

/// False: begin again, since history is gone or since there is a first policy.
bool PolicyFeeds::drain(store::Subscription& changes) {
  while (true) {
    const auto events = changes.poll(kBatch);
    if (!events.ok()) {
      return false;
    }
    for (const auto& event : *events) {
      if (!has_policies_) {
        return false;
      }
      revision_ = std::max(revision_, event.object.revision);
      if (event.type == store::Event::Type::deleted) {
        index_->erase(event.object.key);
      } else {
        index_->put(event.object);
      }
    }
    if (events->size() < kBatch) {
      return true;
    }
  }
}

void PolicyFeeds::reload() {
  const auto snapshot = store_.snapshot();
  revision_ = snapshot.revision();
  has_policies_ = snapshot.count(kNetworkPolicies, "") > 0;
  changes_.clear();
  // Pods last: each is placed once, by the index, where a group that is new looks at all of them.
  std::vector<std::string_view> watched{kNetworkPolicies};
  if (has_policies_) {
    watched.insert(watched.end(), kSelected.begin(), kSelected.end());
  }
  index_ = std::make_unique<PolicyIndex>(
      [this](const std::string& node, const Key& document) { changed(node, document); });
  for (const auto resource : watched) {
    auto changes = store_.watch({std::string(resource)}, snapshot.revision());
    if (!changes.ok()) {
      note_news();  // where history is gone already, the next call begins again
      continue;
    }
    (*changes)->on_ready([this] { note_news(); });
    changes_.push_back(*std::move(changes));
    snapshot.scan(resource, "", {}, [&](const Stored& object) {
      index_->put(object);
      return true;
    });
  }
  for (const auto& [node, views] : views_) {
    for (auto* view : views) {
      view->dirty_.insert(view->given_.begin(), view->given_.end());
      view->wake_();
    }
  }
}

void PolicyFeeds::changed(const std::string& node, const Key& document) {
  const auto found = views_.find(node);
  if (found != views_.end()) {
    for (auto* view : found->second) {
      if (view->dirty_.empty()) {
        view->wake_();
      }
      view->dirty_.insert(document);
    }
  }
}

void PolicyFeeds::want_all(View& view) {
  view.dirty_.merge(index_->documents(view.node_));
}

std::vector<WatchEvent> PolicyFeeds::take(View& view) {
  const std::lock_guard lock(mutex_);
  refresh();
  std::vector<WatchEvent> out;
  std::vector<Key> gone;
  for (const auto& key : std::exchange(view.dirty_, {})) {
    if (auto document = index_->document(view.node_, key)) {
      const bool is_new = view.given_.insert(key).second;
      out.push_back({is_new ? EventType::added : EventType::modified,
                     Stored{key, revision_, std::move(document)}});
    } else if (view.given_.erase(key) > 0) {
      gone.push_back(key);
    }
  }
  for (auto key = gone.rbegin(); key != gone.rend(); ++key) {
    out.push_back({EventType::deleted, Stored{*key, revision_, gone_document(*key)}});
  }
  return out;
}

}  // namespace tetrarch::registry

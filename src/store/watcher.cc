// SPDX-License-Identifier: Apache-2.0
#include "store/watcher.h"

#include <algorithm>
#include <utility>

namespace tetrarch::store {
namespace {

bool matches(const WatchFilter& filter, const EntryPtr& entry) {
  return entry && (filter.ns.empty() || entry->ns() == filter.ns) &&
         (filter.name.empty() || entry->name() == filter.name) &&
         (filter.tag.empty() || entry->tag() == filter.tag);
}

Event to_event(std::string_view resource, Event::Type type, const Change& change) {
  const EntryPtr& state = type == Event::Type::deleted ? change.before : change.now;
  Event event{.type = type, .object = to_stored(resource, *state)};
  event.object.revision = change.revision;
  if (type != Event::Type::added) {
    event.previous = change.before->document();
  }
  return event;
}

class LiveSubscription : public Subscription {
 public:
  LiveSubscription(std::shared_ptr<Hub> hub, std::shared_ptr<Watcher> watcher)
      : hub_(std::move(hub)), watcher_(std::move(watcher)) {}

  LiveSubscription(const LiveSubscription&) = delete;
  LiveSubscription& operator=(const LiveSubscription&) = delete;

  ~LiveSubscription() override {
    hub_->remove(watcher_);
    const std::lock_guard lock(watcher_->callback_mutex);
    watcher_->callback = nullptr;
  }

  Result<std::vector<Event>> poll(std::size_t max) override {
    std::vector<Event> events;
    take_replay(max, events);
    if (!watcher_->replay.empty()) {
      return events;
    }
    const Revision published = hub_->published();  // before the look at what is unread
    const std::lock_guard lock(watcher_->mutex);
    if (watcher_->has_fallen_behind) {
      return Error{Code::expired, "the watch has fallen behind the history; list again"};
    }
    while (events.size() < max && !watcher_->unread.empty()) {
      take(watcher_->unread.front(), events);
      watcher_->unread_bytes -= held_bytes(watcher_->unread.front());
      watcher_->unread.pop_front();
    }
    if (watcher_->unread.empty()) {
      watcher_->polled = std::max(watcher_->polled, published);
    }
    return events;
  }

  void on_ready(std::function<void()> callback) override {
    const std::lock_guard callback_lock(watcher_->callback_mutex);
    watcher_->callback = std::move(callback);
    if (watcher_->callback && has_something()) {
      watcher_->callback();
    }
  }

  Revision position() const override {
    const Revision published = hub_->published();  // before the look at what is unread
    return has_something() ? watcher_->polled : std::max(watcher_->polled, published);
  }

 private:
  bool has_something() const {
    const std::lock_guard lock(watcher_->mutex);
    return !watcher_->replay.empty() || !watcher_->unread.empty() || watcher_->has_fallen_behind;
  }

  void take(const Change& change, std::vector<Event>& events) {
    if (const auto type = meaning(watcher_->filter, change)) {
      events.push_back(to_event(watcher_->filter.resource, *type, change));
    }
    watcher_->polled = change.revision;
  }

  void take_replay(std::size_t max, std::vector<Event>& events) {
    auto& replay = watcher_->replay;
    while (!replay.empty() && events.size() < max) {
      Slice& slice = replay.front();
      take(slice.changes.get()[slice.begin], events);
      if (++slice.begin == slice.end) {
        replay.pop_front();
      }
    }
  }

  const std::shared_ptr<Hub> hub_;          // a subscription may outlive the store
  const std::shared_ptr<Watcher> watcher_;  // shared with the Hub's desks
};

}  // namespace

std::optional<Event::Type> meaning(const WatchFilter& filter, const Change& change) {
  const bool is_now = matches(filter, change.now);
  const bool was_before = matches(filter, change.before);
  if (!is_now && !was_before) {
    return std::nullopt;
  }
  if (is_now && was_before) {
    return Event::Type::modified;
  }
  return is_now ? Event::Type::added : Event::Type::deleted;
}

std::size_t held_bytes(const Change& change) {
  const EntryPtr& entry = change.now ? change.now : change.before;
  return entry->document()->bytes().size();
}

std::unique_ptr<Subscription> make_subscription(std::shared_ptr<Hub> hub,
                                                std::shared_ptr<Watcher> watcher) {
  return std::make_unique<LiveSubscription>(std::move(hub), std::move(watcher));
}

}  // namespace tetrarch::store

// SPDX-License-Identifier: Apache-2.0
#include "store/hub.h"

#include <algorithm>

#include <fmt/format.h>

#include "store/watcher.h"

namespace tetrarch::store {
namespace {

void remove_from(std::vector<std::shared_ptr<Watcher>>& watchers,
                 const std::shared_ptr<Watcher>& watcher) {
  const auto found = std::ranges::find(watchers, watcher);
  if (found != watchers.end()) {
    *found = std::move(watchers.back());
    watchers.pop_back();
  }
}

}  // namespace

Hub::Hub(const Options& options, Revision last, Revision first)
    : unread_max_(options.subscription_events_max),
      unread_bytes_max_(options.subscription_bytes_max),
      watchers_gauge_(
          options.metrics == nullptr
              ? nullptr
              : &options.metrics->gauge("tetrarch_store_watchers", "Open subscriptions.")),
      events_gauge_(options.metrics == nullptr
                        ? nullptr
                        : &options.metrics->gauge("tetrarch_store_history_events",
                                                  "Changes that watches can resume from.")),
      bytes_gauge_(options.metrics == nullptr
                       ? nullptr
                       : &options.metrics->gauge("tetrarch_store_history_bytes",
                                                 "Bytes of the documents of those changes.")),
      published_(first.number),
      history_({options.history_events_max, options.history_bytes_max}, last, first) {}

void Hub::begin(std::string_view resource, std::size_t objects) {
  const std::lock_guard lock(mutex_);
  history_.begin(resource, objects);
}

Result<std::unique_ptr<Subscription>> Hub::watch(WatchFilter filter,
                                                 Revision from,
                                                 Revision newest) {
  if (from > newest) {
    return Error{
        Code::invalid,
        fmt::format("revision {} is in the future: the newest is {}", from.number, newest.number)};
  }
  auto watcher = std::make_shared<Watcher>();
  watcher->filter = std::move(filter);
  watcher->from = from;
  watcher->polled = from;
  {
    const std::lock_guard lock(mutex_);
    if (!history_.reaches(watcher->filter.resource, from)) {
      return Error{
          Code::expired,
          fmt::format("too old resource version: {} ({})", from.number, history_.floor().number)};
    }
    for (Slice& slice : history_.since(watcher->filter.resource, from)) {
      watcher->replay.push_back(std::move(slice));
    }
    file(watcher);
  }
  if (watchers_gauge_ != nullptr) {
    watchers_gauge_->add(1);
  }
  return make_subscription(shared_from_this(), std::move(watcher));
}

void Hub::file(const std::shared_ptr<Watcher>& watcher) {
  const WatchFilter& filter = watcher->filter;
  Desk& desk = desks_[filter.resource];
  if (!filter.name.empty()) {
    desk.by_name[filter.name].push_back(watcher);
  } else if (!filter.tag.empty()) {
    desk.by_tag[filter.tag].push_back(watcher);
  } else if (!filter.ns.empty()) {
    desk.by_ns[filter.ns].push_back(watcher);
  } else {
    desk.all.push_back(watcher);
  }
}

void Hub::remove(const std::shared_ptr<Watcher>& watcher) {
  const std::lock_guard lock(mutex_);
  const WatchFilter& filter = watcher->filter;
  const auto found = desks_.find(filter.resource);
  if (found == desks_.end()) {
    return;
  }
  Desk& desk = found->second;
  const auto remove_at = [&](Shelf& shelf, const std::string& topic) {
    const auto at = shelf.find(topic);
    if (at != shelf.end()) {
      remove_from(at->second, watcher);
      if (at->second.empty()) {
        shelf.erase(at);
      }
    }
  };
  if (!filter.name.empty()) {
    remove_at(desk.by_name, filter.name);
  } else if (!filter.tag.empty()) {
    remove_at(desk.by_tag, filter.tag);
  } else if (!filter.ns.empty()) {
    remove_at(desk.by_ns, filter.ns);
  } else {
    remove_from(desk.all, watcher);
  }
  if (watchers_gauge_ != nullptr) {
    watchers_gauge_->add(-1);
  }
}

void Hub::publish(const std::vector<Publication>& changes, Revision head) {
  Watchers woken;
  {
    const std::lock_guard lock(mutex_);
    for (const Publication& publication : changes) {
      history_.append(publication.resource, publication.change);
      deliver(publication, woken);
    }
    history_.trim();
    if (events_gauge_ != nullptr) {
      events_gauge_->set(static_cast<std::int64_t>(history_.events()));
      bytes_gauge_->set(static_cast<std::int64_t>(history_.bytes()));
    }
  }
  // After the deliveries: who reads this first and then finds nothing unread has everything up to
  // here.
  published_.store(head.number, std::memory_order_release);
  for (const auto& watcher : woken) {
    {
      const std::lock_guard lock(watcher->mutex);
      watcher->is_woken = false;
    }
    const std::lock_guard lock(watcher->callback_mutex);
    if (watcher->callback) {
      watcher->callback();
    }
  }
}

void Hub::deliver(const Publication& publication, Watchers& woken) {
  const auto found = desks_.find(publication.resource);
  if (found == desks_.end()) {
    return;
  }
  const Desk& desk = found->second;
  const Change& change = publication.change;
  const Entry& entry = change.now ? *change.now : *change.before;
  deliver_to(desk.all, change, woken);
  deliver_from(desk.by_ns, entry.ns(), change, woken);
  deliver_from(desk.by_name, entry.name(), change, woken);
  deliver_from(desk.by_tag, entry.tag(), change, woken);
  if (change.now && change.before && change.now->tag() != change.before->tag()) {
    deliver_from(desk.by_tag, change.before->tag(), change, woken);
  }
}

void Hub::deliver_from(const Shelf& shelf,
                       std::string_view topic,
                       const Change& change,
                       Watchers& woken) {
  if (shelf.empty() || topic.empty()) {
    return;
  }
  const auto found = shelf.find(topic);
  if (found != shelf.end()) {
    deliver_to(found->second, change, woken);
  }
}

void Hub::deliver_to(const Watchers& watchers, const Change& change, Watchers& woken) {
  for (const auto& watcher : watchers) {
    // A watch may begin at a revision that is visible already but published only now.
    if (change.revision <= watcher->from || !meaning(watcher->filter, change)) {
      continue;
    }
    const std::lock_guard lock(watcher->mutex);
    if (watcher->has_fallen_behind) {
      continue;
    }
    const std::size_t bytes = watcher->unread_bytes + held_bytes(change);
    if (watcher->unread.size() >= unread_max_ || bytes > unread_bytes_max_) {
      watcher->has_fallen_behind = true;
      watcher->unread.clear();
    } else {
      watcher->unread.push_back(change);
      watcher->unread_bytes = bytes;
    }
    if (!watcher->is_woken) {
      watcher->is_woken = true;
      woken.push_back(watcher);
    }
  }
}

Revision Hub::compacted() const {
  const std::lock_guard lock(mutex_);
  return history_.floor();
}

}  // namespace tetrarch::store

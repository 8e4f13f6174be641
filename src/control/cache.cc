// SPDX-License-Identifier: Apache-2.0
#include "control/cache.h"

#include <algorithm>

#include "async/timer.h"
#include "base/log.h"

namespace tetrarch::control {

namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kRoom = "control";
constexpr milliseconds kBackOffFirst{100};
constexpr milliseconds kBackOffMost{10'000};
constexpr seconds kPulse{1};
constexpr seconds kAbsence{5};  // unattended for so long: we were stopped or starved

}  // namespace

Cache::Cache(Parts parts, std::vector<std::string> resources)
    : parts_(parts), resources_(std::move(resources)), unsynced_(resources_.size()) {
  std::sort(resources_.begin(), resources_.end());
}

void Cache::run(async::TaskGroup& group) {
  attended_ = parts_.clock.now();
  mirror_.forget_silence(attended_);
  for (const auto& resource : resources_) {
    group.spawn(follow(resource));
  }
  group.spawn(notice_absence());
}

bool Cache::mirrors(std::string_view resource) const {
  return std::binary_search(resources_.begin(), resources_.end(), resource);
}

void Cache::listen(reconcile::Mirror::Listener listener) {
  mirror_.listen(std::move(listener));
}

void Cache::on_progress(std::function<void()> callback) {
  progress_.push_back(std::move(callback));
}

void Cache::tell_progress() const {
  for (const auto& callback : progress_) {
    callback();
  }
}

Task<void> Cache::follow(std::string resource) {
  bool is_first = true;
  milliseconds back_off = kBackOffFirst;
  while (true) {
    auto listed = co_await list(resource);
    if (listed) {
      unsynced_ -= std::exchange(is_first, false) ? 1 : 0;
      tell_progress();
      co_await watch_from(resource, *listed);
      back_off = kBackOffFirst;
    } else {
      log::info(kRoom, "{} cannot be listed: {}", resource, listed.error().message);
      back_off = std::min(back_off * 2, kBackOffMost);
    }
    co_await async::sleep_for(spread(back_off));
  }
}

/// Until the history no longer reaches back; a connection that is gone is opened again where it
/// ended.
Task<void> Cache::watch_from(std::string resource, Revision from) {
  milliseconds back_off = kBackOffFirst;
  while (true) {
    const auto before = from;
    const auto error = co_await watch(resource, &from);
    if (error.code != Code::unavailable && error.code != Code::timeout) {
      log::info(kRoom, "listing {} again: {}", resource, error.message);
      co_return;
    }
    back_off = from > before ? kBackOffFirst : std::min(back_off * 2, kBackOffMost);
    co_await async::sleep_for(spread(back_off));
  }
}

/// Chance keeps the watches of many resources from coming back together.
milliseconds Cache::spread(milliseconds pause) const {
  const auto count = static_cast<std::uint64_t>(pause.count());
  return milliseconds(
      static_cast<std::int64_t>(count / 2 + parts_.random.next() % (count / 2 + 1)));
}

Task<Result<Revision>> Cache::list(std::string resource) {
  client::ListQuery query;
  query.resource = resource;
  CO_TRY(const auto page, co_await parts_.client.list(query));
  mirror_.replace(resource, page.items, page.revision, parts_.clock.now());
  co_return page.revision;
}

/// Returns why it ended; `from` is then where to go on.
Task<Error> Cache::watch(std::string resource, Revision* from) {
  client::WatchQuery query;
  query.resource = resource;
  query.from = *from;
  auto opened = co_await parts_.client.watch(query);
  if (!opened) {
    co_return std::move(opened).error();
  }
  const auto stream = std::move(opened).value();
  auto& events = parts_.metrics.counter("tetrarch_cache_events_total",
                                        "Watch events that the controllers' cache took.");
  while (true) {
    auto batch = co_await stream->next();
    if (!batch) {
      co_return std::move(batch).error();
    }
    for (const auto& event : *batch) {
      if (event.type == client::EventType::bookmark) {
        mirror_.advance(resource, event.object.revision);
      } else {
        take(event);
      }
      *from = std::max(*from, event.object.revision);
    }
    events.add(batch->size());
    tell_progress();
  }
}

void Cache::hear(std::string_view node, std::chrono::nanoseconds ago) {
  mirror_.hear(node, parts_.clock.now() - std::chrono::duration_cast<TimePoint::duration>(ago));
}

void Cache::take(const client::WatchEvent& event) {
  if (event.type == client::EventType::deleted) {
    mirror_.erase(event.object);
  } else {
    mirror_.put(event.object, parts_.clock.now());
  }
}

Task<void> Cache::notice_absence() {
  while (true) {
    attend();
    co_await async::sleep_for(kPulse);
  }
}

void Cache::attend() {
  const auto now = parts_.clock.now();
  if (now - attended_ > kAbsence || now < attended_) {
    log::warning(
        kRoom,
        "this process did not run for a while (or the clock was set); node health starts afresh");
    mirror_.forget_silence(now);
  }
  attended_ = now;
}

}  // namespace tetrarch::control

// SPDX-License-Identifier: Apache-2.0
#include "control/availability_loop.h"

#include <algorithm>
#include <utility>

#include "base/log.h"
#include "reconcile/api_services.h"
#include "reconcile/condition.h"
#include "reconcile/endpoint_packing.h"

namespace tetrarch::control {

namespace {

using reconcile::kApiServices;
using std::chrono::seconds;

// Source: kube-aggregator: informers resync, and failures are tried again, at most every 30 s.
constexpr seconds kAgain{30};
constexpr int kDoublingsMost = 5;

seconds pause_after(int failures) {
  return std::min(kAgain, seconds(1 << std::min(failures - 1, kDoublingsMost)));
}

Key key_of(std::string_view name) {
  return {std::string(kApiServices), "", std::string(name)};
}

/// Of our own writes nothing but the status is new.
bool is_told_anew(const reconcile::Observed& change) {
  return change.before == nullptr ||
         !change.before->root()["spec"].same_as(change.after->root()["spec"]);
}

}  // namespace

AvailabilityLoop::AvailabilityLoop(Parts parts, Probe probe)
    : parts_(parts), probe_(std::move(probe)) {
  parts_.cache.listen([this](const reconcile::Observed& change) { note(change); });
  parts_.cache.on_progress([this] {
    if (!watched_.empty()) {
      wake_.raise();
    }
  });
}

void AvailabilityLoop::run(async::TaskGroup& group) {
  group.spawn(follow(group));
}

void AvailabilityLoop::note(const reconcile::Observed& change) {
  const auto& object = change.any();
  if (object.key.resource == kApiServices) {
    note_registration(change);
  } else if (object.key.resource == "services") {
    note_service(object.key.ns, object.key.name);
  } else if (object.key.resource == reconcile::kSliceResource && !watched_.empty()) {
    note_service(object.key.ns, object.metadata()["labels"][reconcile::kServiceName].string());
  }
}

void AvailabilityLoop::note_registration(const reconcile::Observed& change) {
  const auto& name = change.any().key.name;
  if (change.after == nullptr || !reconcile::is_served_elsewhere(*change.after)) {
    watched_.erase(name);
    return;
  }
  if (is_told_anew(change) || !watched_.contains(name)) {
    const auto service = change.after->root()["spec"]["service"];
    auto& watched = watched_[name];
    watched.service_ns = service["namespace"].string();
    watched.service = service["name"].string();
    mark_due(watched);
  }
}

void AvailabilityLoop::note_service(std::string_view ns, std::string_view service) {
  for (auto& [name, watched] : watched_) {
    if (watched.service_ns == ns && watched.service == service) {
      mark_due(watched);
    }
  }
}

void AvailabilityLoop::mark_due(Watched& watched) {
  watched.due = parts_.clock.steady();
  watched.failures = 0;
  watched.is_changed = true;
}

std::chrono::nanoseconds AvailabilityLoop::pause() const {
  const auto now = parts_.clock.steady();
  std::chrono::nanoseconds out = kAgain;
  for (const auto& [name, watched] : watched_) {
    if (!watched.is_asked) {
      out = std::min(out, std::max(watched.due - now, std::chrono::nanoseconds(0)));
    }
  }
  return out;
}

Task<void> AvailabilityLoop::follow(async::TaskGroup& group) {
  while (true) {
    if (const auto left = pause(); left.count() > 0 || !parts_.cache.is_synced()) {
      co_await wake_.wait_for(parts_.cache.is_synced() ? left : std::chrono::nanoseconds(kAgain));
      continue;
    }
    for (auto& [name, watched] : watched_) {
      if (!watched.is_asked && watched.due <= parts_.clock.steady()) {
        watched.is_asked = true;
        watched.is_changed = false;
        group.spawn(check(name));
      }
    }
  }
}

Task<void> AvailabilityLoop::check(std::string name) {
  const bool is_well = co_await judge(name);
  const auto at = watched_.find(name);
  if (at == watched_.end()) {
    co_return;
  }
  auto& watched = at->second;
  watched.is_asked = false;
  watched.failures = is_well ? 0 : watched.failures + 1;
  if (!watched.is_changed) {
    watched.due = parts_.clock.steady() + (is_well ? kAgain : pause_after(watched.failures));
  }
  wake_.raise();
}

/// Whether all is well: with the server, and with saying so.
Task<bool> AvailabilityLoop::judge(std::string name) {
  const auto& mirror = parts_.cache.mirror();
  const auto* api_service = mirror.get(key_of(name));
  if (api_service == nullptr || !reconcile::is_served_elsewhere(*api_service)) {
    co_return true;
  }
  auto condition = reconcile::fault_of_backend(mirror, *api_service);
  if (!condition) {
    const auto answer = co_await probe_(name);
    condition = reconcile::answer_of_backend(answer.ok() ? "" : answer.error().message);
  }
  const bool is_told = co_await tell(std::move(name), *condition);
  co_return is_told && condition->status == "True";
}

Task<bool> AvailabilityLoop::tell(std::string name, const reconcile::Condition& condition) {
  // Looked for again: asking took its time.
  const auto* api_service = parts_.cache.mirror().get(key_of(name));
  if (api_service == nullptr || !reconcile::is_served_elsewhere(*api_service)) {
    co_return true;
  }
  auto change = reconcile::told_available(*api_service, condition, parts_.clock.now());
  if (!change) {
    co_return true;
  }
  log::info("control", "APIService {}: {}: {}", name, condition.reason, condition.message);
  client::WriteOptions options;
  options.subresource = change->subresource;
  options.expected = change->expected;
  options.expected_uid = change->expected_uid;
  const auto written =
      co_await parts_.client.update(change->key, change->document, std::move(options));
  co_return written.ok();
}

}  // namespace tetrarch::control

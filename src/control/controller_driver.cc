// SPDX-License-Identifier: Apache-2.0
#include "control/controller_driver.h"

#include <algorithm>
#include <span>

#include <boost/asio/post.hpp>
#include <boost/asio/this_coro.hpp>
#include <fmt/format.h>

#include "base/log.h"

namespace tetrarch::control {

namespace {

using reconcile::Change;
using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr std::string_view kRoom = "control";
// A batch waits for one commit, which takes as long for few: many keys share it where they are
// quickly planned, so that the others on this strand do not wait.
constexpr std::size_t kBatchKeys = 256;
constexpr std::size_t kBatchKeysLeast = 64;
constexpr std::size_t kBatchChanges = 500;
constexpr milliseconds kPlanningMost{5};
constexpr seconds kLongestSleep{10};  // a clock that was set is noticed by then
constexpr seconds kParkedMost{
    30};  // own writes that do not come back: go on, preconditions protect us

client::Propagation propagation_of(reconcile::Propagation wanted) {
  switch (wanted) {
    case reconcile::Propagation::background:
      return client::Propagation::background;
    case reconcile::Propagation::foreground:
      return client::Propagation::foreground;
    case reconcile::Propagation::orphan:
      return client::Propagation::orphan;
    case reconcile::Propagation::unset:
      break;
  }
  return client::Propagation::unset;
}

client::Change to_client(const Change& change, std::string_view manager) {
  client::Change out;
  out.key = change.key;
  out.document = change.document;
  switch (change.verb) {
    case Change::Verb::create:
      out.verb = client::Change::Verb::create;
      break;
    case Change::Verb::update:
      out.verb = client::Change::Verb::update;
      break;
    case Change::Verb::remove:
      out.verb = client::Change::Verb::remove;
      break;
  }
  if (change.verb == Change::Verb::remove) {
    out.remove.grace_seconds = change.grace_seconds;
    out.remove.expected = change.expected;
    out.remove.expected_uid = change.expected_uid;
    out.remove.propagation = propagation_of(change.propagation);
    return out;
  }
  out.write.subresource = change.subresource;
  out.write.expected = change.expected;
  out.write.expected_uid = change.expected_uid;
  out.write.field_manager = std::string(manager);
  return out;
}

/// The view was behind: planning again from a newer one is all there is to do.
bool is_stale(const Error& error) {
  return error.code == Code::conflict || error.code == Code::precondition ||
         error.code == Code::already_exists || error.code == Code::not_found;
}

/// Nothing more is created in a namespace that ends, and that is as it should be.
bool is_in_ending_namespace(const Error& error) {
  return std::any_of(error.fields.begin(), error.fields.end(), [](const FieldError& cause) {
    return cause.reason == "NamespaceTerminating";
  });
}

bool is_done_anyway(const Change& change, const Error& error) {
  const bool is_gone = change.verb == Change::Verb::remove && error.code == Code::not_found;
  return is_gone || is_in_ending_namespace(error);
}

std::string label(std::string_view name) {
  return fmt::format("controller=\"{}\"", name);
}

}  // namespace

ControllerDriver::ControllerDriver(const reconcile::Controller& controller, Parts parts)
    : controller_(controller),
      parts_(parts),
      watches_(controller.watches()),
      depth_(parts.metrics.gauge(
          "tetrarch_controller_queue_depth", "Keys that wait.", label(controller.name()))),
      reconciles_(parts.metrics.counter(
          "tetrarch_controller_reconciles_total", "Keys looked at.", label(controller.name()))),
      changes_(parts.metrics.counter(
          "tetrarch_controller_changes_total", "Changes committed.", label(controller.name()))),
      failures_(parts.metrics.counter(
          "tetrarch_controller_failures_total", "Changes refused.", label(controller.name()))),
      seconds_(parts.metrics.histogram(
          "tetrarch_controller_plan_seconds", "Time to plan one key.", label(controller.name()))) {
  for (const auto& key : controller_.first_keys()) {
    queue_.add(key);
  }
  parts_.cache.listen([this](const reconcile::Observed& change) { enqueue(change); });
  parts_.cache.on_progress([this] {
    if (!parked_.empty() || queue_.has_ready()) {
      wake_.raise();
    }
  });
}

void ControllerDriver::enqueue(const reconcile::Observed& change) {
  std::vector<Key> keys;
  for (const auto& watch : watches_) {
    if (watch.resource == "*" || watch.resource == change.any().key.resource) {
      watch.keys(parts_.cache.mirror(), change, keys);
    }
  }
  for (const auto& key : keys) {
    queue_.add(key);
  }
}

Task<void> ControllerDriver::run() {
  queue_.abandon();
  while (true) {
    unpark();
    const auto keys = parts_.cache.is_synced() ? take_batch() : std::vector<Key>{};
    depth_.set(static_cast<std::int64_t>(queue_size()));
    if (keys.empty()) {
      std::chrono::nanoseconds pause = kLongestSleep;
      if (const auto next = queue_.next_time(); next && parts_.cache.is_synced()) {
        const std::chrono::nanoseconds left = *next - parts_.clock.now();
        pause = std::clamp(left, std::chrono::nanoseconds(milliseconds(1)), pause);
      }
      co_await wake_.wait_for(pause);
      continue;
    }
    auto batch = plan_batch(keys);
    co_await carry_out(batch);
    for (auto& work : batch) {
      settle(work);
    }
    // A batch without changes waits for nothing: let the others on this strand go on.
    co_await asio::post(co_await asio::this_coro::executor, asio::use_awaitable);
  }
}

std::vector<Key> ControllerDriver::take_batch() {
  std::vector<Key> keys;
  const auto now = parts_.clock.now();
  parts_.cache.attend();
  while (keys.size() < kBatchKeys) {
    auto key = queue_.take(now);
    if (!key) {
      break;
    }
    if (const auto parked = parked_.find(*key); parked != parked_.end()) {
      parked->second.is_wanted = true;  // comes back by unpark()
      queue_.done(*key);
      continue;
    }
    keys.push_back(std::move(*key));
  }
  return keys;
}

/// Stops early when there is enough to commit or it took long; the keys left over go back to the
/// queue.
std::vector<ControllerDriver::Work> ControllerDriver::plan_batch(const std::vector<Key>& keys) {
  std::vector<Work> batch;
  std::size_t changes = 0;
  const auto planning_ends = parts_.clock.steady() + kPlanningMost;
  for (const auto& key : keys) {
    const bool took_long = batch.size() >= kBatchKeysLeast && parts_.clock.steady() > planning_ends;
    if (changes >= kBatchChanges || took_long) {
      queue_.done(key);
      queue_.add(key);
      continue;
    }
    const auto failure = last_failures_.find(key);
    const auto began = parts_.clock.steady();
    batch.push_back(Work{.key = key,
                         .plan = controller_.reconcile(
                             {.seen = parts_.cache.mirror(),
                              .key = key,
                              .now = parts_.clock.now(),
                              .last_failure = failure == last_failures_.end() ? std::string_view()
                                                                              : failure->second})});
    const std::chrono::duration<double> took = parts_.clock.steady() - began;
    seconds_.observe(took.count());
    reconciles_.add();
    changes += batch.back().plan.changes.size();
  }
  return batch;
}

Task<void> ControllerDriver::carry_out(std::vector<Work>& batch) {
  for (auto& work : batch) {
    co_await confirm(work);
  }
  bool is_left = true;
  while (is_left) {
    is_left = co_await carry_out_step(batch);
  }
}

/// Commits the next step of every plan together. False: nothing was left.
Task<bool> ControllerDriver::carry_out_step(std::vector<Work>& batch) {
  std::vector<client::Change> changes;
  std::vector<std::size_t> steps;
  const auto manager = fmt::format("tetrarch-{}", controller_.name());
  for (const auto& work : batch) {
    const auto left = std::span<const Change>(work.plan.changes).subspan(work.results.size());
    steps.push_back(work.pace.step(left));
    for (const auto& change : left.first(steps.back())) {
      changes.push_back(to_client(change, manager));
    }
  }
  if (changes.empty()) {
    co_return false;
  }
  auto results = co_await parts_.client.apply(std::move(changes));
  std::size_t next = 0;
  for (std::size_t i = 0; i < batch.size(); ++i) {
    auto& work = batch[i];
    for (std::size_t done = 0; done < steps[i]; ++done, ++next) {
      work.results.push_back(next < results.size()
                                 ? std::move(results[next])
                                 : Result<Stored>(Error(Code::internal, "no answer")));
    }
    work.pace.settle(work.plan.changes, work.results, steps[i]);
  }
  co_return true;
}

/// Drops the changes of a plan whose absences do not hold; it is planned again.
Task<void> ControllerDriver::confirm(Work& work) {
  std::vector<Change> confirmed;
  for (auto& change : work.plan.changes) {
    auto holds = co_await confirm_absent(change.confirm_absent);
    if (holds) {
      holds = co_await confirm_alive(change.confirm_alive);
    }
    if (holds) {
      confirmed.push_back(std::move(change));
    } else {
      log::debug(kRoom,
                 "{}: {}/{} waits: {}",
                 controller_.name(),
                 change.key.ns,
                 change.key.name,
                 holds.error().message);
      work.plan.look_again_at(parts_.clock.now() + seconds(1));
    }
  }
  work.plan.changes = std::move(confirmed);
}

Task<Status> ControllerDriver::confirm_absent(std::vector<reconcile::Absence> absences) {
  for (const auto& absence : absences) {
    if (absence.key.name.empty()) {
      client::ListQuery query;
      query.resource = absence.key.resource;
      query.ns = absence.key.ns;
      query.limit = 1;
      CO_TRY(const auto page, co_await parts_.client.list(query));
      if (!page.items.empty()) {
        co_return Error(Code::conflict, fmt::format("there are still {}", absence.key.resource));
      }
      continue;
    }
    const auto read = co_await parts_.client.get(absence.key);
    if (read && (absence.uid.empty() || read->uid() == absence.uid)) {
      co_return Error(Code::conflict,
                      fmt::format("{} {} is there", absence.key.resource, absence.key.name));
    }
    if (!read && read.error().code != Code::not_found) {
      co_return read.error();
    }
  }
  co_return ok();
}

Task<Status> ControllerDriver::confirm_alive(reconcile::Presence presence) {
  if (presence.key.name.empty()) {
    co_return ok();
  }
  CO_TRY(const auto read, co_await parts_.client.get(presence.key));
  if (read.uid() != presence.uid || read.metadata()["deletionTimestamp"].is_string()) {
    co_return Error(
        Code::conflict,
        fmt::format("{} {} is being deleted", presence.key.resource, presence.key.name));
  }
  co_return ok();
}

void ControllerDriver::settle(Work& work) {
  for (auto& note : work.plan.notes) {
    parts_.recorder.record(std::move(note));
  }
  note_results(work);
  wait_for_own_writes(work);
  retry_failed(work);
  if (work.plan.look_again) {
    queue_.add_at(work.key, *work.plan.look_again);
  }
  queue_.done(work.key);
}

void ControllerDriver::note_results(const Work& work) {
  for (std::size_t i = 0; i < work.results.size(); ++i) {
    const auto& change = work.plan.changes[i];
    const auto& result = work.results[i];
    if (result) {
      changes_.add();
      if (change.when_done) {
        parts_.recorder.record(*change.when_done);
      }
      continue;
    }
    if (is_stale(result.error()) || is_in_ending_namespace(result.error())) {
      continue;
    }
    failures_.add();
    log::warning(kRoom,
                 "{}: {} {}/{} was refused: {}",
                 controller_.name(),
                 change.key.resource,
                 change.key.ns,
                 change.key.name,
                 result.error().message);
    if (change.when_failed) {
      auto note = *change.when_failed;
      note.message += ": " + result.error().message;
      parts_.recorder.record(std::move(note));
    }
  }
}

void ControllerDriver::wait_for_own_writes(const Work& work) {
  Parked parked;
  parked.since = parts_.clock.now();
  parked.is_wanted =
      true;  // once more, to see that nothing is left to do; a failure has its pause instead
  for (const auto& result : work.results) {
    if (!result) {
      parked.is_wanted = false;
    } else if (parts_.cache.mirrors(result->key.resource)) {
      auto& until = parked.until[result->key.resource];
      until = std::max(until, result->revision);
    }
  }
  if (!work.results.empty()) {
    parked_.insert_or_assign(work.key, std::move(parked));
  }
}

void ControllerDriver::retry_failed(const Work& work) {
  const Error* worst = nullptr;
  for (std::size_t i = 0; i < work.results.size(); ++i) {
    const auto& result = work.results[i];
    if (result || is_done_anyway(work.plan.changes[i], result.error())) {
      continue;
    }
    if (worst == nullptr || is_stale(*worst)) {
      worst = &result.error();
    }
  }
  if (worst == nullptr) {
    queue_.succeed(work.key);
    if (!work.results.empty() || work.plan.changes.empty()) {
      last_failures_.erase(work.key);
    }
    return;
  }
  if (!is_stale(*worst)) {
    last_failures_[work.key] = worst->message;
  }
  const auto pause = queue_.fail(work.key, parts_.random.next());
  queue_.add_at(work.key, parts_.clock.now() + pause);
}

void ControllerDriver::unpark() {
  const auto now = parts_.clock.now();
  for (auto at = parked_.begin(); at != parked_.end();) {
    const bool is_shown =
        std::all_of(at->second.until.begin(), at->second.until.end(), [this](const auto& each) {
          return parts_.cache.mirror().revision(each.first) >= each.second;
        });
    if (is_shown || now - at->second.since > kParkedMost) {
      if (at->second.is_wanted) {
        queue_.add(at->first);
      }
      at = parked_.erase(at);
    } else {
      ++at;
    }
  }
}

}  // namespace tetrarch::control

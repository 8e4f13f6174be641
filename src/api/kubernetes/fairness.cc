// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/fairness.h"

#include <algorithm>

#include <fmt/core.h>

#include "async/timer.h"

namespace tetrarch::api::kubernetes {
namespace {

constexpr std::string_view kKubeSystemAccounts = "system:serviceaccounts:kube-system";

// Source: the words of a kube-apiserver, which users know.
Error too_many(std::string message) {
  Error error(Code::exhausted, std::move(message));
  error.retry_after_s = 1;
  return error;
}

std::size_t seats_of(Level level, std::size_t all) {
  const bool is_large = level == Level::system || level == Level::workload;
  return std::max<std::size_t>(1, all * (is_large ? 4 : 1) / 10);
}

}  // namespace

std::string_view word_of(Level level) {
  constexpr std::array<std::string_view, 5> kWords{
      "exempt", "system", "leader-election", "workload", "other"};
  return kWords.at(static_cast<std::size_t>(level));
}

Level level_of(const trust::Identity& identity, std::string_view group, std::string_view resource) {
  if (identity.is_in(trust::kMasters)) {
    return Level::exempt;
  }
  if (identity.is_in(trust::kNodes) || identity.is_in(kKubeSystemAccounts) ||
      identity.user.starts_with("system:kube-")) {
    return Level::system;
  }
  if (!identity.is_in(trust::kAuthenticated)) {
    return Level::other;
  }
  const bool is_lease = resource == "leases" && group == "coordination.k8s.io";
  const bool is_program = identity.user.starts_with(trust::kServiceAccountUserPrefix);
  return is_lease && is_program ? Level::leader_election : Level::workload;
}

/// One level's seats, and what is told of them.
struct Fairness::Queue {
  Queue(Level level, const FairnessLimits& limits, Metrics& metrics)
      : fair({.seats = seats_of(level, limits.seats),
              .waiting_per_user = limits.waiting_per_user,
              .waiting = limits.waiting_per_level}),
        label(fmt::format(R"(priority_level="{}")", word_of(level))),
        // Source: Kubernetes documentation, "API Priority and Fairness", metrics.
        executing(metrics.gauge("apiserver_flowcontrol_current_executing_requests",
                                "Requests that have a seat, by level.",
                                label)),
        waiting(metrics.gauge("apiserver_flowcontrol_current_inqueue_requests",
                              "Requests that wait for a seat, by level.",
                              label)),
        full(metrics.counter("apiserver_flowcontrol_rejected_requests_total",
                             "Requests refused with 429, by level and reason.",
                             label + R"(,reason="queue-full")")),
        late(metrics.counter("apiserver_flowcontrol_rejected_requests_total",
                             "Requests refused with 429, by level and reason.",
                             label + R"(,reason="time-out")")) {}

  FairQueue fair;
  const std::string label;
  Gauge& executing;
  Gauge& waiting;
  Counter& full;
  Counter& late;
};

Fairness::Seat& Fairness::Seat::operator=(Seat&& other) noexcept {
  if (this != &other) {
    release();
    queue_ = std::exchange(other.queue_, nullptr);
  }
  return *this;
}

void Fairness::Seat::release() {
  if (auto* queue = std::exchange(queue_, nullptr)) {
    queue->executing.add(-1);
    queue->fair.leave();
  }
}

Fairness::Stream& Fairness::Stream::operator=(Stream&& other) noexcept {
  if (this != &other) {
    release();
    fairness_ = std::exchange(other.fairness_, nullptr);
    user_ = std::move(other.user_);
  }
  return *this;
}

void Fairness::Stream::release() {
  auto* fairness = std::exchange(fairness_, nullptr);
  if (fairness == nullptr) {
    return;
  }
  const std::lock_guard lock(fairness->mutex_);
  const auto at = fairness->streams_.find(user_);
  if (--at->second == 0) {
    fairness->streams_.erase(at);
  }
}

Fairness::Fairness(const FairnessLimits& limits, Metrics& metrics)
    : limits_(limits),
      refused_streams_(metrics.counter("tetrarch_api_refused_streams_total",
                                       "Watches and other streams refused with 429.")) {
  for (std::size_t i = 0; i < queues_.size(); ++i) {
    queues_.at(i) = std::make_unique<Queue>(static_cast<Level>(i), limits, metrics);
  }
}

Fairness::~Fairness() = default;

bool Fairness::try_enter(Level level, Seat& seat) {
  auto& mine = queue(level);
  if (!mine.fair.try_enter()) {
    return false;
  }
  mine.executing.add(1);
  seat = Seat(&mine);
  return true;
}

Task<Result<Fairness::Seat>> Fairness::wait(Level level, std::string user) {
  /// However this frame ends, its place in the queue ends too, and a seat is not lost.
  struct Place {
    Queue& queue;
    std::shared_ptr<FairQueue::Waiter> waiter;
    bool is_taken = false;

    ~Place() {
      queue.waiting.add(-1);
      if (queue.fair.withdraw(waiter) && !is_taken) {
        queue.fair.leave();
      }
    }
  };

  auto& mine = queue(level);
  const auto called = std::make_shared<async::Event>();  // shared with who leaves
  auto waiter = std::make_shared<FairQueue::Waiter>();
  waiter->called = [called] { called->raise(); };
  const auto entry = mine.fair.enter(user, waiter);
  if (entry == FairQueue::Entry::refused) {
    mine.full.add();
    co_return too_many("Too many requests, please try again later.");
  }
  mine.waiting.add(1);
  Place place{mine, std::move(waiter)};
  bool has_seat = entry == FairQueue::Entry::seated;
  if (!has_seat) {
    (void)co_await called->wait_for(limits_.wait_max);
    has_seat = mine.fair.withdraw(place.waiter);
  }
  if (!has_seat) {
    mine.late.add();
    co_return too_many("Too many requests, please try again later.");
  }
  place.is_taken = true;
  mine.executing.add(1);
  Result<Seat> out{Seat(&mine)};
  co_return out;
}

Result<Fairness::Stream> Fairness::open_stream(const std::string& user) {
  const std::lock_guard lock(mutex_);
  auto& count = streams_[user];
  if (count >= limits_.streams_per_user) {
    refused_streams_.add();
    return too_many(fmt::format(
        "User \"{}\" has {} watches and other streams open, which is the most a user may have",
        user,
        count));
  }
  ++count;
  return Stream(this, user);
}

}  // namespace tetrarch::api::kubernetes

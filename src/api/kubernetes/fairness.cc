// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/fairness.h"

#include <algorithm>
#include <cmath>

#include <fmt/core.h>

#include "async/timer.h"

namespace tetrarch::api::kubernetes {
namespace {

/// Ours: levels beyond so many share a series; who may make levels must not fill our memory.
constexpr std::size_t kSeriesMax = 100;

// Source: the words of a kube-apiserver, which users know.
Error too_many(std::string message) {
  Error error(Code::exhausted, std::move(message));
  error.retry_after_s = 1;
  return error;
}

std::size_t percent_of(std::size_t count, int percent) {
  return static_cast<std::size_t>(std::lround(static_cast<double>(count) * percent / 100));
}

/// Source: Kubernetes API reference v1.35, PriorityLevelConfiguration: NominalCL, LendableCL,
/// BorrowingCL.
SeatLimits limits_of(const PriorityLevel& level, std::size_t seats, std::size_t shares) {
  SeatLimits out;
  const auto mine = seats * static_cast<std::size_t>(level.shares);
  out.own = shares == 0 ? 0 : (mine + shares - 1) / shares;
  out.lendable = percent_of(out.own, level.lendable_percent);
  out.borrowable = level.borrowing_percent ? percent_of(out.own, *level.borrowing_percent) : seats;
  // Ours: a flow may have as many waiting as fit into its hand of queues, in a line of its own.
  out.waiting = {level.hand * level.queue_length, level.queues * level.queue_length};
  return out;
}

}  // namespace

/// What is told of a level.
struct Fairness::Series {
  Series(std::string_view level, Metrics& metrics)
      : label(fmt::format(R"(priority_level="{}")", level)),
        // Source: Kubernetes documentation, "API Priority and Fairness", metrics.
        nominal(metrics.gauge(
            "apiserver_flowcontrol_nominal_limit_seats", "Seats of a level's own.", label)),
        executing(metrics.gauge("apiserver_flowcontrol_current_executing_requests",
                                "Requests that have a seat, by level.",
                                label)),
        waiting(metrics.gauge("apiserver_flowcontrol_current_inqueue_requests",
                              "Requests that wait for a seat, by level.",
                              label)),
        unqueued(rejected(metrics, "concurrency-limit")),
        full(rejected(metrics, "queue-full")),
        late(rejected(metrics, "time-out")) {}

  Counter& rejected(Metrics& metrics, std::string_view reason) const {
    return metrics.counter("apiserver_flowcontrol_rejected_requests_total",
                           "Requests refused with 429, by level and reason.",
                           fmt::format(R"({},reason="{}")", label, reason));
  }

  const std::string label;
  Gauge& nominal;
  Gauge& executing;
  Gauge& waiting;
  Counter& unqueued;
  Counter& full;
  Counter& late;
};

/// One state of the objects, and the levels in their order.
struct Fairness::Rules {
  FlowRules flows;
  std::vector<Place> places = {};
};

const PriorityLevel& Fairness::Flow::level() const {
  return rules_->flows.levels()[schema_->level];
}

Fairness::Seat& Fairness::Seat::operator=(Seat&& other) noexcept {
  if (this != &other) {
    release();
    fairness_ = std::exchange(other.fairness_, nullptr);
    place_ = std::move(other.place_);
  }
  return *this;
}

void Fairness::Seat::release() {
  if (auto* fairness = std::exchange(fairness_, nullptr)) {
    place_.series->executing.add(-1);
    fairness->seats_.leave(*place_.level);
    place_.level = nullptr;
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
      metrics_(metrics),
      refused_streams_(metrics.counter("tetrarch_api_refused_streams_total",
                                       "Watches and other streams refused with 429.")) {
  configure(first_flow_objects());
}

Fairness::~Fairness() = default;

Fairness::Series& Fairness::series(const std::string& level) {
  const bool is_new = !series_.contains(level) && series_.size() >= kSeriesMax;
  const std::string name = is_new ? "other" : level;
  auto& out = series_[name];
  if (!out) {
    out = std::make_unique<Series>(name, metrics_);
  }
  return *out;
}

void Fairness::configure(const FlowObjects& objects) {
  const std::lock_guard one_at_a_time(configuring_);
  Rules fresh{.flows = FlowRules(objects)};
  std::size_t shares = 0;
  for (const auto& level : fresh.flows.levels()) {
    shares += static_cast<std::size_t>(level.shares);
  }
  for (const auto& [name, told] : series_) {
    told->nominal.set(0);  // of those that are gone
  }
  std::vector<Seats::NamedLimits> limits;
  for (const auto& level : fresh.flows.levels()) {
    limits.push_back({level.name, limits_of(level, limits_.seats, shares)});
    series(level.name).nominal.set(static_cast<std::int64_t>(limits.back().limits.own));
  }
  auto levels = seats_.arrange(limits);
  for (std::size_t i = 0; i < levels.size(); ++i) {
    fresh.places.push_back({std::move(levels[i]), &series(limits[i].name)});
  }
  auto shared = std::make_shared<const Rules>(std::move(fresh));  // with requests under way
  const std::lock_guard lock(rules_mutex_);
  rules_.swap(shared);
}

Fairness::Flow Fairness::classify(const FlowRequest& asked) const {
  Flow out;
  {
    const std::lock_guard lock(rules_mutex_);
    out.rules_ = rules_;
  }
  out.schema_ = &out.rules_->flows.match(asked);
  return out;
}

const Fairness::Place& Fairness::place_of(const Flow& flow) const {
  return flow.rules_->places[flow.schema().level];
}

bool Fairness::try_enter(const Flow& flow, Seat& seat) {
  if (flow.level().is_exempt) {
    return true;
  }
  const auto& place = place_of(flow);
  if (!seats_.try_enter(*place.level)) {
    return false;
  }
  place.series->executing.add(1);
  seat = Seat(this, place);
  return true;
}

Task<Result<Fairness::Seat>> Fairness::wait(Flow flow, std::string distinguisher) {
  /// However this frame ends, its place in the queue ends too, and a seat is not lost.
  struct Hold {
    Seats& seats;
    Place place;
    std::shared_ptr<Waiter> waiter;
    bool is_taken = false;

    ~Hold() {
      place.series->waiting.add(-1);
      if (seats.withdraw(*place.level, waiter) && !is_taken) {
        seats.leave(*place.level);
      }
    }
  };

  const auto place = place_of(flow);
  const auto called = std::make_shared<async::Event>();  // shared with who leaves
  auto waiter = std::make_shared<Waiter>();
  waiter->called = [called] { called->raise(); };
  // With one queue there is one line, whoever asks. Source: QueuingConfiguration.
  const auto line =
      flow.level().queues > 1 ? flow.schema().name + "\n" + distinguisher : std::string();
  const auto entry = seats_.enter(*place.level, line, waiter);
  if (entry == Seats::Entry::refused) {
    (flow.level().queues == 0 ? place.series->unqueued : place.series->full).add();
    co_return too_many("Too many requests, please try again later.");
  }
  place.series->waiting.add(1);
  Hold hold{seats_, place, std::move(waiter)};
  bool has_seat = entry == Seats::Entry::seated;
  if (!has_seat) {
    (void)co_await called->wait_for(limits_.wait_max);
    has_seat = seats_.withdraw(*place.level, hold.waiter);
  }
  if (!has_seat) {
    place.series->late.add();
    co_return too_many("Too many requests, please try again later.");
  }
  hold.is_taken = true;
  place.series->executing.add(1);
  Result<Seat> out{Seat(this, place)};
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

std::string distinguisher_of(const FlowSchema& schema, const FlowRequest& asked) {
  switch (schema.method) {
    case FlowSchema::Method::user:
      return asked.identity.user;
    case FlowSchema::Method::ns:
      return std::string(asked.ns);
    case FlowSchema::Method::none:
      break;
  }
  return {};
}

}  // namespace tetrarch::api::kubernetes

// SPDX-License-Identifier: Apache-2.0
// Priority and fairness: which flow a request belongs to by the FlowSchemas of now, how many of its
// priority level are served at a time, and who waits. So that no client, however many requests it
// makes, keeps nodes or other clients from being served. Thread-safe; owned by app, which tells it
// of each change of the objects.
#pragma once

#include <chrono>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "api/kubernetes/flow_rules.h"
#include "api/kubernetes/seats.h"
#include "async/task.h"
#include "base/metrics.h"
#include "base/result.h"

namespace tetrarch::api::kubernetes {

struct FairnessLimits {
  /// Requests served at a time, all levels together; each has its share of them.
  /// Source: Kubernetes apiserver defaults: 400 reading and 200 writing.
  std::size_t seats = 600;
  /// Source: kube-apiserver, a quarter of request-timeout.
  std::chrono::nanoseconds wait_max = std::chrono::seconds(15);
  /// Watches, logs and other open requests of one user; they take no seat once they have begun.
  std::size_t streams_per_user = 10'000;
};

class Fairness {
  struct Series;

  /// A level as it is served. Shared by the rules that name it and by its seats.
  struct Place {
    std::shared_ptr<Seats::Level> level;
    Series* series;
  };

  struct Rules;

 public:
  /// Which schema a request belongs to. Holds the rules of its time.
  class Flow {
   public:
    Flow() = default;

    bool is_known() const { return schema_ != nullptr; }

    const FlowSchema& schema() const { return *schema_; }

    const PriorityLevel& level() const;

   private:
    friend class Fairness;

    std::shared_ptr<const Rules> rules_;
    const FlowSchema* schema_ = nullptr;
  };

  /// The right to be served; given back at its end.
  class Seat {
   public:
    Seat() = default;

    Seat(Seat&& other) noexcept
        : fairness_(std::exchange(other.fairness_, nullptr)), place_(std::move(other.place_)) {}

    Seat& operator=(Seat&& other) noexcept;

    ~Seat() { release(); }

    void release();

   private:
    friend class Fairness;

    Seat(Fairness* fairness, Place place) : fairness_(fairness), place_(std::move(place)) {}

    Fairness* fairness_ = nullptr;
    Place place_ = {};
  };

  /// One open stream of a user.
  class Stream {
   public:
    Stream() = default;

    Stream(Stream&& other) noexcept
        : fairness_(std::exchange(other.fairness_, nullptr)), user_(std::move(other.user_)) {}

    Stream& operator=(Stream&& other) noexcept;

    ~Stream() { release(); }

   private:
    friend class Fairness;

    Stream(Fairness* fairness, std::string user) : fairness_(fairness), user_(std::move(user)) {}

    void release();

    Fairness* fairness_ = nullptr;
    std::string user_;
  };

  /// Begins with the objects that every cluster begins with.
  Fairness(const FairnessLimits& limits, Metrics& metrics);
  ~Fairness();

  /// These objects count from now on. Requests under way keep their seats.
  void configure(const FlowObjects& objects);

  Flow classify(const FlowRequest& asked) const;
  /// A seat if there is one without waiting, or none is needed.
  bool try_enter(const Flow& flow, Seat& seat);
  /// Waits for a seat. `distinguisher` tells the flows of one schema apart. Code::exhausted: too
  /// many wait already, or it took too long, or nobody waits in this level.
  Task<Result<Seat>> wait(Flow flow, std::string distinguisher);
  /// Code::exhausted: the user has too many open streams.
  Result<Stream> open_stream(const std::string& user);

 private:
  Series& series(const std::string& level);
  const Place& place_of(const Flow& flow) const;

  const FairnessLimits limits_;
  Metrics& metrics_;
  Seats seats_;
  mutable std::mutex rules_mutex_;  // guards rules_, for the copy of one pointer
  std::shared_ptr<const Rules> rules_;
  std::mutex configuring_;  // one change at a time; guards series_
  std::map<std::string, std::unique_ptr<Series>> series_;
  std::mutex mutex_;  // guards streams_
  std::unordered_map<std::string, std::size_t> streams_;
  Counter& refused_streams_;
};

/// What tells the flows of a schema apart: its user, its namespace, nothing.
std::string distinguisher_of(const FlowSchema& schema, const FlowRequest& asked);

}  // namespace tetrarch::api::kubernetes

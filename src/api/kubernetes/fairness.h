// SPDX-License-Identifier: Apache-2.0
// Priority and fairness: which class a request belongs to, how many of a class are served at a
// time, and who waits. So that no client, however many requests it makes, keeps nodes or other
// clients from being served. Thread-safe; owned by the API's handler.
#pragma once

#include <array>
#include <chrono>
#include <memory>
#include <string>
#include <string_view>
#include <unordered_map>
#include <utility>

#include "api/kubernetes/fair_queue.h"
#include "async/task.h"
#include "base/metrics.h"
#include "base/result.h"
#include "trust/identity.h"

namespace tetrarch::api::kubernetes {

/// Ours: the levels of Kubernetes, as far as they differ here. Exempt requests take no seat.
enum class Level : std::uint8_t { exempt, system, leader_election, workload, other };
std::string_view word_of(Level level);

/// system:masters are exempt: whoever must repair the cluster is not refused.
Level level_of(const trust::Identity& identity, std::string_view group, std::string_view resource);

struct FairnessLimits {
  /// Requests served at a time, all levels together (system and workload have two fifths each).
  /// Source: Kubernetes apiserver defaults: 400 reading and 200 writing.
  std::size_t seats = 600;
  std::size_t waiting_per_user = 200;
  std::size_t waiting_per_level = 2000;
  std::chrono::nanoseconds wait_max = std::chrono::seconds(15);
  /// Watches, logs and other open requests of one user; they take no seat once they have begun.
  std::size_t streams_per_user = 10'000;
};

class Fairness {
  struct Queue;

 public:
  /// The right to be served; given back at its end.
  class Seat {
   public:
    Seat() = default;

    Seat(Seat&& other) noexcept : queue_(std::exchange(other.queue_, nullptr)) {}

    Seat& operator=(Seat&& other) noexcept;

    ~Seat() { release(); }

    void release();

   private:
    friend class Fairness;

    explicit Seat(Queue* queue) : queue_(queue) {}

    Queue* queue_ = nullptr;
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

  Fairness(const FairnessLimits& limits, Metrics& metrics);
  ~Fairness();

  /// A seat if there is one without waiting. Not for Level::exempt.
  bool try_enter(Level level, Seat& seat);
  /// Waits for a seat. Code::exhausted: too many wait already, or it took too long.
  Task<Result<Seat>> wait(Level level, std::string user);
  /// Code::exhausted: the user has too many open streams.
  Result<Stream> open_stream(const std::string& user);

 private:
  Queue& queue(Level level) { return *queues_.at(static_cast<std::size_t>(level)); }

  const FairnessLimits limits_;
  std::array<std::unique_ptr<Queue>, 5> queues_;
  std::mutex mutex_;  // guards streams_
  std::unordered_map<std::string, std::size_t> streams_;
  Counter& refused_streams_;
};

}  // namespace tetrarch::api::kubernetes

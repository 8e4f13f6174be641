// SPDX-License-Identifier: Apache-2.0
// What passes between the world and a server: calls with one answer each, and streams of watch
// events. Made in the world, filled in the server's domain.
#pragma once

#include <chrono>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "async/timer.h"
#include "client/client.h"

namespace tetrarch::sim {

/// Something that waits for a server and must learn of its end.
class Waiting {
 public:
  virtual ~Waiting() = default;
  virtual void fail(const Error& error) = 0;
};

/// What the server does for a call.
template <class T>
using Serve = std::function<Task<Result<T>>(client::Client&)>;

template <class T>
struct Call final : Waiting {
  void fail(const Error& error) override { settle(error); }

  void settle(Result<T> with) {
    if (!answer) {
      answer.emplace(std::move(with));
      answered.raise();
    }
  }

  std::optional<Result<T>> answer;
  async::Event answered;
};

/// A watch on its way. Bounded: who does not read is cut off.
struct Pipe final : Waiting {
  static constexpr std::size_t kBatchesMax = 4096;

  void fail(const Error& error) override {
    if (!end) {
      end = error;
      filled.raise();
    }
  }

  std::deque<std::vector<client::WatchEvent>> batches;
  std::optional<Error> end;
  bool is_abandoned = false;
  /// How long the server gathers between two batches: what comes at once goes at once.
  std::chrono::milliseconds pace{0};
  /// What the reader has a use for; none: everything.
  std::function<bool(const client::WatchEvent&)> wants = {};
  async::Event filled;
  async::Event abandoned;
};

}  // namespace tetrarch::sim

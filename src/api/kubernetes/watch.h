// SPDX-License-Identifier: Apache-2.0
// Watch: a response that stays open and gets one JSON line per event.
#pragma once

#include <memory>
#include <span>

#include "api/kubernetes/context.h"
#include "api/kubernetes/parameters.h"
#include "async/breaker.h"
#include "async/task.h"
#include "client/client.h"
#include "net/http.h"

namespace tetrarch::api::kubernetes {

Task<Status> serve_watch(Context& context, ListParameters parameters);

struct StreamLimits {
  std::chrono::seconds timeout;
  std::chrono::seconds slow_client_max;
};

/// Prints events as lines until the time is up, the client has gone or is too slow, or the watch
/// ends with an ERROR event.
class WatchStream final : public OpenAnswer {
 public:
  using Print = std::function<net::Body(std::span<const client::WatchEvent>)>;

  WatchStream(Context& context,
              std::unique_ptr<client::Watch> watch,
              StreamLimits limits,
              Print print);
  Task<Status> run() override;

 private:
  enum class End : std::uint8_t { none, done, time_up, client_gone };

  Task<void> pump();
  /// Whether it is time to end; says when to look again.
  std::chrono::nanoseconds look();
  std::chrono::nanoseconds until_next_look() const;
  void end(End how);

  Context& context_;
  std::unique_ptr<client::Watch> watch_;
  const StreamLimits limits_;
  const Print print_;
  const SteadyPoint started_;
  SteadyPoint write_started_ = {};
  bool is_writing_ = false;
  // Shared with the notice, which may outlive this.
  const std::shared_ptr<async::Breaker> breaker_ = std::make_shared<async::Breaker>();
  End end_ = End::none;
};

/// The lines of a batch, each with the stored document as it lies in memory.
net::Body event_lines(std::span<const client::WatchEvent> events);

}  // namespace tetrarch::api::kubernetes

// SPDX-License-Identifier: Apache-2.0
// The agent's end of reach: keeps a connection to a server, dials again with back-off when it
// breaks, and hands each stream that the server opens to a handler. Made, run and stopped by agent.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <string>

#include "async/io_pool.h"
#include "async/task.h"
#include "async/task_group.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/random.h"
#include "net/client.h"
#include "net/http.h"
#include "reach/mux.h"

namespace tetrarch::reach {

class Dialer {
 public:
  /// Answers one stream: writes format_answer(…) first, then data. Runs on the dialer's strand and
  /// is cancelled when the dialer stops; when the connection breaks its stream fails.
  using Handler =
      std::function<Task<void>(std::string request_json, std::unique_ptr<net::Stream> stream)>;

  struct Options {
    std::chrono::nanoseconds backoff_min = std::chrono::milliseconds(500);
    std::chrono::nanoseconds backoff_max = std::chrono::seconds(15);
    MuxOptions mux = {};
  };

  /// `pool`, `client`, `random` and `clock` outlive the dialer.
  Dialer(async::IoPool& pool,
         net::Client& client,
         NodeName node,
         Handler handler,
         Options options,
         Random& random = system_random(),
         const Clock& clock = system_clock());
  ~Dialer();
  Dialer(const Dialer&) = delete;
  Dialer& operator=(const Dialer&) = delete;

  void run();

  Task<void> stop() { co_await group_.stop(); }

  void stop_and_wait() { group_.stop_and_wait(); }

  bool is_connected() const { return is_connected_; }

 private:
  static Task<void> keep_dialling(Dialer& self);
  Task<Status> dial_once();
  static Task<void> answer(Handler handler,
                           std::string request,
                           std::unique_ptr<net::Stream> stream);

  net::Client& client_;
  const NodeName node_;
  const Handler handler_;
  const Options options_;
  Random& random_;
  const Clock& clock_;
  const asio::any_io_executor strand_;
  std::atomic<bool> is_connected_ = false;
  async::TaskGroup group_;
};

}  // namespace tetrarch::reach

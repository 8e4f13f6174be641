// SPDX-License-Identifier: Apache-2.0
// The agent's end of reach: keeps a connection to a server, dials again with back-off when it
// breaks, and hands each stream that the server opens to a handler. Made, run and stopped by agent.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <string>

#include "async/io_pool.h"
#include "async/task.h"
#include "async/task_group.h"
#include "async/timer.h"
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
  /// is cancelled when the dialer stops; when the connection breaks its stream fails. Where it
  /// waits for something else than the stream, it waits for until_dropped() as well.
  using Handler =
      std::function<Task<void>(std::string request_json, std::unique_ptr<OpenedStream> stream)>;

  struct Options {
    std::chrono::nanoseconds backoff_min = std::chrono::milliseconds(500);
    std::chrono::nanoseconds backoff_max = std::chrono::seconds(15);
    std::chrono::nanoseconds patience = std::chrono::seconds(
        1);  ///< an attempt that takes longer hangs, if the server answers others
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

  bool is_connected() const { return phase_ == Phase::connected; }

  // For what the agent asks of the server. Any thread.
  /// A stream to the server. Code::unavailable: there is no connection, or the server takes none.
  Result<std::unique_ptr<net::Stream>> open(std::string request);
  /// The server has refused a stream: none is opened until there is another connection.
  void note_refusal();
  /// Whoever waits for a connection does not wait for the back-off.
  void hurry();
  /// The server has just answered elsewhere: an attempt that hangs begins anew, and a pause ends.
  /// Once until there is a connection, so that a server that takes none is not dialled for each
  /// answer.
  void note_answer();

 private:
  enum class Phase { none, dialling, connected, pausing };

  static Task<void> keep_dialling(Dialer& self);
  Task<Status> dial_once();
  using Connected = Result<std::unique_ptr<net::Stream>>;
  Task<Connected> connect();
  Task<Connected> upgrade();
  Task<void> upgrade_into(std::optional<Connected>& connected);
  Task<void> wait_for_answer(bool& has_come);
  void use(std::shared_ptr<Mux> mux);
  static Task<void> answer(Handler handler,
                           std::string request,
                           std::unique_ptr<OpenedStream> stream);

  net::Client& client_;
  const NodeName node_;
  const Handler handler_;
  const Options options_;
  Random& random_;
  const Clock& clock_;
  const asio::any_io_executor strand_;
  std::atomic<Phase> phase_ = Phase::none;
  std::atomic<SteadyPoint> dialled_;
  async::Event hurried_;
  std::atomic<bool> has_answered_ = false;  // elsewhere, since there was a connection
  async::Event answered_;
  std::mutex mutex_;            // guards what follows
  std::shared_ptr<Mux> mux_;    // null: not connected
  bool takes_streams_ = false;  // the server, as far as we know
  async::TaskGroup group_;
};

}  // namespace tetrarch::reach

// SPDX-License-Identifier: Apache-2.0
// Many streams over one connection between server and agent. Every stream has a window of its own,
// so a slow reader holds up nobody else and nothing is buffered without bound. Either side may open
// streams; in reach the server does. Ours: a frame is 1 byte kind, 4 bytes stream id, 4 bytes
// length, payload, numbers big-endian.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>

#include "async/task.h"
#include "base/clock.h"
#include "base/result.h"
#include "net/ending_stream.h"
#include "net/http.h"
#include "net/outbox.h"

namespace tetrarch::reach {

struct MuxOptions {
  bool is_dialer = false;  ///< the two sides differ in this: it keeps the ids of streams apart
  std::size_t streams_max = 1024;
  std::chrono::nanoseconds ping_interval = std::chrono::seconds(15);
  std::chrono::nanoseconds silence_limit =
      std::chrono::seconds(45);  ///< nothing received, though asked for: the peer is gone
};

/// A stream that the other side has opened.
class OpenedStream : public net::EndingStream {
 public:
  /// Ends when the other side has dropped the stream without ending it, or the connection is lost,
  /// also while nothing is read or written. What came behind is worth nothing then. Outlives the
  /// stream; awaited once.
  virtual Task<void> until_dropped() = 0;
};

/// Made shared: its streams may outlive it. Thread-safe but for run().
class Mux : public std::enable_shared_from_this<Mux> {
 public:
  /// Called on run()'s strand for each stream that the other side opens, with what it asked for.
  using OnOpen = std::function<void(std::string request, std::unique_ptr<OpenedStream> stream)>;

  Mux(std::unique_ptr<net::Stream> connection,
      MuxOptions options,
      OnOpen on_open,
      const Clock& clock);
  ~Mux();
  Mux(const Mux&) = delete;
  Mux& operator=(const Mux&) = delete;

  /// Moves frames until the connection ends; says why it did. On the connection's strand, once.
  Task<Status> run();
  /// The stream may be used at once, on any strand.
  Result<std::unique_ptr<net::Stream>> open(std::string request);
  /// Ends the connection and all streams.
  void close();
  std::size_t streams() const;

  /// When anything came from the other side. Any thread.
  SteadyPoint last_heard() const { return last_heard_.load(std::memory_order_relaxed); }

 private:
  struct Half;
  class MuxStream;

  Task<void> read_frames();
  Task<void> write_frames();
  /// Every ping_interval; says when next.
  std::chrono::nanoseconds beat();
  /// Frames that are whole at the front of the buffer.
  Status take_frames(std::string& buffer);
  Status take_frame(std::uint8_t kind, std::uint32_t id, std::string_view payload);
  Status take_open(std::uint32_t id, std::string_view payload);
  Status take_data(std::uint32_t id, std::string_view payload);
  std::shared_ptr<Half> find(std::uint32_t id) const;
  std::shared_ptr<Half> add(std::uint32_t id);
  void forget(std::uint32_t id);
  void send_now(std::uint8_t kind, std::uint32_t id, std::string_view payload);
  /// A ping or its answer; on run()'s strand.
  void send_sign(std::uint8_t kind, std::uint32_t id);
  void fail_all();

  const std::unique_ptr<net::Stream> connection_;  // touched only on run()'s strand
  const MuxOptions options_;
  const OnOpen on_open_;
  const Clock& clock_;
  net::Outbox outbox_;
  Status outcome_ = ok();
  std::atomic<SteadyPoint> last_heard_;
  SteadyPoint last_beat_ = {};
  std::optional<SteadyPoint> asked_;  // for an answer, the first time since something came
  mutable std::mutex mutex_;          // guards what follows
  std::map<std::uint32_t, std::shared_ptr<Half>> streams_;
  std::uint32_t next_id_;
  std::uint32_t last_remote_id_ = 0;
  bool is_over_ = false;
};

}  // namespace tetrarch::reach

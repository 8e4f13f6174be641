// SPDX-License-Identifier: Apache-2.0
// What many coroutines, on any strands, have to say over one Stream: frames queue here and one
// coroutine writes them. Bounded: a frame of data waits for room; a control frame never waits. Used
// by SPDY sessions and by reach.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>
#include <vector>

#include "async/timer.h"
#include "net/http.h"

namespace tetrarch::net {

class Outbox {
 public:
  explicit Outbox(std::size_t capacity = 256 * 1024) : capacity_(capacity) {}

  /// Waits until there is room. Code::cancelled once closed.
  Task<Status> push(std::string head, std::string_view payload);
  /// Never waits. False when closed, or when so much is waiting that the connection is not worth
  /// keeping.
  bool push_now(std::string_view frame);
  /// The same, on the strand of drain(to): at once, where nothing is before it and `to` takes it
  /// (prompt_stream.h), which wakes nobody.
  bool push_or_send(Stream& to, std::string_view frame);
  /// Sends what is queued, then lets drain() return.
  void finish();
  /// Drops what is queued; everyone waiting fails.
  void close();
  /// Writes to `to` until finished (success) or closed, or until a write fails (which closes).
  Task<Status> drain(Stream& to);

 private:
  void wake_all();

  const std::size_t capacity_;
  std::mutex mutex_;
  std::string pending_;
  std::vector<std::shared_ptr<async::Event>> waiting_;  // of those who wait for room
  bool is_sending_ = false;                             // a write of drain() is under way
  bool is_finished_ = false;
  bool is_closed_ = false;
  async::Event has_work_;
};

}  // namespace tetrarch::net

// SPDX-License-Identifier: Apache-2.0
// A D-Bus connection whose calls are tasks. sd-bus does the protocol; Asio tells it when the socket
// is ready.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>

#include <systemd/sd-bus.h>

#include "async/task.h"
#include "base/result.h"

namespace tetrarch::agent::systemd {

struct MessageDeleter {
  void operator()(sd_bus_message* message) const { sd_bus_message_unref(message); }
};

/// Counted by sd-bus; used only on the bus's strand.
using Message = std::unique_ptr<sd_bus_message, MessageDeleter>;

/// "what: the system's words". Code::not_found, forbidden, timeout and unavailable are told apart.
Error bus_error(std::string_view what, int negative_errno);

struct Member {
  const char* destination;  ///< not used at a private socket: there is only one peer
  const char* path;
  const char* interface;
  const char* name;
};

/// One connection. Everything happens on the strand that it was made with: calls, the functions
/// that get signals, and its end.
class Bus {
 public:
  struct State;

  /// The address of a bus ("unix:path=/run/dbus/system_bus_socket"), or of systemd's private socket
  /// ("unix:path=/run/systemd/private": no bus, systemd itself is the peer; only root is let in,
  /// and only from its PID namespace). Says hello, so that an address that nobody serves is an
  /// error.
  static Task<Result<std::shared_ptr<Bus>>> connect(std::string address);
  explicit Bus(std::shared_ptr<State> state);  ///< for connect
  ~Bus();
  Bus(const Bus&) = delete;
  Bus& operator=(const Bus&) = delete;

  Result<Message> new_call(const Member& member);
  /// Sends and waits for the answer. An error that the peer answers with has its words, and
  /// Code::not_found or precondition where systemd's name of it says so. Code::timeout after
  /// `deadline`; Code::unavailable when the connection has ended.
  Task<Result<Message>> call(Message request, std::chrono::milliseconds deadline);

  /// `handler` sees every signal of `sender` that the rest of the rule names, from the answer of
  /// the next call on until the connection ends. It may not call the bus itself: it notes what it
  /// saw and raises an event.
  Status match(const char* sender,
               const std::string& rest,
               std::function<void(sd_bus_message*)> handler);

  /// Called once, when the connection ends by itself.
  void on_end(std::function<void()> handler);
  bool is_open() const;

 private:
  std::shared_ptr<State> state_;  // shared with waits for the socket
};

}  // namespace tetrarch::agent::systemd

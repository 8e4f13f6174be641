// SPDX-License-Identifier: Apache-2.0
// The server's end of reach: keeps the connection that each node's agent has dialled, and opens
// streams over it for logs, exec, attach, port-forward and stats. Made by app, used by api rooms.
// Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/result.h"
#include "net/http.h"
#include "reach/mux.h"

namespace tetrarch::reach {

class Hub {
 public:
  explicit Hub(const Clock& clock = system_clock(), MuxOptions options = {})
      : clock_(clock), options_(options) {}

  /// Serves the node's connection until it ends; on the connection's strand. A later connection of
  /// the same node takes the place of an earlier one, which is closed. `on_open`: takes the streams
  /// that the agent opens; without it they are refused.
  Task<void> attach(NodeName node,
                    std::unique_ptr<net::Stream> connection,
                    Mux::OnOpen on_open = nullptr);
  /// A stream to the node's agent, which gets `request_json` (one line). Code::unavailable: not
  /// connected.
  Task<Result<std::unique_ptr<net::Stream>>> open(NodeName node, std::string request_json);
  /// open(), and the agent's first line read: {"status":200}, or an Error with the code and words
  /// of another status.
  Task<Result<std::unique_ptr<net::Stream>>> open_checked(NodeName node, std::string request_json);
  bool is_connected(const NodeName& node) const;

  /// A node whose connection is there, and for how long nothing has come over it.
  struct Sign {
    std::string node;
    std::chrono::nanoseconds silence;
  };

  std::vector<Sign> signs() const;
  /// Ends all connections: attach() returns.
  void close_all();

 private:
  std::shared_ptr<Mux> find(const NodeName& node) const;

  const Clock& clock_;
  const MuxOptions options_;
  mutable std::mutex mutex_;  // guards connections_
  std::map<NodeName, std::shared_ptr<Mux>> connections_;
};

}  // namespace tetrarch::reach

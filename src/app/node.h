// SPDX-License-Identifier: Apache-2.0
// Node: the agent half of `tetrarch up` and the whole of `tetrarch agent`: a connection to the
// server, the agent behind it, and the local socket that commands on this machine use.
#pragma once

#include <functional>
#include <memory>
#include <string>

#include "app/config.h"
#include "async/io_pool.h"
#include "async/task.h"
#include "base/metrics.h"
#include "base/result.h"
#include "reach/dialer.h"
#include "trust/ca.h"

namespace tetrarch::app {

/// How the server is reached and trusted, and what this node shows.
struct NodeAccessKeys {
  std::string server_url;
  std::string ca_pem;
  trust::KeyPair credentials;
  std::string settings = {};  ///< of the cluster; empty: this machine's configuration has them
  bool is_joined = false;     ///< the credentials are kept in <data-dir>/agent
};

/// Joins by a token: checks the server's CA against the token's fingerprint, gets a client
/// certificate, and keeps it in <data-dir>/agent. A machine that has joined before needs no token,
/// unless its certificate has ended meanwhile.
Task<Result<NodeAccessKeys>> join(const Config& config);

/// How an agent keeps its connection to a server: it beats (docs/adr/0041-beats.md).
reach::Dialer::Options dialer_options();

class Node {
 public:
  Node(const Config& config,
       NodeAccessKeys keys,
       async::IoPool& pool,
       async::BlockingPool& blocking,
       Metrics& metrics);
  ~Node();
  Node(const Node&) = delete;
  Node& operator=(const Node&) = delete;

  /// Called when somebody wants the machine out of the cluster; before start(). From any thread.
  void on_leave(std::function<void(bool is_forced)> told);
  /// Returns when the node can take pods.
  Task<Status> start();
  /// Ends the agent; containers keep running.
  Task<void> stop();

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

/// The local socket of a data directory's agent.
std::string agent_socket(const std::string& data_dir);

}  // namespace tetrarch::app

// SPDX-License-Identifier: Apache-2.0
// What the load generator is told on its command line, and the credentials of a kubeconfig.
#pragma once

#include <string>
#include <vector>

#include "base/result.h"
#include "net/tls.h"

namespace tetrarch::load {

struct Arguments {
  std::string mode = "create";  ///< create, get, list, watch, bind, backlog, run
  std::string server;           ///< https://host:port
  net::TlsMaterial tls;
  std::string token;
  std::string ns = "default";
  /// spec.nodeName of the pods: no scheduler is part of the figure. Made, and kept alive, for them.
  std::string node = "load-node";
  /// How many such nodes; with more than one, their names end in a number. The scheduler chooses
  /// among them in bind and backlog.
  int nodes = 1;
  std::string image = "tetrarch.test/load:1";  ///< which only run needs to be there
  int connections = 32;
  int requests = 10'000;  ///< of all connections together; for watch the number of updates
  int objects = 10'000;   ///< that a list finds
  int rate = 200;         ///< updates a second, for watch
  int server_pid = 0;     ///< whose CPU time is printed; 0: none
  int threads = 1;
  bool keeps = false;  ///< leaves the pods that were made, and their node
};

/// Server and credentials of such a file as `tetrarch up` writes.
Result<Arguments> arguments_of_kubeconfig(const std::string& path);

std::string usage();
Result<Arguments> parse_arguments(const std::vector<std::string>& words);

}  // namespace tetrarch::load

// SPDX-License-Identifier: Apache-2.0
// How commands reach a running cluster: the admin kubeconfig of a data directory, and one request
// at a time.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <string_view>

#include "async/io_pool.h"
#include "base/result.h"
#include "net/client.h"
#include "object/document.h"

namespace tetrarch::app {

/// A connection for one command, with threads of its own.
class Connection {
 public:
  /// `tls` only for https.
  static Result<std::unique_ptr<Connection>> open(net::ClientOptions options,
                                                  std::shared_ptr<net::TlsContext> tls);
  /// With the credentials of <data_dir>/admin.kubeconfig, else of the file that KUBECONFIG names: a
  /// copy of it on another machine.
  static Result<std::unique_ptr<Connection>> as_admin(
      const std::string& data_dir,
      std::chrono::nanoseconds request_limit = net::ClientOptions{}.request_limit);

  /// Sends one request and waits for the whole answer.
  Result<net::Response> ask(net::ClientRequest request);
  /// The same for the Kubernetes API: an answer that is no success is an Error with its words and
  /// the code that its status stands for (not_found, conflict, exhausted, else unavailable).
  Result<DocumentPtr> ask_api(std::string method,
                              std::string path,
                              std::string body = "",
                              std::string type = "application/json");
  /// The same for an answer of any length: its bytes go to `sink` as they come, which may refuse to
  /// go on. Where the server refuses, its words are the error.
  using Sink = std::function<Status(std::string_view bytes)>;
  Status receive(net::ClientRequest request, const Sink& sink);

 private:
  async::IoPool pool_{1};  // outlives the client, whose kept connections belong to it
  std::unique_ptr<net::Client> client_;
};

}  // namespace tetrarch::app

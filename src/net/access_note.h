// SPDX-License-Identifier: Apache-2.0
// Remembers a request for ServerOptions::on_access until its answer is known. Costs nothing where
// nobody listens. Inside net only.
#pragma once

#include <string>

#include "base/clock.h"
#include "net/server.h"

namespace tetrarch::net {

class AccessNote {
 public:
  AccessNote(const ServerOptions& options, const Clock& clock, const Request& request)
      : options_(options), clock_(clock) {
    if (options_.on_access) {
      method_ = request.method;
      path_ = request.path;
      query_ = request.query;
      request_bytes_ = request.body.size();
      begun_ = clock_.steady();
    }
  }

  void answered(const Peer& peer, int status, std::uint64_t response_bytes) const {
    if (options_.on_access) {
      options_.on_access({method_,
                          path_,
                          query_,
                          &peer,
                          status,
                          request_bytes_,
                          response_bytes,
                          clock_.steady() - begun_});
    }
  }

 private:
  const ServerOptions& options_;
  const Clock& clock_;
  std::string method_;
  std::string path_;
  std::string query_;
  std::uint64_t request_bytes_ = 0;
  SteadyPoint begun_{};
};

}  // namespace tetrarch::net

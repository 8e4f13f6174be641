// SPDX-License-Identifier: Apache-2.0
// The OCI distribution API (/v2/) over the objects of images.tetrarch.dev and the agents' stores of
// blobs. It keeps nothing: manifests are objects, blobs pass through to the agents of two machines.
// Made by app; beside the Kubernetes API on the same port.
#pragma once

#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "api/distribution/visit.h"
#include "async/task.h"
#include "base/clock.h"
#include "base/ids.h"
#include "base/metrics.h"
#include "base/random.h"
#include "base/result.h"
#include "net/http.h"
#include "net/upload_handler.h"
#include "registry/registry.h"
#include "trust/identity.h"

namespace tetrarch::api::distribution {

/// Who shows this certificate or this token? Code::unauthenticated: nobody we know.
using Authenticate =
    std::function<Task<Result<trust::Identity>>(net::Peer peer, std::string token)>;

/// All of it outlives the handler.
struct Parts {
  registry::Registry& registry;  ///< authorizes; objects are read and written through its client
  const Clock& clock;
  Random& random;
  Authenticate authenticate;
  /// Asks a node's agent (one JSON line) and gives the stream behind its answer.
  std::function<Task<Result<std::unique_ptr<net::Stream>>>(NodeName node, std::string request_json)>
      open;
  /// Nodes whose agents answer now.
  std::function<std::vector<std::string>()> nodes;
  Visits visits;     ///< one for each request
  Counter& relayed;  ///< bytes of blobs that passed through this server
  /// host:port by which users call this server.
  std::vector<std::string> own_names = {};
  /// For an agent to take a piece of a blob; then it is left out.
  std::chrono::nanoseconds write_limit = std::chrono::minutes(1);
};

class Distribution : public net::UploadHandler {
 public:
  /// Ends uploads that nobody goes on with. Until cancelled.
  virtual Task<void> keep() = 0;
};

std::unique_ptr<Distribution> make_distribution(Parts parts);

}  // namespace tetrarch::api::distribution

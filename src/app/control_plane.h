// SPDX-License-Identifier: Apache-2.0
// ControlPlane: the server half of `tetrarch up`: store, registry, API, controllers and scheduler,
// wired together.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "app/config.h"
#include "async/io_pool.h"
#include "async/task.h"
#include "base/metrics.h"
#include "base/result.h"
#include "trust/ca.h"

namespace tetrarch::app {

class ControlPlane {
 public:
  /// The pools and `metrics` outlive it.
  ControlPlane(const Config& config,
               async::IoPool& pool,
               async::BlockingPool& blocking,
               Metrics& metrics);
  ~ControlPlane();
  ControlPlane(const ControlPlane&) = delete;
  ControlPlane& operator=(const ControlPlane&) = delete;

  /// Opens the store, makes what must exist, and listens. When it returns the API answers.
  Task<Status> start();
  /// Ends connections, loops and the store. Containers are the agent's business.
  Task<void> stop();

  /// Reads the files of keys again; what is sealed at rest is sealed anew in the background.
  Status reload_keys();

  std::string ca_pem() const;
  std::uint16_t port() const;
  /// What the agent of the same process shows.
  Result<trust::KeyPair> node_credentials(const std::string& node_name) const;

 private:
  struct Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace tetrarch::app

// SPDX-License-Identifier: Apache-2.0
// FleetServer: where fleet's API listens, on unix sockets and, where told to, on plain TCP. Whoever
// reaches one of these acts as system:fleet: roles and quotas hold for that user.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "api/fleet/fleet_api.h"
#include "app/config.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/metrics.h"
#include "client/client.h"
#include "net/server.h"

namespace tetrarch::app {

class FleetServer {
 public:
  /// `pool`, `metrics` outlive it. `client` acts as system:fleet.
  FleetServer(async::IoPool& pool, std::unique_ptr<client::Client> client, Metrics& metrics);

  /// Listens on the usual socket and where the configuration says. The usual one is left out with a
  /// warning where it cannot be made; one that was asked for is a mistake.
  Status start(const Config& config);
  Task<void> stop();

 private:
  Status listen(const std::string& where);
  Task<void> drop_old_lists();

  std::unique_ptr<client::Client> client_;
  Metrics& metrics_;
  std::int64_t started_ = 0;  ///< seconds since 1970
  api::fleet::FleetApi api_;
  net::Server server_;
  async::TaskGroup tasks_;
  bool is_running_ = false;
};

/// fleet's metrics: those of its API, and its engine's, which is our controller of units.
std::string fleet_metrics(const Metrics& of_api, Metrics& all, std::int64_t started);

}  // namespace tetrarch::app

// SPDX-License-Identifier: Apache-2.0
// What is cleared away by time and number: Pods that nobody ends, Events that are old, ranges of
// addresses that nobody needs; and the `kubernetes` service, which is kept in being.
#pragma once

#include <chrono>
#include <cstddef>
#include <memory>
#include <string>

#include "reconcile/controller.h"

namespace tetrarch::reconcile {

/// Finished Pods beyond `finished_most` (the oldest first), Pods of nodes that are gone,
/// terminating Pods that no node ever had or whose node was taken out of service. What a finalizer
/// holds is Failed first. `grace`: a node that we do not see is believed gone only after we have
/// watched that long.
std::unique_ptr<Controller> pod_sweep_controller(std::size_t finished_most,
                                                 std::chrono::seconds grace);
std::unique_ptr<Controller> event_expiry_controller(std::chrono::seconds ttl);
/// CertificateSigningRequests: answered ones after an hour, pending ones after a day.
std::unique_ptr<Controller> signing_request_expiry_controller();

/// ServiceCIDRs: ready while they are wanted, gone when no service needs them.
std::unique_ptr<Controller> service_ranges_controller();

/// The address behind the service `kubernetes`.
struct ApiServerAddress {
  std::string ip;
  int port = 6443;
  std::string service_ip;
};

std::unique_ptr<Controller> kubernetes_service_controller(ApiServerAddress address);

}  // namespace tetrarch::reconcile

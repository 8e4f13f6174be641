// SPDX-License-Identifier: Apache-2.0
// Flows of datagrams in the kernel's connection tracking. A client that keeps its port stays on the
// way that its first datagram took, whatever the rules say by now: where the endpoint of a service
// is gone, or where there was none yet, the flow must be forgotten, else its datagrams go nowhere
// for as long as it sends.
#pragma once

#include <cstdint>

#include "agent/network/service_rules.h"

namespace tetrarch::agent::network {

/// Host byte order, as in address.h.
struct Flow {
  std::uint32_t asked = 0;  ///< where the client sent to
  std::uint16_t asked_port = 0;
  std::uint32_t answering = 0;  ///< who answers: the same where nothing was translated
  std::uint16_t answering_port = 0;
  bool is_to_this_machine = false;  ///< `asked` is an address of this machine
};

/// Whether the flow asked for a service, by cluster address or node port, and is led to what is not
/// behind it (any more), or is not led at all.
bool is_stale(const Flow& flow, const ServiceRules& rules);

/// Blocking; removes the stale ones.
Status forget_stale_flows(const ServiceRules& rules);

}  // namespace tetrarch::agent::network

// SPDX-License-Identifier: Apache-2.0
// The ranges that addresses of services come from: what the ServiceCIDR objects of a snapshot say.
// Value types; any thread.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/stored.h"
#include "registry/address.h"
#include "store/store.h"

namespace tetrarch::registry {

inline constexpr std::string_view kServiceCidrs = "servicecidrs.networking.k8s.io";
/// The range that the server was started with.
inline constexpr std::string_view kDefaultServiceCidr = "kubernetes";
/// Holds a range while services have addresses that are in no other.
inline constexpr std::string_view kServiceCidrFinalizer =
    "networking.k8s.io/service-cidr-finalizer";

struct ServiceRange {
  Key key;
  Revision revision;
  AddressRange range;
  bool is_ending = false;
  bool is_ready = false;  ///< addresses are given from it
};

/// All of a snapshot, the default first, the others in the order of their names.
std::vector<ServiceRange> service_ranges(const store::Snapshot& snapshot);

/// An error where a service has an address that no range would have without this one.
Status check_unused(const store::Snapshot& snapshot, std::string_view name);

/// The status of a range from its first moment, as JSON.
std::string ready_status(std::string_view now, std::string_view message);

}  // namespace tetrarch::registry

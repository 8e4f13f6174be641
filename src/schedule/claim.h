// SPDX-License-Identifier: Apache-2.0
// Claim: what a holder takes from a node: amounts per dimension and ports. A pod's claim derives
// from its spec; it is a record of its own because other holders' claims grow while they run (a
// Mesos executor with its tasks).
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "base/result.h"
#include "object/document.h"
#include "schedule/interner.h"

namespace tetrarch::schedule {

using Dimension = std::uint32_t;

/// Dimensions that every node has, in this order; extended resources follow as they turn up.
/// cpu counts thousandths of a core, all others whole units (bytes, pods, devices).
inline constexpr Dimension kCpu = 0;
inline constexpr Dimension kMemory = 1;
inline constexpr Dimension kEphemeralStorage = 2;
inline constexpr Dimension kPods = 3;

class Dimensions {
 public:
  Dimensions();

  Dimension id(std::string_view resource) { return names_.intern(resource); }

  std::string_view name(Dimension dimension) const { return names_.text(dimension); }

  std::size_t size() const { return names_.size(); }

 private:
  Interner names_;
};

struct Amount {
  Dimension dimension;
  std::int64_t value;
  bool operator==(const Amount&) const = default;
};

/// A port that a holder binds on the machine. `address` empty: all of the machine's addresses.
struct HostPort {
  std::string protocol;
  std::string address;
  std::int64_t port = 0;
  bool operator==(const HostPort&) const = default;
};

struct Claim {
  std::vector<Amount> amounts;  ///< each dimension once, none zero; ascending
  std::vector<HostPort> ports;
  /// What ranking counts: as `amounts`, but a container without a request counts 100m and 200 MiB,
  /// so that pods without requests spread too.
  std::int64_t ranked_cpu = 0;
  std::int64_t ranked_memory = 0;
  bool is_unit = false;  ///< of a unit of fleet, which are placed by how many of them a machine has
  bool operator==(const Claim&) const = default;
};

/// One for all that claim the same, as the pods of a workload do.
using SharedClaim = std::shared_ptr<const Claim>;

/// The claim of a Pod, from its root or from a template's root (anything with .spec). Requests that
/// cannot be read count as zero: validation has refused them before.
Claim claim_of_pod(object::View pod, Dimensions& dimensions);

/// A quantity in the units of its dimension; at least zero, at most 2^52.
std::int64_t amount_of(Dimension dimension, std::string_view quantity);

}  // namespace tetrarch::schedule

// SPDX-License-Identifier: Apache-2.0
// How large each ReplicaSet of a Deployment should be: arithmetic only, no objects. Called by
// deployment.cc once per reconcile; each call is one safe step, and the next step waits for what it
// led to.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

namespace tetrarch::reconcile {

/// One ReplicaSet, in numbers.
struct SetSize {
  std::int64_t replicas = 0;   ///< spec.replicas
  std::int64_t available = 0;  ///< available pods, at most `replicas`
  std::int64_t active = 0;     ///< pods that are there; more than `replicas` while it shrinks
  std::int64_t max_before =
      0;  ///< the Deployment's replicas and surge when this set was last scaled; 0: unknown
  std::int64_t desired_before =
      -1;  ///< the Deployment's replicas when this set was last scaled; -1: unknown
};

struct RolloutState {
  std::int64_t desired = 0;
  std::int64_t max_surge = 0;
  std::int64_t max_unavailable = 0;
  bool is_recreate = false;
  /// Pods of old sets, in any state but finished: Recreate waits for their end.
  bool has_old_pods = false;
  std::vector<SetSize> sets;  ///< oldest first
  std::optional<std::size_t>
      newest;  ///< which of them has the present template; none: not made yet

  std::int64_t total() const;
  /// The same, counting pods that are still to go.
  std::int64_t occupied() const;
  /// Old sets have replicas 0 and the new one is whole and available.
  bool is_saturated() const;
};

/// maxSurge and maxUnavailable resolved: both 0 would never move, so one pod may then be
/// unavailable.
struct Bounds {
  std::int64_t surge = 0;
  std::int64_t unavailable = 0;
};

Bounds resolve_bounds(std::int64_t surge, std::int64_t unavailable, std::int64_t desired);

/// How large a new set may be made at once.
std::int64_t first_size(const RolloutState& state);
/// spec.replicas of the Deployment changed, or it is paused: sizes that keep the sets' proportions.
std::vector<std::int64_t> scaled_sizes(const RolloutState& state);
/// The next step of the rollout: sizes in the order of `sets`.
std::vector<std::int64_t> next_sizes(const RolloutState& state);
/// Some active set was last scaled for another number of replicas.
bool is_scaling(const RolloutState& state);

}  // namespace tetrarch::reconcile

// SPDX-License-Identifier: Apache-2.0
// Source: Kubernetes pkg/controller/deployment (1.31): rolling.go, recreate.go, sync.go (scale) and
// util/deployment_util.go (NewRSNewReplicas, GetReplicaSetProportion, ResolveFenceposts), for the
// order of steps and the arithmetic that clients can observe.
#include "reconcile/deployment_rollout.h"

#include <algorithm>
#include <cmath>
#include <numeric>

namespace tetrarch::reconcile {

namespace {

std::vector<std::int64_t> present_sizes(const RolloutState& state) {
  std::vector<std::int64_t> out;
  for (const auto& set : state.sets) {
    out.push_back(set.replicas);
  }
  return out;
}

bool is_new(const RolloutState& state, std::size_t place) {
  return state.newest == place;
}

std::int64_t old_total(const RolloutState& state) {
  return state.total() - (state.newest ? state.sets[*state.newest].replicas : 0);
}

/// The new set's next size under a rolling update.
std::int64_t grown(const RolloutState& state, std::int64_t replicas) {
  if (replicas >= state.desired || state.is_recreate) {
    return state.desired;
  }
  // Ours: pods that an old set has not given up yet take room too, so that the surge holds for
  // pods, not only for sizes.
  const auto room = state.desired + state.max_surge - state.occupied();
  return room <= 0 ? replicas : replicas + std::min(room, state.desired - replicas);
}

/// Unavailable pods of old sets go first: they serve nobody.
std::int64_t drop_unavailable(const RolloutState& state,
                              std::int64_t most,
                              std::vector<std::int64_t>* sizes) {
  std::int64_t dropped = 0;
  for (std::size_t i = 0; i < sizes->size() && dropped < most; ++i) {
    if (is_new(state, i)) {
      continue;
    }
    auto& size = (*sizes)[i];
    const auto count = std::clamp<std::int64_t>(size - state.sets[i].available, 0, most - dropped);
    size -= count;
    dropped += count;
  }
  return dropped;
}

/// Then available ones, as many as are above the minimum.
void drop_available(const RolloutState& state,
                    std::int64_t most,
                    std::vector<std::int64_t>* sizes) {
  std::int64_t available = 0;
  for (std::size_t i = 0; i < sizes->size(); ++i) {
    // A set that is to shrink will lose pods that are available still.
    available += std::min(state.sets[i].available, (*sizes)[i]);
  }
  auto left = std::min(available - (state.desired - state.max_unavailable), most);
  for (std::size_t i = 0; i < sizes->size() && left > 0; ++i) {
    if (!is_new(state, i)) {
      const auto count = std::min((*sizes)[i], left);
      (*sizes)[i] -= count;
      left -= count;
    }
  }
}

void shrink_old(const RolloutState& state, std::vector<std::int64_t>* sizes) {
  const auto& newest = state.sets[*state.newest];
  const auto not_available = newest.replicas - newest.available;
  const auto most = state.total() - (state.desired - state.max_unavailable) - not_available;
  if (most <= 0) {
    return;
  }
  const auto dropped = drop_unavailable(state, most, sizes);
  drop_available(state, most - dropped, sizes);
}

std::vector<std::int64_t> next_recreate(const RolloutState& state) {
  auto sizes = present_sizes(state);
  if (old_total(state) > 0) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      sizes[i] = is_new(state, i) ? sizes[i] : 0;
    }
  } else if (!state.has_old_pods && state.newest) {
    sizes[*state.newest] = state.desired;
  }
  return sizes;
}

/// How much of `to_add` falls to a set, in proportion to its size.
std::int64_t share(const RolloutState& state,
                   const SetSize& set,
                   std::int64_t to_add,
                   std::int64_t added) {
  if (set.replicas == 0 || to_add == added) {
    return 0;
  }
  std::int64_t fraction = -set.replicas;
  if (state.desired > 0) {
    const auto max_now = state.desired + state.max_surge;
    const auto before = set.max_before > 0 ? set.max_before : max_now;
    const auto fresh = static_cast<double>(set.replicas * max_now) / static_cast<double>(before);
    fraction = static_cast<std::int64_t>(std::llround(fresh)) - set.replicas;
  }
  const auto allowed = to_add - added;
  return to_add > 0 ? std::min(fraction, allowed) : std::max(fraction, allowed);
}

/// Active sets, the largest first; among equals the newer when growing, the older when shrinking.
std::vector<std::size_t> by_size(const RolloutState& state, bool is_growing) {
  std::vector<std::size_t> order;
  for (std::size_t i = 0; i < state.sets.size(); ++i) {
    if (state.sets[i].replicas > 0) {
      order.push_back(i);
    }
  }
  std::sort(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
    const auto left = state.sets[a].replicas;
    const auto right = state.sets[b].replicas;
    return left != right ? left > right : (is_growing ? a > b : a < b);
  });
  return order;
}

void scale_in_proportion(const RolloutState& state, std::vector<std::int64_t>* sizes) {
  const auto allowed = state.desired > 0 ? state.desired + state.max_surge : 0;
  const auto to_add = allowed - state.total();
  const auto order = by_size(state, to_add > 0);
  std::int64_t added = 0;
  for (const auto i : order) {
    const auto part = to_add == 0 ? 0 : share(state, state.sets[i], to_add, added);
    (*sizes)[i] += part;
    added += part;
  }
  if (!order.empty()) {  // what rounding left over
    auto& first = (*sizes)[order.front()];
    first = std::max<std::int64_t>(0, first + to_add - added);
  }
}

}  // namespace

std::int64_t RolloutState::total() const {
  return std::accumulate(
      sets.begin(), sets.end(), std::int64_t{0}, [](std::int64_t sum, const SetSize& set) {
        return sum + set.replicas;
      });
}

std::int64_t RolloutState::occupied() const {
  return std::accumulate(
      sets.begin(), sets.end(), std::int64_t{0}, [](std::int64_t sum, const SetSize& set) {
        return sum + std::max(set.replicas, set.active);
      });
}

bool RolloutState::is_saturated() const {
  return newest && sets[*newest].replicas == desired && sets[*newest].desired_before == desired &&
         sets[*newest].available == desired;
}

Bounds resolve_bounds(std::int64_t surge, std::int64_t unavailable, std::int64_t desired) {
  if (surge == 0 && unavailable == 0) {
    unavailable = 1;
  }
  return {surge, std::min(unavailable, desired)};
}

std::int64_t first_size(const RolloutState& state) {
  if (state.is_recreate) {
    return old_total(state) > 0 || state.has_old_pods ? 0 : state.desired;
  }
  return grown(state, 0);
}

bool is_scaling(const RolloutState& state) {
  return std::any_of(state.sets.begin(), state.sets.end(), [&](const SetSize& set) {
    return set.replicas > 0 && set.desired_before >= 0 && set.desired_before != state.desired;
  });
}

std::vector<std::int64_t> scaled_sizes(const RolloutState& state) {
  auto sizes = present_sizes(state);
  const auto active = by_size(state, true);
  if (active.size() <= 1) {
    // One active set takes it all (as there is room); where there is none, the new one, or else the
    // latest.
    if (!sizes.empty()) {
      const auto last = state.newest.value_or(sizes.size() - 1);
      auto& size = sizes[active.empty() ? last : active.front()];
      size = is_scaling(state) ? state.desired : grown(state, size);
    }
    return sizes;
  }
  if (state.is_saturated()) {
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      sizes[i] = is_new(state, i) ? sizes[i] : 0;
    }
    return sizes;
  }
  // Ours: a pause alone changes no size; Kubernetes then still fills the surge.
  if (!state.is_recreate && is_scaling(state)) {
    scale_in_proportion(state, &sizes);
  }
  return sizes;
}

std::vector<std::int64_t> next_sizes(const RolloutState& state) {
  if (state.is_recreate) {
    return next_recreate(state);
  }
  auto sizes = present_sizes(state);
  if (!state.newest) {
    return sizes;
  }
  auto& newest = sizes[*state.newest];
  newest = grown(state, newest);
  if (newest == state.sets[*state.newest].replicas && old_total(state) > 0) {
    shrink_old(state, &sizes);
  }
  return sizes;
}

}  // namespace tetrarch::reconcile

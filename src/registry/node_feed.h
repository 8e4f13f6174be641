// SPDX-License-Identifier: Apache-2.0
// The feed of one node: exactly what its agent needs (client.h says what), computed from store
// subscriptions that are as narrow as the need, so that a write costs only the nodes concerned.
#pragma once

#include <chrono>
#include <memory>

#include "base/ids.h"
#include "base/result.h"
#include "client/client.h"
#include "registry/node_pods.h"
#include "registry/policy_feeds.h"
#include "store/store.h"

namespace tetrarch::registry {

/// What all feeds share; outlives them.
struct FeedSources {
  store::Store& store;
  const NodePods& pods;
  PolicyFeeds& policies;
};

Result<std::unique_ptr<client::Watch>> make_node_feed(const FeedSources& sources,
                                                      NodeName node,
                                                      std::chrono::seconds bookmark_interval);

}  // namespace tetrarch::registry

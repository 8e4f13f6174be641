// SPDX-License-Identifier: Apache-2.0
// NodePods: which pods are on which node, kept up to date from the store's events when it is asked.
#pragma once

#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "store/store.h"

namespace tetrarch::registry {

/// Thread-safe. The first question scans all pods; later ones only what changed.
class NodePods {
 public:
  explicit NodePods(store::Store& store) : store_(store) {}

  using Ids = std::vector<std::pair<std::string, std::string>>;

  /// Namespace and name of each, in order, at least as new as every commit that was answered before
  /// the call.
  Ids on(std::string_view node) const;
  /// The same, at least as new as revision `at`. Nothing: it is not so far yet, since a snapshot
  /// shows a commit a moment before the events tell of it.
  std::optional<Ids> on(std::string_view node, Revision at) const;

 private:
  using Names = std::set<std::pair<std::string, std::string>>;

  void refresh() const;
  void reload() const;
  Ids ids(std::string_view node) const;

  store::Store& store_;
  mutable std::mutex mutex_;
  mutable std::unique_ptr<store::Subscription> changes_;
  mutable Revision revision_;  // pods_ is at least so new
  mutable std::map<std::string, Names, std::less<>> pods_;
};

}  // namespace tetrarch::registry

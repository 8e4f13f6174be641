// SPDX-License-Identifier: Apache-2.0
// Reader: get, list and watch by the resourceVersion rules of Kubernetes. Reads never wait.
#pragma once

#include <memory>
#include <optional>

#include "registry/node_pods.h"
#include "registry/paging.h"
#include "registry/planner.h"
#include "registry/registry.h"
#include "registry/selection.h"

namespace tetrarch::registry {

/// Thread-safe; outlives the watches it makes only in its tables (Surroundings, Planner).
class Reader {
 public:
  Reader(const Surroundings& here, const Planner& planner, const NodePods& node_pods);

  Result<Stored> get(const Call& call, const ReadAt& at) const;
  Result<client::ListPage> list(const Call& call, const ListOptions& options);
  Result<std::unique_ptr<client::Watch>> watch(const Call& call, const WatchOptions& options) const;
  /// The object in the caller's version.
  Result<Stored> shown(const schema::Kind& asked, Stored stored) const;

 private:
  Result<store::Snapshot> snapshot_at(const ReadAt& at) const;
  Result<std::pair<store::Snapshot, std::pair<std::string, std::string>>> start_of(
      const ListOptions& options) const;
  std::optional<NodePods::Ids> ids_on(const std::string& node,
                                      const store::Snapshot& snapshot) const;
  Result<Selection> selection(const Call& call, const client::Selectors& text) const;

  const Surroundings& here_;
  const Planner& planner_;
  const NodePods& node_pods_;
  PagedSnapshots paged_;
};

/// The number in a resourceVersion; 0 for "" and "0".
Result<std::uint64_t> parse_version(std::string_view text);
/// resourceVersion and resourceVersionMatch that do not go together.
Status check_read_at(const ReadAt& at, bool has_continue);
Error version_too_large(std::uint64_t asked, std::uint64_t current);

}  // namespace tetrarch::registry

// SPDX-License-Identifier: Apache-2.0
// Paging: snapshots kept while somebody pages through a long list, and the tokens that name a place
// in them.
#pragma once

#include <cstdint>
#include <map>
#include <mutex>
#include <optional>
#include <string>
#include <utility>

#include "base/clock.h"
#include "base/result.h"
#include "registry/registry.h"
#include "store/store.h"

namespace tetrarch::registry {

/// Where a list continues: after that namespace and name, in the snapshot of that revision.
struct ContinueToken {
  std::uint64_t revision = 0;  ///< 0: in whatever is newest (an inconsistent continuation)
  std::string ns;
  std::string name;

  std::string text() const;
  /// Code::malformed for a token that we never gave.
  static Result<ContinueToken> parse(std::string_view text);
};

/// A bounded number of snapshots by revision; the oldest goes first. Thread-safe.
class PagedSnapshots {
 public:
  PagedSnapshots(const Clock& clock, const Options& options) : clock_(clock), options_(options) {}

  void keep(const store::Snapshot& snapshot);
  std::optional<store::Snapshot> find(std::uint64_t revision) const;

 private:
  struct Kept {
    store::Snapshot snapshot;
    SteadyPoint last_use;
  };

  void drop_old();

  const Clock& clock_;
  const Options& options_;
  mutable std::mutex mutex_;
  std::map<std::uint64_t, Kept> kept_;
};

}  // namespace tetrarch::registry

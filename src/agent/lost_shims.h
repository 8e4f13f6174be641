// SPDX-License-Identifier: Apache-2.0
// Shims that containerd has lost. When it is killed while it starts or ends one, the shim stays,
// and the containerd that comes after it does not serve it, or holds it without anything in it:
// nobody would ever end it. They arise by an end of containerd alone, so they are looked for after
// its starts, and one is ended that was lost in two looks.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <vector>

#include "agent/places.h"
#include "agent/runtime/containerd.h"
#include "agent/runtime/runtime.h"
#include "agent/shims.h"
#include "async/task.h"
#include "base/result.h"

namespace tetrarch::agent {

/// What a machine has of shims.
struct FoundShims {
  std::vector<Shim> shims = {};
  std::set<std::string> bundles = {};  ///< ids for which containerd has a directory
};

/// Of the containerd of these places. Blocking.
FoundShims read_shims(const Places& places);

struct LostShim {
  Shim shim = {};
  std::vector<std::string> served = {};  ///< ids: the sandbox's and its containers'
};

/// Who says what there is.
struct RuntimeViews {
  runtime::Runtime& runtime;
  /// Whether containerd has a process for that id; an error where it cannot say.
  std::function<Task<Result<bool>>(std::string id)> has_process;
  /// When containerd started: an older shim it has loaded or never will; a younger one it may be
  /// making at the moment, as long as there is a directory for it.
  std::uint64_t daemon_start = 0;
};

/// Those among `found` that serve nothing of which containerd knows. An error: nobody can say.
Task<Result<std::vector<LostShim>>> find_lost_shims(RuntimeViews views, FoundShims found);

/// Ends it and all below it, and removes what containerd would have: runc's records with their
/// cgroups, mounts, directories. How many processes that were besides the shim. Blocking.
Result<int> end_lost_shim(const LostShim& lost, const Places& places);

/// All of these outlive it.
struct ShimKeeping {
  runtime::Runtime& runtime;
  runtime::Containerd& containerd;
  async::BlockingPool& blocking;
  const Places& places;
};

/// Looks some times after each start of containerd and at first, since an agent before us may have
/// ended before its looks. Never returns; runs on containerd's strand.
Task<void> keep_shims(ShimKeeping with);

}  // namespace tetrarch::agent

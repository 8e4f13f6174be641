// SPDX-License-Identifier: Apache-2.0
// StrayBlobs: which blobs that are kept here are to be dropped, because no ImageBlob names them.
// What has just come is not named yet: the server has still to write it down. Owned by Blobs. Pure.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "agent/runtime/content.h"
#include "base/clock.h"

namespace tetrarch::agent {

class StrayBlobs {
 public:
  using Digests = std::set<std::string, std::less<>>;

  /// `kept`: all that are; `wanted`: those that an ImageBlob names. The digests that go now.
  std::vector<std::string> look(const std::vector<runtime::ContentInfo>& kept,
                                const Digests& wanted,
                                TimePoint now);

  /// Some go soon: look again before long.
  bool has_any_that_goes_soon() const { return goes_soon_; }

 private:
  struct Stray {
    TimePoint since;
    std::string kept_at;
  };

  std::map<std::string, Stray> strays_;
  std::map<std::string, std::string> named_;  ///< since an ImageBlob named it: when it was kept
  bool goes_soon_ = false;
};

}  // namespace tetrarch::agent

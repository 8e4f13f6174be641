// SPDX-License-Identifier: Apache-2.0
// The check of a store that no process has open: every checksum, the format, whether objects,
// counts and revisions agree, and what is lost where they do not. Changes nothing.
#pragma once

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "store/store.h"
#include "store/sums.h"

namespace tetrarch::store {

struct CheckReport {
  std::uint64_t format = 0;
  std::uint64_t last = 0;                ///< revision of the last change
  std::uint64_t reserved = 0;            ///< no revision above was ever given out
  Sums found = {};                       ///< objects that can be read
  std::vector<std::string> damage = {};  ///< a sentence each; empty: all is well
};

/// Judges the pairs of a store, wherever they come from: a directory or a backup.
class PairChecker {
 public:
  /// `sealing` outlives it.
  explicit PairChecker(const Sealing& sealing) : sealing_(sealing) {}

  void see(std::string_view key, std::string_view value);
  /// What the pairs come to. Once, behind the last.
  CheckReport finish();

 private:
  void see_own(std::string_view key, std::string_view value);
  void see_object(std::string_view key, std::string_view value);
  void check_numbers();

  const Sealing& sealing_;
  CheckReport report_;
  Sums sums_;
  std::set<std::string, std::less<>> numbers_;   // keys of those that were seen
  std::map<std::uint64_t, std::string> newest_;  // objects beyond the last change, by revision
  std::set<std::uint64_t> revisions_;
};

/// Code::not_found: there is no store; unavailable: it is open in another process, or cannot be
/// read. Damage is no error here.
Result<CheckReport> check_store(const std::string& directory, const Sealing& sealing);

}  // namespace tetrarch::store

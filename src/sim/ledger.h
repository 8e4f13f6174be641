// SPDX-License-Identifier: Apache-2.0
// Ledger: what the journal has taken, kept outside the server. Finds a write that was acknowledged
// and is not there after a start, a revision that was given out twice, and an answer that tells of
// a write that was never made.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "object/stored.h"
#include "sim/history.h"
#include "store/journal.h"
#include "store/store.h"

namespace tetrarch::sim {

/// One change as the journal took it.
struct Written {
  Key key;
  Revision revision;               ///< of a deletion: that of its batch
  DocumentPtr document = nullptr;  ///< null: deleted
};

class Ledger {
 public:
  explicit Ledger(History& history) : history_(history) {}

  /// A batch that was appended; `last` is the newest revision in it.
  void take(const std::vector<Written>& batch, Revision last, bool is_durable);
  /// Somebody was told that a write was made.
  void acknowledge(const Key& key, Revision revision);
  /// What a start has found. After a power loss, what was not synced may be as it was before.
  void compare(const store::Snapshot& found, bool has_lost_power);

  std::size_t size() const { return states_.size(); }

 private:
  struct State {
    Revision revision;
    bool is_deleted = false;
  };

  void check_given_out(const Written& written);
  void expect(const store::Snapshot& found, const Key& key, State& state, bool may_differ);

  History& history_;
  std::map<Key, State> states_;
  std::set<Key> unsynced_;  // changed since the last batch that was durable
  Revision newest_;
};

/// Decodes what a store appends and shows it to `told`, once it has been appended.
using Told = std::function<void(const std::vector<Written>&, Revision last, bool is_durable)>;
std::unique_ptr<store::Journal> make_watched_journal(std::unique_ptr<store::Journal> inner,
                                                     Told told);

}  // namespace tetrarch::sim

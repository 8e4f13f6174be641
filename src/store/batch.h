// SPDX-License-Identifier: Apache-2.0
// Batch: transactions evaluated one after the other on a working copy of the head, and what they
// come to: a new root, one list of journal writes, one of changes to publish. Does no I/O; thrown
// away as it is when the journal fails.
#pragma once

#include <cstdint>
#include <memory>
#include <set>
#include <string_view>
#include <vector>

#include "store/hub.h"
#include "store/journal.h"
#include "store/root.h"
#include "store/store.h"

namespace tetrarch::store {

class Batch {
 public:
  /// `id` is unique among the batches of a store, and greater than 1 (recovery's).
  Batch(const Snapshot::Root& head, const Sealing& sealing, std::uint64_t id);

  /// Applies it wholly, or not at all and says why. The objects are not durable yet.
  Committing apply(const Transaction& transaction);

  bool is_empty() const { return publications_.empty(); }

  bool is_volatile() const { return is_volatile_; }

  Revision last() const { return root_->revision; }

  std::vector<Journal::Write>& writes() { return writes_; }

  /// The new sum of each resource that it changes.
  std::vector<Journal::Write> sums() const;

  const std::vector<Publication>& publications() const { return publications_; }

  std::shared_ptr<const Snapshot::Root> root() const { return root_; }

 private:
  Status check(const Transaction& transaction) const;
  Status check_mutations(const std::vector<Mutation>& mutations) const;
  Status prepare(const std::vector<Mutation>& mutations, std::vector<Journal::Write>& writes) const;
  Stored apply_one(const Mutation& mutation);
  const Entry* find(const Key& key) const;

  const Sealing& sealing_;
  const std::shared_ptr<Snapshot::Root> root_;  // shared with the snapshots, once it is published
  Edit edit_;
  std::vector<Journal::Write> writes_;
  std::vector<Publication> publications_;
  std::set<std::string_view> touched_;  // resources; their texts are the tables'
  bool is_volatile_ = true;             // as long as every transaction is
};

}  // namespace tetrarch::store

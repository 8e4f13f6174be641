// SPDX-License-Identifier: Apache-2.0
// Snapshot::Root: everything at one revision: one tree per resource. Made by the committer,
// immutable once published.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "store/btree.h"
#include "store/store.h"
#include "store/sums.h"

namespace tetrarch::store {

/// The objects of one resource. `resource` is shared with all later roots and with the history.
struct Table {
  std::shared_ptr<const std::string> resource;
  Tree tree;
  std::uint64_t marks = 0;  ///< sum of the entries' marks, see sums.h

  Sum sum() const { return {.objects = tree.size(), .marks = marks}; }
};

class Snapshot::Root {
 public:
  Revision revision;
  std::vector<Table> tables;  ///< sorted by resource; a table may be empty

  const Tree* find(std::string_view resource) const;
  /// The table of a resource, made where there is none.
  Table& table(std::string_view resource);
};

inline Place place_of(const Key& key) {
  return {key.ns, key.name};
}

}  // namespace tetrarch::store

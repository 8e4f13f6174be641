// SPDX-License-Identifier: Apache-2.0
// Tree: a copy-on-write B+tree of entries, ordered by place: the index of one resource. A Tree is a
// value, one pointer wide; a copy shares every node. An Edit changes a Tree by copying the nodes on
// the way down, each at most once per edit; whoever holds an older copy sees none of it. See
// docs/adr/0011-copy-on-write-index.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>

#include <boost/smart_ptr/intrusive_ptr.hpp>

#include "store/entry.h"

namespace tetrarch::store {

struct TreeNode;
void intrusive_ptr_add_ref(const TreeNode* node);
void intrusive_ptr_release(const TreeNode* node);

class Tree {
 public:
  static constexpr std::size_t kFanout = 32;

  std::size_t size() const;
  const Entry* find(Place place) const;
  /// The number of entries before `place`.
  std::size_t rank(Place place) const;
  /// In order, beginning strictly after `after`; `visit` returns false to stop.
  void scan(Place after, const std::function<bool(const Entry&)>& visit) const;
  /// For tests: whether order, counts, depth and fill are as they must be.
  bool is_sound() const;

 private:
  friend class Edit;
  boost::intrusive_ptr<TreeNode> root_;
};

/// A run of changes by one thread. `id` is unique among the edits of the trees it is used on: nodes
/// marked with it are not shared yet, and are changed in place. No tree may be copied between the
/// changes of one edit.
class Edit {
 public:
  explicit Edit(std::uint64_t id) : id_(id) {}

  /// Adds or replaces; returns what was there.
  EntryPtr put(Tree& tree, EntryPtr entry);
  /// Removes; returns what was there.
  EntryPtr erase(Tree& tree, Place place);

 private:
  using NodePtr = boost::intrusive_ptr<TreeNode>;

  NodePtr put_in(NodePtr& slot, EntryPtr& entry, EntryPtr& old);
  NodePtr put_in_leaf(NodePtr& slot, EntryPtr& entry, EntryPtr& old);
  NodePtr put_in_inner(NodePtr& slot, EntryPtr& entry, EntryPtr& old);
  void erase_in(NodePtr& slot, Place place, EntryPtr& old);
  void merge_children(NodePtr& slot, std::size_t left);

  const std::uint64_t id_;
};

}  // namespace tetrarch::store

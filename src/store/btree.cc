// SPDX-License-Identifier: Apache-2.0
#include "store/btree.h"

#include <algorithm>
#include <atomic>
#include <utility>

#include <boost/container/static_vector.hpp>

#include "base/check.h"

namespace tetrarch::store {

using NodePtr = boost::intrusive_ptr<TreeNode>;

struct TreeNode {
  TreeNode(bool leaf, std::uint64_t edit_id) : edit(edit_id), is_leaf(leaf) {}

  TreeNode(const TreeNode& from, std::uint64_t edit_id)
      : edit(edit_id), count(from.count), is_leaf(from.is_leaf) {}

  TreeNode(const TreeNode&) = delete;
  TreeNode& operator=(const TreeNode&) = delete;

  std::uint64_t edit;       // the Edit that made it, and alone may change it
  std::uint32_t count = 0;  // entries below
  mutable std::atomic<std::uint32_t> references{0};
  const bool is_leaf;
};

namespace {

constexpr std::size_t kFanout = Tree::kFanout;
constexpr std::size_t kMergeBelow = kFanout / 4;

struct Leaf : TreeNode {
  explicit Leaf(std::uint64_t edit_id) : TreeNode(true, edit_id) {}

  Leaf(const Leaf& from, std::uint64_t edit_id) : TreeNode(from, edit_id), entries(from.entries) {}

  boost::container::static_vector<EntryPtr, kFanout> entries;
};

struct Inner : TreeNode {
  explicit Inner(std::uint64_t edit_id) : TreeNode(false, edit_id) {}

  Inner(const Inner& from, std::uint64_t edit_id)
      : TreeNode(from, edit_id), children(from.children), lows(from.lows) {}

  boost::container::static_vector<NodePtr, kFanout> children;
  // lows[i] is the first entry below children[i], always the living one, lest an old document be
  // kept.
  boost::container::static_vector<EntryPtr, kFanout> lows;
};

const Leaf& as_leaf(const TreeNode& node) {
  return static_cast<const Leaf&>(node);
}

const Inner& as_inner(const TreeNode& node) {
  return static_cast<const Inner&>(node);
}

const EntryPtr& first_of(const TreeNode& node) {
  return node.is_leaf ? as_leaf(node).entries.front() : as_inner(node).lows.front();
}

std::size_t fill_of(const TreeNode& node) {
  return node.is_leaf ? as_leaf(node).entries.size() : as_inner(node).children.size();
}

bool is_before(const EntryPtr& entry, Place place) {
  return entry->place() < place;
}

std::size_t lower_bound(const Leaf& leaf, Place place) {
  const auto at = std::lower_bound(leaf.entries.begin(), leaf.entries.end(), place, is_before);
  return static_cast<std::size_t>(at - leaf.entries.begin());
}

/// The child that `place` belongs to: the last whose low is not after it, or the first.
std::size_t child_for(const Inner& inner, Place place) {
  const auto at = std::upper_bound(
      inner.lows.begin() + 1, inner.lows.end(), place, [](Place p, const EntryPtr& low) {
        return p < low->place();
      });
  return static_cast<std::size_t>(at - inner.lows.begin()) - 1;
}

template <class N>
N& own(NodePtr& slot, std::uint64_t edit) {
  if (slot->edit != edit) {
    slot = NodePtr(new N(static_cast<const N&>(*slot), edit));
  }
  return static_cast<N&>(*slot);
}

template <class Vector>
void move_tail(Vector& from, std::size_t cut, Vector& to) {
  for (std::size_t i = cut; i < from.size(); ++i) {
    to.push_back(std::move(from[i]));
  }
  from.resize(cut);
}

template <class Vector, class T>
void insert_at(Vector& vector, std::size_t at, T&& value) {
  vector.insert(vector.begin() + static_cast<std::ptrdiff_t>(at), std::forward<T>(value));
}

template <class Vector>
void erase_at(Vector& vector, std::size_t at) {
  vector.erase(vector.begin() + static_cast<std::ptrdiff_t>(at));
}

void recount(Inner& inner) {
  inner.count = 0;
  for (const NodePtr& child : inner.children) {
    inner.count += child->count;
  }
}

bool scan_all(const TreeNode& node, const std::function<bool(const Entry&)>& visit) {
  if (!node.is_leaf) {
    return std::ranges::all_of(as_inner(node).children,
                               [&](const NodePtr& child) { return scan_all(*child, visit); });
  }
  const auto& entries = as_leaf(node).entries;
  for (const EntryPtr& entry : entries) {
    __builtin_prefetch(entry.get());
  }
  for (const EntryPtr& entry : entries) {
    __builtin_prefetch(entry->document().get(), 1);  // its reference count lies beside it
  }
  return std::ranges::all_of(entries, [&](const EntryPtr& entry) { return visit(*entry); });
}

bool scan_after(const TreeNode& node, Place after, const std::function<bool(const Entry&)>& visit) {
  if (node.is_leaf) {
    const auto& entries = as_leaf(node).entries;
    std::size_t i = lower_bound(as_leaf(node), after);
    if (i < entries.size() && entries[i]->place() == after) {
      ++i;
    }
    for (; i < entries.size(); ++i) {
      if (!visit(*entries[i])) {
        return false;
      }
    }
    return true;
  }
  const Inner& inner = as_inner(node);
  std::size_t i = child_for(inner, after);
  if (!scan_after(*inner.children[i], after, visit)) {
    return false;
  }
  for (++i; i < inner.children.size(); ++i) {
    if (!scan_all(*inner.children[i], visit)) {
      return false;
    }
  }
  return true;
}

/// Depth of a sound subtree; 0 where it is not.
std::size_t sound_depth(const TreeNode& node) {
  if (node.is_leaf) {
    const auto& entries = as_leaf(node).entries;
    const bool is_sorted =
        std::ranges::is_sorted(entries, {}, [](const EntryPtr& e) { return e->place(); });
    return is_sorted && !entries.empty() && node.count == entries.size() ? 1 : 0;
  }
  const Inner& inner = as_inner(node);
  std::size_t depth = 0;
  std::size_t count = 0;
  for (std::size_t i = 0; i < inner.children.size(); ++i) {
    const TreeNode& child = *inner.children[i];
    const std::size_t below = sound_depth(child);
    const bool is_first_low = inner.lows[i] == first_of(child);
    if (below == 0 || !is_first_low ||
        (i > 0 && (below != depth || !(inner.lows[i - 1]->place() < inner.lows[i]->place())))) {
      return 0;
    }
    depth = below;
    count += child.count;
  }
  return count == node.count && inner.lows.size() == inner.children.size() ? depth + 1 : 0;
}

}  // namespace

void intrusive_ptr_add_ref(const TreeNode* node) {
  node->references.fetch_add(1, std::memory_order_relaxed);
}

void intrusive_ptr_release(const TreeNode* node) {
  if (node->references.fetch_sub(1, std::memory_order_acq_rel) != 1) {
    return;
  }
  if (node->is_leaf) {
    delete static_cast<const Leaf*>(node);
  } else {
    delete static_cast<const Inner*>(node);
  }
}

std::size_t Tree::size() const {
  return root_ ? root_->count : 0;
}

const Entry* Tree::find(Place place) const {
  const TreeNode* node = root_.get();
  if (node == nullptr) {
    return nullptr;
  }
  while (!node->is_leaf) {
    node = as_inner(*node).children[child_for(as_inner(*node), place)].get();
  }
  const Leaf& leaf = as_leaf(*node);
  const std::size_t at = lower_bound(leaf, place);
  return at < leaf.entries.size() && leaf.entries[at]->place() == place ? leaf.entries[at].get()
                                                                        : nullptr;
}

std::size_t Tree::rank(Place place) const {
  const TreeNode* node = root_.get();
  if (node == nullptr) {
    return 0;
  }
  std::size_t before = 0;
  while (!node->is_leaf) {
    const Inner& inner = as_inner(*node);
    const std::size_t at = child_for(inner, place);
    for (std::size_t i = 0; i < at; ++i) {
      before += inner.children[i]->count;
    }
    node = inner.children[at].get();
  }
  return before + lower_bound(as_leaf(*node), place);
}

void Tree::scan(Place after, const std::function<bool(const Entry&)>& visit) const {
  if (root_) {
    scan_after(*root_, after, visit);
  }
}

bool Tree::is_sound() const {
  return !root_ || sound_depth(*root_) > 0;
}

EntryPtr Edit::put(Tree& tree, EntryPtr entry) {
  EntryPtr old;
  if (!tree.root_) {
    tree.root_ = NodePtr(new Leaf(id_));
  }
  NodePtr right = put_in(tree.root_, entry, old);
  if (right) {
    const boost::intrusive_ptr<Inner> root(new Inner(id_));
    root->lows = {first_of(*tree.root_), first_of(*right)};
    root->children = {std::move(tree.root_), std::move(right)};
    recount(*root);
    tree.root_ = root;
  }
  return old;
}

/// Puts into the subtree at `slot`; where it had to split, returns the new right half.
NodePtr Edit::put_in(NodePtr& slot, EntryPtr& entry, EntryPtr& old) {
  return slot->is_leaf ? put_in_leaf(slot, entry, old) : put_in_inner(slot, entry, old);
}

NodePtr Edit::put_in_leaf(NodePtr& slot, EntryPtr& entry, EntryPtr& old) {
  Leaf& leaf = own<Leaf>(slot, id_);
  const std::size_t at = lower_bound(leaf, entry->place());
  if (at < leaf.entries.size() && leaf.entries[at]->place() == entry->place()) {
    old = std::exchange(leaf.entries[at], std::move(entry));
    return {};
  }
  if (leaf.entries.size() < kFanout) {
    insert_at(leaf.entries, at, std::move(entry));
    ++leaf.count;
    return {};
  }
  // At the very end the left half stays full: loading in order then fills every leaf.
  const std::size_t cut = at == kFanout ? kFanout : kFanout / 2;
  const boost::intrusive_ptr<Leaf> right(new Leaf(id_));
  move_tail(leaf.entries, cut, right->entries);
  if (at <= cut && cut < kFanout) {
    insert_at(leaf.entries, at, std::move(entry));
  } else {
    insert_at(right->entries, at - cut, std::move(entry));
  }
  leaf.count = static_cast<std::uint32_t>(leaf.entries.size());
  right->count = static_cast<std::uint32_t>(right->entries.size());
  return right;
}

NodePtr Edit::put_in_inner(NodePtr& slot, EntryPtr& entry, EntryPtr& old) {
  Inner& inner = own<Inner>(slot, id_);
  const std::size_t at = child_for(inner, entry->place());
  const std::uint32_t before = inner.children[at]->count;
  NodePtr split = put_in(inner.children[at], entry, old);
  inner.lows[at] = first_of(*inner.children[at]);
  inner.count += inner.children[at]->count - before;
  if (!split) {
    return {};
  }
  boost::intrusive_ptr<Inner> right;
  Inner* into = &inner;
  std::size_t place = at + 1;
  if (inner.children.size() == kFanout) {
    const std::size_t cut = place == kFanout ? kFanout : kFanout / 2;
    right.reset(new Inner(id_));
    move_tail(inner.children, cut, right->children);
    move_tail(inner.lows, cut, right->lows);
    if (place > cut || cut == kFanout) {
      into = right.get();
      place -= cut;
    }
  }
  insert_at(into->lows, place, first_of(*split));
  insert_at(into->children, place, std::move(split));
  recount(inner);
  if (right) {
    recount(*right);
  }
  return right;
}

EntryPtr Edit::erase(Tree& tree, Place place) {
  EntryPtr old;
  if (tree.find(place) == nullptr) {
    return old;
  }
  erase_in(tree.root_, place, old);
  if (fill_of(*tree.root_) == 0) {
    tree.root_.reset();
    return old;
  }
  while (!tree.root_->is_leaf && fill_of(*tree.root_) == 1) {
    tree.root_ = NodePtr(as_inner(*tree.root_).children.front());
  }
  return old;
}

/// Erases what is known to be there. May leave the node empty; the parent sees to that.
void Edit::erase_in(NodePtr& slot, Place place, EntryPtr& old) {
  if (slot->is_leaf) {
    Leaf& leaf = own<Leaf>(slot, id_);
    const std::size_t at = lower_bound(leaf, place);
    old = std::move(leaf.entries[at]);
    erase_at(leaf.entries, at);
    --leaf.count;
    return;
  }
  Inner& inner = own<Inner>(slot, id_);
  const std::size_t at = child_for(inner, place);
  erase_in(inner.children[at], place, old);
  --inner.count;
  if (fill_of(*inner.children[at]) == 0) {
    erase_at(inner.children, at);
    erase_at(inner.lows, at);
    return;
  }
  inner.lows[at] = first_of(*inner.children[at]);
  if (fill_of(*inner.children[at]) < kMergeBelow && inner.children.size() > 1) {
    merge_children(slot, at + 1 < inner.children.size() ? at : at - 1);
  }
}

/// Merges child `left` with the next one where both fit into half a node (so that the next put does
/// not split again).
void Edit::merge_children(NodePtr& slot, std::size_t left) {
  Inner& inner = static_cast<Inner&>(*slot);
  const NodePtr right = inner.children[left + 1];
  if (fill_of(*inner.children[left]) + fill_of(*right) > kFanout / 2) {
    return;
  }
  if (right->is_leaf) {
    Leaf& into = own<Leaf>(inner.children[left], id_);
    const auto& from = as_leaf(*right).entries;
    into.entries.insert(into.entries.end(), from.begin(), from.end());
    into.count += right->count;
  } else {
    Inner& into = own<Inner>(inner.children[left], id_);
    const Inner& from = as_inner(*right);
    into.children.insert(into.children.end(), from.children.begin(), from.children.end());
    into.lows.insert(into.lows.end(), from.lows.begin(), from.lows.end());
    into.count += right->count;
  }
  erase_at(inner.children, left + 1);
  erase_at(inner.lows, left + 1);
}

}  // namespace tetrarch::store

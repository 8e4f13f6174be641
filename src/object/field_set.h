// SPDX-License-Identifier: Apache-2.0
// FieldSet: some of the fields of an object, as server-side apply keeps them for each manager. It
// is read from and printed as FieldsV1 (metadata.managedFields). Knows no types: which lists have
// keys is known to who makes the set (schema/fields.h).
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/document.h"
#include "object/writer.h"

namespace tetrarch::object {

/// A path is a list of steps, spelled as in FieldsV1: `f:spec` (a member), `k:{"name":"x"}` (the
/// element with those keys, sorted), `v:"x"` (the element that is this scalar), `i:3` (a place).
/// A field may be in the set without what is below it, and the other way round.
/// Source: Kubernetes API reference v1.35, ManagedFieldsEntry, fieldsV1.
class FieldSet {
 public:
  struct Entry;
  using Path = std::span<const std::string_view>;

  /// Spelling of keys and numbers becomes canonical; steps of a kind not known here are dropped, as
  /// a later version may write them. Error (Code::malformed): not FieldsV1.
  static Result<FieldSet> decode(View fields_v1);
  /// An object; `.` stands for the field itself where there are fields below it.
  void write(Writer& out) const;

  bool is_empty() const { return entries_.empty(); }

  /// Puts in a field, what is below it, or both; nothing where there is neither.
  void put(std::string_view step, bool is_member, FieldSet below);

  void add(std::string_view step);

  /// What is below a step; nullptr where nothing is.
  const FieldSet* below(std::string_view step) const;
  bool has(std::string_view step) const;
  bool has_path(Path path) const;

  const std::vector<Entry>& entries() const { return entries_; }

  /// Every field in the set: those of one level before those below them.
  void for_each(const std::function<void(Path)>& visit) const;

  friend FieldSet unite(const FieldSet& a, const FieldSet& b);
  friend FieldSet intersect(const FieldSet& a, const FieldSet& b);
  /// Of `a`, what is not in `b`; what is below a field of `b` stays.
  friend FieldSet subtract(const FieldSet& a, const FieldSet& b);
  /// As `subtract`, but what is below a field of `b` goes too.
  friend FieldSet subtract_deep(const FieldSet& a, const FieldSet& b);

  bool operator==(const FieldSet& other) const;

  /// Questions to a set that was not decoded, printed by `write`: is any of my fields in it, are
  /// all?
  bool overlaps(View printed) const;
  bool is_within(View printed) const;

 private:
  static FieldSet gather(std::vector<Entry> found);
  const Entry* find(std::string_view step) const;
  void visit_below(std::vector<std::string_view>& path,
                   const std::function<void(Path)>& visit) const;

  std::vector<Entry> entries_;  // by step; none is empty
};

struct FieldSet::Entry {
  std::string step;
  bool is_member = false;
  FieldSet below = {};
  bool operator==(const Entry&) const = default;
};

FieldSet unite(const FieldSet& a, const FieldSet& b);
FieldSet intersect(const FieldSet& a, const FieldSet& b);
FieldSet subtract(const FieldSet& a, const FieldSet& b);
FieldSet subtract_deep(const FieldSet& a, const FieldSet& b);

/// As people read it: `.spec.containers[name="x"].image`.
std::string path_text(FieldSet::Path path);

}  // namespace tetrarch::object

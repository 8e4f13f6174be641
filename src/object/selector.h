// SPDX-License-Identifier: Apache-2.0
// Label and field selectors: read from a query's text or from an object, matched against objects.
// Their requirements are open to indexes.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"
#include "object/document.h"

namespace tetrarch::object {

enum class LabelOperator : std::uint8_t {
  in,
  not_in,
  exists,
  does_not_exist,
  greater_than,
  less_than
};

struct LabelRequirement {
  std::string key;
  LabelOperator op = LabelOperator::exists;
  std::vector<std::string> values = {};  ///< of in and not_in: sorted, unique, never empty
  std::int64_t bound = 0;                ///< of greater_than and less_than

  /// Whether an object whose label `key` is `value` (nullopt: has none) fulfils this.
  bool matches(std::optional<std::string_view> value) const;
  bool operator==(const LabelRequirement&) const = default;
};

/// All requirements must hold. Immutable once made; safe to share.
class LabelSelector {
 public:
  /// Matches everything.
  LabelSelector() = default;
  static LabelSelector nothing();
  /// "a=b,c!=d,e in (x,y),f notin (z),g,!h,i>1". Error (Code::malformed): as kube-apiserver words
  /// it.
  static Result<LabelSelector> parse(std::string_view text);
  /// A LabelSelector object: matchLabels and matchExpressions. Absent or null: nothing; {}:
  /// everything.
  static Result<LabelSelector> from_object(View selector);
  /// A plain map of labels, all of which must be there (spec.selector of a Service). Not for absent
  /// maps.
  static LabelSelector from_map(View labels);
  /// A list of {key, operator, values} with the operators In, NotIn, Exists, DoesNotExist, Gt, Lt
  /// (matchExpressions of a node selector term).
  static Result<LabelSelector> from_expressions(View expressions);

  /// `labels`: a map of strings; absent: no labels.
  bool matches(View labels) const;
  /// The same for labels kept elsewhere: answers the value of a key, nullopt where there is none.
  bool matches(const std::function<std::optional<std::string_view>(std::string_view)>& label) const;

  bool is_nothing() const { return is_nothing_; }

  bool is_everything() const { return !is_nothing_ && requirements_.empty(); }

  const std::vector<LabelRequirement>& requirements() const { return requirements_; }

  /// In the syntax that parse reads, ordered by key. Of nothing(): empty, as of everything.
  std::string text() const;

  bool operator==(const LabelSelector&) const = default;

 private:
  std::vector<LabelRequirement> requirements_;  ///< ordered by key
  bool is_nothing_ = false;
};

struct FieldRequirement {
  std::string path;      ///< "metadata.name"
  bool is_equal = true;  ///< false: must differ
  std::string value;
  bool operator==(const FieldRequirement&) const = default;
};

/// Which paths a kind supports is the caller's to check.
class FieldSelector {
 public:
  FieldSelector() = default;
  /// "metadata.name=x,status.phase!=Running". Error (Code::malformed): as kube-apiserver words it.
  static Result<FieldSelector> parse(std::string_view text);

  /// Compares the texts of the values at the paths; an absent value is "".
  bool matches(View object) const;

  bool is_everything() const { return requirements_.empty(); }

  const std::vector<FieldRequirement>& requirements() const { return requirements_; }

  /// The value that `path` must have, if one is asked for.
  std::optional<std::string_view> exact(std::string_view path) const;
  std::string text() const;

  bool operator==(const FieldSelector&) const = default;

 private:
  std::vector<FieldRequirement> requirements_;
};

}  // namespace tetrarch::object

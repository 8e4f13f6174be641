// SPDX-License-Identifier: Apache-2.0
// IndexSet: numbers as texts such as "1,3-5,7": the indexes of an Indexed Job in its status and in
// its success policy.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "base/result.h"

namespace tetrarch::object {

class IndexSet {
 public:
  /// Both ends belong to it.
  struct Interval {
    std::int64_t first = 0;
    std::int64_t last = 0;
    bool operator==(const Interval&) const = default;
  };

  /// Numbers must grow and be below `limit`. Error (Code::malformed): in Kubernetes' words.
  static Result<IndexSet> parse(std::string_view text, std::int64_t limit);
  /// What a status says: pieces that make no sense or reach `limit` are left out.
  static IndexSet parse_leniently(std::string_view text, std::int64_t limit);

  /// Three numbers in a row and more are one piece: "0-2,4,5".
  std::string text() const;
  bool contains(std::int64_t index) const;
  std::int64_t count() const;
  void add(std::int64_t index);

  const std::vector<Interval>& intervals() const { return intervals_; }

  bool operator==(const IndexSet&) const = default;

 private:
  void append(Interval interval);

  std::vector<Interval> intervals_;  // in order; no two touch
};

}  // namespace tetrarch::object

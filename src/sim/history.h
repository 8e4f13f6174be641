// SPDX-License-Identifier: Apache-2.0
// History: what happened in a simulation, a line each, in order. The same seed gives the same lines
// byte for byte, so one number (a hash of all of them) says whether two runs were equal. Also keeps
// what was found to be wrong.
#pragma once

#include <cstdint>
#include <cstdio>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include "base/clock.h"

namespace tetrarch::sim {

class History {
 public:
  /// `clock` is the simulation's, and began at `start`. `log` takes every line; null: none does.
  History(const Clock& clock, TimePoint start, std::FILE* log = nullptr);

  void note(std::string_view what);
  /// Something that must not be: noted, and kept with the lines that led to it.
  void violate(std::string_view what);

  std::uint64_t hash() const { return hash_; }

  std::size_t size() const { return size_; }

  bool is_clean() const { return violations_.empty(); }

  /// The first few; `violation_count` is how many there were.
  const std::vector<std::string>& violations() const { return violations_; }

  std::size_t violation_count() const { return violation_count_; }

  /// The lines before the first violation, or the last ones where there is none.
  const std::deque<std::string>& last_lines() const { return last_; }

 private:
  void keep(std::string line);

  const Clock& clock_;
  const TimePoint start_;
  std::FILE* const log_;
  std::uint64_t hash_;
  std::size_t size_ = 0;
  TimePoint newest_;  // time goes forward only
  std::deque<std::string> last_;
  std::vector<std::string> violations_;
  std::size_t violation_count_ = 0;
};

}  // namespace tetrarch::sim

// SPDX-License-Identifier: Apache-2.0
// Tournament: the best of n scores, kept while single scores change. O(log n) a change, O(1) the
// winner. Among equals the lowest place wins, so the choice is the one a scan from the front would
// make.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

namespace tetrarch::schedule {

using Score = std::int32_t;
inline constexpr Score kInfeasible = -1;  ///< every feasible score is >= 0

class Tournament {
 public:
  /// All places infeasible.
  void resize(std::size_t places);
  void set(std::size_t place, Score score);

  /// Sets without repair, for many at once; call rebuild() before the next question.
  void set_unsettled(std::size_t place, Score score) { scores_[place] = score; }

  void rebuild();

  Score score(std::size_t place) const { return scores_[place]; }

  std::size_t size() const { return scores_.size(); }

  Score best() const { return winners_.empty() ? kInfeasible : scores_[winners_[1]]; }

  /// Meaningless unless best() is feasible.
  std::size_t winner() const { return winners_[1]; }

 private:
  std::uint32_t better(std::uint32_t left, std::uint32_t right) const;

  std::vector<Score> scores_;
  std::vector<std::uint32_t> winners_;  // a heap-shaped tree: winners_[1] is the root
  std::size_t leaves_ = 0;              // a power of two >= scores_.size()
};

}  // namespace tetrarch::schedule

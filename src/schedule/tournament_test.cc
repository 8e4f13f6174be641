// SPDX-License-Identifier: Apache-2.0
#include "schedule/tournament.h"

#include <algorithm>
#include <random>
#include <vector>

#include <gtest/gtest.h>

namespace tetrarch::schedule {
namespace {

TEST(Tournament, HasNoWinnerWhereNothingIsFeasible) {
  Tournament empty;
  EXPECT_EQ(empty.best(), kInfeasible);

  Tournament three;
  three.resize(3);
  EXPECT_EQ(three.best(), kInfeasible);
}

TEST(Tournament, OfOnePlaceIsThatPlace) {
  Tournament one;
  one.resize(1);

  one.set(0, 5);

  EXPECT_EQ(one.best(), 5);
  EXPECT_EQ(one.winner(), 0U);
}

TEST(Tournament, ForgetsAllScoresWhenItIsResized) {
  Tournament order;
  order.resize(2);
  order.set(1, 9);

  order.resize(5);

  EXPECT_EQ(order.size(), 5U);
  EXPECT_EQ(order.best(), kInfeasible);
}

/// Scores change by chance; the winner is always the one that a scan from the front finds.
class TournamentChanceTest : public testing::TestWithParam<std::size_t> {};

TEST_P(TournamentChanceTest, AgreesWithAScan) {
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  std::vector<Score> scores(GetParam(), kInfeasible);
  Tournament order;
  order.resize(scores.size());

  for (int step = 0; step < 500; ++step) {
    const auto place = random() % scores.size();
    scores[place] = static_cast<Score>(random() % 6) - 1;  // few values: many ties
    if (step % 50 == 0) {
      order.set_unsettled(place, scores[place]);
      order.rebuild();
    } else {
      order.set(place, scores[place]);
    }

    const auto best = std::max_element(scores.begin(), scores.end());
    ASSERT_EQ(order.best(), *best) << "step " << step;
    if (*best != kInfeasible) {
      ASSERT_EQ(order.winner(), static_cast<std::size_t>(best - scores.begin())) << "step " << step;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Sizes,
                         TournamentChanceTest,
                         testing::Values(1, 2, 3, 4, 5, 7, 8, 9, 31, 64, 100, 1000));

}  // namespace
}  // namespace tetrarch::schedule

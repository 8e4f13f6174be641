// SPDX-License-Identifier: Apache-2.0
#include "sim/history.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "sim/domain.h"

namespace tetrarch::sim {
namespace {

using testing::ElementsAre;

TEST(History, IsTheSameForTheSameLinesAtTheSameTimes) {
  Domain world{TimePoint{}};
  History one(world.clock(), TimePoint{});
  History two(world.clock(), TimePoint{});
  for (auto* history : {&one, &two}) {
    history->note("a");
    history->note("b");
  }
  EXPECT_EQ(one.hash(), two.hash());
  EXPECT_TRUE(one.is_clean());

  one.note("c");
  world.move_to(TimePoint{std::chrono::seconds(1)});
  two.note("c");

  EXPECT_NE(one.hash(), two.hash());
}

TEST(History, FindsThatTimeGoesBack) {
  Domain world{TimePoint{}};
  History history(world.clock(), TimePoint{});
  world.move_to(TimePoint{std::chrono::seconds(2)});
  history.note("a");
  world.move_to(TimePoint{std::chrono::seconds(1)});

  history.note("b");

  EXPECT_THAT(history.violations(), ElementsAre("at 1.000 s: time goes back"));
  EXPECT_THAT(history.last_lines(), ElementsAre("2.000 a", "1.000 VIOLATION time goes back"));
}

}  // namespace
}  // namespace tetrarch::sim

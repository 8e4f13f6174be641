// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/seats.h"

#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using Entry = Seats::Entry;

/// Notes who is called, in order.
class SeatsTest : public ::testing::Test {
 protected:
  static SeatLimits limits(std::size_t own,
                           std::size_t lendable = 0,
                           std::size_t borrowable = 100) {
    return {own, lendable, borrowable, {.of_flow = 10, .of_all = 20}};
  }

  void arrange(const std::vector<Seats::NamedLimits>& levels) { levels_ = seats_.arrange(levels); }

  Entry enter(std::size_t level, std::string name) {
    auto waiter = std::make_shared<Waiter>();
    waiter->called = [this, name] { called_.push_back(name); };
    waiters_.push_back(waiter);
    return seats_.enter(*levels_[level], name, waiter);
  }

  /// How many more get a seat at once.
  int fill(std::size_t level) {
    int count = 0;
    while (seats_.try_enter(*levels_[level])) {
      ++count;
    }
    return count;
  }

  Seats seats_;
  std::vector<std::shared_ptr<Seats::Level>> levels_;
  std::vector<std::shared_ptr<Waiter>> waiters_;
  std::vector<std::string> called_;
};

TEST_F(SeatsTest, GivesALevelItsOwn) {
  arrange({{"a", limits(2)}, {"b", limits(3)}});

  EXPECT_EQ(fill(0), 2);
  EXPECT_EQ(fill(1), 3);
  seats_.leave(*levels_[0]);
  EXPECT_EQ(fill(0), 1);
}

TEST_F(SeatsTest, LendsNoMoreThanALevelAllows) {
  arrange({{"a", limits(2)}, {"b", limits(4, 3)}});

  EXPECT_EQ(fill(0), 2 + 3);
  EXPECT_EQ(fill(1), 1) << "what it keeps for itself";
}

TEST_F(SeatsTest, BorrowsNoMoreThanALevelMay) {
  arrange({{"a", limits(2, 0, 1)}, {"b", limits(4, 4)}});

  EXPECT_EQ(fill(0), 2 + 1);
  EXPECT_EQ(fill(1), 3);
}

TEST_F(SeatsTest, AJailIsClosed) {
  arrange({{"jail", limits(0, 0, 0)}, {"b", limits(4, 4)}});

  EXPECT_EQ(fill(0), 0);
  EXPECT_EQ(fill(1), 4);
}

TEST_F(SeatsTest, ALenderComesFirstWhenALoanEnds) {
  arrange({{"a", limits(1)}, {"b", limits(1, 1)}});
  ASSERT_EQ(fill(0), 2);
  ASSERT_EQ(enter(0, "a"), Entry::waits);
  ASSERT_EQ(enter(1, "b"), Entry::waits) << "its seat is on loan";

  seats_.leave(*levels_[0]);
  EXPECT_THAT(called_, ElementsAre("b"));
  seats_.leave(*levels_[1]);
  EXPECT_THAT(called_, ElementsAre("b", "a"));
}

TEST_F(SeatsTest, NobodyOvertakesThoseWhoWait) {
  arrange({{"a", limits(1)}});
  ASSERT_EQ(enter(0, "a1"), Entry::seated);
  ASSERT_EQ(enter(0, "a2"), Entry::waits);
  seats_.leave(*levels_[0]);
  ASSERT_THAT(called_, ElementsAre("a2"));

  EXPECT_FALSE(seats_.try_enter(*levels_[0]));
}

TEST_F(SeatsTest, RefusesWhereNobodyMayWait) {
  arrange({{"a", {.own = 1}}});
  ASSERT_EQ(fill(0), 1);
  EXPECT_EQ(enter(0, "a"), Entry::refused);
}

TEST_F(SeatsTest, ForgetsWhoWithdraws) {
  arrange({{"a", limits(1)}});
  ASSERT_EQ(enter(0, "a1"), Entry::seated);
  ASSERT_EQ(enter(0, "a2"), Entry::waits);

  EXPECT_TRUE(seats_.withdraw(*levels_[0], waiters_[0]));
  EXPECT_FALSE(seats_.withdraw(*levels_[0], waiters_[1]));
  EXPECT_EQ(seats_.waiting(*levels_[0]), 0U);
  seats_.leave(*levels_[0]);
  EXPECT_THAT(called_, IsEmpty());
  EXPECT_EQ(seats_.used(*levels_[0]), 0U);
}

TEST_F(SeatsTest, MoreSeatsAreGivenToThoseWhoWait) {
  arrange({{"a", limits(1)}});
  ASSERT_EQ(enter(0, "a1"), Entry::seated);
  ASSERT_EQ(enter(0, "a2"), Entry::waits);
  ASSERT_EQ(enter(0, "a3"), Entry::waits);

  arrange({{"a", limits(3)}});

  EXPECT_THAT(called_, ElementsAre("a2", "a3"));
  EXPECT_EQ(seats_.used(*levels_[0]), 3U);
}

TEST_F(SeatsTest, WhoIsInALevelThatGoesIsServedToTheEnd) {
  arrange({{"gone", limits(1)}, {"b", limits(2, 2)}});
  const auto gone = levels_[0];
  ASSERT_EQ(enter(0, "g1"), Entry::seated);
  ASSERT_EQ(fill(0), 2) << "of what the other lends";
  ASSERT_EQ(enter(0, "g2"), Entry::waits);

  arrange({{"b", limits(2, 2)}});
  EXPECT_EQ(fill(0), 0) << "all seats are taken";
  seats_.leave(*gone);
  EXPECT_THAT(called_, IsEmpty()) << "one too many was there";
  seats_.leave(*gone);
  EXPECT_THAT(called_, ElementsAre("g2"));
  seats_.leave(*gone);
  seats_.leave(*gone);
  EXPECT_EQ(fill(0), 2);
}

/// Whatever comes and goes: no more than all seats are used, no level is without what it does not
/// lend, and nobody waits while there is a seat for him.
TEST_F(SeatsTest, KeepsItsBoundsByChance) {
  arrange({{"a", limits(5, 4)}, {"b", limits(3, 1)}, {"c", limits(2, 0, 1)}, {"d", limits(0)}});
  std::mt19937 random(7);
  std::vector<std::size_t> held;
  for (int i = 0; i < 20'000; ++i) {
    const auto level = random() % levels_.size();
    if (random() % 2 == 0) {
      auto waiter = std::make_shared<Waiter>();
      waiter->called = [&held, level] { held.push_back(level); };
      if (seats_.enter(*levels_[level], std::to_string(random() % 3), waiter) == Entry::seated) {
        held.push_back(level);
      }
    } else if (!held.empty()) {
      const auto place = random() % held.size();
      const auto mine = held[place];
      held.erase(held.begin() + static_cast<std::ptrdiff_t>(place));
      seats_.leave(*levels_[mine]);
    }
    ASSERT_LE(held.size(), 10U);
    const auto used = [&](std::size_t at) { return seats_.used(*levels_[at]); };
    const auto waits = [&](std::size_t at) { return seats_.waiting(*levels_[at]) > 0; };
    ASSERT_TRUE(!waits(0) || used(0) >= 1) << "of five it lends four";
    ASSERT_TRUE(!waits(1) || used(1) >= 2);
    ASSERT_TRUE(!waits(2) || used(2) >= 2);
    ASSERT_LE(used(2), 3U);
    ASSERT_EQ(used(0) + used(1) + used(2) + used(3), held.size());
  }
}

}  // namespace
}  // namespace tetrarch::api::kubernetes

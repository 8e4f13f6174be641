// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/fair_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

using ::testing::ElementsAre;
using Entry = FairQueue::Entry;

/// Notes who is called, in order.
class FairQueueTest : public ::testing::Test {
 protected:
  std::shared_ptr<FairQueue::Waiter> waiter(std::string name) {
    auto made = std::make_shared<FairQueue::Waiter>();
    made->called = [this, name = std::move(name)] { called_.push_back(name); };
    return made;
  }

  Entry enter(std::string_view user, std::string name) {
    waiters_.push_back(waiter(std::move(name)));
    return queue_.enter(user, waiters_.back());
  }

  std::vector<std::string> called_;
  std::vector<std::shared_ptr<FairQueue::Waiter>> waiters_;
  FairQueue queue_{{.seats = 2, .waiting_per_user = 3, .waiting = 5}};
};

TEST_F(FairQueueTest, GivesSeatsWhileThereAreAny) {
  EXPECT_TRUE(queue_.try_enter());
  EXPECT_EQ(enter("ann", "a1"), Entry::seated);
  EXPECT_FALSE(queue_.try_enter());
  EXPECT_EQ(queue_.seated(), 2U);

  queue_.leave();
  EXPECT_TRUE(queue_.try_enter());
}

TEST_F(FairQueueTest, LetsUsersTakeTurns) {
  ASSERT_TRUE(queue_.try_enter() && queue_.try_enter());
  for (const auto* name : {"a1", "a2", "a3"}) {
    ASSERT_EQ(enter("ann", name), Entry::waits);
  }
  ASSERT_EQ(enter("bob", "b1"), Entry::waits);
  ASSERT_EQ(enter("cid", "c1"), Entry::waits);

  for (int i = 0; i < 5; ++i) {
    queue_.leave();
  }

  EXPECT_THAT(called_, ElementsAre("a1", "b1", "c1", "a2", "a3"));
  EXPECT_EQ(queue_.seated(), 2U) << "seats were handed on";
  EXPECT_EQ(queue_.waiting(), 0U);
}

TEST_F(FairQueueTest, BoundsWhoWaits) {
  ASSERT_TRUE(queue_.try_enter() && queue_.try_enter());
  for (const auto* name : {"a1", "a2", "a3"}) {
    ASSERT_EQ(enter("ann", name), Entry::waits);
  }
  EXPECT_EQ(enter("ann", "a4"), Entry::refused) << "too many of one user";
  ASSERT_EQ(enter("bob", "b1"), Entry::waits);
  ASSERT_EQ(enter("bob", "b2"), Entry::waits);
  EXPECT_EQ(enter("cid", "c1"), Entry::refused) << "too many of all";
}

TEST_F(FairQueueTest, NobodyOvertakesThoseWhoWait) {
  ASSERT_TRUE(queue_.try_enter() && queue_.try_enter());
  ASSERT_EQ(enter("ann", "a1"), Entry::waits);
  queue_.leave();
  ASSERT_THAT(called_, ElementsAre("a1"));

  EXPECT_FALSE(queue_.try_enter());
}

TEST_F(FairQueueTest, ForgetsWhoWithdraws) {
  ASSERT_TRUE(queue_.try_enter() && queue_.try_enter());
  ASSERT_EQ(enter("ann", "a1"), Entry::waits);
  ASSERT_EQ(enter("bob", "b1"), Entry::waits);
  ASSERT_EQ(enter("ann", "a2"), Entry::waits);

  EXPECT_FALSE(queue_.withdraw(waiters_[0]));
  EXPECT_FALSE(queue_.withdraw(waiters_[1]));
  queue_.leave();

  EXPECT_THAT(called_, ElementsAre("a2"));
  EXPECT_TRUE(queue_.withdraw(waiters_[2])) << "the seat came first";
  queue_.leave();
  queue_.leave();
  EXPECT_EQ(queue_.seated(), 0U);
}

}  // namespace
}  // namespace tetrarch::api::kubernetes

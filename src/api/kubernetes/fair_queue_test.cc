// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/fair_queue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::api::kubernetes {
namespace {

using ::testing::ElementsAre;

class FairQueueTest : public ::testing::Test {
 protected:
  std::shared_ptr<Waiter> push(std::string_view flow, std::string name) {
    auto waiter = std::make_shared<Waiter>();
    waiter->called = [this, name = std::move(name)] { called_.push_back(name); };
    return queue_.push(flow, waiter, {.of_flow = 3, .of_all = 5}) ? waiter : nullptr;
  }

  void pop_all() {
    while (queue_.size() > 0) {
      queue_.pop()->called();
    }
  }

  FairQueue queue_;
  std::vector<std::string> called_;
};

TEST_F(FairQueueTest, LetsFlowsTakeTurns) {
  for (const auto* name : {"a1", "a2", "a3"}) {
    ASSERT_TRUE(push("ann", name));
  }
  ASSERT_TRUE(push("bob", "b1"));
  ASSERT_TRUE(push("cid", "c1"));

  pop_all();

  EXPECT_THAT(called_, ElementsAre("a1", "b1", "c1", "a2", "a3"));
}

TEST_F(FairQueueTest, BoundsWhoWaits) {
  for (const auto* name : {"a1", "a2", "a3"}) {
    ASSERT_TRUE(push("ann", name));
  }
  EXPECT_FALSE(push("ann", "a4")) << "too many of one flow";
  ASSERT_TRUE(push("bob", "b1"));
  ASSERT_TRUE(push("bob", "b2"));
  EXPECT_FALSE(push("cid", "c1")) << "too many of all";
}

TEST_F(FairQueueTest, ForgetsWhoIsRemoved) {
  const auto first = push("ann", "a1");
  const auto other = push("bob", "b1");
  ASSERT_TRUE(push("ann", "a2"));

  queue_.remove(first);
  queue_.remove(other);
  queue_.remove(other);
  pop_all();

  EXPECT_THAT(called_, ElementsAre("a2"));
}

}  // namespace
}  // namespace tetrarch::api::kubernetes

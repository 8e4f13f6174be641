// SPDX-License-Identifier: Apache-2.0
#include "control/scheduler_loop.h"

#include <algorithm>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "control/scheduler_loop_fixture.h"

namespace tetrarch::control {
namespace {

using std::chrono::seconds;

constexpr auto kTooLarge =
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 "
    "Preemption is not helpful for scheduling.";
constexpr auto kNobodyLess =
    "0/1 nodes are available: 1 Insufficient cpu. preemption: 0/1 nodes are available: 1 No "
    "preemption victims found for incoming pod.";

class SchedulerLoopTest : public SchedulerLoopFixture {};

TEST_F(SchedulerLoopTest, BindsWhatWaitsInBatches) {
  node("n1", 1000);
  for (int i = 0; i < 600; ++i) {
    pod(fmt::format("p{}", i));
  }

  start();

  EXPECT_TRUE(client_.wait_for_calls("bind", 600));
  EXPECT_TRUE(wait_for_node("p599", "n1"));
  EXPECT_EQ(client_.calls("apply"), 2);  // 512 and the rest
}

TEST_F(SchedulerLoopTest, TellsWhereAPodWent) {
  node("n1", 4);
  pod("p");

  start();

  EXPECT_TRUE(wait_for_node("p", "n1"));
  EXPECT_TRUE(wait_for_event("Scheduled", "Successfully assigned ns/p to n1"));
}

TEST_F(SchedulerLoopTest, TheMostImportantPodIsPlacedFirst) {
  node("n1", 1);
  pod("early");
  pod("urgent", 1, R"(,"priority":1000)");

  start();

  EXPECT_TRUE(wait_for_node("urgent", "n1"));
  EXPECT_TRUE(wait_for_message("early", kNobodyLess));
}

TEST_F(SchedulerLoopTest, PodsOfAnotherSchedulerAreLeftAlone) {
  node("n1", 4);
  pod("theirs", 1, R"(,"schedulerName":"custom")");
  pod("ours", 1, R"(,"schedulerName":"default-scheduler")");

  start();

  EXPECT_TRUE(wait_for_node("ours", "n1"));
  EXPECT_EQ(client_.calls("bind"), 1);
}

TEST_F(SchedulerLoopTest, ARefusedBindingIsTriedAgainAfterItsBackOffAndHoldsNothingMeanwhile) {
  node("n1", 1);
  client_.refuse_creates("bind", Error(Code::unavailable, "not now"), 1);
  pod("p");
  start();
  ASSERT_TRUE(client_.wait_for_calls("bind", 1));

  pod("q");  // takes the room, and shows that p is not tried at once
  ASSERT_TRUE(wait_for_node("q", "n1"));
  EXPECT_EQ(client_.calls("bind"), 2);
  client_.erase(key("q"));
  pod("mark", 0);
  ASSERT_TRUE(wait_for_node("mark", "n1"));  // so that q has been seen to go
  clock_.advance(seconds(2));
  node("n1", 1, R"(,"images":[])");  // anything wakes the loop

  EXPECT_TRUE(wait_for_node("p", "n1"));
}

TEST_F(SchedulerLoopTest, APodThatIsBoundMeanwhileIsLeftWhereItIs) {
  node("n1", 1);
  client_.hold_applies(true);
  pod("p");
  start();
  ASSERT_TRUE(client_.wait_for_call("apply"));

  pod("p", 1, R"(,"nodeName":"elsewhere")");
  pod("q");
  client_.hold_applies(false);

  EXPECT_TRUE(wait_for_node("q", "n1"));  // what was claimed for p is free again
  EXPECT_TRUE(wait_for_node("p", "elsewhere"));
}

TEST_F(SchedulerLoopTest, APodThatIsDeletedMeanwhileHoldsNothing) {
  node("n1", 1);
  client_.hold_applies(true);
  pod("p");
  start();
  ASSERT_TRUE(client_.wait_for_call("apply"));

  client_.erase(key("p"));
  pod("q");
  client_.hold_applies(false);

  EXPECT_TRUE(wait_for_node("q", "n1"));
}

TEST_F(SchedulerLoopTest, APodThatChangesWhileItsBindingIsOnItsWayIsBoundAndClaimedOnce) {
  node("n1", 2);
  client_.hold_applies(true);
  pod("p");
  start();
  ASSERT_TRUE(client_.wait_for_call("apply"));

  for (int i = 0; i < 5; ++i) {
    pod("p", 1, "", fmt::format(R"({{"n":"{}"}})", i));
  }
  client_.hold_applies(false);
  ASSERT_TRUE(wait_for_node("p", "n1"));
  pod("q");

  EXPECT_TRUE(wait_for_node("q", "n1"));
  EXPECT_EQ(client_.calls("bind"), 2);
}

TEST_F(SchedulerLoopTest, TheNextPodsAreBoundWhileThoseBeforeAreStillWritten) {
  node("n1", 9);
  client_.hold_applies(true);
  pod("p");
  start();
  ASSERT_TRUE(client_.wait_for_call("apply"));

  pod("q");
  ASSERT_TRUE(client_.wait_for_calls("apply", 2));
  pod("r");  // waits for one of the two
  client_.hold_applies(false);

  EXPECT_TRUE(wait_for_node("p", "n1"));
  EXPECT_TRUE(wait_for_node("q", "n1"));
  EXPECT_TRUE(wait_for_node("r", "n1"));
  EXPECT_EQ(client_.calls("bind"), 3);
}

TEST_F(SchedulerLoopTest, ANodeThatGoesMeanwhileStopsNobody) {
  node("n1", 4);
  client_.hold_applies(true);
  pod("p");
  start();
  ASSERT_TRUE(client_.wait_for_call("apply"));

  client_.erase({"nodes", "", "n1"});
  node("n2", 4);
  pod("q");
  client_.hold_applies(false);

  EXPECT_TRUE(wait_for_node("p", "n1"));  // pod-sweep ends it
  EXPECT_TRUE(wait_for_node("q", "n2"));
}

TEST_F(SchedulerLoopTest, APodThatFitsNowhereSaysWhyAndIsPlacedWhenThereIsRoom) {
  node("n1", 1);
  pod("p", 2);
  start();
  ASSERT_TRUE(wait_for_message("p", kTooLarge));
  EXPECT_TRUE(wait_for_event("FailedScheduling", kTooLarge));

  clock_.advance(seconds(2));
  node("n2", 4);

  EXPECT_TRUE(wait_for_node("p", "n2"));
}

TEST_F(SchedulerLoopTest, ItIsNotTriedAgainByWhatMakesNoRoom) {
  node("n1", 1);
  pod("p", 2);
  start();
  ASSERT_TRUE(wait_for_message("p", kTooLarge));

  clock_.advance(seconds(60));
  node("n1", 1, R"(,"images":[])");  // a heartbeat
  pod("other", 1);                   // a pod that comes takes room
  ASSERT_TRUE(wait_for_node("other", "n1"));

  EXPECT_EQ(refusals(), 1U);
}

TEST_F(SchedulerLoopTest, APodThatLeavesMakesRoom) {
  node("n1", 1);
  pod("first");
  start();
  ASSERT_TRUE(wait_for_node("first", "n1"));
  pod("second");
  ASSERT_TRUE(wait_for_message("second", kNobodyLess));

  clock_.advance(seconds(2));
  client_.erase(key("first"));

  EXPECT_TRUE(wait_for_node("second", "n1"));
}

TEST_F(SchedulerLoopTest, TheSameReasonIsToldOnceHoweverOftenItIsTried) {
  node("n1", 1);
  pod("p", 9);
  start();
  ASSERT_TRUE(wait_for_message("p", kTooLarge));

  for (int i = 2; i < 8; ++i) {
    clock_.advance(seconds(11));
    node("n1", i);
    pod(fmt::format("mark{}", i), 0);
    ASSERT_TRUE(wait_for_node(fmt::format("mark{}", i), "n1"));
  }

  EXPECT_GT(refusals(), 3U);
  EXPECT_EQ(client_.calls("update"), 1);
  ASSERT_TRUE(wait_for_event("Scheduled", "Successfully assigned ns/mark7 to n1"));
  int failed = 0;
  client_.wait_until([&](const FakeClient::Objects& objects) {
    failed = static_cast<int>(std::count_if(objects.begin(), objects.end(), [](const auto& each) {
      return each.second.root()["reason"].string() == "FailedScheduling";
    }));
    return true;
  });
  EXPECT_EQ(failed, 1);
}

TEST_F(SchedulerLoopTest, AnotherReasonIsTold) {
  node("n1", 1);
  pod("p", 9);
  start();
  ASSERT_TRUE(wait_for_message("p", kTooLarge));

  clock_.advance(seconds(2));
  node("n2", 1);

  EXPECT_TRUE(wait_for_message("p",
                               "0/2 nodes are available: 2 Insufficient cpu. preemption: 0/2 nodes "
                               "are available: 2 Preemption is not helpful for scheduling."));
}

TEST_F(SchedulerLoopTest, APodWithGatesSaysSoAndIsPlacedWhenTheyAreLifted) {
  node("n1", 4);
  pod("p", 1, R"(,"schedulingGates":[{"name":"example.com/wait"}])");
  start();
  ASSERT_TRUE(wait_for_message("p", "Scheduling is blocked due to non-empty scheduling gates"));
  EXPECT_EQ(client_.calls("bind"), 0);

  pod("p");

  EXPECT_TRUE(wait_for_node("p", "n1"));
}

TEST_F(SchedulerLoopTest, WhatWasOnItsWayWhenALoopWasStoppedIsDoneByTheNext) {
  node("n1", 2);
  client_.hold_applies(true);
  pod("p");
  pod("q");
  start();
  ASSERT_TRUE(client_.wait_for_call("apply"));
  group_->stop_and_wait();
  group_.reset();
  client_.hold_applies(false);

  start();

  EXPECT_TRUE(wait_for_node("p", "n1"));
  EXPECT_TRUE(wait_for_node("q", "n1"));
}

}  // namespace
}  // namespace tetrarch::control

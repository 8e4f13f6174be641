// SPDX-License-Identifier: Apache-2.0
#include "control/work_queue.h"

#include <gtest/gtest.h>

namespace tetrarch::control {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr TimePoint kNow = TimePoint(seconds(1'000));
const Key kA{"pods", "ns", "a"};
const Key kB{"pods", "ns", "b"};

TEST(WorkQueue, GivesEachKeyOnceInOrder) {
  WorkQueue queue;

  queue.add(kB);
  queue.add(kA);
  queue.add(kB);

  EXPECT_EQ(queue.take(kNow), kB);
  EXPECT_EQ(queue.take(kNow), kA);
  EXPECT_EQ(queue.take(kNow), std::nullopt);
}

TEST(WorkQueue, HoldsAKeyBackWhileItIsInWork) {
  WorkQueue queue;
  queue.add(kA);
  const auto taken = queue.take(kNow);

  queue.add(kA);
  EXPECT_EQ(queue.take(kNow), std::nullopt);
  queue.done(*taken);

  EXPECT_EQ(queue.take(kNow), kA);
}

TEST(WorkQueue, GivesADelayedKeyWhenItIsDueAndKeepsTheEarlierTime) {
  WorkQueue queue;

  queue.add_at(kA, kNow + seconds(5));
  queue.add_at(kA, kNow + seconds(9));
  queue.add_at(kA, kNow + seconds(3));

  EXPECT_EQ(queue.next_time(), kNow + seconds(3));
  EXPECT_EQ(queue.take(kNow + seconds(2)), std::nullopt);
  EXPECT_EQ(queue.take(kNow + seconds(3)), kA);
  EXPECT_EQ(queue.next_time(), std::nullopt);
}

TEST(WorkQueue, KeepsNothingOfAKeyThatWasLookedAt) {
  WorkQueue queue;
  queue.add_at(kA, kNow + seconds(3600));
  queue.add(kA);

  queue.done(*queue.take(kNow));

  EXPECT_EQ(queue.next_time(), std::nullopt);
  EXPECT_EQ(queue.size(), 0U);
}

TEST(WorkQueue, PausesDoubleUntilAMinuteAndASuccessForgetsThem) {
  WorkQueue queue;

  EXPECT_EQ(queue.fail(kA, 0), milliseconds(2));
  EXPECT_EQ(queue.fail(kA, 0), milliseconds(5));
  EXPECT_EQ(queue.fail(kA, 0), milliseconds(10));
  for (int i = 0; i < 20; ++i) {
    EXPECT_LE(queue.fail(kA, 12'345'678'901), seconds(60));
  }
  EXPECT_EQ(queue.fail(kA, 0), seconds(30));
  queue.succeed(kA);

  EXPECT_EQ(queue.fail(kA, 0), milliseconds(2));
}

TEST(WorkQueue, WhatAStoppedWorkerHeldIsToBeDoneAgain) {
  WorkQueue queue;
  queue.add(kA);
  EXPECT_EQ(queue.take(kNow), kA);

  queue.abandon();

  EXPECT_EQ(queue.take(kNow), kA);
}

}  // namespace
}  // namespace tetrarch::control

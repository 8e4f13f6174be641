// SPDX-License-Identifier: Apache-2.0
#include "async/breaker.h"

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "async/task_group.h"
#include "async/timer.h"

namespace tetrarch::async {
namespace {

/// How often the task has begun, and ended in whatever way.
struct Seen {
  int begun = 0;
  int unwound = 0;
};

Task<void> wait_forever(Seen& seen) {
  struct OnExit {
    Seen& seen;

    ~OnExit() { ++seen.unwound; }
  };

  const OnExit guard{seen};
  ++seen.begun;
  Event never;
  co_await never.wait();
}

Task<void> count_end(Breaker& breaker, Task<void> task, int& ends) {
  co_await breaker.run(std::move(task));
  ++ends;
}

Task<void> nothing() {
  co_return;
}

class BreakerTest : public ::testing::Test {
 protected:
  void start(Task<void> task) {
    group_.spawn(count_end(breaker_, std::move(task), ends_));
    poll();
  }

  void poll() {
    context_.restart();
    context_.poll();
  }

  asio::io_context context_;
  TaskGroup group_{context_.get_executor(), "test"};
  Breaker breaker_;
  Seen seen_;
  int ends_ = 0;
};

TEST_F(BreakerTest, GoesOnWhenTheTaskHasEnded) {
  start(nothing());

  EXPECT_EQ(ends_, 1);
  EXPECT_FALSE(breaker_.is_cut());
}

TEST_F(BreakerTest, GoesOnWhenTheTaskWasCut) {
  start(wait_forever(seen_));
  EXPECT_EQ(ends_, 0);

  breaker_.cut();
  poll();

  EXPECT_EQ(seen_.unwound, 1);
  EXPECT_EQ(ends_, 1);
}

TEST_F(BreakerTest, ATaskThatWasCutBeforeDoesNotBegin) {
  breaker_.cut();
  start(wait_forever(seen_));

  EXPECT_EQ(seen_.begun, 0);
  EXPECT_EQ(ends_, 1);
}

Task<void> stop(TaskGroup& group) {
  co_await group.stop();
}

TEST_F(BreakerTest, TheCallersCancellationEndsBoth) {
  start(wait_forever(seen_));
  TaskGroup stopping(context_.get_executor(), "test");

  stopping.spawn(stop(group_));
  context_.restart();
  context_.run();

  EXPECT_EQ(seen_.unwound, 1);
  EXPECT_EQ(ends_, 0) << "the caller does not go on";
}

}  // namespace
}  // namespace tetrarch::async

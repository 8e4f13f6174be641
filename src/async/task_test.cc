// SPDX-License-Identifier: Apache-2.0
// What happens to tasks that are cancelled, fail, wait or run side by side.
#include <atomic>
#include <future>
#include <string>

#include <gtest/gtest.h>

#include "async/blocking.h"
#include "async/bounded_queue.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "async/together.h"

namespace tetrarch::async {
namespace {

using std::chrono::hours;
using std::chrono::milliseconds;

/// Tells when it goes out of scope: how a task ended does not matter.
struct OnExit {
  std::promise<void>& left;

  ~OnExit() { left.set_value(); }
};

class TaskTest : public testing::Test {
 protected:
  ~TaskTest() override { group_.stop_and_wait(); }

  IoPool pool_{2};
  TaskGroup group_{pool_.strand(), "test"};
};

Task<void> sleep_long(std::promise<void>& begun, std::promise<void>& left, bool& went_on) {
  const OnExit guard{left};
  begun.set_value();
  co_await sleep_for(hours(1));
  co_await sleep_for(hours(1));  // a cancelled task does not come past the next wait
  went_on = true;
}

TEST_F(TaskTest, StopEndsASleepAndTheTaskWithIt) {
  std::promise<void> begun;
  std::promise<void> left;
  bool went_on = false;
  group_.spawn(sleep_long(begun, left, went_on));
  begun.get_future().wait();

  group_.stop_and_wait();

  left.get_future().wait();
  EXPECT_FALSE(went_on);
}

Task<void> wait_short(Event& event, std::promise<bool>& out) {
  const auto patience = milliseconds(1);
  out.set_value(co_await event.wait_for(patience));
}

TEST_F(TaskTest, AWaitEndsAtItsDeadline) {
  Event never;
  std::promise<bool> raised;

  group_.spawn(wait_short(never, raised));

  EXPECT_FALSE(raised.get_future().get());
}

Task<void> wait_long(Event& event, std::promise<void>& begun, std::promise<bool>& out) {
  begun.set_value();
  const auto patience = hours(1);
  out.set_value(co_await event.wait_for(patience));
}

TEST_F(TaskTest, AWaitEndsWhenAnotherThreadRaises) {
  Event event;
  std::promise<void> begun;
  std::promise<bool> raised;
  group_.spawn(wait_long(event, begun, raised));
  begun.get_future().wait();

  event.raise();

  EXPECT_TRUE(raised.get_future().get());
}

TEST_F(TaskTest, RaisesBeforeAWaitCountAsOne) {
  Event event;
  event.raise();
  event.raise();
  std::promise<bool> first;
  std::promise<bool> second;

  group_.spawn(wait_short(event, first));
  EXPECT_TRUE(first.get_future().get());
  group_.spawn(wait_short(event, second));
  EXPECT_FALSE(second.get_future().get());
}

Task<void> fail() {
  co_await sleep_for(milliseconds(0));
  static_cast<void>(std::string().at(1));  // what a library might throw
}

TEST_F(TaskTest, ATaskThatFailsTakesNobodyWithIt) {
  Event event;
  std::promise<void> begun;
  std::promise<bool> raised;
  group_.spawn(wait_long(event, begun, raised));
  begun.get_future().wait();

  group_.spawn(fail());
  event.raise();

  EXPECT_TRUE(raised.get_future().get());
}

Task<void> set(std::atomic<bool>& has_run) {
  has_run = true;
  co_return;
}

TEST_F(TaskTest, AGroupThatIsStoppingRunsNothingMore) {
  group_.stop_and_wait();
  std::atomic<bool> has_run = false;

  group_.spawn(set(has_run));
  group_.stop_and_wait();

  EXPECT_FALSE(has_run);
  EXPECT_EQ(group_.size(), 0U);
}

Task<void> stop_group(TaskGroup& group, std::promise<std::size_t>& left) {
  co_await group.stop();
  left.set_value(group.size());
}

TEST_F(TaskTest, ATaskOfOneGroupStopsAnother) {
  TaskGroup inner(pool_.strand(), "inner");
  std::promise<void> begun;
  std::promise<void> ended;
  bool went_on = false;
  inner.spawn(sleep_long(begun, ended, went_on));
  begun.get_future().wait();
  std::promise<std::size_t> left;

  group_.spawn(stop_group(inner, left));

  EXPECT_EQ(left.get_future().get(), 0U);
  ended.get_future().wait();
}

Task<void> append_after(std::string& out, char letter, milliseconds pause) {
  co_await sleep_for(pause);
  out += letter;
}

Task<void> run_both(std::string& out, std::promise<void>& done) {
  auto slow = append_after(out, 'a', milliseconds(2));
  auto quick = append_after(out, 'b', milliseconds(0));
  co_await both(std::move(slow), std::move(quick));
  done.set_value();
}

TEST_F(TaskTest, BothWaitsForTheSlowerOne) {
  std::string out;
  std::promise<void> done;

  group_.spawn(run_both(out, done));
  done.get_future().wait();

  EXPECT_EQ(out, "ba");
}

Task<void> run_first(std::promise<void>& begun,
                     std::promise<void>& left,
                     bool& went_on,
                     std::promise<void>& done) {
  std::string out;
  auto slow = sleep_long(begun, left, went_on);
  auto quick = append_after(out, 'b', milliseconds(0));
  co_await first_of(std::move(slow), std::move(quick));
  done.set_value();
}

TEST_F(TaskTest, FirstOfCancelsTheOtherAndWaitsForItsEnd) {
  std::promise<void> begun;
  std::promise<void> left;
  std::promise<void> done;
  bool went_on = false;

  group_.spawn(run_first(begun, left, went_on, done));
  done.get_future().wait();

  EXPECT_EQ(left.get_future().wait_for(milliseconds(0)), std::future_status::ready);
  EXPECT_FALSE(went_on);
}

Task<void> pop_one(BoundedQueue<int>& queue, std::promise<void>& begun, std::promise<int>& out) {
  begun.set_value();
  const auto value = co_await queue.pop();
  out.set_value(value.value_or(-1));
}

TEST_F(TaskTest, ClosingAnEmptyQueueWakesItsReader) {
  BoundedQueue<int> queue(1);
  std::promise<void> begun;
  std::promise<int> out;
  group_.spawn(pop_one(queue, begun, out));
  begun.get_future().wait();

  queue.close();

  EXPECT_EQ(out.get_future().get(), -1);
}

TEST_F(TaskTest, WhatWasPushedBeforeTheCloseIsStillRead) {
  BoundedQueue<int> queue(2);
  ASSERT_TRUE(queue.try_push(7));
  queue.close();
  std::promise<void> begun;
  std::promise<int> out;

  group_.spawn(pop_one(queue, begun, out));

  EXPECT_EQ(out.get_future().get(), 7);
  EXPECT_EQ(queue.size(), 0U);
  EXPECT_FALSE(queue.try_push(8));
}

TEST_F(TaskTest, AFullQueueHasRoomAgainOnceItIsRead) {
  BoundedQueue<int> queue(1);
  ASSERT_TRUE(queue.try_push(1));
  ASSERT_FALSE(queue.try_push(2));
  std::promise<void> begun;
  std::promise<int> out;

  group_.spawn(pop_one(queue, begun, out));
  EXPECT_EQ(out.get_future().get(), 1);

  EXPECT_TRUE(queue.try_push(2));
}

TEST_F(TaskTest, StoppingAGroupLeavesTheQueueOfItsReaderUsable) {
  BoundedQueue<int> queue(2);
  std::promise<void> begun;
  std::promise<int> never;
  group_.spawn(pop_one(queue, begun, never));
  begun.get_future().wait();

  group_.stop_and_wait();

  EXPECT_TRUE(queue.try_push(1));
  EXPECT_EQ(queue.size(), 1U);
}

Task<void> block(BlockingPool& pool,
                 std::promise<void>& begun,
                 std::shared_future<void> gate,
                 std::promise<void>& left) {
  const OnExit guard{left};
  auto work = [&begun, gate] {
    begun.set_value();
    gate.wait();
    return 1;
  };
  co_await run_blocking(pool, std::move(work));
}

TEST_F(TaskTest, StopWaitsForBlockingWorkThatHasBegun) {
  BlockingPool blocking(1);
  std::promise<void> begun;
  std::promise<void> open;
  std::promise<void> left;
  const auto gate = open.get_future().share();
  group_.spawn(block(blocking, begun, gate, left));
  begun.get_future().wait();

  auto stopping = std::async(std::launch::async, [this] { group_.stop_and_wait(); });
  EXPECT_EQ(stopping.wait_for(milliseconds(1)), std::future_status::timeout);
  open.set_value();
  stopping.get();

  EXPECT_EQ(left.get_future().wait_for(milliseconds(0)), std::future_status::ready);
}

}  // namespace
}  // namespace tetrarch::async

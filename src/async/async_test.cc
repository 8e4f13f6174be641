// SPDX-License-Identifier: Apache-2.0
#include <atomic>
#include <future>
#include <optional>
#include <vector>

#include <boost/asio/io_context.hpp>
#include <gtest/gtest.h>

#include "async/blocking.h"
#include "async/bounded_queue.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "async/ticker.h"
#include "async/timer.h"
#include "async/virtual_time.h"

namespace tetrarch::async {
namespace {

Task<void> wait_forever(std::atomic<int>& begun, std::atomic<int>& unwound) {
  struct OnExit {
    std::atomic<int>& count;

    ~OnExit() { ++count; }
  };

  const OnExit guard{unwound};
  ++begun;
  Event never;
  co_await never.wait();
}

TEST(TaskGroup, StopUnwindsEveryTaskAndWaits) {
  IoPool pool(2);
  TaskGroup group(pool.strand(), "test");
  std::atomic<int> begun = 0;
  std::atomic<int> unwound = 0;

  for (int i = 0; i < 10; ++i) {
    group.spawn_on(pool.strand(), wait_forever(begun, unwound));
  }
  group.stop_and_wait();

  EXPECT_EQ(group.size(), 0U);
  EXPECT_EQ(unwound.load(), begun.load());
}

Task<void> sum_queue(BoundedQueue<int>& queue, std::promise<int>& sum) {
  int total = 0;
  while (auto value = co_await queue.pop()) {
    total += *value;
  }
  sum.set_value(total);
}

TEST(BoundedQueue, HandsOverEverythingThenEnds) {
  IoPool pool(2);
  TaskGroup group(pool.strand(), "test");
  BoundedQueue<int> queue(1000);
  std::promise<int> sum;

  group.spawn(sum_queue(queue, sum));
  for (int i = 1; i <= 100; ++i) {
    EXPECT_TRUE(queue.try_push(i));
  }
  queue.close();

  EXPECT_EQ(sum.get_future().get(), 5050);
  EXPECT_FALSE(queue.try_push(1));
  group.stop_and_wait();
}

TEST(BoundedQueue, RefusesWhenFull) {
  BoundedQueue<int> queue(1);

  EXPECT_TRUE(queue.try_push(1));
  EXPECT_FALSE(queue.try_push(2));
}

Task<void> add_blocking(BlockingPool& blocking, std::promise<int>& out) {
  out.set_value(co_await run_blocking(blocking, [] { return 6 * 7; }));
}

TEST(Blocking, ReturnsTheResult) {
  IoPool pool(1);
  BlockingPool blocking(1);
  TaskGroup group(pool.strand(), "test");
  std::promise<int> out;

  group.spawn(add_blocking(blocking, out));

  EXPECT_EQ(out.get_future().get(), 42);
  group.stop_and_wait();
}

Task<void> note_after(std::chrono::seconds pause, int number, std::vector<int>& order) {
  co_await sleep_for(pause);
  order.push_back(number);
}

TEST(VirtualTime, EndsSleepsInOrderOnlyWhenItIsMoved) {
  asio::io_context context;
  auto& time = asio::make_service<VirtualTime>(context, TimePoint{});
  TaskGroup group(context.get_executor(), "test");
  std::vector<int> order;
  group.spawn(note_after(std::chrono::hours(2), 2, order));
  group.spawn(note_after(std::chrono::hours(1), 1, order));

  context.poll();
  EXPECT_TRUE(order.empty());
  ASSERT_TRUE(time.next().has_value());
  time.move_to(*time.next());
  context.poll();
  EXPECT_EQ(order, std::vector<int>{1});
  EXPECT_EQ(time.now(), TimePoint{} + std::chrono::hours(1));
  time.move_to(*time.next());
  context.poll();

  EXPECT_EQ(order, (std::vector<int>{1, 2}));
  EXPECT_EQ(time.next(), std::nullopt);
}

TEST(Ticker, CallsAfterWhatTheLastCallSaidUntilItIsGone) {
  asio::io_context context;
  auto& time = asio::make_service<VirtualTime>(context, TimePoint{});
  std::vector<TimePoint> calls;
  std::optional<Ticker> ticker;
  ticker.emplace(context.get_executor(), std::chrono::hours(1), [&]() -> std::chrono::hours {
    calls.push_back(time.now());
    if (calls.size() == 2) {
      ticker.reset();
    }
    return std::chrono::hours(2);
  });

  const auto move_to = [&](int hour) {
    time.move_to(TimePoint{} + std::chrono::hours(hour));
    context.restart();
    context.poll();
  };
  for (int hour = 0; hour < 9; ++hour) {
    move_to(hour);
  }

  EXPECT_EQ(
      calls,
      (std::vector{TimePoint{} + std::chrono::hours(1), TimePoint{} + std::chrono::hours(3)}));
}

}  // namespace
}  // namespace tetrarch::async

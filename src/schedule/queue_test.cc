// SPDX-License-Identifier: Apache-2.0
#include "schedule/queue.h"

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "schedule/tournament.h"

namespace tetrarch::schedule {
namespace {

constexpr TimePoint kStart{std::chrono::seconds(1'000'000)};

Stored a_pod(std::string name, int priority = 0, std::string created = "2026-01-01T00:00:00Z") {
  auto document = Document::parse(fmt::format(
      R"({{"metadata":{{"name":"{}","uid":"{}","creationTimestamp":"{}"}},"spec":{{"priority":{}}}}})",
      name,
      name,
      created,
      priority));
  return {{"pods", "default", name}, Revision{1}, *document};
}

std::string pop_name(Queue& queue) {
  const auto pod = queue.pop();
  return pod ? pod->key.name : "";
}

TEST(Queue, HandsOutByPriorityThenAge) {
  Queue queue;
  queue.upsert(a_pod("young", 0, "2026-01-01T00:00:05Z"));
  queue.upsert(a_pod("old", 0, "2026-01-01T00:00:01Z"));
  queue.upsert(a_pod("urgent", 1000, "2026-01-01T00:00:09Z"));

  EXPECT_EQ(pop_name(queue), "urgent");
  EXPECT_EQ(pop_name(queue), "old");
  EXPECT_EQ(pop_name(queue), "young");
  EXPECT_EQ(pop_name(queue), "");
}

TEST(Queue, WakesASleeperOnlyWhenThereIsMoreRoomAndItsBackOffIsOver) {
  Queue queue;
  queue.put_aside(a_pod("a"), 7, kStart);

  EXPECT_EQ(queue.wake(7, kStart + std::chrono::hours(1)), std::nullopt);
  EXPECT_EQ(queue.wake(8, kStart), kStart + std::chrono::seconds(1));
  EXPECT_EQ(queue.ready(), 0U);
  EXPECT_EQ(queue.wake(8, kStart + std::chrono::seconds(1)), std::nullopt);
  EXPECT_EQ(pop_name(queue), "a");
}

TEST(Queue, DoublesTheBackOffUpToTenSeconds) {
  Queue queue;
  for (const int expected : {1, 2, 4, 8, 10, 10}) {
    queue.put_aside(a_pod("a"), 0, kStart);
    EXPECT_EQ(queue.wake(1, kStart), kStart + std::chrono::seconds(expected));
  }
}

TEST(Queue, ForgetsARemovedPod) {
  Queue queue;
  queue.upsert(a_pod("a"));
  queue.put_aside(a_pod("b"), 0, kStart);
  queue.remove("a");
  queue.remove("b");

  EXPECT_EQ(queue.ready() + queue.asleep(), 0U);
}

TEST(Tournament, GivesTheBestAndAmongEqualsTheLowestPlace) {
  for (const std::size_t size : {1U, 2U, 3U, 5U, 8U, 13U}) {
    Tournament order;
    order.resize(size);
    EXPECT_EQ(order.best(), kInfeasible);

    for (std::size_t i = 0; i < size; ++i) {
      order.set(i, 5);
    }
    EXPECT_EQ(order.winner(), 0U) << size;
    order.set(size - 1, 6);
    EXPECT_EQ(order.winner(), size - 1) << size;
    order.set(size - 1, kInfeasible);
    EXPECT_EQ(order.best(), size == 1 ? kInfeasible : 5) << size;
  }
}

}  // namespace
}  // namespace tetrarch::schedule

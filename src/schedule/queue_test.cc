// SPDX-License-Identifier: Apache-2.0
#include "schedule/queue.h"

#include <map>
#include <random>
#include <set>

#include <fmt/format.h>
#include <gtest/gtest.h>

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

  EXPECT_EQ(queue.wake(8, kStart), kStart + std::chrono::seconds(1));
  EXPECT_EQ(queue.ready(), 0U);
  EXPECT_EQ(queue.wake(8, kStart + std::chrono::seconds(1)), std::nullopt);
  EXPECT_EQ(pop_name(queue), "a");
}

TEST(Queue, SleepersWakeInTheOrderOfThoseWhoNeverSlept) {
  Queue queue;
  queue.put_aside(a_pod("young", 0, "2026-01-01T00:00:05Z"), 7, kStart);
  queue.await_room(a_pod("urgent", 1000, "2026-01-01T00:00:09Z"), 7, kStart);
  queue.put_aside(a_pod("old", 0, "2026-01-01T00:00:01Z"), 7, kStart);
  queue.upsert(a_pod("awake", 0, "2026-01-01T00:00:03Z"));
  queue.nudge("young");

  queue.wake(8, kStart + std::chrono::seconds(2));

  for (const auto* name : {"urgent", "old", "awake", "young", ""}) {
    EXPECT_EQ(pop_name(queue), name);
  }
}

TEST(Queue, ASleeperWhoseBackOffIsOverWaitsForRoomAlone) {
  Queue queue;
  queue.put_aside(a_pod("a"), 7, kStart);
  queue.put_aside(a_pod("b"), 7, kStart + std::chrono::seconds(3));

  EXPECT_EQ(queue.wake(7, kStart + std::chrono::seconds(2)), kStart + std::chrono::seconds(4));
  EXPECT_EQ(queue.wake(7, kStart + std::chrono::minutes(4)), kStart + std::chrono::minutes(5));
  EXPECT_EQ(queue.ready(), 0U);
  EXPECT_EQ(queue.asleep(), 2U);
  queue.remove("b");
  EXPECT_EQ(queue.wake(8, kStart + std::chrono::minutes(4)), std::nullopt);
  EXPECT_EQ(queue.asleep(), 0U);
  EXPECT_EQ(pop_name(queue), "a");
}

TEST(Queue, WhoAwaitsRoomIsLookedAtAgainAndAgainAndNotLaterAndLater) {
  Queue queue;
  for (int i = 0; i < 5; ++i) {
    const auto now = kStart + std::chrono::seconds(2 * i);
    const auto version = static_cast<std::uint64_t>(7 + i);
    queue.await_room(a_pod("a"), version, now);
    queue.wake(version + 1, now);
    EXPECT_EQ(queue.ready(), 0U);
    queue.wake(version + 1, now + std::chrono::seconds(1));
    EXPECT_EQ(pop_name(queue), "a") << i;
  }
}

TEST(Queue, ANudgeWakesOneWithoutMoreRoom) {
  Queue queue;
  queue.put_aside(a_pod("early"), 7, kStart);
  queue.put_aside(a_pod("late"), 7, kStart + std::chrono::seconds(3));
  queue.put_aside(a_pod("other"), 7, kStart);
  queue.wake(7, kStart + std::chrono::seconds(2));

  queue.nudge("early");  // its back-off is over
  queue.nudge("late");
  queue.nudge("nobody");

  EXPECT_EQ(pop_name(queue), "early");
  EXPECT_EQ(pop_name(queue), "");
  queue.wake(7, kStart + std::chrono::seconds(4));
  EXPECT_EQ(pop_name(queue), "late");
  EXPECT_EQ(pop_name(queue), "");
}

/// What the queue should do, with a look at every sleeper.
struct Slow {
  struct Sleeper {
    std::uint64_t room_version;
    TimePoint not_before;
    TimePoint not_after;
  };

  std::map<std::string, Sleeper> sleepers;
  std::map<std::string, int> tries;

  void put_aside(const std::string& name, std::uint64_t version, TimePoint now) {
    const int seconds = std::min(1 << std::min(tries[name]++, 10), 10);
    sleepers[name] = {version, now + std::chrono::seconds(seconds), now + std::chrono::minutes(5)};
  }

  std::set<std::string> wake(std::uint64_t version, TimePoint now) {
    std::set<std::string> due;
    for (const auto& [name, sleeper] : sleepers) {
      if ((sleeper.room_version != version || now >= sleeper.not_after) &&
          sleeper.not_before <= now) {
        due.insert(name);
      }
    }
    for (const auto& name : due) {
      sleepers.erase(name);
    }
    return due;
  }
};

TEST(Queue, WakesThoseThatALookAtEachWouldWake) {
  for (unsigned seed = 1; seed <= 30; ++seed) {
    std::mt19937 random(seed);
    Queue queue;
    Slow slow;
    auto now = kStart;
    std::uint64_t version = 1;
    for (int i = 0; i < 300; ++i) {
      now += std::chrono::milliseconds(random() % 900);
      now += std::chrono::minutes(random() % 50 == 0 ? 5 : 0);
      version += random() % 6 == 0 ? 1 : 0;
      const auto name = fmt::format("p{}", random() % 40);
      if (random() % 8 == 0) {
        queue.remove(name);
        slow.sleepers.erase(name);
        slow.tries.erase(name);
      } else {
        queue.put_aside(a_pod(name), version, now);
        slow.put_aside(name, version, now);
      }
      queue.wake(version, now);
      std::set<std::string> woken;
      while (const auto pod = queue.pop()) {
        woken.insert(pod->key.name);
      }
      ASSERT_EQ(woken, slow.wake(version, now)) << "seed " << seed << ", step " << i;
    }
  }
}

TEST(Queue, WakesASleeperAfterFiveMinutesWhateverWeMissed) {
  Queue queue;
  queue.put_aside(a_pod("a"), 7, kStart);

  queue.wake(7, kStart + std::chrono::minutes(5));

  EXPECT_EQ(pop_name(queue), "a");
}

TEST(Queue, AStatusOfItsOwnWakesNoSleeperButAChangeOfItsLabelsOrSpecDoes) {
  Queue queue;
  queue.put_aside(a_pod("a"), 7, kStart);

  auto pod = a_pod("a");
  pod.revision = Revision{2};
  queue.upsert(pod);
  EXPECT_EQ(queue.ready(), 0U);

  queue.upsert(a_pod("a", 5));
  EXPECT_EQ(queue.ready(), 1U);
  EXPECT_EQ(queue.asleep(), 0U);
}

TEST(Queue, HandsOutTheNewestVersionOnce) {
  Queue queue;
  queue.upsert(a_pod("a", 1));
  queue.upsert(a_pod("a", 2));

  EXPECT_EQ(queue.ready(), 1U);
  EXPECT_EQ(queue.pop()->root()["spec"]["priority"].integer(), 2);
  EXPECT_EQ(queue.pop(), std::nullopt);
}

TEST(Queue, APodThatIsTriedAgainAfterARefusedCommitWakesByTimeAlone) {
  Queue queue;
  queue.retry_later(a_pod("a"), kStart);

  EXPECT_EQ(queue.wake(7, kStart), kStart + std::chrono::seconds(1));
  queue.wake(7, kStart + std::chrono::seconds(1));

  EXPECT_EQ(pop_name(queue), "a");
}

TEST(Queue, KeepsItsOrderHoweverPodsComeAndGo) {
  for (unsigned seed = 1; seed <= 20; ++seed) {
    std::mt19937 random(seed);
    Queue queue;
    std::map<std::string, int> waiting;
    for (int i = 0; i < 200; ++i) {
      const auto name = fmt::format("p{}", random() % 30);
      const int priority = static_cast<int>(random() % 5);
      if (random() % 4 == 0) {
        queue.remove(name);
        waiting.erase(name);
      } else {
        queue.upsert(a_pod(name, priority));
        waiting[name] = priority;
      }
    }
    ASSERT_EQ(queue.ready(), waiting.size()) << "seed " << seed;
    int last = 100;
    while (const auto pod = queue.pop()) {
      ASSERT_LE(waiting.at(pod->key.name), last) << "seed " << seed;
      last = waiting.at(pod->key.name);
      waiting.erase(pod->key.name);
    }
    EXPECT_TRUE(waiting.empty()) << "seed " << seed;
  }
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

}  // namespace
}  // namespace tetrarch::schedule

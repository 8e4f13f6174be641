// SPDX-License-Identifier: Apache-2.0
#include <atomic>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "store/store_fixture.h"
#include "store/watcher.h"

namespace tetrarch::store {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct FilterRow {
  std::string_view name;
  WatchFilter filter;
  std::vector<std::string> sees;
};

std::vector<FilterRow> filter_rows() {
  return {
      {"everything_of_a_resource",
       {"pods"},
       {"ADDED x/a 1", "ADDED y/a 2", "MODIFIED x/a 3", "ADDED x/b 4", "DELETED x/a 3"}},
      {"one_namespace",
       {.resource = "pods", .ns = "x"},
       {"ADDED x/a 1", "MODIFIED x/a 3", "ADDED x/b 4", "DELETED x/a 3"}},
      {"one_name_anywhere",
       {.resource = "pods", .name = "a"},
       {"ADDED x/a 1", "ADDED y/a 2", "MODIFIED x/a 3", "DELETED x/a 3"}},
      {"one_object", {.resource = "pods", .ns = "y", .name = "a"}, {"ADDED y/a 2"}},
      {"the_tag_it_moves_from",
       {.resource = "pods", .tag = "n1"},
       {"ADDED x/a 1", "DELETED x/a 1"}},
      {"the_tag_it_moves_to",
       {.resource = "pods", .tag = "n2"},
       {"ADDED y/a 2", "ADDED x/a 3", "DELETED x/a 3"}},
      {"a_tag_in_a_namespace", {.resource = "pods", .ns = "y", .tag = "n2"}, {"ADDED y/a 2"}},
      {"another_resource", {"services"}, {"ADDED x/a 9"}},
      {"a_resource_without_objects", {"nodes"}, {}},
  };
}

void write_what_filters_see(Store& store) {
  must_put(store, pod("a", "x"), "1", "n1");
  must_put(store, pod("a", "y"), "2", "n2");
  must_put(store, {"services", "x", "a"}, "9");
  must_put(store, pod("a", "x"), "3", "n2");
  must_put(store, pod("b", "x"), "4");
  must_commit(store, change(remove(pod("a", "x"))));
}

TEST_F(StoreTest, ShowsAWatcherWhatItsFilterNamesAsItHappensAndFromThePast) {
  for (const FilterRow& row : filter_rows()) {
    SCOPED_TRACE(row.name);
    disk_ = std::make_shared<MemoryDisk>();
    Store& store = start();
    const Revision begin = store.snapshot().revision();
    auto live = watch(row.filter, begin);

    write_what_filters_see(store);
    auto late = watch(row.filter, begin);

    EXPECT_EQ(poll(*live), row.sees);
    EXPECT_EQ(poll(*late), row.sees);
    EXPECT_EQ(live->position(), store.snapshot().revision());
    EXPECT_EQ(late->position(), store.snapshot().revision());
  }
}

TEST_F(StoreTest, CarriesTheStateBeforeAndTheRevisionOfTheChange) {
  Store& store = start();
  auto watching = watch({"pods"}, store.snapshot().revision());
  must_put(store, pod("a"), "1");
  const Revision second = must_put(store, pod("a"), "2");
  const Revision third = must_commit(store, change(remove(pod("a"))));

  const std::vector<Event> events = watching->poll(10).value();

  ASSERT_EQ(events.size(), 3U);
  EXPECT_EQ(events[0].previous, nullptr);
  EXPECT_EQ(text_of(events[1].previous), "1");
  EXPECT_EQ(events[1].object.revision, second);
  EXPECT_EQ(text_of(events[2].object.document), "2");
  EXPECT_EQ(events[2].object.revision, third);
}

TEST_F(StoreTest, HandsOutNoMoreThanAskedForAndKnowsHowFarItIs) {
  Store& store = start();
  const Revision begin = store.snapshot().revision();
  auto live = watch({"pods"}, begin);
  for (int i = 0; i < 3; ++i) {
    must_put(store, pod(std::to_string(i)), "");
  }
  auto late = watch({"pods"}, begin);

  for (Subscription* watching : {live.get(), late.get()}) {
    EXPECT_EQ(watching->position(), begin);
    EXPECT_EQ(poll(*watching, 2).size(), 2U);
    EXPECT_EQ(watching->position().number, begin.number + 2);
    EXPECT_EQ(poll(*watching, 2).size(), 1U);
    EXPECT_THAT(poll(*watching, 2), IsEmpty());
    EXPECT_EQ(watching->position().number, begin.number + 3);
  }
}

TEST_F(StoreTest, MovesOnThePositionOfAWatcherThatNothingConcerns) {
  Store& store = start();
  auto watching = watch({.resource = "pods", .name = "other"}, store.snapshot().revision());

  const Revision last = must_put(store, pod("a"), "1");

  EXPECT_EQ(watching->position(), last);
}

TEST_F(StoreTest, WakesOnlyThoseConcernedAndAtOnceWhereSomethingWaits) {
  Store& store = start();
  const Revision begin = store.snapshot().revision();
  auto concerned = watch({.resource = "pods", .ns = "x"}, begin);
  auto other = watch({.resource = "pods", .ns = "y"}, begin);
  std::atomic<int> wakes = 0;
  std::atomic<int> other_wakes = 0;
  concerned->on_ready([&] { ++wakes; });
  other->on_ready([&] { ++other_wakes; });

  must_put(store, pod("a", "x"), "1");
  EXPECT_EQ(wakes, 1);
  EXPECT_EQ(other_wakes, 0);

  auto late = watch({.resource = "pods", .ns = "x"}, begin);
  std::atomic<int> late_wakes = 0;
  late->on_ready([&] { ++late_wakes; });
  EXPECT_EQ(late_wakes, 1);

  concerned.reset();
  must_put(store, pod("b", "x"), "1");
  EXPECT_EQ(wakes, 1);
}

TEST_F(StoreTest, WakesOncePerTransactionHoweverManyItsChanges) {
  Store& store = start();
  auto watching = watch({"pods"}, store.snapshot().revision());
  std::atomic<int> wakes = 0;
  watching->on_ready([&] { ++wakes; });

  Transaction transaction;
  transaction.mutations = {put(pod("a"), "1"), put(pod("b"), "2"), put(pod("c"), "3")};
  must_commit(store, std::move(transaction));

  EXPECT_EQ(wakes, 1);
  EXPECT_THAT(poll(*watching),
              ElementsAre("ADDED default/a 1", "ADDED default/b 2", "ADDED default/c 3"));
}

TEST_F(StoreTest, ExpiresAWatcherThatReadsTooSlowlyAndOnlyThatOne) {
  Options options;
  options.subscription_events_max = 3;
  Store& store = start(options);
  auto slow = watch({"pods"}, store.snapshot().revision());
  auto quick = watch({"pods"}, store.snapshot().revision());
  std::size_t seen = 0;
  for (int i = 0; i < 5; ++i) {
    must_put(store, pod("a"), std::to_string(i));
    seen += poll(*quick).size();
  }

  EXPECT_THAT(poll(*slow), ElementsAre("expired"));
  EXPECT_THAT(poll(*slow), ElementsAre("expired"));
  EXPECT_EQ(seen, 5U);
}

TEST_F(StoreTest, ExpiresAWatcherThatHoldsTooManyBytesAndCountsWhatItReads) {
  Options options;
  options.subscription_bytes_max = 10'000;
  Store& store = start(options);
  auto slow = watch({"pods"}, store.snapshot().revision());
  auto quick = watch({"pods"}, store.snapshot().revision());
  for (int i = 0; i < 20; ++i) {
    must_put(store, pod("a"), std::string(900, 'x'));
    EXPECT_THAT(poll(*quick), testing::SizeIs(1)) << i;
  }
  EXPECT_THAT(poll(*slow), ElementsAre("expired"));
}

TEST_F(StoreTest, ForgetsTheOldestOfTheBusiestResourceFirst) {
  Options options;
  options.history_events_max = 200;
  Store& store = start(options);
  const Revision begin = store.snapshot().revision();
  must_put(store, pod("a"), "1");
  Revision last;
  for (int i = 0; i < 1'000; ++i) {
    last = must_put(store, {"leases", "x", "l"}, std::to_string(i));
  }

  EXPECT_EQ(store.watch({"leases"}, begin).error().code, Code::expired);
  EXPECT_GT(store.compacted(), begin);
  auto pods = watch({"pods"}, begin);
  EXPECT_THAT(poll(*pods), ElementsAre("ADDED default/a 1"));
  auto leases = watch({"leases"}, store.compacted());
  const std::size_t kept = poll(*leases).size();
  EXPECT_EQ(kept, last.number - store.compacted().number);
  EXPECT_GE(kept, 100U);
  EXPECT_LE(kept, 200U);
}

TEST_F(StoreTest, BoundsTheHistoryByBytesToo) {
  Options options;
  options.history_bytes_max = 100'000;
  Store& store = start(options);
  for (int i = 0; i < 300; ++i) {
    must_put(store, pod("a"), std::string(1'000, 'x'));
  }

  auto watching = watch({"pods"}, store.compacted());
  EXPECT_LE(poll(*watching).size(), 100U);
}

TEST_F(StoreTest, KeepsOfWhatChangesAllTheTimeNoMoreThanIsWorthIt) {
  Store& store = start();
  const Revision begin = store.snapshot().revision();
  must_put(store, pod("a"), "1");
  Revision last;
  for (int i = 0; i < 5'000; ++i) {
    last = must_put(store, {"leases", "x", "l"}, std::to_string(i));
  }

  EXPECT_EQ(store.watch({"leases"}, begin).error().code, Code::expired);
  auto leases = watch({"leases"}, store.compacted());
  const std::size_t kept = poll(*leases, 10'000).size();
  EXPECT_EQ(kept, last.number - store.compacted().number);
  EXPECT_GE(kept, 4'000U);
  EXPECT_LE(kept, 4'096U);
  auto pods = watch({"pods"}, begin);
  EXPECT_THAT(poll(*pods), ElementsAre("ADDED default/a 1"));
}

TEST_F(StoreTest, KeepsMoreOfWhatThereIsMuchOfAlsoAfterARestart) {
  Store* store = &start();
  for (int i = 0; i < 2'000; ++i) {
    must_put(*store, pod("p" + std::to_string(i)), "1");
  }
  stop();
  store = &start();
  const Revision begin = store->snapshot().revision();
  for (int i = 0; i < 6'000; ++i) {
    must_put(*store, pod("p0"), std::to_string(i));
  }

  auto pods = watch({"pods"}, begin);
  EXPECT_EQ(poll(*pods, 10'000).size(), 6'000U);
}

TEST_F(StoreTest, LetsAWatcherReadOnThoughTheHistoryHasMovedPastIt) {
  Options options;
  options.history_events_max = 100;
  Store& store = start(options);
  const Revision begin = store.snapshot().revision();
  for (int i = 0; i < 80; ++i) {
    must_put(store, pod("a"), std::to_string(i));
  }
  auto watching = watch({"pods"}, begin);
  EXPECT_EQ(poll(*watching, 1).size(), 1U);
  for (int i = 80; i < 500; ++i) {
    must_put(store, pod("a"), std::to_string(i));
  }

  EXPECT_EQ(poll(*watching).size(), 499U);
}

TEST_F(StoreTest, ASubscriptionMayOutliveItsStore) {
  Store& store = start();
  auto watching = watch({"pods"}, store.snapshot().revision());
  must_put(store, pod("a"), "1");

  stop();

  EXPECT_THAT(poll(*watching), ElementsAre("ADDED default/a 1"));
}

TEST(Backlog, IsAQueueHoweverItIsFilledAndTaken) {
  Backlog<int> backlog;
  int put = 0;
  int taken = 0;
  for (int round = 1; round < 200; ++round) {
    for (int i = 0; i < round % 37; ++i) {
      backlog.push_back(put++);
    }
    for (int i = 0; i < round % 41 && !backlog.empty(); ++i) {
      ASSERT_EQ(backlog.front(), taken++);
      backlog.pop_front();
    }
    ASSERT_EQ(backlog.size(), static_cast<std::size_t>(put - taken));
  }
  backlog.clear();

  EXPECT_TRUE(backlog.empty());
}

}  // namespace
}  // namespace tetrarch::store

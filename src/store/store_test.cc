// SPDX-License-Identifier: Apache-2.0
#include <functional>
#include <thread>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "base/metrics.h"
#include "store/store_fixture.h"

namespace tetrarch::store {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

TEST_F(StoreTest, GivesEveryMutationARevisionOfItsOwn) {
  Store& store = start();
  const Revision before = store.snapshot().revision();

  Transaction transaction;
  transaction.mutations = {put(pod("a"), "1"), put(pod("b"), "2")};
  const Committing committing = commit(store, std::move(transaction));

  ASSERT_TRUE(committing.ok());
  EXPECT_EQ(committing->objects[0].revision.number, before.number + 1);
  EXPECT_EQ(committing->objects[1].revision.number, before.number + 2);
  EXPECT_EQ(store.snapshot().revision().number, before.number + 2);
}

TEST_F(StoreTest, BeginsAboveRevisionZeroWhichMeansNone) {
  EXPECT_GT(start().snapshot().revision(), Revision{});
}

TEST_F(StoreTest, ASnapshotDoesNotSeeLaterCommits) {
  Store& store = start();
  must_put(store, pod("a"), "1");
  const Snapshot old = store.snapshot();

  must_put(store, pod("a"), "2");
  must_put(store, pod("b"), "2");

  EXPECT_EQ(text_of(old.get(pod("a"))->document), "1");
  EXPECT_THAT(names(old, "pods"), ElementsAre("default/a"));
  EXPECT_EQ(text_of(store.snapshot().get(pod("a"))->document), "2");
}

TEST_F(StoreTest, ScansInOrderFromAPlaceInOneNamespaceOrAll) {
  Store& store = start();
  for (const char* name : {"c", "a", "b"}) {
    must_put(store, pod(name, "x"), "");
    must_put(store, pod(name, "xy"), "");
  }
  const Snapshot snapshot = store.snapshot();

  std::vector<std::string> rest;
  snapshot.scan("pods", "x", {"x", "a"}, [&](const Stored& stored) {
    rest.push_back(stored.key.name);
    return true;
  });

  EXPECT_THAT(rest, ElementsAre("b", "c"));
  EXPECT_THAT(names(snapshot, "pods", "x"), ElementsAre("x/a", "x/b", "x/c"));
  EXPECT_THAT(names(snapshot, "pods"), ElementsAre("x/a", "x/b", "x/c", "xy/a", "xy/b", "xy/c"));
  EXPECT_THAT(names(snapshot, "services"), IsEmpty());
  EXPECT_EQ(snapshot.count("pods", "x"), 3U);
  EXPECT_EQ(snapshot.count("pods", ""), 6U);
  EXPECT_THAT(snapshot.resources(), ElementsAre("pods"));
}

struct RefusalRow {
  std::string_view name;
  Transaction transaction;
  Code code;
  std::string_view says;
};

std::vector<RefusalRow> refusal_rows() {
  Transaction exists{.compares = {{pod("there"), Revision{}}},
                     .mutations = {put(pod("there"), "")}};
  Transaction gone{.compares = {{pod("nowhere"), Revision{7}}},
                   .mutations = {put(pod("nowhere"), "")}};
  Transaction stale{.compares = {{pod("there"), Revision{999}}},
                    .mutations = {put(pod("there"), "")}};
  Transaction twice{.compares = {}, .mutations = {put(pod("x"), ""), remove(pod("x"))}};
  Transaction partly{.compares = {}, .mutations = {put(pod("x"), ""), remove(pod("nowhere"))}};
  return {
      {"create_of_what_exists", exists, Code::conflict, "pods default/there exists already"},
      {"update_of_what_is_gone", gone, Code::conflict, "does not exist any more"},
      {"update_of_a_stale_state", stale, Code::conflict, "at revision 2, not 999"},
      {"a_key_twice", twice, Code::invalid, "twice"},
      {"delete_of_what_is_not_there",
       partly,
       Code::not_found,
       "pods default/nowhere does not exist"},
      {"no_name", change(put(pod(""), "")), Code::invalid, "name"},
      {"nul_in_a_name", change(put(pod(std::string("a\0b", 3)), "")), Code::invalid, "NUL"},
      {"nul_in_a_tag", change(put(pod("a"), "", std::string(1, '\0'))), Code::invalid, "NUL"},
      {"name_too_long", change(put(pod(std::string(70'000, 'n')), "")), Code::invalid, "too long"},
  };
}

TEST_F(StoreTest, RefusesAWholeTransactionAndSaysWhy) {
  for (const RefusalRow& row : refusal_rows()) {
    SCOPED_TRACE(row.name);
    disk_ = std::make_shared<MemoryDisk>();
    Store& store = start();
    must_put(store, pod("there"), "as it was");
    const Revision before = store.snapshot().revision();

    const Committing committing = commit(store, row.transaction);

    ASSERT_FALSE(committing.ok());
    EXPECT_EQ(committing.error().code, row.code);
    EXPECT_THAT(committing.error().message, HasSubstr(row.says));
    EXPECT_EQ(failed_compare(committing.error()).has_value(), row.code == Code::conflict);
    EXPECT_THAT(names(store.snapshot(), "pods"), ElementsAre("default/there"));
    EXPECT_EQ(store.snapshot().revision(), before);
  }
}

TEST_F(StoreTest, SaysWhichCompareFailed) {
  Store& store = start();
  const Revision a = must_put(store, pod("a"), "");
  Transaction transaction{.compares = {{pod("a"), a}, {pod("b"), a}},
                          .mutations = {put(pod("c"), "")}};

  EXPECT_EQ(failed_compare(commit(store, transaction).error()), 1U);
}

TEST_F(StoreTest, ADeletedObjectComesBackAsItLastWasWithTheRevisionOfItsDeletion) {
  Store& store = start();
  const Revision created = must_put(store, pod("a"), "last words");

  const Committing committing = commit(store, change(remove(pod("a"))));

  ASSERT_TRUE(committing.ok());
  EXPECT_GT(committing->objects[0].revision, created);
  EXPECT_EQ(text_of(committing->objects[0].document), "last words");
  EXPECT_FALSE(store.snapshot().get(pod("a")).has_value());
}

Task<void> use_as_coroutine(Store& store, std::promise<std::vector<bool>>& outcome) {
  const Committing first = co_await store.commit(change(put(pod("a"), "1")));
  Transaction create_again{.compares = {{pod("a"), Revision{}}}, .mutations = {put(pod("a"), "2")}};
  std::vector<Transaction> several = {create_again, change(put(pod("b"), "3")), create_again};
  const std::vector<Committing> answers = co_await store.commit_each(std::move(several));
  std::vector<Transaction> none;
  const std::vector<Committing> empty = co_await store.commit_each(std::move(none));
  outcome.set_value({first.ok(), answers[0].ok(), answers[1].ok(), answers[2].ok(), empty.empty()});
}

TEST_F(StoreTest, AnswersCoroutinesOnTheirOwnStrandEachTransactionForItself) {
  Store& store = start();
  async::IoPool pool(1);
  async::TaskGroup group(pool.strand(), "test");
  std::promise<std::vector<bool>> outcome;

  group.spawn(use_as_coroutine(store, outcome));

  EXPECT_THAT(outcome.get_future().get(), ElementsAre(true, false, true, false, true));
  group.stop_and_wait();
}

TEST_F(StoreTest, CountsWhatItHoldsAndDoes) {
  Metrics metrics;
  Options options;
  options.metrics = &metrics;
  Store& store = start(options);
  must_put(store, pod("a"), "1");
  must_put(store, pod("b"), "22");
  must_commit(store, change(remove(pod("a"))));
  (void)commit(store, change(remove(pod("a"))));
  stop();

  const std::string text = metrics.text();
  EXPECT_THAT(text, HasSubstr("tetrarch_store_objects{resource=\"pods\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tetrarch_store_transactions_total{outcome=\"committed\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("tetrarch_store_transactions_total{outcome=\"refused\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("tetrarch_store_mutations_total 3\n"));
  EXPECT_THAT(text, HasSubstr("tetrarch_store_append_seconds_count 3\n"));

  Metrics again;
  options.metrics = &again;
  start(options);
  EXPECT_THAT(again.text(), HasSubstr("tetrarch_store_objects{resource=\"pods\"} 1\n"));
  must_put(*store_, pod("b"), "1");
  const auto bytes = store_->snapshot().get(pod("b"))->document->bytes().size();
  EXPECT_THAT(again.text(),
              HasSubstr("tetrarch_store_history_bytes " + std::to_string(bytes) + "\n"));
}

// A journal whose appends wait until the test lets them go on.
class GatedJournal : public Journal {
 public:
  explicit GatedJournal(std::shared_future<void> gate) : gate_(std::move(gate)) {}

  Status load(const Visit&) override { return ok(); }

  Status begin() override { return ok(); }

  Status append(const std::vector<Write>&, bool) override {
    if (appends_++ > 0) {  // not the format
      gate_.wait();
    }
    return ok();
  }

  std::string place() const override { return "gate"; }

 private:
  const std::shared_future<void> gate_;
  int appends_ = 0;
};

TEST(StoreQueue, RefusesWhenFullAndShowsNothingBeforeItIsDurable) {
  std::promise<void> gate;
  Options options;
  options.queue_max = 4;
  options.batch_max = 4;
  auto store =
      Store::open(std::make_unique<GatedJournal>(gate.get_future().share()), options).value();
  std::atomic<int> taken = 0;
  std::atomic<int> refused = 0;

  for (int i = 0; i < 20; ++i) {  // at most 4 in the batch under way and 4 waiting
    store->commit(change(put(pod(std::to_string(i)), "")), [&](Committing committing) {
      if (committing.ok()) {
        ++taken;
      } else if (committing.error().code == Code::exhausted &&
                 committing.error().retry_after_s > 0) {
        ++refused;
      }
    });
  }
  EXPECT_GE(refused, 12);
  EXPECT_EQ(store->snapshot().count("pods", ""), 0U);

  gate.set_value();
  store.reset();  // answers all that it took
  EXPECT_EQ(taken + refused, 20);
  EXPECT_LE(taken, 8);
}

TEST_F(StoreTest, WritesOnTheThreadThatGivesItTurns) {
  std::vector<std::function<void()>> turns;
  Options options;
  options.batch_max = 2;
  options.turns = [&](std::function<void()> turn) { turns.push_back(std::move(turn)); };
  Store& store = start(options);
  const auto here = std::this_thread::get_id();
  int answered_here = 0;

  for (const auto* name : {"a", "b", "c"}) {
    store.commit(change(put(pod(name), "")), [&](const Committing& committing) {
      EXPECT_TRUE(committing.ok());
      answered_here += std::this_thread::get_id() == here ? 1 : 0;
    });
  }
  EXPECT_EQ(store.snapshot().count("pods", ""), 0U);
  ASSERT_EQ(turns.size(), 1U);

  turns[0]();  // a batch of two, and asks for a turn for what is left
  EXPECT_EQ(store.snapshot().count("pods", ""), 2U);
  ASSERT_EQ(turns.size(), 2U);

  stop();  // drains
  EXPECT_EQ(answered_here, 3);
  turns[1]();  // too late: does nothing
  EXPECT_EQ(start().snapshot().count("pods", ""), 3U);
}

TEST_F(StoreTest, TakesNoWriteAfterTheJournalHasFailedButStillReads) {
  Store& store = start();
  must_put(store, pod("a"), "1");
  disk_->break_down();

  const Committing first = commit(store, change(put(pod("b"), "")));
  const Committing second = commit(store, change(put(pod("c"), "")));

  EXPECT_EQ(first.error().code, Code::unavailable);
  EXPECT_EQ(second.error().code, Code::unavailable);
  EXPECT_THAT(second.error().message, HasSubstr("told to break down"));
  EXPECT_THAT(names(store.snapshot(), "pods"), ElementsAre("default/a"));
}

}  // namespace
}  // namespace tetrarch::store

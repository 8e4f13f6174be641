// SPDX-License-Identifier: Apache-2.0
#include "control/controller_driver.h"

#include <atomic>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "control/fake_client.h"
#include "control/manual_clock.h"

namespace tetrarch::control {
namespace {

using reconcile::Change;
using reconcile::Note;
using reconcile::Plan;
using reconcile::Question;

std::string document(std::string_view name, std::string_view more = "") {
  return fmt::format(
      R"({{"kind":"Thing","apiVersion":"v1","metadata":{{"name":"{}","uid":"u-{}"}}{}}})",
      name,
      name,
      more);
}

/// Wants `count` children per parent, under names that are new each time it believes one is
/// missing: a controller that a stale view would lead to create too many.
class ChildMaker final : public reconcile::Controller {
 public:
  explicit ChildMaker(std::size_t count) : count_(count) {}

  std::string_view name() const override { return "child-maker"; }

  std::vector<reconcile::Watching> watches() const override {
    return {
        {"parents", reconcile::own_key()},
        {"children",
         [](const reconcile::Mirror&, const reconcile::Observed& change, std::vector<Key>& keys) {
           keys.push_back(Key{"parents", "ns", change.any().key.name.substr(0, 1)});
         }}};
  }

  Plan reconcile(const Question& asked) const override {
    ++calls;
    Plan plan;
    if (asked.seen.get(asked.key) == nullptr) {
      return plan;
    }
    if (!asked.last_failure.empty()) {
      last_failure = std::string(asked.last_failure);
    }
    for (std::size_t have = asked.seen.count("children"); have < count_; ++have) {
      const auto child = fmt::format("{}{}", asked.key.name, next_name++);
      Change change{.verb = Change::Verb::create, .key = Key{"children", "ns", child}};
      change.document = Document::from_canonical(document(child));
      change.when_done =
          Note{.reason = "Made", .message = "made " + child, .about = asked.key, .kind = "Parent"};
      change.when_failed = Note{.type = Note::Type::warning,
                                .reason = "Failed",
                                .message = "Error making",
                                .about = asked.key,
                                .kind = "Parent"};
      change.confirm_absent = confirm;
      plan.changes.push_back(std::move(change));
    }
    return plan;
  }

  std::vector<reconcile::Absence> confirm;
  mutable std::atomic<int> calls = 0;
  mutable int next_name = 0;
  mutable std::string last_failure;

 private:
  std::size_t count_;
};

class ControllerDriverTest : public testing::Test {
 protected:
  void TearDown() override { group_.stop_and_wait(); }

  void start() {
    driver_.emplace(maker_,
                    ControllerDriver::Parts{
                        client_, cache_, recorder_, system_clock(), system_random(), metrics_});
    cache_.run(group_);
    group_.spawn(driver_->run());
    group_.spawn(recorder_.run());
  }

  bool wait_for_count(std::string_view resource, std::ptrdiff_t count) {
    return client_.wait_until([&](const FakeClient::Objects& objects) {
      return std::count_if(objects.begin(), objects.end(), [&](const auto& each) {
               return each.first.resource == resource;
             }) == count;
    });
  }

  async::IoPool pool_{1};
  FakeClient client_;
  Metrics metrics_;
  ChildMaker maker_{3};
  Cache cache_{{client_, system_clock(), system_random(), metrics_}, {"parents", "children"}};
  EventRecorder recorder_{client_, system_clock(), system_random(), metrics_, "test"};
  async::TaskGroup group_{pool_.strand(), "test"};
  std::optional<ControllerDriver> driver_;
};

TEST_F(ControllerDriverTest, CommitsThePlanAndRecordsItsNotes) {
  client_.put({"parents", "ns", "p"}, document("p"));

  start();

  EXPECT_TRUE(wait_for_count("children", 3));
  EXPECT_TRUE(wait_for_count("events", 3));
}

TEST_F(ControllerDriverTest, NeverReconcilesAKeyOnAViewOlderThanItsOwnWrites) {
  start();
  client_.put({"parents", "ns", "p"}, document("p"));
  ASSERT_TRUE(wait_for_count("children", 3));

  for (int i = 0; i < 20; ++i) {
    client_.put({"parents", "ns", "p"}, document("p", fmt::format(R"(,"spec":{})", i)));
    client_.erase({"children", "ns", fmt::format("p{}", i)});
    ASSERT_TRUE(wait_for_count("children", 3));
  }

  EXPECT_EQ(client_.calls("create children"), 3 + 20);  // one for each that was lost
}

TEST_F(ControllerDriverTest, TellsAFailureToTheControllerAndTriesAgain) {
  client_.refuse_creates("children", Error(Code::forbidden, "quota is used up"), 3);
  client_.put({"parents", "ns", "p"}, document("p"));

  start();

  EXPECT_TRUE(wait_for_count("children", 3));
  EXPECT_TRUE(client_.wait_until([](const FakeClient::Objects& objects) {
    return std::any_of(objects.begin(), objects.end(), [](const auto& each) {
      return each.second.root()["message"].string() == "Error making: quota is used up";
    });
  }));
  group_.stop_and_wait();
  EXPECT_EQ(maker_.last_failure, "quota is used up");
}

TEST_F(ControllerDriverTest, DropsAChangeWhoseAbsenceDoesNotHold) {
  maker_.confirm = {{.key = {"blockers", "ns", "b"}, .uid = ""}};
  client_.put({"blockers", "ns", "b"}, document("b"));
  client_.put({"parents", "ns", "p"}, document("p"));

  start();
  ASSERT_TRUE(client_.wait_for_call("get blockers"));
  EXPECT_EQ(client_.calls("create children"), 0);
  client_.erase({"blockers", "ns", "b"});

  EXPECT_TRUE(wait_for_count("children", 3));
}

TEST_F(ControllerDriverTest, ListsAgainAfterAnExpiredWatch) {
  start();
  client_.put({"parents", "ns", "p"}, document("p"));
  ASSERT_TRUE(wait_for_count("children", 3));
  const int lists = client_.calls("list children");

  client_.break_watches("children", Error(Code::expired, "too old"));
  client_.erase({"children", "ns", "p2"});

  EXPECT_TRUE(wait_for_count("children", 3));
  EXPECT_GT(client_.calls("list children"), lists);
}

/// Keeps `copy` of every parent equal to its `text`, by updates that expect what was read.
class Copier final : public reconcile::Controller {
 public:
  std::string_view name() const override { return "copier"; }

  std::vector<reconcile::Watching> watches() const override {
    return {{"parents", reconcile::own_key()}};
  }

  Plan reconcile(const Question& asked) const override {
    ++calls;
    Plan plan;
    const auto* parent = asked.seen.get(asked.key);
    if (parent == nullptr) {
      return plan;
    }
    plan.look_again_at(asked.now + look_again);
    const auto text = parent->root()["text"].string();
    if (parent->root()["copy"].string() != text) {
      plan.changes.push_back(reconcile::update_of(
          *parent,
          Document::from_canonical(
              document(asked.key.name, fmt::format(R"(,"text":"{0}","copy":"{0}")", text)))));
    }
    return plan;
  }

  mutable std::atomic<int> calls = 0;
  std::chrono::seconds look_again{3600};
};

/// One controller with time in the test's hands.
class TimedDriverTest : public testing::Test {
 protected:
  void TearDown() override { stop(); }

  void start() {
    if (!driver_) {
      driver_.emplace(
          *controller_,
          ControllerDriver::Parts{client_, cache_, recorder_, clock_, system_random(), metrics_});
      cache_.run(cache_group_);
    }
    group_.emplace(strand_, "test");
    group_->spawn(driver_->run());
  }

  void stop_driver() {
    if (group_) {
      group_->stop_and_wait();
      group_.reset();
    }
  }

  void stop() {
    stop_driver();
    cache_group_.stop_and_wait();
  }

  void put(std::string_view name, std::string_view text) {
    client_.put({"parents", "ns", std::string(name)},
                document(name, fmt::format(R"(,"text":"{}")", text)));
  }

  bool wait_for_copy(std::string_view name, std::string_view text) {
    return client_.wait_until([&](const FakeClient::Objects& objects) {
      const auto found = objects.find(Key{"parents", "ns", std::string(name)});
      return found != objects.end() && found->second.root()["copy"].string() == text;
    });
  }

  async::IoPool pool_{2};
  asio::any_io_executor strand_ = pool_.strand();
  FakeClient client_;
  ManualClock clock_;
  Metrics metrics_;
  Copier copier_;
  ChildMaker maker_{1};
  const reconcile::Controller* controller_ = &copier_;
  Cache cache_{{client_, clock_, system_random(), metrics_}, {"parents", "children"}};
  EventRecorder recorder_{client_, clock_, system_random(), metrics_, "test"};
  async::TaskGroup cache_group_{strand_, "cache"};
  std::optional<async::TaskGroup> group_;
  std::optional<ControllerDriver> driver_;
};

TEST_F(TimedDriverTest, AConflictIsNoFailureAndIsTriedAgainOnceTheViewIsNewer) {
  start();
  put("p", "one");
  ASSERT_TRUE(wait_for_copy("p", "one"));
  client_.hold_applies(true);
  put("p", "two");
  ASSERT_TRUE(client_.wait_for_calls("apply", 2));  // planned on "two"

  put("p", "three");
  client_.hold_applies(false);
  clock_.advance(std::chrono::seconds(1));

  EXPECT_TRUE(wait_for_copy("p", "three"));
  EXPECT_EQ(
      metrics_.counter("tetrarch_controller_failures_total", "", R"(controller="copier")").value(),
      0U);
}

TEST_F(TimedDriverTest, AFailureWaitsForItsPauseAndThePausesGrow) {
  controller_ = &maker_;
  client_.refuse_creates("children", Error(Code::forbidden, "no"), 4);
  put("p", "x");
  start();
  ASSERT_TRUE(client_.wait_for_calls("create children", 1));

  // While time stands still nothing is tried again, whatever else happens.
  put("q", "x");
  ASSERT_TRUE(client_.wait_for_calls("create children", 2));
  put("r", "x");
  ASSERT_TRUE(client_.wait_for_calls("create children", 3));
  EXPECT_EQ(client_.calls("create children"), 3);

  clock_.advance(std::chrono::seconds(60));
  EXPECT_TRUE(client_.wait_for_calls("create children", 5));
}

TEST_F(TimedDriverTest, WhatANamespaceThatEndsRefusesIsNotTriedAgain) {
  controller_ = &maker_;
  Error refusal(Code::forbidden, "namespace ns is being terminated");
  refusal.fields.push_back({"NamespaceTerminating", "", "metadata.namespace"});
  client_.refuse_creates("children", refusal, 1'000'000);
  put("p", "x");
  start();
  ASSERT_TRUE(client_.wait_for_calls("create children", 1));

  clock_.advance(std::chrono::seconds(3600));
  put("q", "x");  // looked at behind whatever would wait
  ASSERT_TRUE(client_.wait_for_calls("create children", 2));
  stop_driver();

  EXPECT_EQ(client_.calls("create children"), 2);
  EXPECT_EQ(
      metrics_.counter("tetrarch_controller_failures_total", "", R"(controller="child-maker")")
          .value(),
      0U);
}

TEST_F(TimedDriverTest, ARefusalStopsTheCreatesThatAreLeft) {
  const ChildMaker many(500);
  controller_ = &many;
  client_.refuse_creates("children", Error(Code::forbidden, "exceeded quota"), 1'000'000);
  put("p", "x");
  start();
  ASSERT_TRUE(client_.wait_for_calls("create children", 1));

  put("q", "x");
  ASSERT_TRUE(client_.wait_for_calls("create children", 2));  // p's has been settled by now

  EXPECT_EQ(client_.calls("create children"), 2);
  stop();
}

TEST_F(TimedDriverTest, AcceptedCreatesDoubleUntilAllAreThere) {
  const ChildMaker many(500);
  controller_ = &many;
  put("p", "x");
  start();

  ASSERT_TRUE(client_.wait_for_calls("create children", 500));

  EXPECT_EQ(client_.calls("apply"), 9);  // 1 + 2 + 4 + … + 128 = 255, then 245
  stop();
}

TEST_F(TimedDriverTest, AKeyIsLookedAtAgainWhenItsTimeHasCome) {
  put("p", "x");
  start();
  ASSERT_TRUE(wait_for_copy("p", "x"));
  put("mark1", "m");
  ASSERT_TRUE(wait_for_copy("mark1", "m"));
  const int calls = copier_.calls;

  clock_.advance(std::chrono::seconds(3601));
  put("mark2", "m");
  ASSERT_TRUE(wait_for_copy("mark2", "m"));

  // p and mark1 for the time, mark2 for the change and for what it wrote, at least.
  EXPECT_GE(copier_.calls - calls, 3);
}

TEST_F(TimedDriverTest, WhatWasOnItsWayWhenItWasStoppedIsDoneWhenItRunsAgain) {
  controller_ = &maker_;
  client_.hold_applies(true);
  put("p", "x");
  start();
  ASSERT_TRUE(client_.wait_for_call("apply"));
  stop_driver();
  EXPECT_EQ(client_.calls("create children"), 0);
  client_.hold_applies(false);

  start();

  EXPECT_TRUE(client_.wait_for_calls("create children", 1));
}

TEST_F(TimedDriverTest, ChangesThatComeWhileItIsStoppedAreDoneWhenItRunsAgain) {
  start();
  put("p", "one");
  ASSERT_TRUE(wait_for_copy("p", "one"));
  stop_driver();

  put("p", "two");
  put("q", "new");
  start();

  EXPECT_TRUE(wait_for_copy("p", "two"));
  EXPECT_TRUE(wait_for_copy("q", "new"));
}

TEST_F(TimedDriverTest, TenThousandKeysAreDoneInBatchesAndEachAFewTimes) {
  constexpr int kKeys = 10'000;
  for (int i = 0; i < kKeys; ++i) {
    put(fmt::format("p{}", i), "x");
  }

  start();

  ASSERT_TRUE(client_.wait_for_calls("update", kKeys));
  EXPECT_TRUE(wait_for_copy(fmt::format("p{}", kKeys - 1), "x"));
  EXPECT_LT(client_.calls("apply"), kKeys / 20);
  EXPECT_LT(copier_.calls, 4 * kKeys);
}

TEST_F(TimedDriverTest, AWatchThatBreaksGoesOnWhereItWas) {
  start();
  put("p", "one");
  ASSERT_TRUE(wait_for_copy("p", "one"));
  const int lists = client_.calls("list parents");

  client_.break_watches("parents", Error(Code::unavailable, "connection lost"));
  put("p", "two");

  EXPECT_TRUE(wait_for_copy("p", "two"));
  EXPECT_EQ(client_.calls("list parents"), lists);
}

TEST_F(TimedDriverTest, WhatIsGoneWhenAListComesAfterAnExpiredWatchIsForgotten) {
  controller_ = &maker_;
  put("p", "x");
  start();
  ASSERT_TRUE(client_.wait_for_calls("create children", 1));
  client_.hold_watches(true);
  client_.erase({"children", "ns", "p0"});

  client_.break_watches("children", Error(Code::expired, "too old"));
  client_.hold_watches(false);

  EXPECT_TRUE(client_.wait_for_calls("create children", 2));
}

/// Adopts every child for parent p, as controllers with a selector do.
class Adopter final : public reconcile::Controller {
 public:
  std::string_view name() const override { return "adopter"; }

  std::vector<reconcile::Watching> watches() const override {
    return {{"children",
             [](const reconcile::Mirror&, const reconcile::Observed&, std::vector<Key>& keys) {
               keys.push_back(Key{"parents", "ns", "p"});
             }}};
  }

  Plan reconcile(const Question& asked) const override {
    Plan plan;
    const auto* parent = asked.seen.get(asked.key);
    for (const auto* child : asked.seen.list("children")) {
      if (parent != nullptr && child->metadata()["ownerReferences"].size() == 0) {
        plan.changes.push_back(reconcile::adoption_of(*child, *parent));
      }
    }
    return plan;
  }
};

TEST_F(TimedDriverTest, AnOwnerThatIsBeingDeletedAdoptsNothingThoughItIsNotSeenYet) {
  const Adopter adopter;
  controller_ = &adopter;
  put("p", "x");
  client_.put({"children", "ns", "mark"},
              R"({"metadata":{"name":"mark","ownerReferences":[{"uid":"x"}]}})");
  start();
  ASSERT_TRUE(client_.wait_for_call("list children"));
  client_.put(
      {"parents", "ns", "p"},
      R"({"metadata":{"name":"p","uid":"u-p","deletionTimestamp":"2026-01-01T00:00:00Z"}})");
  client_.put({"children", "ns", "c"}, document("c"));

  ASSERT_TRUE(client_.wait_for_call("get parents"));

  EXPECT_EQ(client_.calls("update"), 0);
  client_.put({"parents", "ns", "p"}, document("p"));
  clock_.advance(std::chrono::seconds(5));
  client_.put({"children", "ns", "d"}, document("d"));
  EXPECT_TRUE(client_.wait_for_calls("update", 2));
  stop();
}

}  // namespace
}  // namespace tetrarch::control

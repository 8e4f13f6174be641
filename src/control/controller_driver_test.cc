// SPDX-License-Identifier: Apache-2.0
#include "control/controller_driver.h"

#include <atomic>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "control/fake_client.h"

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

}  // namespace
}  // namespace tetrarch::control

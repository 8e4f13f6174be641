// SPDX-License-Identifier: Apache-2.0
#include "control/event_recorder.h"

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "control/fake_client.h"

namespace tetrarch::control {
namespace {

using reconcile::Note;

class EventRecorderTest : public testing::Test {
 protected:
  EventRecorderTest() {
    recorder_.set_pace({.batch = 64, .pause = std::chrono::milliseconds(0)});
    group_.spawn(recorder_.run());
  }

  void TearDown() override { group_.stop_and_wait(); }

  static Note note(std::string name, std::string message) {
    return Note{.reason = "Created",
                .message = std::move(message),
                .about = {"pods", "ns", std::move(name)},
                .kind = "Pod",
                .api_version = "v1",
                .uid = "u"};
  }

  /// Waits for an event that satisfies `is_it`.
  bool wait_for(const std::function<bool(object::View)>& is_it) {
    return client_.wait_until([&](const FakeClient::Objects& objects) {
      return std::any_of(objects.begin(), objects.end(), [&](const auto& each) {
        return each.first.resource == "events" && is_it(each.second.root());
      });
    });
  }

  async::IoPool pool_{1};
  FakeClient client_;
  Metrics metrics_;
  EventRecorder recorder_{client_, system_clock(), system_random(), metrics_, "tester"};
  async::TaskGroup group_{pool_.strand(), "test"};
};

TEST_F(EventRecorderTest, WritesAnEventAboutTheObject) {
  recorder_.record(note("p", "hello"));

  EXPECT_TRUE(wait_for([](object::View event) {
    return event["involvedObject"]["name"].string() == "p" &&
           event["involvedObject"]["kind"].string() == "Pod" &&
           event["involvedObject"]["uid"].string() == "u" &&
           event["metadata"]["namespace"].string() == "ns" && event["type"].string() == "Normal" &&
           event["reason"].string() == "Created" && event["message"].string() == "hello" &&
           event["source"]["component"].string() == "tester" && event["count"].integer() == 1;
  }));
}

TEST_F(EventRecorderTest, EventsAboutClusterScopedObjectsLiveInDefault) {
  auto about_node = note("n", "hello");
  about_node.about = {"nodes", "", "n"};
  recorder_.record(about_node);

  EXPECT_TRUE(wait_for(
      [](object::View event) { return event["metadata"]["namespace"].string() == "default"; }));
}

TEST_F(EventRecorderTest, CountsTheSameNoteInsteadOfWritingItAgain) {
  for (int i = 0; i < 5; ++i) {
    recorder_.record(note("p", "same"));
  }

  EXPECT_TRUE(wait_for([](object::View event) { return event["count"].integer() == 5; }));
  EXPECT_EQ(client_.calls("create events"), 1);
}

/// Whoever remembered too much looked through all of it for each further note.
TEST_F(EventRecorderTest, ForgetsReasonsOnceThereAreTooMany) {
  constexpr int kJoinedFrom = 11;
  constexpr int kObjects = 8300;  // of two reasons each
  constexpr int kAtOnce = 1000;   // the queue takes no more than a few of these
  for (int i = 0; i < kJoinedFrom; ++i) {
    recorder_.record(note("p", fmt::format("text {}", i)));
  }
  for (int i = 0; i < kObjects; ++i) {
    for (const auto* reason : {"Created", "Started"}) {
      auto other = note(fmt::format("p{}", i), "hello");
      other.reason = reason;
      recorder_.record(std::move(other));
    }
    if (i % kAtOnce == 0 || i == kObjects - 1) {
      const auto count = static_cast<std::size_t>(kJoinedFrom + 2 * (i + 1));
      ASSERT_TRUE(client_.wait_until([&](const auto& objects) { return objects.size() >= count; }));
    }
  }
  recorder_.record(note("p", "as if it were the first"));

  EXPECT_TRUE(wait_for(
      [](object::View event) { return event["message"].string() == "as if it were the first"; }));
}

TEST_F(EventRecorderTest, WritesManyAtOnce) {
  client_.hold_applies(true);
  recorder_.record(note("first", "hello"));
  ASSERT_TRUE(client_.wait_for_call("apply events"));
  for (int i = 0; i < 50; ++i) {
    recorder_.record(note(fmt::format("p{}", i), "hello"));
  }
  recorder_.record(note("p49", "hello"));  // is written before it can be counted
  client_.hold_applies(false);

  EXPECT_TRUE(wait_for([](object::View event) { return event["count"].integer() == 2; }));
  EXPECT_EQ(client_.calls("create events"), 51);
  EXPECT_EQ(client_.calls("apply events"), 2);
}

TEST_F(EventRecorderTest, JoinsNotesThatDifferOnlyInTheirText) {
  for (int i = 0; i < 15; ++i) {
    recorder_.record(note("p", fmt::format("text {}", i)));
  }

  EXPECT_TRUE(wait_for([](object::View event) {
    return event["message"].string() == "(combined from similar events): text 14" &&
           event["count"].integer() == 5;
  }));
  EXPECT_EQ(client_.calls("create events"), 11);
}

TEST_F(EventRecorderTest, OneObjectMayNotFillTheStoreAndDoesNotSilenceOthers) {
  for (int i = 0; i < 200; ++i) {
    auto each = note("loud", "text");
    each.reason = fmt::format("Reason{}", i);
    recorder_.record(each);
  }
  recorder_.record(note("quiet", "hello"));

  EXPECT_TRUE(wait_for(
      [](object::View event) { return event["involvedObject"]["name"].string() == "quiet"; }));
  EXPECT_EQ(client_.calls("create events"), 25 + 1);
}

TEST_F(EventRecorderTest, AnEventThatIsGoneIsWrittenAgain) {
  recorder_.record(note("p", "same"));
  Key written;
  ASSERT_TRUE(client_.wait_until([&](const FakeClient::Objects& objects) {
    written = objects.empty() ? Key{} : objects.begin()->first;
    return !objects.empty();
  }));
  client_.erase(written);

  recorder_.record(note("p", "same"));

  EXPECT_TRUE(wait_for([](object::View event) { return event["count"].integer() == 1; }));
  EXPECT_EQ(client_.calls("create events"), 2);
}

}  // namespace
}  // namespace tetrarch::control

// SPDX-License-Identifier: Apache-2.0
// The scheduler's loop where pods make room for more important ones.
#include <algorithm>
#include <future>

#include <boost/asio/post.hpp>
#include <gmock/gmock.h>

#include "control/scheduler_loop_fixture.h"

namespace tetrarch::control {
namespace {

using object::View;
using std::chrono::seconds;

constexpr auto kHigh = R"(,"priority":1000)";

class SchedulerPreemptionTest : public SchedulerLoopFixture {
 protected:
  SchedulerPreemptionTest() { client_.make_removals_graceful(); }

  /// A pod that runs on n1 and is of no importance.
  void running(std::string_view name, std::string_view labels = "{}", int cpu = 1) {
    pod(name, cpu, R"(,"nodeName":"n1")", labels);
  }

  bool is_nominated(std::string_view name, std::string_view node = "n1") {
    return wait_for_pod(
        name, [&](View pod) { return pod["status"]["nominatedNodeName"].string() == node; });
  }

  bool is_ending(std::string_view name) {
    return wait_for_pod(name,
                        [](View pod) { return pod["metadata"]["deletionTimestamp"].is_string(); });
  }

  /// n1 is full; an important pod gets it and "low" is ended for that.
  void begin() {
    node("n1", 1);
    running("low");
    pod("high", 1, kHigh);
    start();
    ASSERT_TRUE(is_ending("low"));
  }

  /// The same, held up before the nomination is written.
  void begin_and_hold() {
    node("n1", 1);
    running("low");
    start();
    pass("mark");
    client_.hold_applies(true);
    const int applies = client_.calls("apply");
    pod("high", 1, kHigh);
    ASSERT_TRUE(client_.wait_for_calls("apply", applies + 1));
  }

  /// What comes after has been decided with all that was put before.
  void pass(std::string_view mark) {
    pod(mark, 0, R"(,"priority":2000)");
    ASSERT_TRUE(wait_for_node(mark, "n1"));
  }

  /// Waits until the cache has lost the pod. The loop may be held up meanwhile.
  void wait_until_unseen(std::string_view name) {
    bool is_seen = true;
    while (is_seen) {
      std::promise<bool> answer;
      asio::post(strand_, [&] { answer.set_value(cache_.mirror().get(key(name)) != nullptr); });
      is_seen = answer.get_future().get();
    }
  }

  /// How many of the important pods have a node.
  int bound() {
    int count = 0;
    client_.wait_until([&](const FakeClient::Objects& objects) {
      count = static_cast<int>(std::count_if(objects.begin(), objects.end(), [](const auto& each) {
        return each.first.name.starts_with("high") &&
               !each.second.root()["spec"]["nodeName"].string().empty();
      }));
      return true;
    });
    return count;
  }

  /// Who was refused several times waits longer: on a busy machine that is some.
  void let_time_pass_until_bound(int count) {
    for (int tries = 0; tries < 120 && bound() < count; ++tries) {
      clock_.advance(seconds(1));
      pass(fmt::format("passed{}", tries));
    }
  }

  bool has_event(std::string_view reason) {
    bool found = false;
    client_.wait_until([&](const FakeClient::Objects& objects) {
      found = std::any_of(objects.begin(), objects.end(), [&](const auto& each) {
        return each.second.root()["reason"].string() == reason;
      });
      return true;
    });
    return found;
  }
};

TEST_F(SchedulerPreemptionTest, AnImportantPodEvictsAnotherAndIsBoundWhenThatIsGone) {
  node("n1", 1);
  running("low");
  pod("high", 1, kHigh);

  start();

  EXPECT_TRUE(is_nominated("high"));
  EXPECT_TRUE(wait_for_message("high", "0/1 nodes are available: 1 Insufficient cpu."));
  EXPECT_TRUE(wait_for_pod("low", [](View pod) {
    const auto told = pod["status"]["conditions"].at(0);
    return told["type"].string() == "DisruptionTarget" && told["status"].string() == "True" &&
           told["reason"].string() == "PreemptionByScheduler" &&
           told["message"].string() ==
               "default-scheduler: preempting to accommodate a higher priority pod";
  }));
  EXPECT_TRUE(is_ending("low"));
  EXPECT_TRUE(wait_for_event("Preempted", "Preempted by pod u-high on node n1"));

  client_.erase(key("low"));
  let_time_pass_until_bound(1);

  EXPECT_TRUE(wait_for_node("high", "n1"));
  EXPECT_EQ(client_.calls("remove"), 1);
}

TEST_F(SchedulerPreemptionTest, APodThatMustNotEvictSaysSo) {
  node("n1", 1);
  running("low");
  pod("high", 1, R"(,"priority":1000,"preemptionPolicy":"Never")");

  start();

  EXPECT_TRUE(wait_for_message("high",
                               "0/1 nodes are available: 1 Insufficient cpu. preemption: not "
                               "eligible due to preemptionPolicy=Never."));
  EXPECT_EQ(client_.calls("remove"), 0);
}

TEST_F(SchedulerPreemptionTest, WhatAVictimLeavesIsNotForLessImportantPods) {
  begin();

  pod("next", 1);  // as a controller replaces what was evicted
  client_.erase(key("low"));
  pass("mark");
  EXPECT_TRUE(wait_for_pod("next", [](View pod) { return !pod["spec"]["nodeName"]; }));
  clock_.advance(seconds(2));
  pass("mark2");

  EXPECT_TRUE(wait_for_node("high", "n1"));
  EXPECT_TRUE(wait_for_pod("next", [](View pod) { return !pod["spec"]["nodeName"]; }));
}

TEST_F(SchedulerPreemptionTest, WhatAnEarlierServerBeganIsEnded) {
  node("n1", 1);
  client_.put(key("low"), canonical(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"low",
      "namespace":"ns","uid":"u-low","deletionTimestamp":"2026-01-01T00:00:00Z"},
      "spec":{"nodeName":"n1","containers":
      [{"name":"c","resources":{"requests":{"cpu":"1"}}}]}})"));
  client_.put(key("high"), canonical(R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"high",
      "namespace":"ns","uid":"u-high"},"spec":{"priority":1000,
      "containers":[{"name":"c","resources":{"requests":
      {"cpu":"1"}}}]},"status":{"nominatedNodeName":"n1"}})"));
  pod("other", 1);

  start();

  EXPECT_TRUE(wait_for_message("high",
                               "0/1 nodes are available: 1 Insufficient cpu. preemption: not "
                               "eligible due to a terminating pod on the nominated node."));
  clock_.advance(seconds(2));
  client_.erase(key("low"));
  EXPECT_TRUE(wait_for_node("high", "n1"));
  EXPECT_EQ(client_.calls("remove"), 0);
}

TEST_F(SchedulerPreemptionTest, AVictimThatChangesMeanwhileIsToldAllTheSame) {
  begin_and_hold();

  running("low", R"({"changed":"yes"})");
  client_.hold_applies(false);

  EXPECT_TRUE(is_ending("low"));
  EXPECT_EQ(client_.calls("patch"), 1);
}

TEST_F(SchedulerPreemptionTest, APodThatIsDeletedMeanwhileEvictsNobody) {
  begin_and_hold();

  client_.erase(key("high"));
  wait_until_unseen("high");
  client_.hold_applies(false);
  pass("mark2");

  EXPECT_EQ(client_.calls("remove"), 0);
  EXPECT_FALSE(has_event("Preempted"));
}

TEST_F(SchedulerPreemptionTest, AnEvictionThatFailsIsTriedAgain) {
  node("n1", 1);
  running("low");
  client_.refuse_removals(Error(Code::unavailable, "not now"), 1);
  pod("high", 1, kHigh);
  start();
  ASSERT_TRUE(client_.wait_for_calls("remove", 1));
  pass("mark");

  clock_.advance(seconds(2));
  pass("mark2");

  EXPECT_TRUE(is_ending("low"));
  EXPECT_TRUE(is_nominated("high"));
}

TEST_F(SchedulerPreemptionTest, AMoreImportantPodTakesANomination) {
  begin();

  pod("higher", 1, R"(,"priority":3000)");

  EXPECT_TRUE(is_nominated("higher"));
  EXPECT_TRUE(is_nominated("high", ""));
  clock_.advance(seconds(2));
  client_.erase(key("low"));
  EXPECT_TRUE(wait_for_node("higher", "n1"));
  EXPECT_EQ(client_.calls("remove"), 1);
}

TEST_F(SchedulerPreemptionTest, AGuardedPodIsSparedWhereAnotherWillDo) {
  node("n1", 2);
  running("guarded", R"({"app":"guarded"})");
  running("other", R"({"app":"other"})");
  client_.put({"poddisruptionbudgets.policy", "ns", "b"},
              canonical(R"({"kind":"PodDisruptionBudget","metadata":{"name":"b","namespace":"ns",
      "uid":"u-b"},"spec":{"selector":{"matchLabels":{"app":"guarded"}}},
      "status":{"disruptionsAllowed":0}})"));
  pod("high", 1, kHigh);

  start();

  EXPECT_TRUE(is_ending("other"));
  EXPECT_EQ(client_.calls("remove"), 1);
}

TEST_F(SchedulerPreemptionTest, ManyAtOnceEvictEachPodOnceAndAllAreBound) {
  constexpr int kPods = 300;
  node("n1", kPods);
  for (int i = 0; i < kPods; ++i) {
    running(fmt::format("low{}", i));
  }
  start();
  pass("mark");

  for (int i = 0; i < kPods; ++i) {
    pod(fmt::format("high{}", i), 1, kHigh);
  }
  ASSERT_TRUE(client_.wait_for_calls("remove", kPods));
  for (int i = 0; i < kPods; ++i) {
    ASSERT_TRUE(is_ending(fmt::format("low{}", i)));
    client_.erase(key(fmt::format("low{}", i)));
  }
  let_time_pass_until_bound(kPods);

  EXPECT_EQ(bound(), kPods);
  EXPECT_EQ(client_.calls("remove"), kPods);
}

TEST_F(SchedulerPreemptionTest, ALoopThatWasStoppedInTheMiddleEvictsWhatItChose) {
  begin_and_hold();
  group_->stop_and_wait();
  group_.reset();
  client_.hold_applies(false);

  clock_.advance(seconds(2));
  start();
  pass("mark2");

  EXPECT_TRUE(is_ending("low"));
  EXPECT_TRUE(is_nominated("high"));
}

}  // namespace
}  // namespace tetrarch::control

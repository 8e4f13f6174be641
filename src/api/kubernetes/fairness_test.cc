// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/fairness.h"

#include <deque>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/virtual_time.h"

namespace tetrarch::api::kubernetes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

Stored stored(std::string_view resource, std::string_view name, std::string_view spec) {
  return {Key{std::string(resource), "", std::string(name)},
          Revision{},
          Document::from_canonical(fmt::format(
              R"({{"metadata":{{"name":"{}","uid":"uid-{}"}},"spec":{}}})", name, name, spec))};
}

/// Users of the group "team" in a level, each a flow.
Stored schema_of_team(std::string_view level, int precedence = 50) {
  return stored(
      "flowschemas",
      "team",
      fmt::format(
          R"({{"distinguisherMethod":{{"type":"ByUser"}},"matchingPrecedence":{},"priorityLevelConfiguration":{{"name":"{}"}},)"
          R"("rules":[{{"subjects":[{{"kind":"Group","group":{{"name":"team"}}}}],"resourceRules":[)"
          R"({{"verbs":["*"],"apiGroups":["*"],"resources":["*"],"clusterScope":true}}]}}]}})",
          precedence,
          level));
}

Stored level(std::string_view name, int shares, std::string_view response, int borrowing = 0) {
  return stored(
      "prioritylevelconfigurations",
      name,
      fmt::format(R"({{"limited":{{"borrowingLimitPercent":{},"lendablePercent":0,)"
                  R"("limitResponse":{},"nominalConcurrencyShares":{}}},"type":"Limited"}})",
                  borrowing,
                  response,
                  shares));
}

constexpr std::string_view kQueue =
    R"({"queuing":{"handSize":1,"queueLengthLimit":3,"queues":2},"type":"Queue"})";
constexpr std::string_view kReject = R"({"type":"Reject"})";

/// Waiting requests on a context whose time stands still until it is moved.
class FairnessTest : public ::testing::Test {
 protected:
  FairnessTest() { configure(20, kQueue); }

  /// The team's level, beside those that every cluster has; 245 shares are theirs.
  void configure(int shares, std::string_view response) {
    auto objects = first_flow_objects();
    objects.schemas.push_back(schema_of_team("team"));
    objects.levels.push_back(level("team", shares, response));
    fairness_.configure(objects);
  }

  Fairness::Flow flow(const std::string& user, std::string group = "team") const {
    const trust::Identity identity{.user = user,
                                   .groups = {std::move(group), "system:authenticated"}};
    return fairness_.classify({identity, "list", true, "", "pods"});
  }

  /// Like a request of that user: waits for a seat, and keeps it until the test lets it go.
  void ask(const std::string& user) {
    asio::co_spawn(context_, request(user), [](const std::exception_ptr& error) {
      EXPECT_EQ(error, nullptr);
    });
  }

  Task<void> request(std::string user) {
    auto seat = co_await fairness_.wait(flow(user), user);
    if (!seat.ok()) {
      refused_.push_back(user + ": " + seat.error().message);
      retry_after_ = seat.error().retry_after_s;
      co_return;
    }
    served_.push_back(std::move(user));
    seats_.push_back(*std::move(seat));
  }

  void run() {
    context_.restart();
    while (context_.poll() > 0) {
    }
  }

  std::int64_t gauge(const std::string& what) {
    return metrics_.gauge("apiserver_flowcontrol_" + what, "", R"(priority_level="team")").value();
  }

  std::uint64_t rejected(std::string_view reason) {
    return metrics_
        .counter("apiserver_flowcontrol_rejected_requests_total",
                 "",
                 fmt::format(R"(priority_level="team",reason="{}")", reason))
        .value();
  }

  Metrics metrics_;
  // The team's 20 shares of 265 are two seats.
  Fairness fairness_{{.seats = 20, .wait_max = std::chrono::seconds(10), .streams_per_user = 2},
                     metrics_};
  std::deque<Fairness::Seat> seats_;
  asio::io_context context_;  // ends those who wait, before what they wait for
  async::VirtualTime& time_ = asio::make_service<async::VirtualTime>(context_, TimePoint{});
  std::vector<std::string> served_;
  std::vector<std::string> refused_;
  int retry_after_ = 0;
};

TEST_F(FairnessTest, ServesFlowsInTurnWhileOneFloods) {
  EXPECT_EQ(gauge("nominal_limit_seats"), 2);
  for (int i = 0; i < 4; ++i) {
    ask("flood");
  }
  ask("ann");
  run();
  ASSERT_THAT(served_, ElementsAre("flood", "flood"));
  EXPECT_EQ(gauge("current_executing_requests"), 2);
  EXPECT_EQ(gauge("current_inqueue_requests"), 3);

  while (!seats_.empty()) {
    seats_.pop_front();
    run();
  }

  EXPECT_THAT(served_, ElementsAre("flood", "flood", "flood", "ann", "flood"));
  EXPECT_EQ(gauge("current_executing_requests"), 0);
  EXPECT_EQ(gauge("current_inqueue_requests"), 0);
}

TEST_F(FairnessTest, LeavesOtherLevelsAlone) {
  for (int i = 0; i < 5; ++i) {
    ask("flood");
  }
  run();

  Fairness::Seat seat;
  EXPECT_FALSE(fairness_.try_enter(flow("flood"), seat));
  EXPECT_TRUE(fairness_.try_enter(flow("system:node:a", "system:nodes"), seat));
  EXPECT_TRUE(fairness_.try_enter(flow("someone", "others"), seat));
}

TEST_F(FairnessTest, NodesHaveSeatsHoweverManyOthersAsk) {
  std::vector<Fairness::Seat> taken;
  for (const auto* group : {"system:serviceaccounts", "team", "others"}) {
    Fairness::Seat seat;
    while (fairness_.try_enter(flow("x", group), seat)) {
      taken.push_back(std::move(seat));
    }
  }
  Fairness::Seat seat;
  EXPECT_TRUE(fairness_.try_enter(flow("system:node:a", "system:nodes"), seat));
  EXPECT_LE(taken.size(), 20U + 8U) << "each level's part is rounded up";
}

TEST_F(FairnessTest, ExemptTakeNoSeat) {
  for (int i = 0; i < 100; ++i) {
    ASSERT_TRUE(fairness_.try_enter(flow("root", "system:masters"), seats_.emplace_back()));
  }
}

TEST_F(FairnessTest, RefusesWhereTooManyWait) {
  for (int i = 0; i < 6; ++i) {
    ask("flood");
  }
  run();

  EXPECT_THAT(refused_, ElementsAre("flood: Too many requests, please try again later."));
  EXPECT_EQ(retry_after_, 1);
  EXPECT_EQ(rejected("queue-full"), 1U);
}

TEST_F(FairnessTest, RefusesWhoHasWaitedForTooLong) {
  for (int i = 0; i < 3; ++i) {
    ask("ann");
  }
  run();
  time_.move_to(TimePoint(std::chrono::seconds(9)));
  run();
  EXPECT_THAT(refused_, IsEmpty());

  time_.move_to(TimePoint(std::chrono::seconds(11)));
  run();

  EXPECT_THAT(refused_, ElementsAre("ann: Too many requests, please try again later."));
  EXPECT_EQ(rejected("time-out"), 1U);
  EXPECT_EQ(gauge("current_inqueue_requests"), 0);
  seats_.clear();
  EXPECT_EQ(gauge("current_executing_requests"), 0);
}

TEST_F(FairnessTest, ALevelThatRejectsLetsNobodyWait) {
  configure(20, kReject);
  for (int i = 0; i < 3; ++i) {
    ask("ann");
  }
  run();
  EXPECT_EQ(served_.size(), 2U);
  EXPECT_EQ(refused_.size(), 1U);
  EXPECT_EQ(rejected("concurrency-limit"), 1U);
}

TEST_F(FairnessTest, AChangeCountsAtOnce) {
  ask("ann");
  ask("ann");
  ask("ann");
  run();
  ASSERT_EQ(served_.size(), 2U);

  configure(100, kQueue);
  run();
  EXPECT_EQ(served_.size(), 3U) << "who waited is served";
  EXPECT_EQ(gauge("nominal_limit_seats"), 6);

  configure(0, kReject);
  ask("bob");
  run();
  EXPECT_THAT(refused_, ElementsAre(HasSubstr("bob: ")));
  EXPECT_EQ(gauge("current_executing_requests"), 3) << "who is served stays";
}

TEST_F(FairnessTest, ASchemaMovesItsRequestsToAnotherLevel) {
  EXPECT_EQ(flow("ann").level().name, "team");
  EXPECT_EQ(flow("ann").schema().uid, "uid-team");
  auto objects = first_flow_objects();
  objects.schemas.push_back(schema_of_team("exempt"));
  fairness_.configure(objects);
  EXPECT_TRUE(flow("ann").level().is_exempt);

  fairness_.configure(first_flow_objects());
  EXPECT_EQ(flow("ann").schema().name, "global-default");
}

TEST_F(FairnessTest, SharesASeriesAmongLevelsBeyondAHundred) {
  for (int i = 0; i < 150; ++i) {
    auto objects = first_flow_objects();
    objects.levels.push_back(level(fmt::format("l{}", i), 1, kReject));
    fairness_.configure(objects);
  }
  EXPECT_THAT(metrics_.text(), HasSubstr(R"(priority_level="l50")"));
  EXPECT_THAT(metrics_.text(), HasSubstr(R"(priority_level="other")"));
  EXPECT_THAT(metrics_.text(), ::testing::Not(HasSubstr(R"(priority_level="l149")")));
}

TEST_F(FairnessTest, BoundsTheOpenStreamsOfAUser) {
  auto one = fairness_.open_stream("ann");
  {
    const auto two = fairness_.open_stream("ann");
    ASSERT_TRUE(one.ok() && two.ok());
    const auto three = fairness_.open_stream("ann");
    ASSERT_FALSE(three.ok());
    EXPECT_EQ(three.error().code, Code::exhausted);
    EXPECT_THAT(three.error().message, HasSubstr("User \"ann\" has 2 watches"));
    EXPECT_TRUE(fairness_.open_stream("bob").ok());
  }
  EXPECT_TRUE(fairness_.open_stream("ann").ok());
}

}  // namespace
}  // namespace tetrarch::api::kubernetes

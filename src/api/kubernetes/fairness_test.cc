// SPDX-License-Identifier: Apache-2.0
#include "api/kubernetes/fairness.h"

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/io_context.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/virtual_time.h"

namespace tetrarch::api::kubernetes {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

struct LevelRow {
  std::string_view name;
  std::string user;
  std::vector<std::string> groups;
  std::string_view resource;
  Level level;
};

void PrintTo(const LevelRow& row, std::ostream* out) {
  *out << row.name;
}

class LevelTest : public ::testing::TestWithParam<LevelRow> {};

TEST_P(LevelTest, IsFoundByIdentityAndResource) {
  const auto& row = GetParam();
  const std::string_view group = row.resource == "leases" ? "coordination.k8s.io" : "";
  EXPECT_EQ(level_of({.user = row.user, .groups = row.groups}, group, row.resource), row.level);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    LevelTest,
    ::testing::Values(
        LevelRow{"admin", "admin", {"system:masters"}, "pods", Level::exempt},
        LevelRow{"node", "system:node:a", {"system:nodes"}, "pods", Level::system},
        LevelRow{"scheduler", "system:kube-scheduler", {}, "pods", Level::system},
        LevelRow{"kube_system",
                 "system:serviceaccount:kube-system:x",
                 {"system:serviceaccounts:kube-system", "system:authenticated"},
                 "leases",
                 Level::system},
        LevelRow{"leader_election",
                 "system:serviceaccount:a:x",
                 {"system:serviceaccounts", "system:authenticated"},
                 "leases",
                 Level::leader_election},
        LevelRow{"program",
                 "system:serviceaccount:a:x",
                 {"system:authenticated"},
                 "pods",
                 Level::workload},
        LevelRow{"person", "ann", {"system:authenticated"}, "leases", Level::workload},
        LevelRow{"nobody", "system:anonymous", {"system:unauthenticated"}, "", Level::other}),
    [](const auto& row) { return std::string(row.param.name); });

/// Waiting requests on a context whose time stands still until it is moved.
class FairnessTest : public ::testing::Test {
 protected:
  /// Like a request of that user: waits for a seat, and keeps it until the test lets it go.
  void ask(const std::string& user) {
    asio::co_spawn(context_, request(user), [](const std::exception_ptr& error) {
      EXPECT_EQ(error, nullptr);
    });
  }

  Task<void> request(std::string user) {
    auto seat = co_await fairness_.wait(Level::workload, user);
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
    return metrics_
        .gauge("apiserver_flowcontrol_current_" + what + "_requests",
               "",
               R"(priority_level="workload")")
        .value();
  }

  Metrics metrics_;
  // A level of two fifths of five seats: two.
  Fairness fairness_{{.seats = 5,
                      .waiting_per_user = 3,
                      .waiting_per_level = 4,
                      .wait_max = std::chrono::seconds(10),
                      .streams_per_user = 2},
                     metrics_};
  std::deque<Fairness::Seat> seats_;
  asio::io_context context_;  // ends those who wait, before what they wait for
  async::VirtualTime& time_ = asio::make_service<async::VirtualTime>(context_, TimePoint{});
  std::vector<std::string> served_;
  std::vector<std::string> refused_;
  int retry_after_ = 0;
};

TEST_F(FairnessTest, ServesUsersInTurnWhileOneFloods) {
  for (int i = 0; i < 4; ++i) {
    ask("flood");
  }
  ask("ann");
  run();
  ASSERT_THAT(served_, ElementsAre("flood", "flood"));
  EXPECT_EQ(gauge("executing"), 2);
  EXPECT_EQ(gauge("inqueue"), 3);

  while (!seats_.empty()) {
    seats_.pop_front();
    run();
  }

  EXPECT_THAT(served_, ElementsAre("flood", "flood", "flood", "ann", "flood"));
  EXPECT_EQ(gauge("executing"), 0);
  EXPECT_EQ(gauge("inqueue"), 0);
}

TEST_F(FairnessTest, LeavesOtherLevelsAlone) {
  for (int i = 0; i < 5; ++i) {
    ask("flood");
  }
  run();

  Fairness::Seat seat;
  EXPECT_FALSE(fairness_.try_enter(Level::workload, seat));
  EXPECT_TRUE(fairness_.try_enter(Level::system, seat));
}

TEST_F(FairnessTest, RefusesWhereTooManyWait) {
  for (int i = 0; i < 6; ++i) {
    ask("flood");
  }
  run();

  EXPECT_THAT(refused_, ElementsAre("flood: Too many requests, please try again later."));
  EXPECT_EQ(retry_after_, 1);
}

TEST_F(FairnessTest, RefusesWhoHasWaitedForTooLong) {
  for (int i = 0; i < 3; ++i) {
    ask("ann");
  }
  run();
  time_.move_to(TimePoint(std::chrono::seconds(9)));
  run();
  EXPECT_THAT(refused_, ElementsAre());

  time_.move_to(TimePoint(std::chrono::seconds(11)));
  run();

  EXPECT_THAT(refused_, ElementsAre("ann: Too many requests, please try again later."));
  EXPECT_EQ(gauge("inqueue"), 0);
  seats_.clear();
  EXPECT_EQ(gauge("executing"), 0);
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

// SPDX-License-Identifier: Apache-2.0
#include "control/leader_election.h"

#include <future>

#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "async/task_group.h"
#include "control/fake_client.h"
#include "control/manual_clock.h"

namespace tetrarch::control {
namespace {

using Outcome = LeaderElection::Outcome;
using std::chrono::seconds;

Task<void> attempt(LeaderElection& election, std::promise<Outcome>& out) {
  out.set_value(co_await election.attempt());
}

Task<void> release(LeaderElection& election, std::promise<void>& out) {
  co_await election.release();
  out.set_value();
}

class LeaderElectionTest : public testing::Test {
 protected:
  void TearDown() override { group_.stop_and_wait(); }

  static LeaderElection::Options named(std::string identity) {
    LeaderElection::Options options;
    options.identity = std::move(identity);
    return options;
  }

  Outcome try_once(LeaderElection& election) {
    std::promise<Outcome> out;
    group_.spawn(attempt(election, out));
    return out.get_future().get();
  }

  void give_back(LeaderElection& election) {
    std::promise<void> out;
    group_.spawn(release(election, out));
    out.get_future().get();
  }

  async::IoPool pool_{1};
  async::TaskGroup group_{pool_.strand(), "test"};
  FakeClient client_;
  ManualClock clock_;
  LeaderElection a_{client_, clock_, named("a")};
  LeaderElection b_{client_, clock_, named("b")};
};

TEST_F(LeaderElectionTest, TheFirstLeadsAndTheSecondFollows) {
  EXPECT_EQ(try_once(a_), Outcome::leading);
  EXPECT_EQ(try_once(b_), Outcome::following);
  EXPECT_TRUE(a_.is_leading());
  EXPECT_FALSE(b_.is_leading());
}

TEST_F(LeaderElectionTest, ASilentLeaderIsReplacedAfterTheLeaseDuration) {
  EXPECT_EQ(try_once(a_), Outcome::leading);
  EXPECT_EQ(try_once(b_), Outcome::following);

  clock_.advance(seconds(14));
  EXPECT_EQ(try_once(b_), Outcome::following);
  EXPECT_FALSE(a_.is_leading());  // it knows by itself that it may no longer lead

  clock_.advance(seconds(1));
  EXPECT_EQ(try_once(b_), Outcome::leading);
  EXPECT_EQ(try_once(a_), Outcome::following);
}

TEST_F(LeaderElectionTest, ARenewingLeaderStays) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_EQ(try_once(a_), Outcome::leading);
    EXPECT_EQ(try_once(b_), Outcome::following);
    clock_.advance(seconds(8));
  }
}

TEST_F(LeaderElectionTest, AServerThatStartsAgainLeadsAtOnce) {
  EXPECT_EQ(try_once(a_), Outcome::leading);

  LeaderElection again(client_, clock_, named("a"));

  EXPECT_EQ(try_once(again), Outcome::leading);
}

TEST_F(LeaderElectionTest, AGivenBackLeaseIsTakenAtOnce) {
  EXPECT_EQ(try_once(a_), Outcome::leading);
  EXPECT_EQ(try_once(b_), Outcome::following);

  give_back(a_);

  EXPECT_EQ(try_once(b_), Outcome::leading);
  EXPECT_FALSE(a_.is_leading());
}

}  // namespace
}  // namespace tetrarch::control

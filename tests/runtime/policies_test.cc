// SPDX-License-Identifier: Apache-2.0
// Network policies and services as the kernel takes them: every batch by the real nftables, in a
// network namespace of this process. Needs root.
#include <random>
#include <sched.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/network/nft.h"
#include "agent/network/policy_samples.h"
#include "agent/network/service_samples.h"

namespace tetrarch::agent::network {
namespace {

class KernelTest : public testing::Test {
 protected:
  static void SetUpTestSuite() {
    ASSERT_EQ(::geteuid(), 0U) << "this test needs root: it makes a network namespace";
    ASSERT_EQ(::unshare(CLONE_NEWNET), 0);
  }

  void run(const std::string& batch) {
    const auto done = nft_.run(batch);
    ASSERT_TRUE(done.ok()) << done.error().message << "\n" << batch;
  }

  Nft nft_;
};

TEST_F(KernelTest, TakesChangesByChance) {
  PolicyTable table("ip policies");
  PolicyChance chance(std::mt19937(3));
  run(render_policy_frame("ip policies", table.book()));
  for (int step = 0; step < 500; ++step) {
    chance.change(table);
    run(table.book().take_change());
  }
  PolicyTable fresh("ip policies");
  chance.repeat(fresh);
  run(render_policy_frame("ip policies", fresh.book()));
}

TEST_F(KernelTest, TakesEveryKindOfRule) {
  PolicyTable table("ip policies");
  table.apply(
      {policy(
           "np",
           R"({"ingress":[{"any":true,"ports":[{"protocol":"SCTP"},{"protocol":"UDP","first":1,"last":65535},)"
           R"({"protocol":"TCP","first":80,"last":80},{"protocol":"TCP","first":81,"last":90},)"
           R"({"protocol":"SCTP","name":"a-1"}]},{"groups":["g"]},{"blocks":[{"cidr":"0.0.0.0/0",)"
           R"("except":["10.0.0.0/8","10.1.0.0/16"]},{"cidr":"10.9.9.9/32"},{"cidr":"fd00::/8"}]}],"egress":[]})"),
       peer({.groups = R"("g")", .policies = R"("np")"})},
      true);
  table.admit({"web", "default", "web", "10.42.0.5"});

  run(render_policy_frame("ip policies", table.book()));
  run(render_closed_ipv6("policies", "tet-1"));
  run(render_closed_ipv6("policies", "tet-1"));
}

TEST_F(KernelTest, TakesServicesByChance) {
  ServiceChance chance(std::mt19937(5));
  ServiceTable table("n1");
  ServiceRules rules(an_nft());
  run(rules.take_whole());
  for (int step = 0; step < 500; ++step) {
    table.apply({chance.change()}, false);
    run(change_of(rules, table));
  }
  run(whole_of(an_nft(), table));
}

}  // namespace
}  // namespace tetrarch::agent::network

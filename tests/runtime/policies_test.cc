// SPDX-License-Identifier: Apache-2.0
// Network policies and services as the kernel takes them: every batch by the real nftables, in a
// network namespace of this process. Needs root.
#include <algorithm>
#include <random>
#include <sched.h>
#include <unistd.h>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/network/affinity.h"
#include "agent/network/client_map.h"
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

/// Clients of a service, as packets would have left them.
class ClientsTest : public KernelTest {
 protected:
  void SetUp() override {
    table_.apply({put("services",
                      "web",
                      R"({"spec":{"clusterIP":"10.43.0.20","sessionAffinity":"ClientIP",)"
                      R"("ports":[{"port":80,"nodePort":30080}]}})"),
                  slice("web", R"({"addresses":["10.42.0.5"]},{"addresses":["10.42.0.6"]})")},
                 true);
    rules_.update(table_, table_.take_touched());
    run(rules_.take_whole());
  }

  static StickyClient client(std::uint32_t number) {
    constexpr std::uint32_t kFirst = 0x0a5a0000;  // 10.90.0.0
    const bool is_outside = number % 2 == 1;
    return {kFirst + number,
            *parse_ipv4(is_outside ? "192.0.2.1" : "10.43.0.20"),
            static_cast<std::uint16_t>(is_outside ? 30080 : 80),
            *parse_ipv4(number % 3 == 0 ? "10.42.0.5" : "10.42.0.6"),
            8080,
            9000};
  }

  static std::vector<StickyClient> clients(std::uint32_t count) {
    std::vector<StickyClient> out;
    for (std::uint32_t number = 0; number < count; ++number) {
      out.push_back(client(number));
    }
    return out;
  }

  void put_clients(std::vector<StickyClient> clients) {
    HeldClients held;
    held.hold({{"tcp", std::move(clients)}}, {});
    for (const auto& batch : held.put_back("t", "add map ip t clients_tcp { }\n", {})) {
      run(batch);
    }
  }

  std::vector<StickyClient> present() {
    auto read = reader_.read("t", "tcp");
    EXPECT_TRUE(read.ok());
    std::sort(read->begin(), read->end(), [](const StickyClient& one, const StickyClient& other) {
      return one.client < other.client;
    });
    for (auto& client : *read) {
      client.left_s = client.left_s > 8900 ? 9000 : client.left_s;  // some time has passed
    }
    return *read;
  }

  ServiceTable table_{"n1"};
  ServiceRules rules_{an_nft()};
  ClientReader reader_;
};

TEST_F(ClientsTest, AreReadAsTheyWerePut) {
  put_clients(clients(5000));
  EXPECT_EQ(present(), clients(5000));
}

TEST_F(ClientsTest, AreNoneWhereThereIsNoMap) {
  for (const auto* const table : {"t", "nowhere"}) {
    const auto read = reader_.read(table, "udp");
    ASSERT_TRUE(read.ok()) << read.error().message;
    EXPECT_TRUE(read->empty());
  }
}

TEST_F(ClientsTest, OfAnEndpointThatIsGoneAreForgottenAndOthersKept) {
  put_clients(clients(300));
  table_.apply({slice("web", R"({"addresses":["10.42.0.5"]})")}, false);
  run(change_of(rules_, table_));
  auto strays = stray_clients(rules_, "tcp", present());
  EXPECT_EQ(strays.size(), 200U);
  run("delete element ip t clients_tcp { 10.90.0.1 . 192.0.2.1 . 30080 }");  // as if expired
  for (const auto& batch : forget_clients("t", "tcp", strays)) {
    run(batch);
  }

  const auto left = present();
  EXPECT_EQ(left.size(), 100U);
  EXPECT_TRUE(stray_clients(rules_, "tcp", left).empty());
  for (const auto& each : left) {
    EXPECT_EQ(each.endpoint, *parse_ipv4("10.42.0.5"));
  }
}

TEST_F(ClientsTest, OneThatIsLedElsewhereMeanwhileIsNotForgotten) {
  put_clients({client(0)});
  auto other = client(0);
  other.endpoint = *parse_ipv4("10.42.0.6");
  const auto done = nft_.run(forget_clients("t", "tcp", {other}).front());

  EXPECT_FALSE(done.ok());
  EXPECT_EQ(present(), clients(1));
}

TEST_F(ClientsTest, AreThereAgainWithTheTableThatReplacesTheirs) {
  put_clients(clients(10));
  HeldClients held;
  held.hold({{"tcp", present()}}, {});
  const auto whole = rules_.take_whole();
  run(whole + held.put_back("t", whole, {}).front());

  EXPECT_EQ(present(), clients(10));
}

}  // namespace
}  // namespace tetrarch::agent::network

// SPDX-License-Identifier: Apache-2.0
// What policies become in the packet filter: rules by tables, and changes one by one against a
// table made anew.
#include "agent/network/policy_table.h"

#include <random>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/network/nft_model.h"
#include "agent/network/policy_samples.h"

namespace tetrarch::agent::network {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;
using testing::Pair;

/// Where a map leads, by what the chains say, so that numbers in names do not matter.
std::map<std::string, std::string> leads(const NftModel& model, const std::string& map) {
  std::map<std::string, std::string> out;
  for (const auto& [key, verdict] : model.elements.at(map)) {
    std::string text;
    for (const auto& rule : model.chains.at(verdict.substr(5))) {
      if (!rule.starts_with("jump ")) {
        text += rule + "; ";
        continue;
      }
      for (const auto& inner : model.chains.at(rule.substr(5))) {
        text += inner + "; ";
      }
    }
    out[key] = text;
  }
  return out;
}

class PolicyTableTest : public testing::Test {
 protected:
  PolicyTableTest() { kernel_.run(render_policy_frame("ip t", table_.book())); }

  void apply(const std::vector<Change>& changes, bool is_whole = false) {
    table_.apply(changes, is_whole);
    flush();
  }

  void admit(const std::string& name, const std::string& address, const std::string& uid = "") {
    table_.admit({uid.empty() ? name : uid, "default", name, address});
    flush();
  }

  void flush() {
    last_ = table_.book().take_change();
    kernel_.run(last_);
    ASSERT_EQ(kernel_.error, "");
  }

  std::map<std::string, std::string> in() const { return leads(kernel_, "limited_in"); }

  std::map<std::string, std::string> out() const { return leads(kernel_, "limited_out"); }

  PolicyTable table_{"ip t"};
  NftModel kernel_;
  std::string last_;
};

struct RuleRow {
  std::string name;
  std::string rule;
  std::vector<std::string> texts;
  Way way = Way::in;
};

void PrintTo(const RuleRow& row, std::ostream* out) {
  *out << row.name;
}

class PolicyRuleTest : public testing::TestWithParam<RuleRow> {};

TEST_P(PolicyRuleTest, IsWrittenSo) {
  const auto document = Document::parse("[" + GetParam().rule + "]");
  ASSERT_TRUE(document.ok());
  EXPECT_EQ(texts_of(read_rules((*document)->root()), GetParam().way), GetParam().texts);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    PolicyRuleTest,
    testing::Values(
        RuleRow{"anybody", R"({"any":true,"blocks":[],"groups":[],"ports":[]})", {"accept"}},
        RuleRow{"a_group", R"({"any":false,"groups":["g"]})", {"ip saddr @group_g accept"}},
        RuleRow{"a_group_out", R"({"groups":["g"]})", {"ip daddr @group_g accept"}, Way::out},
        RuleRow{
            "a_block",
            R"({"blocks":[{"cidr":"10.1.2.3/8","except":["10.2.0.0/16","10.2.3.0/24","10.4.0.0/16"]}]})",
            {"ip saddr 10.0.0.0/8 ip saddr != { 10.2.0.0/16, 10.4.0.0/16 } accept"}},
        RuleRow{"everything", R"({"blocks":[{"cidr":"0.0.0.0/0"}]})", {"accept"}},
        RuleRow{"everything_but",
                R"({"blocks":[{"cidr":"0.0.0.0/0","except":["10.0.0.0/8"]}]})",
                {"ip saddr != { 10.0.0.0/8 } accept"}},
        RuleRow{"the_other_family", R"({"blocks":[{"cidr":"fd00::/8"}]})", {}},
        RuleRow{
            "ports_that_touch",
            R"({"any":true,"ports":[{"protocol":"TCP","first":90,"last":95},{"protocol":"TCP","first":80,"last":80},)"
            R"({"protocol":"TCP","first":94,"last":100},{"protocol":"UDP","first":53,"last":53}]})",
            {"tcp dport { 80, 90-100 } accept", "udp dport { 53 } accept"}},
        RuleRow{
            "a_protocol",
            R"({"any":true,"ports":[{"protocol":"SCTP"},{"protocol":"SCTP","first":1,"last":2}]})",
            {"meta l4proto sctp accept"}},
        RuleRow{"a_name",
                R"({"groups":["g"],"ports":[{"protocol":"TCP","name":"http"}]})",
                {"ip saddr @group_g ip daddr . tcp dport @port_tcp_http accept"}},
        RuleRow{
            "each_peer_with_each_port",
            R"({"groups":["g"],"blocks":[{"cidr":"1.2.3.4/32"}],"ports":[{"protocol":"TCP","name":"http"},{"protocol":"UDP"}]})",
            {"ip saddr @group_g ip daddr . tcp dport @port_tcp_http accept",
             "ip saddr @group_g meta l4proto udp accept",
             "ip saddr 1.2.3.4/32 ip daddr . tcp dport @port_tcp_http accept",
             "ip saddr 1.2.3.4/32 meta l4proto udp accept"}}),
    [](const auto& row) { return row.param.name; });

TEST_F(PolicyTableTest, APodIsLimitedFromItsAdmissionOn) {
  apply({pod("web"),
         policy("np", R"({"ingress":[{"groups":["g"]}]})"),
         peer({.address = "", .policies = R"("np")"}),
         peer({.name = "client", .address = "10.42.1.7", .groups = R"("g")"})});
  EXPECT_THAT(in(), IsEmpty());

  admit("web", "10.42.0.5");

  EXPECT_THAT(in(), ElementsAre(std::pair("10.42.0.5", "ip saddr @group_g accept; drop; ")));
  EXPECT_THAT(out(), IsEmpty());
  EXPECT_THAT(kernel_.elements.at("group_g"), ElementsAre(Pair("10.42.1.7", "")));
  EXPECT_THAT(kernel_.elements.at("selves"), ElementsAre(Pair("10.42.0.5 . 10.42.0.5", "")));
  EXPECT_TRUE(table_.is_limited("web"));
}

TEST_F(PolicyTableTest, PoliciesAddUpAndASharedSetOfThemIsOneChain) {
  apply({policy("a",
                R"({"ingress":[{"any":true,"ports":[{"protocol":"TCP","first":80,"last":80}]}]})"),
         policy("b", R"({"ingress":[{"groups":["g"]}],"egress":[]})"),
         peer({.name = "x", .policies = R"("a","b")"}),
         peer({.name = "y", .policies = R"("a","b")"})});
  admit("x", "10.42.0.5");
  const auto chains = kernel_.chains.size();
  admit("y", "10.42.0.6");

  EXPECT_EQ(kernel_.chains.size(), chains);
  EXPECT_EQ(in().at("10.42.0.5"), "tcp dport { 80 } accept; ip saddr @group_g accept; drop; ");
  EXPECT_EQ(in().at("10.42.0.6"), in().at("10.42.0.5"));
  EXPECT_EQ(out().at("10.42.0.5"), "drop; ");
}

TEST_F(PolicyTableTest, WithTheLastPolicyThePodIsOpen) {
  apply({pod("web"), policy("np", R"({"ingress":[]})"), peer({.policies = R"("np")"})});
  admit("web", "10.42.0.5");
  ASSERT_EQ(in().size(), 1U);

  apply({gone(kPeers, "web"), gone(kPolicies, "np")});

  EXPECT_THAT(in(), IsEmpty());
  EXPECT_THAT(kernel_.elements.at("selves"), IsEmpty());
  EXPECT_FALSE(table_.is_limited("web"));
}

TEST_F(PolicyTableTest, APodThatIsGoneBeforeItHasEndedIsClosedToTheEnd) {
  apply({pod("web"), policy("np", R"({"ingress":[{"any":true}]})"), peer({.policies = R"("np")"})});
  admit("web", "10.42.0.5");

  apply({gone("pods", "web")});
  apply({gone(kPeers, "web"), gone(kPolicies, "np")});
  EXPECT_THAT(in(), ElementsAre(std::pair("10.42.0.5", "drop; ")));
  EXPECT_THAT(out(), ElementsAre(std::pair("10.42.0.5", "drop; ")));

  table_.release("web");
  flush();
  EXPECT_THAT(in(), IsEmpty());
  EXPECT_THAT(out(), IsEmpty());
}

TEST_F(PolicyTableTest, TheNextPodOfAnAddressOrOfANameHasItsOwnLimits) {
  apply({pod("web"), policy("np", R"({"ingress":[]})"), peer({.policies = R"("np")"})});
  admit("web", "10.42.0.5");
  admit("other", "10.42.0.5");
  EXPECT_THAT(in(), IsEmpty()) << "the address is another's";

  apply({pod("web", "second"), peer({.policies = R"("np")", .uid = "second"})});
  admit("web", "10.42.0.6", "second");
  EXPECT_THAT(in(), ElementsAre(std::pair("10.42.0.6", "drop; ")));
}

TEST_F(PolicyTableTest, APolicyThatIsNotHereLetsNothingPass) {
  apply({peer({.policies = R"("lost")"})});
  admit("web", "10.42.0.5");

  EXPECT_THAT(in(), ElementsAre(std::pair("10.42.0.5", "drop; ")));
  EXPECT_THAT(out(), ElementsAre(std::pair("10.42.0.5", "drop; ")));
  apply({policy("lost", R"({"egress":[]})")});
  EXPECT_THAT(in(), IsEmpty());
}

TEST_F(PolicyTableTest, NamesOfPortsAreThoseOfThePodSpokenTo) {
  apply(
      {policy("np", R"({"egress":[{"groups":["g"],"ports":[{"protocol":"TCP","name":"http"}]}]})"),
       peer({.policies = R"("np")"}),
       peer({.name = "db", .address = "10.42.1.7", .groups = R"("g")"})});
  admit("web", "10.42.0.5");

  EXPECT_EQ(out().at("10.42.0.5"),
            "ip daddr @group_g ip daddr . tcp dport @port_tcp_http accept; drop; ");
  EXPECT_THAT(kernel_.elements.at("port_tcp_http"),
              ElementsAre(Pair("10.42.0.5 . 8080", ""), Pair("10.42.1.7 . 8080", "")));
}

TEST_F(PolicyTableTest, TwoPodsOfOneAddressAreOneElementUntilBothAreGone) {
  apply({policy("np", R"({"ingress":[{"groups":["g"]}]})"),
         peer({.name = "old", .address = "10.42.1.7", .groups = R"("g")"}),
         peer({.name = "new", .address = "10.42.1.7", .groups = R"("g")"})});
  apply({gone(kPeers, "old")});
  EXPECT_THAT(kernel_.elements.at("group_g"), ElementsAre(Pair("10.42.1.7", "")));
  apply({gone(kPeers, "new")});
  EXPECT_THAT(kernel_.elements.at("group_g"), IsEmpty());
}

TEST_F(PolicyTableTest, WhatAWholeListDoesNotNameIsGone) {
  apply({pod("web"),
         policy("np", R"({"ingress":[{"groups":["g"]}]})"),
         peer({.policies = R"("np")"})});
  admit("web", "10.42.0.5");

  apply({pod("web")}, true);

  EXPECT_THAT(in(), IsEmpty());
  EXPECT_FALSE(kernel_.elements.contains("group_g"));
  EXPECT_TRUE(kernel_.chains.size() == 2U) << "the hooks only";
}

TEST_F(PolicyTableTest, APeerAmongAThousandPoliciesIsAsManyElementsAsItHasGroups) {
  std::vector<Change> all;
  for (int i = 0; i < 1000; ++i) {
    all.push_back(
        policy(fmt::format("np{}", i), fmt::format(R"({{"ingress":[{{"groups":["g{}"]}}]}})", i)));
    all.push_back(peer({.name = fmt::format("p{}", i),
                        .address = fmt::format("10.42.{}.{}", i / 250, i % 250),
                        .groups = fmt::format(R"("g{}")", i)}));
  }
  apply(all);
  const auto before = table_.book().elements_changed();

  apply({peer({.name = "fresh", .address = "10.42.9.9", .groups = R"("g7","g8")"})});
  EXPECT_EQ(last_,
            "add element ip t group_g7 { 10.42.9.9 }\nadd element ip t group_g8 { 10.42.9.9 }\n");
  apply({gone(kPeers, "fresh")});
  EXPECT_EQ(table_.book().elements_changed() - before, 4U);
}

TEST_F(PolicyTableTest, ChangesByChanceLeadWhereATableMadeAnewBegins) {
  PolicyChance chance(std::mt19937(7));
  for (int step = 0; step < 600; ++step) {
    chance.change(table_);
    if (chance.below(3) == 0) {
      flush();
    }
    ASSERT_EQ(kernel_.error, "") << step;
  }
  flush();

  PolicyTable fresh("ip t");
  chance.repeat(fresh);
  NftModel anew;
  anew.run(render_policy_frame("ip t", fresh.book()));
  ASSERT_EQ(anew.error, "");
  EXPECT_EQ(leads(kernel_, "limited_in"), leads(anew, "limited_in"));
  EXPECT_EQ(leads(kernel_, "limited_out"), leads(anew, "limited_out"));
  auto mine = kernel_.elements;
  for (auto* sets : {&mine, &anew.elements}) {
    sets->erase("limited_in");
    sets->erase("limited_out");
  }
  EXPECT_EQ(mine, anew.elements);
  EXPECT_EQ(kernel_.chains.size(), anew.chains.size());
}

}  // namespace
}  // namespace tetrarch::agent::network

// SPDX-License-Identifier: Apache-2.0
#include "schedule/budgets.h"

#include <list>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "schedule/cluster_builders.h"

namespace tetrarch::schedule {
namespace {

using testing::ElementsAre;

class BudgetsTest : public testing::Test {
 protected:
  const PlacedPod* pod(const std::string& name, const std::string& app) {
    const auto labels = app.empty() ? "{}" : fmt::format(R"({{"app":"{}"}})", app);
    PlacedPod& out = pods_.emplace_back();
    out.document = a_pod({.name = name, .labels = labels}).document;
    return &out;
  }

  void put(const std::string& ns, const std::string& spec, const std::string& status) {
    budgets_.upsert(make("poddisruptionbudgets.policy",
                         ns,
                         "b",
                         fmt::format(R"({{"spec":{},"status":{}}})", spec, status)),
                    [this](std::string_view) { return is_counted_; });
  }

  std::vector<bool> violates(const std::vector<const PlacedPod*>& pods) const {
    return budgets_.ask(pods).violates;
  }

  static constexpr auto kWeb = R"({"selector":{"matchLabels":{"app":"web"}}})";

  std::list<PlacedPod> pods_;
  Budgets budgets_;
  bool is_counted_ = false;
};

TEST_F(BudgetsTest, LetSoManyGoAsTheyAllow) {
  put("default", kWeb, R"({"disruptionsAllowed":2})");

  const auto verdict = budgets_.ask(
      {pod("a", "web"), pod("x", "other"), pod("b", "web"), pod("c", "web"), pod("n", "")});

  EXPECT_THAT(verdict.violates, ElementsAre(false, false, false, true, false));
  EXPECT_TRUE(verdict.is_protected);
  EXPECT_FALSE(budgets_.ask({pod("x", "other")}).is_protected);
}

TEST_F(BudgetsTest, OfAnotherNamespaceOrWithoutASelectorProtectNobody) {
  put("other", kWeb, R"({"disruptionsAllowed":0})");
  EXPECT_THAT(violates({pod("a", "web")}), ElementsAre(false));

  put("default", R"({"selector":{}})", R"({"disruptionsAllowed":0})");
  EXPECT_THAT(violates({pod("a", "web")}), ElementsAre(false));
}

TEST_F(BudgetsTest, AnEvictionThatTheApiAllowedIsPaidFor) {
  put("default", kWeb, R"({"disruptionsAllowed":0,"disruptedPods":{"a":"2026-01-01T00:00:00Z"}})");

  EXPECT_THAT(violates({pod("a", "web"), pod("b", "web")}), ElementsAre(false, true));
}

TEST_F(BudgetsTest, WhatIsTakenIsTakenUntilAStatusCountsIt) {
  put("default", kWeb, R"({"disruptionsAllowed":1})");
  const auto* gone = pod("a", "web");
  budgets_.take(*gone);
  EXPECT_THAT(violates({pod("b", "web")}), ElementsAre(true));

  put("default", kWeb, R"({"disruptionsAllowed":1})");
  EXPECT_THAT(violates({pod("b", "web")}), ElementsAre(true)) << "written before";
  is_counted_ = true;
  put("default", kWeb, R"({"disruptionsAllowed":1})");
  EXPECT_THAT(violates({pod("b", "web")}), ElementsAre(false));

  budgets_.take(*gone);
  budgets_.give_back(*gone);
  EXPECT_THAT(violates({pod("b", "web")}), ElementsAre(false));
}

TEST_F(BudgetsTest, VersionsTellWhatHasToBeAskedAnew) {
  put("default", kWeb, R"({"disruptionsAllowed":1})");
  const auto reach = budgets_.reach_version();
  const auto version = budgets_.version();

  put("default", kWeb, R"({"disruptionsAllowed":2})");
  EXPECT_GT(budgets_.version(), version);
  EXPECT_EQ(budgets_.reach_version(), reach);
  put("default", R"({"selector":{"matchLabels":{"app":"db"}}})", "{}");
  EXPECT_GT(budgets_.reach_version(), reach);
  budgets_.remove({"poddisruptionbudgets.policy", "default", "b"});
  EXPECT_GT(budgets_.reach_version(), reach + 1);
}

}  // namespace
}  // namespace tetrarch::schedule

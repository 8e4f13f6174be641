// SPDX-License-Identifier: Apache-2.0
// Evictions: what a disruption budget allows, refuses and gives away under races.
#include <fmt/format.h>

#include "registry/fixture.h"

namespace tetrarch::registry {
namespace {

constexpr std::string_view kBudgets = "poddisruptionbudgets.policy";
constexpr std::string_view kRefusal =
    "exhausted: Cannot evict pod as it would violate the pod's disruption budget.";

class EvictionTest : public RegistryTest {
 protected:
  EvictionTest() { open_namespace("default"); }

  Call on(std::string_view resource, const std::string& name, std::string subresource) {
    auto out = call(resource, "default", name);
    out.subresource = std::move(subresource);
    return out;
  }

  /// A pod on a node, running and ready.
  void run_pod(const std::string& name, bool is_ready = true) {
    ASSERT_TRUE(create("pods", "default", pod_json(name)).ok());
    ASSERT_TRUE(
        create_in(on("pods", name, "binding"), R"({"target":{"kind":"Node","name":"n"}})").ok());
    const auto status = fmt::format(
        R"({{"status":{{"phase":"Running","conditions":[{{"type":"Ready","status":"{}"}}]}}}})",
        is_ready ? "True" : "False");
    ASSERT_TRUE(
        run(registry_->patch(on("pods", name, "status"), client::PatchType::merge, status, {}))
            .ok());
  }

  void make_budget(const std::string& name, const std::string& spec, const std::string& status) {
    ASSERT_TRUE(create(kBudgets,
                       "default",
                       fmt::format(R"({{"metadata":{{"name":"{}"}},"spec":{{"selector":{{)"
                                   R"("matchLabels":{{"app":"x"}}}}{}}}}})",
                                   name,
                                   spec))
                    .ok());
    ASSERT_EQ(text_of(run(registry_->patch(
                  on(kBudgets, name, "status"), client::PatchType::merge, status, {}))),
              "ok");
  }

  static std::string counted(int allowed, int healthy, int desired) {
    return fmt::format(
        R"({{"status":{{"disruptionsAllowed":{},"currentHealthy":{},"desiredHealthy":{},)"
        R"("expectedPods":3,"observedGeneration":1,"conditions":[{{"type":"DisruptionAllowed",)"
        R"("status":"True","reason":"SufficientPods","message":"",)"
        R"("lastTransitionTime":"2026-11-22T00:00:00Z"}}]}}}})",
        allowed,
        healthy,
        desired);
  }

  Task<Result<Stored>> evicting(const std::string& pod, const std::string& more = "") {
    return registry_->create(on("pods", pod, "eviction"),
                             fmt::format(R"({{"metadata":{{"name":"{}"}}{}}})", pod, more),
                             {});
  }

  Result<Stored> evict(const std::string& pod, const std::string& more = "") {
    return run(evicting(pod, more));
  }

  bool is_ending(const std::string& pod) {
    const auto found = get("pods", "default", pod);
    return !found.ok() || found->metadata()["deletionTimestamp"].exists();
  }

  object::View budget_status(const std::string& name) {
    seen_ = *get(kBudgets, "default", name);
    return seen_.root()["status"];
  }

  Stored seen_;
};

TEST_F(EvictionTest, WithoutABudgetItIsADeleteThatSaysWhy) {
  run_pod("p");

  EXPECT_EQ(text_of(evict("p", R"(,"deleteOptions":{"gracePeriodSeconds":7})")), "ok");

  const auto pod = *get("pods", "default", "p");
  EXPECT_EQ(pod.metadata()["deletionGracePeriodSeconds"].integer(), 7);
  const auto told = pod.root().find("status.conditions").at(1);
  EXPECT_EQ(told["type"].string(), "DisruptionTarget");
  EXPECT_EQ(told["reason"].string(), "EvictionByEvictionAPI");
  EXPECT_EQ(told["message"].string(), "Eviction API: evicting");
}

TEST_F(EvictionTest, ABudgetGivesWhatItAllowsAndNoMore) {
  run_pod("p");
  run_pod("q");
  make_budget("web", "", counted(1, 3, 2));

  EXPECT_EQ(text_of(evict("p")), "ok");
  const auto status = budget_status("web");
  EXPECT_EQ(status["disruptionsAllowed"].integer(), 0);
  EXPECT_EQ(status["disruptedPods"]["p"].string(), "2026-11-23T00:00:00Z");
  EXPECT_EQ(status["conditions"].at(0)["status"].string(), "False");
  EXPECT_EQ(status["conditions"].at(0)["reason"].string(), "InsufficientPods");

  const auto refused = evict("q");
  EXPECT_EQ(text_of(refused), kRefusal);
  ASSERT_EQ(refused.error().fields.size(), 1U);
  EXPECT_EQ(refused.error().fields[0].reason, "DisruptionBudget");
  EXPECT_EQ(refused.error().fields[0].message,
            "The disruption budget web needs 2 healthy pods and has 3 currently");
  EXPECT_FALSE(is_ending("q"));
}

TEST_F(EvictionTest, ABudgetThatWasNotCountedYetAsksToComeBack) {
  run_pod("p");
  make_budget("web", "", R"({"status":{"disruptionsAllowed":5}})");

  const auto refused = evict("p");

  EXPECT_EQ(text_of(refused), kRefusal);
  EXPECT_EQ(refused.error().retry_after_s, 10);
  EXPECT_EQ(refused.error().fields[0].message,
            "The disruption budget web is still being processed by the server.");
}

TEST_F(EvictionTest, TwoBudgetsAreOneTooMany) {
  run_pod("p");
  make_budget("a", "", counted(5, 5, 0));
  make_budget("b", "", counted(5, 5, 0));

  EXPECT_EQ(text_of(evict("p")),
            "internal: This pod has more than one PodDisruptionBudget, which the eviction "
            "subresource does not support.");
  EXPECT_FALSE(is_ending("p"));
}

TEST_F(EvictionTest, WhatDoesNotServeNeedsNoBudget) {
  make_budget("web", "", counted(0, 0, 1));
  ASSERT_TRUE(create("pods", "default", pod_json("pending")).ok());
  run_pod("ending");
  ASSERT_TRUE(remove("pods", "default", "ending").ok());

  EXPECT_EQ(text_of(evict("pending")), "ok");
  EXPECT_EQ(text_of(evict("ending")), "ok");
}

struct UnhealthyRow {
  std::string_view name;
  std::string_view spec;
  int healthy;
  bool goes;
};

void PrintTo(const UnhealthyRow& row, std::ostream* out) {
  *out << row.name;
}

class UnhealthyTest : public EvictionTest, public testing::WithParamInterface<UnhealthyRow> {};

TEST_P(UnhealthyTest, GoesByThePolicy) {
  const auto& row = GetParam();
  run_pod("p", false);
  make_budget("web", std::string(row.spec), counted(0, row.healthy, 2));

  EXPECT_EQ(evict("p").ok(), row.goes);
  EXPECT_EQ(budget_status("web")["disruptionsAllowed"].integer(), 0);
}

constexpr auto kUnhealthyRows = std::to_array<UnhealthyRow>({
    {"enough_are_healthy", "", 2, true},
    {"too_few_are_healthy", "", 1, false},
    {"if_healthy_budget", R"(,"unhealthyPodEvictionPolicy":"IfHealthyBudget")", 1, false},
    {"always_allow", R"(,"unhealthyPodEvictionPolicy":"AlwaysAllow")", 1, true},
});
INSTANTIATE_TEST_SUITE_P(Table,
                         UnhealthyTest,
                         testing::ValuesIn(kUnhealthyRows),
                         [](const auto& row) { return std::string{row.param.name}; });

TEST_F(EvictionTest, DryRunAsksAndChangesNothing) {
  run_pod("p");
  make_budget("web", "", counted(1, 3, 2));

  EXPECT_EQ(text_of(evict("p", R"(,"deleteOptions":{"dryRun":["All"]})")), "ok");

  EXPECT_FALSE(is_ending("p"));
  EXPECT_EQ(budget_status("web")["disruptionsAllowed"].integer(), 1);
}

TEST_F(EvictionTest, RefusesWhatDoesNotFit) {
  run_pod("p");

  EXPECT_EQ(text_of(create_in(on("pods", "p", "eviction"), R"({"metadata":{"name":"q"}})")),
            "malformed: name in URL does not match name in Eviction object");
  EXPECT_THAT(text_of(evict("p", R"(,"deleteOptions":{"preconditions":{"resourceVersion":"1"}})")),
              testing::HasSubstr("the ResourceVersion in the precondition (1) does not match"));
  EXPECT_EQ(text_of(evict("gone")), "not found: pods \"gone\" not found");
}

/// Property: however many ask at once, as many go as the budget allowed.
TEST_F(EvictionTest, ParallelEvictionsNeverTakeMoreThanThereIs) {
  constexpr int kPods = 12;
  constexpr int kAllowed = 5;
  for (int i = 0; i < kPods; ++i) {
    run_pod("p" + std::to_string(i));
  }
  make_budget("web", "", counted(kAllowed, kPods, kPods - kAllowed));

  std::vector<std::future<Result<Stored>>> answers;
  for (int i = 0; i < kPods; ++i) {
    std::promise<Result<Stored>> promise;
    answers.push_back(promise.get_future());
    group_.spawn_on(pool_.strand(), keep(evicting("p" + std::to_string(i)), std::move(promise)));
  }
  int gone = 0;
  for (auto& answer : answers) {
    gone += answer.get().ok() ? 1 : 0;
  }

  EXPECT_EQ(gone, kAllowed);
  int ending = 0;
  for (int i = 0; i < kPods; ++i) {
    ending += is_ending("p" + std::to_string(i)) ? 1 : 0;
  }
  EXPECT_EQ(ending, kAllowed);
  EXPECT_EQ(budget_status("web")["disruptionsAllowed"].integer(), 0);
  EXPECT_EQ(budget_status("web")["disruptedPods"].size(), static_cast<std::size_t>(kAllowed));
}

}  // namespace
}  // namespace tetrarch::registry

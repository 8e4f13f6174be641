// SPDX-License-Identifier: Apache-2.0
#include "reconcile/disruption_budget.h"

#include <array>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/replicaset.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using std::chrono::seconds;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;
using testing::IsEmpty;

const Key kBudget{"poddisruptionbudgets.policy", "ns", "web"};
const Key kSet{"replicasets.apps", "ns", "web"};

std::string budget(std::string_view limit, std::string_view status = "") {
  return fmt::format(
      R"({{"kind":"PodDisruptionBudget","apiVersion":"policy/v1","metadata":{{"name":"web","namespace":"ns"}},)"
      R"("spec":{{{},"selector":{{"matchLabels":{{"app":"web"}}}}}}{}}})",
      limit,
      status);
}

std::string replica_set(int replicas, std::string_view owner = "") {
  return fmt::format(
      R"({{"kind":"ReplicaSet","apiVersion":"apps/v1","metadata":{{"name":"web","namespace":"ns","uid":"rs"{}}},
    "spec":{{"replicas":{},"selector":{{"matchLabels":{{"app":"web"}}}},
      "template":{{"metadata":{{"labels":{{"app":"web"}}}},
                   "spec":{{"containers":[{{"name":"c","image":"i"}}]}}}}}}}})",
      owner,
      replicas);
}

std::string pod(std::string_view name, std::string_view owner = "") {
  return fmt::format(
      R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{}","namespace":"ns","labels":{{"app":"web"}}{}}},"spec":{{}}}})",
      name,
      owner);
}

std::string owned_by(std::string_view uid) {
  return fmt::format(
      R"(,"ownerReferences":[{{"apiVersion":"x/v1","kind":"X","name":"x","uid":"{}","controller":true}}])",
      uid);
}

class DisruptionBudgetTest : public testing::Test {
 protected:
  DisruptionBudgetTest() {
    world_.add(replicaset_controller());
    world_.add(disruption_budget_controller());
  }

  std::int64_t status(std::string_view field) const {
    return world_.integer(kBudget, "status." + std::string(field));
  }

  std::string condition(std::string_view field) const {
    return std::string(world_.get(kBudget)->root().find("status.conditions").at(0)[field].string());
  }

  void run_set(int replicas) {
    world_.create("replicasets.apps", replica_set(replicas));
    ASSERT_TRUE(world_.settle());
    world_.make_all_ready();
    ASSERT_TRUE(world_.settle());
  }

  World world_;
};

struct LimitRow {
  std::string_view name;
  std::string_view limit;
  int replicas;
  std::int64_t desired;
  std::int64_t allowed;
};

void PrintTo(const LimitRow& row, std::ostream* out) {
  *out << row.name;
}

class LimitTest : public DisruptionBudgetTest, public testing::WithParamInterface<LimitRow> {};

TEST_P(LimitTest, AllowsWhatIsHealthyBeyondWhatIsDesired) {
  const auto& row = GetParam();
  run_set(row.replicas);

  world_.create("poddisruptionbudgets.policy", budget(row.limit));
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(status("currentHealthy"), row.replicas);
  EXPECT_EQ(status("expectedPods"), row.replicas);
  EXPECT_EQ(status("desiredHealthy"), row.desired);
  EXPECT_EQ(status("disruptionsAllowed"), row.allowed);
  EXPECT_EQ(status("observedGeneration"), 1);
  EXPECT_EQ(condition("type"), "DisruptionAllowed");
  EXPECT_EQ(condition("status"), row.allowed > 0 ? "True" : "False");
  EXPECT_EQ(condition("reason"), row.allowed > 0 ? "SufficientPods" : "InsufficientPods");
}

constexpr auto kLimitRows = std::to_array<LimitRow>({
    {"min_number", R"("minAvailable":2)", 3, 2, 1},
    {"min_number_above_all", R"("minAvailable":9)", 3, 9, 0},
    {"min_zero", R"("minAvailable":0)", 3, 0, 3},
    {"min_percent_rounds_up", R"("minAvailable":"50%")", 3, 2, 1},
    {"min_all", R"("minAvailable":"100%")", 3, 3, 0},
    {"max_number", R"("maxUnavailable":1)", 3, 2, 1},
    {"max_zero", R"("maxUnavailable":0)", 3, 3, 0},
    {"max_number_above_all", R"("maxUnavailable":9)", 3, 0, 3},
    {"max_percent_rounds_up", R"("maxUnavailable":"30%")", 3, 2, 1},
    {"nothing_expected_allows_nothing", R"("minAvailable":0)", 0, 0, 0},
});
INSTANTIATE_TEST_SUITE_P(Table, LimitTest, testing::ValuesIn(kLimitRows), [](const auto& row) {
  return std::string{row.param.name};
});

TEST_F(DisruptionBudgetTest, CountsPodsThatAreReadyAndStay) {
  run_set(3);
  world_.create("poddisruptionbudgets.policy", budget(R"("minAvailable":1)"));
  ASSERT_TRUE(world_.settle());
  const auto names = world_.names("pods");

  world_.make_ready({"pods", "ns", names[0]}, false);
  world_.remove({"pods", "ns", names[1]});
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(status("currentHealthy"), 1);
  EXPECT_EQ(status("disruptionsAllowed"), 0);
  EXPECT_EQ(condition("reason"), "InsufficientPods");
}

TEST_F(DisruptionBudgetTest, FollowsTheScaleOfTheDeploymentAboveTheSet) {
  world_.create(
      "deployments.apps",
      R"({"kind":"Deployment","apiVersion":"apps/v1","metadata":{"name":"web","namespace":"ns",)"
      R"("uid":"d"},"spec":{"replicas":4}})");
  world_.create("replicasets.apps", replica_set(2, owned_by("d")));
  world_.create("poddisruptionbudgets.policy", budget(R"("maxUnavailable":1)"));
  ASSERT_TRUE(world_.settle());
  world_.make_all_ready();
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(status("expectedPods"), 4);
  EXPECT_EQ(status("desiredHealthy"), 3);
  EXPECT_EQ(status("disruptionsAllowed"), 0);

  world_.change({"deployments.apps", "ns", "web"},
                [](object::TreeObject& root) { root["spec"].as_object()["replicas"] = 2; });
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(status("expectedPods"), 2);
  EXPECT_EQ(status("disruptionsAllowed"), 1);
}

TEST_F(DisruptionBudgetTest, FollowsTheScaleOfAStatefulSet) {
  const Key set{"statefulsets.apps", "ns", "db"};
  world_.create(set.resource,
                R"({"kind":"StatefulSet","apiVersion":"apps/v1","metadata":{"name":"db",)"
                R"("namespace":"ns","uid":"s"},"spec":{"replicas":1}})");
  world_.create("pods", pod("db-0", owned_by("s")));
  world_.make_all_ready();
  world_.create("poddisruptionbudgets.policy", budget(R"("maxUnavailable":1)"));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(status("expectedPods"), 1);
  EXPECT_EQ(status("disruptionsAllowed"), 1);

  world_.change(set, [](object::TreeObject& root) { root["spec"].as_object()["replicas"] = 3; });
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(status("expectedPods"), 3);
  EXPECT_EQ(status("disruptionsAllowed"), 0);
}

TEST_F(DisruptionBudgetTest, AllowsNothingWhereTheScaleIsUnknown) {
  world_.create("pods", pod("a", owned_by("gone")));
  world_.make_all_ready();
  world_.create("poddisruptionbudgets.policy", budget(R"("maxUnavailable":1)"));

  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(status("disruptionsAllowed"), 0);
  EXPECT_EQ(condition("reason"), "SyncFailed");
  EXPECT_EQ(condition("message"), "found no controllers for pod \"a\"");
}

TEST_F(DisruptionBudgetTest, SaysWhichControllersHaveNoScale) {
  world_.create(
      "configmaps",
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"x","namespace":"ns","uid":"x"}})");
  world_.create("pods", pod("a", owned_by("x")));
  world_.create("poddisruptionbudgets.policy", budget(R"("minAvailable":"50%")"));

  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(condition("message"), "configmaps does not implement the scale subresource");
}

TEST_F(DisruptionBudgetTest, CountsPodsOfNobodyOnlyForANumber) {
  world_.create("pods", pod("a"));
  world_.create("pods", pod("b"));
  world_.make_all_ready();
  world_.create("poddisruptionbudgets.policy", budget(R"("minAvailable":1)"));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(status("disruptionsAllowed"), 1);

  world_.change(kBudget,
                [](object::TreeObject& root) { root["spec"].as_object()["minAvailable"] = "50%"; });
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(status("expectedPods"), 0);
  EXPECT_EQ(status("disruptionsAllowed"), 0);
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "UnmanagedPods")));
}

TEST_F(DisruptionBudgetTest, AnAllowedEvictionCountsAsDoneUntilItIsSeenOrGivenUp) {
  run_set(3);
  const auto name = world_.names("pods").front();
  world_.create("poddisruptionbudgets.policy",
                budget(R"("minAvailable":1)",
                       fmt::format(R"(,"status":{{"disruptedPods":{{"{}":"{}"}}}})",
                                   name,
                                   format_time(world_.now()))));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(status("currentHealthy"), 2);
  EXPECT_EQ(status("disruptionsAllowed"), 1);

  world_.advance(seconds(122));
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(status("currentHealthy"), 3);
  EXPECT_EQ(status("disruptionsAllowed"), 2);
  EXPECT_FALSE(world_.get(kBudget)->root().find("status.disruptedPods").exists());
  EXPECT_THAT(world_.notes,
              Contains(Field(&Note::message,
                             "Pod was expected by PDB ns/web to be deleted but it wasn't")));
}

TEST_F(DisruptionBudgetTest, ForgetsAnEvictionThatIsSeen) {
  run_set(2);
  const auto name = world_.names("pods").front();
  world_.create("poddisruptionbudgets.policy",
                budget(R"("minAvailable":1)",
                       fmt::format(R"(,"status":{{"disruptedPods":{{"{}":"{}"}}}})",
                                   name,
                                   format_time(world_.now()))));
  ASSERT_TRUE(world_.settle());

  world_.remove({"pods", "ns", name});
  ASSERT_TRUE(world_.settle());

  EXPECT_FALSE(world_.get(kBudget)->root().find("status.disruptedPods").exists());
}

TEST_F(DisruptionBudgetTest, AnEmptySelectorProtectsAllOfTheNamespace) {
  run_set(2);
  world_.create(
      "poddisruptionbudgets.policy",
      R"({"kind":"PodDisruptionBudget","apiVersion":"policy/v1","metadata":{"name":"web",)"
      R"("namespace":"ns"},"spec":{"minAvailable":1,"selector":{}}})");

  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(status("currentHealthy"), 2);
}

TEST_F(DisruptionBudgetTest, WritesNothingWhenNothingChanged) {
  run_set(2);
  world_.create("poddisruptionbudgets.policy", budget(R"("minAvailable":1)"));
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.plan(*disruption_budget_controller(), kBudget).changes, IsEmpty());
}

/// Whatever order news comes in: at rest the status is what the pods are.
class DisruptionChance : public testing::TestWithParam<unsigned> {};

TEST_P(DisruptionChance, ConvergesUnderLag) {
  World world(GetParam());
  world.add(replicaset_controller());
  world.add(disruption_budget_controller());
  world.create("replicasets.apps", replica_set(4));
  world.create("poddisruptionbudgets.policy", budget(R"("maxUnavailable":"50%")"));
  world.lag(true);

  for (int i = 0; i < 200; ++i) {
    world.progress_a_pod();
    world.deliver(static_cast<int>(world.chance(4)));
    world.step();
  }
  world.lag(false);
  ASSERT_TRUE(world.settle());
  world.make_all_ready();
  world.end_terminating();
  ASSERT_TRUE(world.settle());
  world.make_all_ready();
  ASSERT_TRUE(world.settle());

  EXPECT_EQ(world.integer(kBudget, "status.currentHealthy"), 4);
  EXPECT_EQ(world.integer(kBudget, "status.desiredHealthy"), 2);
  EXPECT_EQ(world.integer(kBudget, "status.disruptionsAllowed"), 2);
}

INSTANTIATE_TEST_SUITE_P(Seeds, DisruptionChance, testing::Range(1U, 21U));

}  // namespace
}  // namespace tetrarch::reconcile

// SPDX-License-Identifier: Apache-2.0
#include "reconcile/deployment_rollout.h"

#include <numeric>
#include <random>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::reconcile {
namespace {

using Sizes = std::vector<std::int64_t>;

/// Sets as {replicas, available}, the last is the new one unless `newest` says otherwise (-1:
/// none).
struct StepRow {
  std::string_view name;
  std::int64_t desired;
  std::int64_t surge;
  std::int64_t unavailable;
  std::vector<std::pair<int, int>> sets;
  int newest;
  Sizes expected;
};

void PrintTo(const StepRow& row, std::ostream* out) {
  *out << row.name;
}

RolloutState state_of(const StepRow& row) {
  RolloutState state;
  state.desired = row.desired;
  state.max_surge = row.surge;
  state.max_unavailable = row.unavailable;
  for (const auto& [replicas, available] : row.sets) {
    state.sets.push_back({.replicas = replicas,
                          .available = available,
                          .active = replicas,
                          .max_before = 0,
                          .desired_before = row.desired});
  }
  if (row.newest >= 0) {
    state.newest = static_cast<std::size_t>(row.newest);
  }
  return state;
}

const std::vector<StepRow> kRollingRows = {
    {"grows_into_the_surge", 10, 3, 2, {{10, 10}, {0, 0}}, 1, {10, 3}},
    {"then_drops_what_may_be_unavailable", 10, 3, 2, {{10, 10}, {3, 0}}, 1, {8, 3}},
    {"fills_the_room_that_this_made", 10, 3, 2, {{8, 8}, {3, 0}}, 1, {8, 5}},
    {"waits_while_the_new_pods_are_not_available", 10, 3, 2, {{8, 8}, {5, 0}}, 1, {8, 5}},
    {"goes_on_with_each_available_pod", 10, 3, 2, {{8, 8}, {5, 2}}, 1, {6, 5}},
    {"ends_with_the_last_old_pods", 10, 3, 2, {{2, 2}, {10, 10}}, 1, {0, 10}},
    {"rests_when_all_is_new", 10, 3, 2, {{0, 0}, {10, 10}}, 1, {0, 10}},
    {"without_surge_begins_by_dropping", 3, 0, 1, {{3, 3}, {0, 0}}, 1, {2, 0}},
    {"without_surge_then_grows", 3, 0, 1, {{2, 2}, {0, 0}}, 1, {2, 1}},
    {"without_unavailable_waits_for_the_surge", 3, 1, 0, {{3, 3}, {1, 0}}, 1, {3, 1}},
    {"without_unavailable_swaps_one_by_one", 3, 1, 0, {{3, 3}, {1, 1}}, 1, {2, 1}},
    {"drops_broken_old_pods_first", 4, 1, 1, {{2, 0}, {2, 2}, {1, 0}}, 2, {1, 2, 1}},
    {"drops_of_the_oldest_first", 4, 1, 1, {{2, 2}, {2, 2}, {1, 1}}, 2, {0, 2, 1}},
    {"never_counts_a_pod_that_is_to_go_as_available", 3, 1, 0, {{2, 2}, {2, 1}}, 1, {2, 2}},
    {"a_rollback_grows_the_older_set", 3, 1, 0, {{2, 2}, {1, 0}}, 0, {3, 1}},
    {"shrinks_a_new_set_that_is_too_large", 3, 1, 0, {{0, 0}, {5, 5}}, 1, {0, 3}},
    {"nothing_desired_ends_everything", 0, 1, 0, {{2, 2}, {1, 1}}, 1, {2, 0}},
};

class RollingTest : public testing::TestWithParam<StepRow> {};

TEST_P(RollingTest, TakesTheStep) {
  EXPECT_EQ(next_sizes(state_of(GetParam())), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Table, RollingTest, testing::ValuesIn(kRollingRows), [](const auto& row) {
  return std::string(row.param.name);
});

struct RecreateRow {
  std::string_view name;
  bool has_old_pods;
  std::vector<std::pair<int, int>> sets;
  int newest;
  Sizes expected;
};

void PrintTo(const RecreateRow& row, std::ostream* out) {
  *out << row.name;
}

const std::vector<RecreateRow> kRecreateRows = {
    {"ends_the_old_first", true, {{3, 3}, {0, 0}}, 1, {0, 0}},
    {"waits_for_the_last_old_pod", true, {{0, 0}, {0, 0}}, 1, {0, 0}},
    {"then_makes_all_at_once", false, {{0, 0}, {0, 0}}, 1, {0, 3}},
    {"without_a_new_set_only_ends_the_old", true, {{3, 3}}, -1, {0}},
};

class RecreateTest : public testing::TestWithParam<RecreateRow> {};

TEST_P(RecreateTest, TakesTheStep) {
  auto state = state_of({"", 3, 0, 0, GetParam().sets, GetParam().newest, {}});
  state.is_recreate = true;
  state.has_old_pods = GetParam().has_old_pods;

  EXPECT_EQ(next_sizes(state), GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Table,
                         RecreateTest,
                         testing::ValuesIn(kRecreateRows),
                         [](const auto& row) { return std::string(row.param.name); });

struct ScaleRow {
  std::string_view name;
  std::int64_t desired;
  std::int64_t before;
  std::int64_t surge;
  std::vector<std::pair<int, int>> sets;
  int newest;
  Sizes expected;
};

void PrintTo(const ScaleRow& row, std::ostream* out) {
  *out << row.name;
}

// Source: Kubernetes documentation, "Deployments", "Proportional scaling" (its example is the third
// row).
const std::vector<ScaleRow> kScaleRows = {
    {"one_set_takes_all", 5, 3, 1, {{3, 3}}, 0, {5}},
    {"the_only_active_set_takes_all_though_it_is_old", 5, 3, 1, {{3, 3}, {0, 0}}, 1, {5, 0}},
    {"spreads_five_more_over_two_sets", 15, 10, 3, {{8, 8}, {5, 0}}, 1, {11, 7}},
    {"from_nothing_the_new_set_grows", 4, 0, 1, {{0, 0}, {0, 0}}, 1, {0, 4}},
    {"down_to_nothing_ends_all", 0, 10, 3, {{8, 8}, {5, 0}}, 1, {0, 0}},
    {"shrinks_in_proportion", 5, 10, 2, {{8, 8}, {4, 4}}, 1, {5, 2}},
};

class ScaleTest : public testing::TestWithParam<ScaleRow> {};

TEST_P(ScaleTest, KeepsTheProportions) {
  const auto& row = GetParam();
  auto state = state_of({"", row.desired, row.surge, 0, row.sets, row.newest, {}});
  for (auto& set : state.sets) {
    set.desired_before = row.before;
    set.max_before = row.before + row.surge;
  }

  EXPECT_EQ(scaled_sizes(state), row.expected);
}

INSTANTIATE_TEST_SUITE_P(Table, ScaleTest, testing::ValuesIn(kScaleRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(Rollout, BothBoundsZeroLetOnePodBeUnavailable) {
  EXPECT_EQ(resolve_bounds(0, 0, 3).unavailable, 1);
  EXPECT_EQ(resolve_bounds(0, 0, 0).unavailable, 0);
  EXPECT_EQ(resolve_bounds(1, 0, 3).unavailable, 0);
  EXPECT_EQ(resolve_bounds(1, 9, 3).unavailable, 3);
}

TEST(Rollout, ASetThatSaturatesEndsTheOthersWhenScaled) {
  auto state = state_of({"", 3, 1, 0, {{1, 0}, {3, 3}}, 1, {}});

  EXPECT_TRUE(state.is_saturated());
  EXPECT_EQ(scaled_sizes(state), Sizes({0, 3}));
}

TEST(Rollout, IsScalingWhereAnActiveSetWasSizedForAnother) {
  auto state = state_of({"", 3, 1, 0, {{0, 0}, {3, 3}}, 1, {}});
  EXPECT_FALSE(is_scaling(state));

  state.sets[0].desired_before = 7;  // not active: no matter
  EXPECT_FALSE(is_scaling(state));

  state.sets[1].desired_before = 7;
  EXPECT_TRUE(is_scaling(state));
}

TEST(Rollout, PodsThatAreStillToGoTakeRoom) {
  auto state = state_of({"", 3, 1, 0, {{2, 2}, {1, 1}}, 1, {}});
  EXPECT_EQ(next_sizes(state), Sizes({2, 2}));

  state.sets[0].active = 3;

  EXPECT_EQ(next_sizes(state), Sizes({2, 1}));
}

/// Any state, any bounds: a step keeps both bounds, and steps with pods that get available in
/// between reach the end.
class RolloutChanceTest : public testing::TestWithParam<unsigned> {};

TEST_P(RolloutChanceTest, EveryStepKeepsTheBoundsAndTheEndIsReached) {
  std::mt19937 random(GetParam());
  const auto chance = [&](std::int64_t most) {
    return static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(most + 1));
  };
  RolloutState state;
  state.desired = chance(12);
  const auto bounds = resolve_bounds(chance(4), chance(4), state.desired);
  state.max_surge = bounds.surge;
  state.max_unavailable = bounds.unavailable;
  state.sets.assign(3, {.desired_before = state.desired});
  state.sets[0].replicas = state.desired;
  state.sets[0].available = state.desired;
  state.newest = 1;

  int steps = 0;
  for (bool is_done = false; !is_done && steps < 500; ++steps) {
    if (steps == 5 && chance(1) == 1) {
      state.newest = chance(2);  // another template, or a rollback
    }
    const auto sizes = next_sizes(state);
    const auto total = std::accumulate(sizes.begin(), sizes.end(), std::int64_t{0});
    ASSERT_LE(total, std::max(state.desired + state.max_surge, state.total()));
    std::int64_t available = 0;
    for (std::size_t i = 0; i < sizes.size(); ++i) {
      state.sets[i].replicas = sizes[i];
      state.sets[i].available = std::min(state.sets[i].available, sizes[i]);
      available += state.sets[i].available;
    }
    ASSERT_GE(available, state.desired - state.max_unavailable);
    auto& ready = state.sets[static_cast<std::size_t>(chance(2))];
    ready.available = std::min(ready.replicas, ready.available + chance(2));
    is_done = state.sets[*state.newest].available == state.desired &&
              state.total() == state.desired && steps > 6;
  }

  EXPECT_LT(steps, 500);
}

INSTANTIATE_TEST_SUITE_P(Seeds, RolloutChanceTest, testing::Range(1U, 300U));

}  // namespace
}  // namespace tetrarch::reconcile

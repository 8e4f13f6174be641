// SPDX-License-Identifier: Apache-2.0
#include "control/slow_start.h"

#include <array>
#include <random>
#include <string>
#include <string_view>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::control {
namespace {

using reconcile::Change;

/// "c" a create, "u" an update, "r" a removal; each named by its place.
std::vector<Change> plan_of(std::string_view verbs) {
  std::vector<Change> out;
  for (const char verb : verbs) {
    Change change;
    change.verb = verb == 'c'   ? Change::Verb::create
                  : verb == 'u' ? Change::Verb::update
                                : Change::Verb::remove;
    change.key = Key{"pods", "ns", std::to_string(out.size())};
    out.push_back(std::move(change));
  }
  return out;
}

/// What was tried of a plan, step by step.
struct Carried {
  std::vector<std::size_t> steps;
  std::vector<std::string> names;  ///< in the order of the calls
  std::size_t refused = 0;
  std::size_t creates = 0;  ///< accepted
};

/// Carries a plan out; `is_refused` is asked about each create, with how many were accepted.
template <class IsRefused>
Carried carry_out(std::vector<Change> changes, IsRefused is_refused) {
  Carried out;
  SlowStart pace;
  std::vector<Result<Stored>> results;
  while (true) {
    const auto step = pace.step(std::span<const Change>(changes).subspan(results.size()));
    if (step == 0) {
      EXPECT_EQ(results.size(), changes.size());
      return out;
    }
    out.steps.push_back(step);
    for (std::size_t i = 0; i < step; ++i) {
      const auto& change = changes[results.size()];
      const bool is_create = change.verb == Change::Verb::create;
      out.names.push_back(change.key.name);
      if (is_create && is_refused(out.creates)) {
        ++out.refused;
        results.emplace_back(Error(Code::forbidden, "exceeded quota"));
      } else {
        out.creates += is_create ? 1 : 0;
        results.emplace_back(Stored{});
      }
    }
    pace.settle(changes, results, step);
  }
}

struct StepsRow {
  std::string_view name;
  std::string_view verbs;
  std::size_t quota;  ///< so many creates are accepted
  std::vector<std::size_t> steps;
  std::vector<std::string> left_out;
};

void PrintTo(const StepsRow& row, std::ostream* out) {
  *out << row.name;
}

class SlowStartTest : public testing::TestWithParam<StepsRow> {};

TEST_P(SlowStartTest, DoublesWhileCreatesAreAcceptedAndDropsTheRest) {
  const auto& row = GetParam();

  const auto carried =
      carry_out(plan_of(row.verbs), [&](std::size_t accepted) { return accepted >= row.quota; });

  EXPECT_EQ(carried.steps, row.steps);
  for (const auto& name : row.left_out) {
    EXPECT_THAT(carried.names, testing::Not(testing::Contains(name)));
  }
  EXPECT_EQ(carried.names.size() + row.left_out.size(), row.verbs.size());
}

const StepsRow kSteps[] = {
    {"nothing", "", 9, {}, {}},
    {"no_creates_are_one_step", "uruu", 9, {4}, {}},
    {"one_create_with_its_neighbours", "ucu", 9, {3}, {}},
    {"one_two_four", "ccccccc", 9, {1, 2, 4}, {}},
    {"the_last_step_is_what_is_left", "cccc", 9, {1, 2, 1}, {}},
    {"others_do_not_count", "cuuccuc", 9, {3, 3, 1}, {}},
    {"the_first_is_refused", "cccc", 0, {1}, {"1", "2", "3"}},
    {"others_are_made_though_creates_are_refused", "cccu", 0, {1, 1}, {"1", "2"}},
    {"refused_within_a_step", "ccccccc", 2, {1, 2}, {"3", "4", "5", "6"}},
    {"others_between_keep_their_order", "ccucruc", 1, {1, 5}, {"6"}},
};

INSTANTIATE_TEST_SUITE_P(Table, SlowStartTest, testing::ValuesIn(kSteps), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(SlowStart, FiveHundredRefusedCreatesCostOneCall) {
  const auto carried = carry_out(plan_of(std::string(500, 'c')), [](std::size_t) { return true; });

  EXPECT_EQ(carried.names.size(), 1U);
}

TEST(SlowStart, FiveHundredAcceptedCreatesTakeNineSteps) {
  const auto carried = carry_out(plan_of(std::string(500, 'c')), [](std::size_t) { return false; });

  EXPECT_EQ(carried.creates, 500U);
  EXPECT_EQ(carried.steps.size(), 9U);
}

/// Whatever is refused by chance: in order and once each, all that is no create is made, and
/// refused calls are at most one more than accepted ones.
TEST(SlowStart, RefusedCallsAreBoundedByAcceptedOnes) {
  for (unsigned seed = 1; seed <= 500; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    std::string verbs;
    for (std::size_t count = random() % 60; verbs.size() < count;) {
      verbs += "cccur"[random() % 5];
    }
    const auto changes = plan_of(verbs);
    const auto percent = random() % 101;

    const auto carried = carry_out(changes, [&](std::size_t) { return random() % 100 < percent; });

    EXPECT_LE(carried.refused, carried.creates + 1);
    std::vector<std::string> others;
    for (const auto& name : carried.names) {
      if (verbs[std::stoul(name)] != 'c') {
        others.push_back(name);
      }
    }
    std::vector<std::string> wanted;
    for (const auto& change : changes) {
      if (change.verb != Change::Verb::create) {
        wanted.push_back(change.key.name);
      }
    }
    EXPECT_EQ(others, wanted);
    EXPECT_TRUE(std::is_sorted(
        carried.names.begin(), carried.names.end(), [](const auto& a, const auto& b) {
          return std::stoul(a) < std::stoul(b);
        }));
    EXPECT_TRUE(carried.refused > 0 || carried.names.size() == verbs.size());
  }
}

}  // namespace
}  // namespace tetrarch::control

// SPDX-License-Identifier: Apache-2.0
#include "reconcile/child_name.h"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/pod_state.h"

namespace tetrarch::reconcile {
namespace {

using std::chrono::seconds;

TEST(ChildName, IsTheSameForTheSameSeed) {
  EXPECT_EQ(child_name("web", "uid/1"), child_name("web", "uid/1"));
  EXPECT_NE(child_name("web", "uid/1"), child_name("web", "uid/2"));
}

TEST(ChildName, HasFiveCharactersThatCannotBeMisread) {
  EXPECT_THAT(child_name("web", "uid/1"),
              testing::MatchesRegex("web-[bcdfghjklmnpqrstvwxz2456789]{5}"));
}

TEST(ChildName, ALongPrefixIsCutSoThatTheNameIsALabel) {
  const auto name = child_name(std::string(100, 'a'), "seed");

  EXPECT_EQ(name.size(), 63U);
  EXPECT_EQ(name[57], '-');
}

TEST(ChildName, TenThousandSeedsShareHardlyAnyName) {
  std::set<std::string> names;
  for (int i = 0; i < 10'000; ++i) {
    names.insert(child_name("web", fmt::format("2f1d6c1e-uid/{}", i)));
  }

  // 27^5 names: by the birthday problem three or four pairs are to be expected.
  EXPECT_GT(names.size(), 9'980U);
}

TEST(NameSuffix, IsAsLongAsAskedFor) {
  EXPECT_EQ(name_suffix("seed", 10).size(), 10U);
  EXPECT_EQ(name_suffix("", 5).size(), 5U);
  EXPECT_TRUE(name_suffix("seed", 10).starts_with(name_suffix("seed", 5)));
}

struct StateRow {
  std::string_view name;
  std::string_view pod;
  bool is_active;
  bool is_finished;
  bool is_ready;
};

void PrintTo(const StateRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr StateRow kStateRows[] = {
    {"just_made", R"({"metadata":{}})", true, false, false},
    {"running", R"({"status":{"phase":"Running"}})", true, false, false},
    {"ready",
     R"({"status":{"phase":"Running","conditions":[{"type":"Ready","status":"True"}]}})",
     true,
     false,
     true},
    {"not_ready",
     R"({"status":{"phase":"Running","conditions":[{"type":"Ready","status":"False"}]}})",
     true,
     false,
     false},
    {"ready_of_something_else",
     R"({"status":{"conditions":[{"type":"ContainersReady","status":"True"}]}})",
     true,
     false,
     false},
    {"succeeded", R"({"status":{"phase":"Succeeded"}})", false, true, false},
    {"failed", R"({"status":{"phase":"Failed"}})", false, true, false},
    {"ending",
     R"({"metadata":{"deletionTimestamp":"2026-01-01T00:00:00Z"},"status":{"phase":"Running"}})",
     false,
     false,
     false},
};

class StateTest : public testing::TestWithParam<StateRow> {};

TEST_P(StateTest, IsWhatSeveralControllersAsk) {
  const auto document = Document::parse(GetParam().pod).value();
  const Stored pod{{"pods", "ns", "p"}, Revision{1}, document};

  EXPECT_EQ(is_active(pod), GetParam().is_active);
  EXPECT_EQ(is_finished(views::PodView(pod.root())), GetParam().is_finished);
  EXPECT_EQ(is_ready(views::PodView(pod.root())), GetParam().is_ready);
}

INSTANTIATE_TEST_SUITE_P(Table, StateTest, testing::ValuesIn(kStateRows), [](const auto& row) {
  return std::string(row.param.name);
});

TEST(PodState, IsAvailableSomeTimeAfterItGotReady) {
  const auto pod = [](std::string_view status) {
    return Document::parse(fmt::format(R"({{"status":{{"conditions":[{{"type":"Ready","status":"{}",
                   "lastTransitionTime":"2026-01-01T00:00:10Z"}}]}}}})",
                                       status))
        .value();
  };
  const auto ready = pod("True");
  const auto since = parse_time("2026-01-01T00:00:10Z").value();

  EXPECT_EQ(available_from(views::PodView(ready->root()), 0),
            TimePoint{});  // its clock may be wrong
  EXPECT_EQ(available_from(views::PodView(ready->root()), 30), since + seconds(30));
  EXPECT_EQ(available_from(views::PodView(pod("False")->root()), 0), std::nullopt);
}

TEST(PodState, ItsControllerIsTheOwnerThatIsMarked) {
  const Stored pod{
      {"pods", "ns", "p"},
      Revision{1},
      Document::parse(
          R"({"metadata":{"ownerReferences":[{"uid":"a"},{"uid":"b","controller":true}]}})")
          .value()};
  const Stored stray{{"pods", "ns", "q"}, Revision{1}, Document::parse(R"({})").value()};

  EXPECT_EQ(controller_of(pod).uid(), "b");
  EXPECT_FALSE(controller_of(stray));
}

}  // namespace
}  // namespace tetrarch::reconcile

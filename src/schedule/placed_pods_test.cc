// SPDX-License-Identifier: Apache-2.0
#include "schedule/placed_pods.h"

#include <limits>

#include <fmt/format.h>
#include <gmock/gmock.h>

namespace tetrarch::schedule {
namespace {

PlacedPod a_pod(std::string_view uid, Place place, std::string_view label = "a") {
  PlacedPod out;
  out.document = *Document::parse(fmt::format(
      R"({{"metadata":{{"namespace":"ns","uid":"{}","labels":{{"l":"{}"}}}}}})", uid, label));
  out.place = place;
  return out;
}

std::vector<std::string> uids(const PlacedPods& pods, Place place) {
  std::vector<std::string> out;
  for (const auto* pod : pods.at(place)) {
    out.emplace_back(pod->uid());
  }
  return out;
}

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

TEST(PlacedPods, TheLowestPriorityOfAPlaceIsKnown) {
  PlacedPods pods;
  const auto put = [&](std::string_view uid, std::int32_t priority) {
    auto pod = a_pod(uid, 7);
    pod.priority = priority;
    pods.put(std::move(pod));
  };
  const auto none = std::numeric_limits<std::int32_t>::max();
  EXPECT_EQ(pods.lowest_priority(7), none);

  put("a", 5);
  put("b", 5);
  put("c", -1);
  put("d", 3);
  put("e", 3);
  EXPECT_EQ(pods.lowest_priority(7), -1);
  pods.erase(*pods.find("c"));
  EXPECT_EQ(pods.lowest_priority(7), 3);
  pods.erase(*pods.find("a"));
  pods.erase(*pods.find("b"));
  EXPECT_EQ(pods.lowest_priority(7), 3);
  put("f", 4);
  put("g", 5);
  pods.move(*pods.find("d"), 8);
  pods.erase(*pods.find("e"));
  EXPECT_EQ(pods.lowest_priority(7), 4);
  EXPECT_EQ(pods.lowest_priority(8), 3);
  pods.erase(*pods.find("f"));
  pods.erase(*pods.find("g"));
  EXPECT_EQ(pods.lowest_priority(7), none);
}

TEST(PlacedPods, AreFoundByUidAndByPlace) {
  PlacedPods pods;
  pods.put(a_pod("1", 7));
  pods.put(a_pod("2", 7));
  pods.put(a_pod("3", kNowhere));

  EXPECT_EQ(pods.size(), 3U);
  EXPECT_EQ(pods.find("2")->place, 7U);
  EXPECT_EQ(pods.find("4"), nullptr);
  EXPECT_THAT(uids(pods, 7), UnorderedElementsAre("1", "2"));
  EXPECT_THAT(uids(pods, kNowhere), ElementsAre("3"));
  EXPECT_THAT(uids(pods, 8), IsEmpty());
}

TEST(PlacedPods, LeaveTheListOfTheirPlaceFromItsMiddleItsHeadAndItsEnd) {
  for (const char* gone : {"1", "2", "3"}) {
    PlacedPods pods;
    for (const char* uid : {"1", "2", "3"}) {
      pods.put(a_pod(uid, 5));
    }

    pods.move(*pods.find(gone), 6);

    EXPECT_THAT(uids(pods, 6), ElementsAre(gone));
    EXPECT_EQ(uids(pods, 5).size(), 2U);
    pods.erase(*pods.find(gone));
    EXPECT_THAT(uids(pods, 6), IsEmpty());
    EXPECT_EQ(pods.size(), 2U);
    for (const auto& uid : uids(pods, 5)) {
      pods.erase(*pods.find(uid));
    }
    EXPECT_THAT(uids(pods, 5), IsEmpty());
  }
}

TEST(PlacedPods, AnotherStateOfAPodTakesItsPlace) {
  PlacedPods pods;
  auto& pod = pods.put(a_pod("1", 5));

  pods.renew(pod, a_pod("1", 0, "b").document);

  EXPECT_EQ(pods.find("1"), &pod);
  EXPECT_EQ(pod.labels()["l"].string(), "b");
  EXPECT_THAT(uids(pods, 5), ElementsAre("1"));
  pods.put(a_pod("1", 9));
  EXPECT_EQ(pods.size(), 1U);
  EXPECT_THAT(uids(pods, 5), IsEmpty());
  EXPECT_THAT(uids(pods, 9), ElementsAre("1"));
}

}  // namespace
}  // namespace tetrarch::schedule

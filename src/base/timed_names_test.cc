// SPDX-License-Identifier: Apache-2.0
#include "base/timed_names.h"

#include <algorithm>
#include <vector>

#include <gtest/gtest.h>

namespace tetrarch {
namespace {

TEST(TimedNames, AreInTheOrderOfTimeAndOneMakersNeverMeet) {
  TimedNames names(system_random());
  TimePoint now{std::chrono::hours(490'000)};
  std::vector<std::string> made;
  for (int n = 0; n < 1000; ++n) {
    now += std::chrono::microseconds(n % 3 == 0 ? 700 : 0);
    made.push_back(names.next("web", now));
  }

  EXPECT_TRUE(std::is_sorted(made.begin(), made.end()));
  EXPECT_EQ(std::adjacent_find(made.begin(), made.end()), made.end());
  EXPECT_EQ(made[0].size(), std::string("web.").size() + 16);
}

TEST(TimedNames, OfSeveralMakersKeepTheOrderOfMilliseconds) {
  TimedNames one(system_random());
  TimedNames other(system_random());
  const TimePoint now{std::chrono::hours(490'000)};
  const auto first = one.next("web", now);

  EXPECT_NE(first, other.next("web", now)) << "but for one time in a million";
  EXPECT_LT(first, other.next("web", now + std::chrono::milliseconds(2)));
}

}  // namespace
}  // namespace tetrarch

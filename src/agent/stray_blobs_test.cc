// SPDX-License-Identifier: Apache-2.0
#include "agent/stray_blobs.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reach/blob_times.h"

namespace tetrarch::agent {
namespace {

using std::chrono::minutes;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr TimePoint kStart{std::chrono::hours(24)};

/// That one is kept since then.
std::vector<runtime::ContentInfo> kept(std::string since) {
  runtime::ContentInfo info;
  info.digest = "one";
  info.labels[runtime::kKeptLabel] = std::move(since);
  return {info};
}

TEST(StrayBlobs, StayWhileTheServerMayStillWriteThemDown) {
  StrayBlobs strays;
  ASSERT_THAT(strays.look(kept("t"), {}, kStart), IsEmpty());

  EXPECT_GT(reach::kBlobStrayMax, reach::kBlobCommitMax) << "it waits for another machine so long";
  EXPECT_THAT(strays.look(kept("t"), {}, kStart + reach::kBlobStrayMax - seconds(1)), IsEmpty());
  EXPECT_FALSE(strays.has_any_that_goes_soon());
  EXPECT_THAT(strays.look(kept("t"), {}, kStart + reach::kBlobStrayMax), ElementsAre("one"));
}

TEST(StrayBlobs, GoSoonOnceTheyWereWrittenDownAndAreNoMore) {
  StrayBlobs strays;
  ASSERT_THAT(strays.look(kept("t"), {"one"}, kStart), IsEmpty());

  EXPECT_THAT(strays.look(kept("t"), {}, kStart), IsEmpty()) << "the feed may be late";
  EXPECT_TRUE(strays.has_any_that_goes_soon());
  EXPECT_THAT(strays.look(kept("t"), {}, kStart + minutes(1)), ElementsAre("one"));
}

TEST(StrayBlobs, StayLongWhereTheyWereKeptAgain) {
  StrayBlobs strays;
  ASSERT_THAT(strays.look(kept("t"), {"one"}, kStart), IsEmpty());
  ASSERT_THAT(strays.look(kept("t"), {}, kStart), IsEmpty());

  EXPECT_THAT(strays.look(kept("later"), {}, kStart + minutes(1)), IsEmpty());
  EXPECT_FALSE(strays.has_any_that_goes_soon());
}

TEST(StrayBlobs, OnesThatArePushedAgainAreAsNewAsOthers) {
  StrayBlobs strays;
  ASSERT_THAT(strays.look(kept("t"), {}, kStart), IsEmpty());

  const auto again = kStart + reach::kBlobStrayMax;
  EXPECT_THAT(strays.look(kept("later"), {}, again), IsEmpty());
  EXPECT_THAT(strays.look(kept("later"), {}, again + reach::kBlobStrayMax), ElementsAre("one"));
}

TEST(StrayBlobs, AreNoneWhereTheyAreWantedAgain) {
  StrayBlobs strays;
  ASSERT_THAT(strays.look(kept("t"), {}, kStart), IsEmpty());
  ASSERT_THAT(strays.look(kept("t"), {"one"}, kStart + minutes(14)), IsEmpty());

  EXPECT_THAT(strays.look(kept("t"), {}, kStart + minutes(16)), IsEmpty());
}

}  // namespace
}  // namespace tetrarch::agent

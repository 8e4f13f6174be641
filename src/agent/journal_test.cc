// SPDX-License-Identifier: Apache-2.0
#include "agent/journal.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent {
namespace {

using testing::Contains;
using testing::Not;

TEST(Journal, AsksForWhatIsWished) {
  LogWishes wishes;
  EXPECT_THAT(journal_command("a.service", wishes), Contains("--unit=a.service"));
  EXPECT_THAT(journal_command("a.service", wishes), Contains("--lines=all"));
  EXPECT_THAT(journal_command("a.service", wishes), Not(Contains("--follow")));
  wishes.tail_lines = 2;
  wishes.is_following = true;
  wishes.since = TimePoint{std::chrono::milliseconds(1'500'000'000'250)};
  EXPECT_THAT(journal_command("a.service", wishes), Contains("--lines=2"));
  EXPECT_THAT(journal_command("a.service", wishes), Contains("--follow"));
  EXPECT_THAT(journal_command("a.service", wishes), Contains("--since=@1500000000.250000"));
}

constexpr const char* kLine =
    R"({"__REALTIME_TIMESTAMP":"1500000000250000","MESSAGE":"Hello, world"})";

TEST(Journal, ShowsMessagesWhateverThePiecesAre) {
  JournalFormatter formatter{LogWishes{}};
  const std::string line = std::string(kLine) + "\n";
  EXPECT_EQ(formatter.feed(line.substr(0, 20)), "");
  EXPECT_EQ(formatter.feed(line.substr(20) + line), "Hello, world\nHello, world\n");
  EXPECT_EQ(formatter.feed("{\"MESSAGE\":[104,105,7]}\n"), "hi\a\n");
  EXPECT_EQ(formatter.feed("No journal files were found.\n"), "No journal files were found.\n");
}

TEST(Journal, TimesAndLimitsAreAsForContainers) {
  LogWishes wishes;
  wishes.has_timestamps = true;
  EXPECT_EQ(JournalFormatter(wishes).feed(std::string(kLine) + "\n"),
            "2017-07-14T02:40:00.250000Z Hello, world\n");
  wishes.has_timestamps = false;
  wishes.limit_bytes = 5;
  JournalFormatter limited(wishes);
  EXPECT_EQ(limited.feed(std::string(kLine) + "\n"), "Hello");
  EXPECT_TRUE(limited.is_full());
}

}  // namespace
}  // namespace tetrarch::agent

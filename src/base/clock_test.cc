// SPDX-License-Identifier: Apache-2.0
#include "base/clock.h"

#include <array>
#include <ostream>

#include <gtest/gtest.h>

namespace tetrarch {
namespace {

using std::chrono::microseconds;
using std::chrono::seconds;

struct TimeRow {
  std::string_view name;
  std::string_view text;
  std::int64_t micros;  ///< since 1970
  std::string_view printed;
};

void PrintTo(const TimeRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kTimes = std::to_array<TimeRow>({
    {"epoch", "1970-01-01T00:00:00Z", 0, "1970-01-01T00:00:00.000000Z"},
    {"plain", "2026-11-23T06:13:56Z", 1'795'414'436'000'000, "2026-11-23T06:13:56.000000Z"},
    {"lower_case", "2026-11-23t06:13:56z", 1'795'414'436'000'000, "2026-11-23T06:13:56.000000Z"},
    {"micros", "2026-11-23T06:13:56.123456Z", 1'795'414'436'123'456, "2026-11-23T06:13:56.123456Z"},
    {"short_fraction",
     "2026-11-23T06:13:56.5Z",
     1'795'414'436'500'000,
     "2026-11-23T06:13:56.500000Z"},
    {"nanoseconds_are_cut",
     "2026-11-23T06:13:56.123456999Z",
     1'795'414'436'123'456,
     "2026-11-23T06:13:56.123456Z"},
    {"east", "2026-11-23T07:13:56+01:00", 1'795'414'436'000'000, "2026-11-23T06:13:56.000000Z"},
    {"west", "2026-11-23T00:43:56-05:30", 1'795'414'436'000'000, "2026-11-23T06:13:56.000000Z"},
    {"leap_day", "2024-02-29T23:59:59Z", 1'709'251'199'000'000, "2024-02-29T23:59:59.000000Z"},
    {"leap_second", "2016-12-31T23:59:60Z", 1'483'228'800'000'000, "2017-01-01T00:00:00.000000Z"},
    {"before_the_epoch", "1969-12-31T23:59:59.5Z", -500'000, "1969-12-31T23:59:59.500000Z"},
});

class TimeTest : public testing::TestWithParam<TimeRow> {};

TEST_P(TimeTest, ReadsAndPrintsInUtc) {
  const auto& row = GetParam();

  const auto time = parse_time(row.text);

  ASSERT_TRUE(time.ok()) << time.error().message;
  EXPECT_EQ(time->time_since_epoch(), microseconds(row.micros));
  EXPECT_EQ(format_micro_time(*time), row.printed);
  EXPECT_EQ(*parse_time(format_micro_time(*time)), *time);
}

INSTANTIATE_TEST_SUITE_P(Table, TimeTest, testing::ValuesIn(kTimes), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(Time, IsRefusedWhereItIsNotRfc3339) {
  for (const std::string_view text : {"",
                                      "2026-11-23",
                                      "2026-11-23T06:13:56",
                                      "2026-11-23 06:13:56Z",
                                      "2026-13-01T00:00:00Z",
                                      "2026-02-29T00:00:00Z",
                                      "2026-11-23T24:00:00Z",
                                      "2026-11-23T06:60:00Z",
                                      "2026-11-23T06:13:61Z",
                                      "2026-11-23T-1:13:56Z",
                                      "2026-11-23T-0:13:56Z",
                                      "2026-11-23T06:13:56.Z",
                                      "2026-11-23T06:13:56+1:00",
                                      "2026-11-23T06:13:56+24:00",
                                      "2026-11-23T06:13:56+01:60",
                                      "2026-11-23T06:13:56*01:00",
                                      "2026-11-23T06:13:56Z ",
                                      "+026-11-23T06:13:56Z",
                                      "yesterday"}) {
    const auto time = parse_time(text);
    ASSERT_FALSE(time.ok()) << text;
    EXPECT_EQ(time.error().code, Code::invalid);
    EXPECT_EQ(time.error().message,
              "\"" + std::string(text) + "\" is not an RFC 3339 time such as 2026-11-23T06:13:56Z");
  }
}

TEST(Time, IsPrintedInWholeSecondsForTimestamps) {
  EXPECT_EQ(format_time(TimePoint{seconds(1'795'414'436) + microseconds(999'999)}),
            "2026-11-23T06:13:56Z");
}

TEST(SystemClock, GoesForward) {
  const Clock& clock = system_clock();
  const SteadyPoint first = clock.steady();

  EXPECT_GE(clock.steady(), first);
  EXPECT_GT(clock.now().time_since_epoch(), seconds(0));
}

}  // namespace
}  // namespace tetrarch

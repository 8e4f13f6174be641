// SPDX-License-Identifier: Apache-2.0
#include "base/time_zone.h"

#include <array>
#include <ostream>
#include <string>

#include <gtest/gtest.h>

#include "base/clock.h"

namespace tetrarch {
namespace {

using std::chrono::seconds;
using std::chrono::sys_seconds;

void append_big_endian(std::string& out, std::int64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) {
    out.push_back(static_cast<char>(static_cast<std::uint64_t>(value) >> (8U * unsigned(i))));
  }
}

/// A version 2 file with an empty old part: one type per offset, one transition to each but the
/// first.
std::string zone_file(const std::vector<std::pair<std::int64_t, int>>& transitions,
                      int first_offset,
                      const std::string& footer) {
  const auto header = [](std::size_t times, std::size_t types) {
    std::string out = "TZif2" + std::string(15, '\0');
    for (const std::size_t count :
         {std::size_t{0}, std::size_t{0}, std::size_t{0}, times, types, std::size_t{4}}) {
      append_big_endian(out, static_cast<std::int64_t>(count), 4);
    }
    return out;
  };
  const auto type = [](std::string& out, int offset) {
    append_big_endian(out, offset, 4);
    out += std::string(2, '\0');
  };
  std::string file = header(0, 1);
  type(file, 0);
  file += std::string("UTC\0", 4);
  file += header(transitions.size(), transitions.size() + 1);
  for (const auto& [at, offset] : transitions) {
    append_big_endian(file, at, 8);
  }
  for (std::size_t i = 0; i < transitions.size(); ++i) {
    file.push_back(static_cast<char>(i + 1));
  }
  type(file, first_offset);
  for (const auto& [at, offset] : transitions) {
    type(file, offset);
  }
  return file + std::string("UTC\0", 4) + "\n" + footer + "\n";
}

struct FooterRow {
  std::string_view name;
  std::string_view footer;
  std::string_view time;
  int offset;
};

void PrintTo(const FooterRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kFooters = std::to_array<FooterRow>({
    {"fixed", "<+0530>-5:30", "2026-07-01T00:00:00Z", 19800},
    {"west_winter", "EST5EDT,M3.2.0,M11.1.0", "2026-03-08T06:59:59Z", -18000},
    {"west_summer_begins_at_two", "EST5EDT,M3.2.0,M11.1.0", "2026-03-08T07:00:00Z", -14400},
    {"west_summer_ends_at_two", "EST5EDT,M3.2.0,M11.1.0", "2026-11-01T06:00:00Z", -18000},
    {"last_sunday", "CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T00:59:59Z", 7200},
    {"last_sunday_over", "CET-1CEST,M3.5.0,M10.5.0/3", "2026-10-25T01:00:00Z", 3600},
    {"southern_january", "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-01-15T00:00:00Z", 39600},
    {"southern_july", "AEST-10AEDT,M10.1.0,M4.1.0/3", "2026-07-15T00:00:00Z", 36000},
    {"half_an_hour", "<+1030>-10:30<+11>-11,M10.1.0,M4.1.0", "2026-01-15T00:00:00Z", 39600},
    {"julian_days", "AAA0BBB,J60/0,J300/0", "2024-02-29T12:00:00Z", 0},
    {"julian_days_never_the_29th", "AAA0BBB,J60/0,J300/0", "2024-03-01T00:00:00Z", 3600},
    {"zero_based_days", "AAA0BBB,59/0,300/0", "2024-02-29T00:00:00Z", 3600},
});

class FooterTest : public testing::TestWithParam<FooterRow> {};

TEST_P(FooterTest, SaysWhatHoldsInTheFuture) {
  const auto& row = GetParam();
  const auto zone = TimeZone::parse(zone_file({}, 0, std::string(row.footer)));
  ASSERT_TRUE(zone.ok()) << zone.error().message;

  const auto time = std::chrono::floor<seconds>(*parse_time(row.time));

  EXPECT_EQ(zone->offset_at(time), seconds(row.offset));
}

INSTANTIATE_TEST_SUITE_P(Table, FooterTest, testing::ValuesIn(kFooters), [](const auto& row) {
  return std::string{row.param.name};
});

TEST(TimeZone, FollowsItsTransitions) {
  const auto zone = TimeZone::parse(zone_file({{1000, 3600}, {2000, 7200}}, 60, "X-2"));
  ASSERT_TRUE(zone.ok());

  EXPECT_EQ(zone->offset_at(sys_seconds(seconds(999))), seconds(60));
  EXPECT_EQ(zone->offset_at(sys_seconds(seconds(1000))), seconds(3600));
  EXPECT_EQ(zone->offset_at(sys_seconds(seconds(1999))), seconds(3600));
  EXPECT_EQ(zone->offset_at(sys_seconds(seconds(2000))), seconds(7200));
}

TEST(TimeZone, RefusesWhatIsNoZone) {
  const auto good = zone_file({{1000, 3600}}, 0, "X-1");
  for (std::size_t size = 0; size < good.size() - 6; ++size) {
    EXPECT_FALSE(TimeZone::parse(good.substr(0, size)).ok()) << size;
  }
  for (const auto* footer :
       {"X", "X5Y,M3.2.0", "X5Y,M13.2.0,M11.1.0", "5", "X-1,", "X5Y,M3.6.0,J1"}) {
    EXPECT_FALSE(TimeZone::parse(zone_file({}, 0, footer)).ok()) << footer;
  }
}

TEST(LoadTimeZone, KnowsUtcWithoutADatabase) {
  const auto zone = load_time_zone("Etc/UTC");

  ASSERT_TRUE(zone.ok());
  EXPECT_EQ(zone->offset_at(sys_seconds(seconds(1'800'000'000))), seconds(0));
}

TEST(LoadTimeZone, RefusesNamesThatAreNone) {
  for (const auto* name :
       {"", "Mars/Olympus", "../../etc/passwd", "/etc/passwd", "Europe", "a\nb"}) {
    const auto zone = load_time_zone(name);
    ASSERT_FALSE(zone.ok()) << name;
    EXPECT_EQ(zone.error().message, std::string("unknown time zone ") + name);
  }
}

}  // namespace
}  // namespace tetrarch

// SPDX-License-Identifier: Apache-2.0
#include "object/cron_schedule.h"

#include <array>
#include <ostream>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::object {
namespace {

using std::chrono::hours;
using std::chrono::minutes;
using std::chrono::seconds;

TimePoint at(std::string_view text) {
  return parse_time(text).value();
}

struct NextRow {
  std::string_view name;
  std::string_view line;
  std::string_view after;
  std::string_view next;  ///< "": never
};

void PrintTo(const NextRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kNext = std::to_array<NextRow>({
    {"every_minute", "* * * * *", "2026-11-23T10:00:00Z", "2026-11-23T10:01:00Z"},
    {"a_minute_that_has_begun_is_over",
     "* * * * *",
     "2026-11-23T10:00:59Z",
     "2026-11-23T10:01:00Z"},
    {"steps", "*/15 * * * *", "2026-11-23T10:16:00Z", "2026-11-23T10:30:00Z"},
    {"steps_from_a_number", "5/20 * * * *", "2026-11-23T10:26:00Z", "2026-11-23T10:45:00Z"},
    {"ranges_with_steps", "10-40/10 * * * *", "2026-11-23T10:41:00Z", "2026-11-23T11:10:00Z"},
    {"lists", "0 8,20 * * *", "2026-11-23T10:00:00Z", "2026-11-23T20:00:00Z"},
    {"names", "0 0 * jan mon-wed", "2026-11-23T10:00:00Z", "2027-01-04T00:00:00Z"},
    {"names_in_any_case", "0 0 1 JAN *", "2026-11-23T10:00:00Z", "2027-01-01T00:00:00Z"},
    {"day_of_month_or_of_week", "0 0 24 * sun", "2026-11-23T10:00:00Z", "2026-11-24T00:00:00Z"},
    {"day_of_week_or_of_month", "0 0 1 * thu", "2026-11-23T10:00:00Z", "2026-11-26T00:00:00Z"},
    {"a_star_leaves_the_other", "0 0 * * thu", "2026-11-23T10:00:00Z", "2026-11-26T00:00:00Z"},
    {"a_step_is_no_star", "0 0 */2 * sat", "2026-11-23T10:00:00Z", "2026-11-25T00:00:00Z"},
    {"question_mark", "0 0 ? * ?", "2026-11-23T10:00:00Z", "2026-11-24T00:00:00Z"},
    {"leap_day", "59 23 29 2 *", "2026-11-23T10:00:00Z", "2028-02-29T23:59:00Z"},
    {"never", "0 0 31 2 *", "2026-11-23T10:00:00Z", ""},
    {"names_nothing", ", * * * *", "2026-11-23T10:00:00Z", ""},
    {"yearly", "@yearly", "2026-11-23T10:00:00Z", "2027-01-01T00:00:00Z"},
    {"monthly", "@monthly", "2026-11-23T10:00:00Z", "2026-12-01T00:00:00Z"},
    {"weekly", "@weekly", "2026-11-23T10:00:00Z", "2026-11-29T00:00:00Z"},
    {"daily", "@midnight", "2026-11-23T10:00:00Z", "2026-11-24T00:00:00Z"},
    {"hourly", "@hourly", "2026-11-23T10:00:00Z", "2026-11-23T11:00:00Z"},
    {"every", "@every 1h30m", "2026-11-23T10:00:07Z", "2026-11-23T11:30:07Z"},
});

class NextTest : public testing::TestWithParam<NextRow> {};

TEST_P(NextTest, IsTheFirstTimeAfter) {
  const auto schedule = CronSchedule::parse(GetParam().line);
  ASSERT_TRUE(schedule.ok()) << schedule.error().message;

  const auto next = schedule->next(at(GetParam().after), TimeZone());

  EXPECT_EQ(next ? format_time(*next) : "", GetParam().next);
}

INSTANTIATE_TEST_SUITE_P(Table, NextTest, testing::ValuesIn(kNext), [](const auto& row) {
  return std::string{row.param.name};
});

struct FaultRow {
  std::string_view name;
  std::string_view line;
  std::string_view message;
};

void PrintTo(const FaultRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr auto kFaults = std::to_array<FaultRow>({
    {"empty", "", "empty spec string"},
    {"one_field", "abc", "expected exactly 5 fields, found 1: [abc]"},
    {"six_fields", "* * * * * *", "expected exactly 5 fields, found 6: [* * * * * *]"},
    {"above", "60 * * * *", "end of range (60) above maximum (59): 60"},
    {"below", "* * 0 * *", "beginning of range (0) below minimum (1): 0"},
    {"sunday_is_not_seven", "* * * * 7", "end of range (7) above maximum (6): 7"},
    {"backwards", "* 8-6 * * *", "beginning of range (8) beyond end of range (6): 8-6"},
    {"no_step", "*/0 * * * *", "step of range should be a positive number: */0"},
    {"hyphens", "1-2-3 * * * *", "too many hyphens: 1-2-3"},
    {"slashes", "*/2/3 * * * *", "too many slashes: */2/3"},
    {"words",
     "x * * * *",
     R"(failed to parse int from x: strconv.Atoi: parsing "x": invalid syntax)"},
    {"descriptor", "@sometimes", "unrecognized descriptor: @sometimes"},
    {"duration",
     "@every soon",
     R"(failed to parse duration @every soon: time: invalid duration "soon")"},
});

class FaultTest : public testing::TestWithParam<FaultRow> {};

TEST_P(FaultTest, IsToldInKubernetesWords) {
  const auto schedule = CronSchedule::parse(GetParam().line);

  ASSERT_FALSE(schedule.ok());
  EXPECT_EQ(schedule.error().message, GetParam().message);
}

INSTANTIATE_TEST_SUITE_P(Table, FaultTest, testing::ValuesIn(kFaults), [](const auto& row) {
  return std::string{row.param.name};
});

/// One hour east until a day in March, two until a day in October.
TimeZone berlin() {
  std::string file = "TZif2" + std::string(15, '\0') + std::string(12, '\0') +
                     std::string("\0\0\0\0\0\0\0\1\0\0\0\4", 12) + std::string(6, '\0') +
                     std::string("UTC\0", 4);
  file += file + "\nCET-1CEST,M3.5.0,M10.5.0/3\n";
  return TimeZone::parse(file).value();
}

TEST(CronSchedule, FollowsTheClocksOfAZone) {
  const auto schedule = CronSchedule::parse("30 8 * * *").value();

  EXPECT_EQ(schedule.next(at("2026-01-15T00:00:00Z"), berlin()), at("2026-01-15T07:30:00Z"));
  EXPECT_EQ(schedule.next(at("2026-07-15T00:00:00Z"), berlin()), at("2026-07-15T06:30:00Z"));
}

TEST(CronSchedule, SkipsAnHourThatIsSkippedAndRepeatsOneThatIsRepeated) {
  const auto schedule = CronSchedule::parse("30 2 * * *").value();

  EXPECT_EQ(schedule.next(at("2026-03-28T12:00:00Z"), berlin()), at("2026-03-30T00:30:00Z"));
  const auto once = schedule.next(at("2026-10-24T12:00:00Z"), berlin());
  EXPECT_EQ(once, at("2026-10-25T00:30:00Z"));
  EXPECT_EQ(schedule.next(*once, berlin()), at("2026-10-25T01:30:00Z"));
}

TEST(CronSchedule, ItsLastTimeIsTheOneThatNextLeadsTo) {
  const auto begin = at("2026-11-23T10:00:00Z");
  for (const auto* line :
       {"* * * * *", "*/7 3 * * *", "0 0 1 * *", "5 4 * * sun", "0 12 29 2 *", "@every 11m"}) {
    const auto schedule = CronSchedule::parse(line).value();
    for (const auto apart : {minutes(1), minutes(59), minutes(60 * 25), minutes(60 * 24 * 45)}) {
      std::optional<TimePoint> wanted;
      for (auto next = schedule.next(begin, TimeZone()); next && *next <= begin + apart;
           next = schedule.next(*next, TimeZone())) {
        wanted = next;
      }
      EXPECT_EQ(schedule.last(begin, begin + apart, TimeZone()), wanted)
          << line << " " << apart.count();
    }
  }
}

TEST(CronSchedule, FindsTheLastTimeAfterYearsOfSilence) {
  const auto schedule = CronSchedule::parse("* * * * *").value();

  EXPECT_EQ(schedule.last(at("1990-01-01T00:00:00Z"), at("2026-11-23T10:00:30Z"), TimeZone()),
            at("2026-11-23T10:00:00Z"));
  EXPECT_EQ(schedule.last(at("2026-11-23T10:00:00Z"), at("2026-11-23T10:00:30Z"), TimeZone()),
            std::nullopt);
  EXPECT_EQ(schedule.last(at("2026-11-23T10:00:00Z"), at("2026-11-23T09:00:00Z"), TimeZone()),
            std::nullopt);
}

}  // namespace
}  // namespace tetrarch::object

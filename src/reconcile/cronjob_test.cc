// SPDX-License-Identifier: Apache-2.0
#include "reconcile/cronjob.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/job.h"
#include "reconcile/pod_state.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::Not;
using testing::SizeIs;
using testing::StartsWith;

const Key kCron{"cronjobs.batch", "ns", "tick"};

// The world's clock begins at 2023-11-14T22:13:20Z.
std::string cron_job(std::string_view schedule, std::string_view more = "") {
  return fmt::format(
      R"({{"kind":"CronJob","apiVersion":"batch/v1","metadata":{{"name":"tick","namespace":"ns",
      "uid":"c-uid"}},"spec":{{"schedule":"{}","concurrencyPolicy":"Allow","suspend":false,
      "successfulJobsHistoryLimit":3,"failedJobsHistoryLimit":1{},
      "jobTemplate":{{"metadata":{{"labels":{{"a":"b"}},"annotations":{{"c":"d"}}}},
      "spec":{{"backoffLimit":3}}}}}}}})",
      schedule,
      more);
}

Result<TimeZone> zone_named(std::string_view name) {
  if (name == "UTC") {
    return TimeZone();
  }
  return Error(Code::not_found, fmt::format("unknown time zone {}", name));
}

class CronJobTest : public testing::Test {
 protected:
  CronJobTest() { world_.add(cronjob_controller(&zone_named)); }

  void create(const std::string& json) {
    world_.create("cronjobs.batch", json);
    settle();
  }

  void settle() { ASSERT_TRUE(world_.settle()); }

  void wait(int how_long) {
    world_.advance(seconds(how_long));
    settle();
  }

  std::vector<std::string> jobs() const { return world_.names("jobs.batch"); }

  void end(const std::string& name, bool is_success = true) {
    world_.change({"jobs.batch", "ns", name}, [&](TreeObject& root) {
      TreeObject status{{"startTime", format_time(world_.now())},
                        {"conditions",
                         TreeArray{TreeObject{{"type", is_success ? "Complete" : "Failed"},
                                              {"status", "True"}}}}};
      if (is_success) {
        status["completionTime"] = format_time(world_.now());
      }
      root["status"] = std::move(status);
    });
    settle();
  }

  std::size_t active() const { return world_.get(kCron)->root()["status"]["active"].size(); }

  std::string text(std::string_view field) const {
    return world_.text(kCron, fmt::format("status.{}", field));
  }

  World world_;
};

TEST_F(CronJobTest, MakesAJobAtEachTime) {
  create(cron_job("*/5 * * * *"));
  EXPECT_THAT(jobs(), IsEmpty());
  wait(99);
  EXPECT_THAT(jobs(), IsEmpty()) << "22:14:59";
  wait(1);
  ASSERT_THAT(jobs(), ElementsAre("tick-28333335"));
  const auto& made = *world_.get({"jobs.batch", "ns", "tick-28333335"});
  EXPECT_EQ(
      made.metadata()["annotations"]["batch.kubernetes.io/cronjob-scheduled-timestamp"].string(),
      "2023-11-14T22:15:00Z");
  EXPECT_EQ(made.metadata()["annotations"]["c"].string(), "d");
  EXPECT_EQ(made.metadata()["labels"]["a"].string(), "b");
  EXPECT_EQ(made.root()["spec"]["backoffLimit"].integer(), 3);
  EXPECT_EQ(controller_of(made).uid(), "c-uid");
  EXPECT_EQ(text("lastScheduleTime"), "2023-11-14T22:15:00Z");
  EXPECT_EQ(active(), 1U);
  EXPECT_THAT(world_.notes, Contains(Field(&Note::message, "Created job tick-28333335")));

  end("tick-28333335");
  EXPECT_EQ(active(), 0U);
  EXPECT_EQ(text("lastSuccessfulTime"), "2023-11-14T22:15:00Z");
  wait(300);
  EXPECT_THAT(jobs(), SizeIs(2));
}

TEST_F(CronJobTest, MakesUpForTheLastMissedTimeOnly) {
  create(cron_job("* * * * *"));
  world_.advance(seconds(3600 * 24 * 365));
  settle();

  EXPECT_THAT(jobs(), SizeIs(1));
  EXPECT_EQ(text("lastScheduleTime"), "2024-11-13T22:13:00Z");
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "TooManyMissedTimes")));
}

TEST_F(CronJobTest, MakesUpForNothingBeyondItsDeadline) {
  create(cron_job("0 * * * *", R"(,"startingDeadlineSeconds":60)"));
  world_.advance(seconds(3600));  // 23:13:20: 23:00 is 800 seconds ago
  settle();
  EXPECT_THAT(jobs(), IsEmpty());

  wait(2800 + 30);
  EXPECT_THAT(jobs(), SizeIs(1));
}

TEST_F(CronJobTest, DoesNothingWhileItIsSuspended) {
  create(cron_job("* * * * *"));
  world_.change(kCron, [](TreeObject& root) { root["spec"].as_object()["suspend"] = true; });
  wait(600);

  EXPECT_THAT(jobs(), IsEmpty());
}

TEST_F(CronJobTest, RunsJobsSideBySideOrNotAsItIsTold) {
  create(cron_job("* * * * *"));
  wait(60);
  wait(60);
  EXPECT_THAT(jobs(), SizeIs(2));
  EXPECT_EQ(active(), 2U);

  world_.change(kCron,
                [](TreeObject& root) { root["spec"].as_object()["concurrencyPolicy"] = "Forbid"; });
  wait(60);
  EXPECT_THAT(jobs(), SizeIs(2));
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "JobAlreadyActive")));

  world_.change(
      kCron, [](TreeObject& root) { root["spec"].as_object()["concurrencyPolicy"] = "Replace"; });
  settle();
  EXPECT_THAT(jobs(), SizeIs(1));
  EXPECT_EQ(active(), 1U);
}

TEST_F(CronJobTest, StartsWhatItHeldBackWhenTheOtherIsDone) {
  create(cron_job("* * * * *"));
  world_.change(kCron,
                [](TreeObject& root) { root["spec"].as_object()["concurrencyPolicy"] = "Forbid"; });
  wait(60);
  const auto first = jobs().front();
  wait(120);
  EXPECT_THAT(jobs(), SizeIs(1));
  end(first);

  EXPECT_THAT(jobs(), SizeIs(2));
}

TEST_F(CronJobTest, KeepsAsManyFinishedJobsAsItIsTold) {
  create(cron_job("* * * * *"));
  for (int i = 0; i < 6; ++i) {
    wait(60);
    end(jobs().back(), true);
  }
  EXPECT_THAT(jobs(), SizeIs(3));
  const auto oldest_good = jobs().front();
  for (int i = 0; i < 3; ++i) {
    wait(60);
    end(jobs().back(), false);
  }

  EXPECT_THAT(jobs(), SizeIs(4));
  EXPECT_EQ(jobs().front(), oldest_good);
}

TEST_F(CronJobTest, DoesNotMakeAJobAgainThatIsGoneAlready) {
  create(cron_job("* * * * *"));
  world_.change(
      kCron, [](TreeObject& root) { root["spec"].as_object()["successfulJobsHistoryLimit"] = 0; });
  wait(60);
  end(jobs().front());
  wait(10);

  EXPECT_THAT(jobs(), IsEmpty());
}

TEST_F(CronJobTest, ForgetsJobsThatWentMissing) {
  create(cron_job("*/30 * * * *"));
  wait(1200);
  ASSERT_EQ(active(), 1U);
  world_.vanish({"jobs.batch", "ns", jobs().front()});
  settle();

  EXPECT_EQ(active(), 0U);
  EXPECT_THAT(jobs(), IsEmpty());
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "MissingJob")));
}

TEST_F(CronJobTest, LeavesJobsAloneThatSomebodyMadeFromIt) {
  create(cron_job("0 0 1 1 *"));
  world_.create("jobs.batch",
                R"({"kind":"Job","apiVersion":"batch/v1","metadata":{"name":"mine","namespace":"ns",
      "annotations":{"cronjob.kubernetes.io/instantiate":"manual"},"ownerReferences":[{
      "apiVersion":"batch/v1","kind":"CronJob","name":"tick","uid":"c-uid","controller":true}]}})");
  settle();

  EXPECT_EQ(active(), 0U);
  EXPECT_THAT(world_.notes, Not(Contains(Field(&Note::reason, "UnexpectedJob"))));
}

TEST_F(CronJobTest, SaysWhatItCannotRead) {
  create(cron_job("nonsense"));
  EXPECT_THAT(world_.notes,
              Contains(Field(&Note::message, StartsWith("unparseable schedule: \"nonsense\" : "))));

  world_.change(kCron, [](TreeObject& root) {
    root["spec"].as_object()["schedule"] = "* * * * *";
    root["spec"].as_object()["timeZone"] = "Mars/Olympus";
  });
  wait(120);
  EXPECT_THAT(jobs(), IsEmpty());
  EXPECT_THAT(
      world_.notes,
      Contains(Field(&Note::message,
                     "invalid timeZone: \"Mars/Olympus\": unknown time zone Mars/Olympus")));
}

TEST_F(CronJobTest, AStaleViewPlansTheSameJobAgain) {
  create(cron_job("* * * * *"));
  world_.advance(seconds(60));
  const auto controller = cronjob_controller(&zone_named);

  const auto once = world_.plan(*controller, kCron);
  const auto twice = world_.plan(*controller, kCron);

  ASSERT_THAT(once.changes, SizeIs(1));
  EXPECT_EQ(once.changes[0].key, twice.changes[0].key);
}

TEST_F(CronJobTest, WritesNothingBetweenTwoTimes) {
  create(cron_job("*/5 * * * *"));
  wait(110);
  const auto controller = cronjob_controller(&zone_named);

  const auto plan = world_.plan(*controller, kCron);

  EXPECT_THAT(plan.changes, IsEmpty());
  EXPECT_EQ(plan.look_again, parse_time("2023-11-14T22:20:00Z").value());
}

}  // namespace
}  // namespace tetrarch::reconcile

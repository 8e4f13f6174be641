// SPDX-License-Identifier: Apache-2.0
#include "reconcile/job.h"

#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/children.h"
#include "reconcile/edit.h"
#include "reconcile/job_pods.h"
#include "reconcile/pod_state.h"
#include "reconcile/sweeps.h"
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

const Key kJob{"jobs.batch", "ns", "sum"};

/// A job with `spec` (members, a comma behind each); its pods never restart.
std::string job(std::string_view spec, std::string_view restart = "Never") {
  return fmt::format(
      R"({{"kind":"Job","apiVersion":"batch/v1","metadata":{{"name":"sum","namespace":"ns","uid":"j-uid"}},
      "spec":{{{}"selector":{{"matchLabels":{{"batch.kubernetes.io/controller-uid":"j-uid"}}}},
      "template":{{"metadata":{{"labels":{{"batch.kubernetes.io/controller-uid":"j-uid"}}}},
      "spec":{{"restartPolicy":"{}","containers":[{{"name":"c","image":"i"}}]}}}}}}}})",
      spec,
      restart);
}

constexpr std::string_view kOne =
    R"("parallelism":1,"completions":1,"backoffLimit":2,"completionMode":"NonIndexed",)"
    R"("podReplacementPolicy":"TerminatingOrFailed",)";

std::string indexed(int completions, int parallelism, std::string_view more = "") {
  return job(fmt::format(R"("parallelism":{},"completions":{},"backoffLimit":6,{}
      "completionMode":"Indexed","podReplacementPolicy":"TerminatingOrFailed",)",
                         parallelism,
                         completions,
                         more));
}

class JobTest : public testing::Test {
 protected:
  JobTest() {
    world_.add(job_controller());
    world_.add(ttl_after_finished_controller());
    world_.add(pod_sweep_controller(100, seconds(40)));
    world_.create("nodes", R"({"metadata":{"name":"n1"}})");
  }

  void create(const std::string& json) {
    world_.create("jobs.batch", json);
    settle();
  }

  void settle() { ASSERT_TRUE(world_.settle()); }

  std::vector<Key> active() const {
    std::vector<Key> out;
    for (const auto* pod : world_.list("pods")) {
      if (is_active(*pod)) {
        out.push_back(pod->key);
      }
    }
    return out;
  }

  std::vector<std::int64_t> indexes() const {
    std::vector<std::int64_t> out;
    for (const auto& key : active()) {
      out.push_back(index_of(*world_.get(key)));
    }
    std::sort(out.begin(), out.end());
    return out;
  }

  /// A pod ends with that code.
  void end(const Key& pod, int code) {
    world_.change(pod, [&](TreeObject& root) {
      root["spec"].as_object()["nodeName"] = "n1";
      const TreeObject ended{{"exitCode", code}, {"finishedAt", format_time(world_.now())}};
      root["status"] = TreeObject{
          {"phase", code == 0 ? "Succeeded" : "Failed"},
          {"containerStatuses",
           TreeArray{TreeObject{{"name", "c"}, {"state", TreeObject{{"terminated", ended}}}}}}};
    });
    settle();
  }

  void end_index(std::int64_t index, int code) {
    for (const auto& key : active()) {
      if (index_of(*world_.get(key)) == index) {
        end(key, code);
        return;
      }
    }
    FAIL() << "no pod of index " << index;
  }

  void end_any(int code) {
    ASSERT_THAT(active(), Not(IsEmpty()));
    end(active().front(), code);
  }

  void set(std::string_view field, object::Tree value) {
    world_.change(kJob, [&](TreeObject& root) { root["spec"].as_object()[field] = value; });
    settle();
  }

  void wait(int how_long) {
    world_.advance(seconds(how_long));
    settle();
  }

  /// "Type=Status(reason)" of each condition, in order.
  std::vector<std::string> conditions() const {
    std::vector<std::string> out;
    for (const auto each : world_.get(kJob)->root()["status"]["conditions"].elements()) {
      out.push_back(fmt::format(
          "{}={}({})", each["type"].string(), each["status"].string(), each["reason"].string()));
    }
    return out;
  }

  std::int64_t status(std::string_view field) const {
    return world_.integer(kJob, fmt::format("status.{}", field));
  }

  std::string text(std::string_view field) const {
    return world_.text(kJob, fmt::format("status.{}", field));
  }

  int tracked() const {
    int out = 0;
    for (const auto* pod : world_.list("pods")) {
      out += is_tracked(*pod) ? 1 : 0;
    }
    return out;
  }

  World world_;
};

TEST_F(JobTest, RunsOnePodToItsEnd) {
  create(job(kOne));
  ASSERT_THAT(active(), SizeIs(1));
  const auto& pod = *world_.get(active().front());
  EXPECT_THAT(pod.key.name, testing::MatchesRegex("sum-[bcdfghjklmnpqrstvwxz2456789]{5}"));
  EXPECT_TRUE(is_tracked(pod));
  EXPECT_EQ(status("active"), 1);
  EXPECT_EQ(status("ready"), 0);
  EXPECT_FALSE(text("startTime").empty());

  world_.make_all_ready();
  settle();
  EXPECT_EQ(status("ready"), 1);
  end_any(0);

  EXPECT_THAT(conditions(),
              ElementsAre("SuccessCriteriaMet=True(CompletionsReached)",
                          "Complete=True(CompletionsReached)"));
  EXPECT_EQ(status("succeeded"), 1);
  EXPECT_EQ(status("active"), 0);
  EXPECT_FALSE(text("completionTime").empty());
  EXPECT_EQ(tracked(), 0);
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "Completed")));
}

TEST_F(JobTest, FailsWhenItsPodsFailTooOften) {
  create(job(kOne));
  std::vector<int> pauses;
  for (int i = 0; i < 3; ++i) {
    int waited = 0;
    while (active().empty()) {
      wait(1);
      ++waited;
    }
    pauses.push_back(waited);
    end_any(1);
  }
  EXPECT_THAT(pauses, ElementsAre(0, 10, 20));

  EXPECT_THAT(
      conditions(),
      ElementsAre("FailureTarget=True(BackoffLimitExceeded)", "Failed=True(BackoffLimitExceeded)"));
  EXPECT_EQ(status("failed"), 3);
  EXPECT_EQ(text("completionTime"), "");
  EXPECT_THAT(world_.notes,
              Contains(Field(&Note::message, "Job has reached the specified backoff limit")));
  wait(1000);
  EXPECT_THAT(active(), IsEmpty());
}

TEST_F(JobTest, StartsAtMostAsManyAsAreMissing) {
  create(job(R"("parallelism":3,"completions":4,"backoffLimit":6,)"));
  EXPECT_THAT(active(), SizeIs(3));
  end_any(0);
  EXPECT_THAT(active(), SizeIs(3));
  end_any(0);
  EXPECT_THAT(active(), SizeIs(2));
  set("parallelism", 1);
  EXPECT_THAT(active(), SizeIs(1));
  EXPECT_EQ(status("failed"), 0) << "what the job itself ends is no failure";
  end_any(0);
  end_any(0);

  EXPECT_EQ(status("succeeded"), 4);
  EXPECT_TRUE(is_job_finished(*world_.get(kJob)));
}

TEST_F(JobTest, OfAWorkQueueIsDoneWhenOneHasSucceededAndAllHaveEnded) {
  create(job(R"("parallelism":3,"backoffLimit":6,)"));
  end_any(0);
  EXPECT_THAT(active(), SizeIs(2));
  EXPECT_FALSE(is_job_finished(*world_.get(kJob)));
  end_any(0);
  end_any(0);

  EXPECT_EQ(status("succeeded"), 3);
  EXPECT_TRUE(is_job(*world_.get(kJob), "Complete"));
}

TEST_F(JobTest, GivesEachIndexAPodThatKnowsIt) {
  create(indexed(3, 2));
  EXPECT_THAT(indexes(), ElementsAre(0, 1));
  const auto& pod = *world_.get(active().front());
  EXPECT_THAT(pod.key.name, testing::MatchesRegex("sum-[01]-.....+"));
  EXPECT_EQ(pod.root()["spec"]["hostname"].string(), fmt::format("sum-{}", index_of(pod)));
  EXPECT_EQ(pod.metadata()["labels"][kCompletionIndex].string(),
            pod.metadata()["annotations"][kCompletionIndex].string());
  EXPECT_EQ(pod.root()["spec"]["containers"].at(0)["env"].raw(),
            R"([{"name":"JOB_COMPLETION_INDEX","valueFrom":{"fieldRef":{"apiVersion":"v1",)"
            R"("fieldPath":"metadata.labels['batch.kubernetes.io/job-completion-index']"}}}])");

  end_index(1, 0);
  EXPECT_THAT(indexes(), ElementsAre(0, 2));
  EXPECT_EQ(text("completedIndexes"), "1");
  end_index(0, 0);
  end_index(2, 0);

  EXPECT_EQ(text("completedIndexes"), "0-2");
  EXPECT_EQ(status("succeeded"), 3);
  EXPECT_TRUE(is_job(*world_.get(kJob), "Complete"));
  EXPECT_EQ(tracked(), 0);
}

TEST_F(JobTest, TriesAnIndexAgainUntilItsOwnLimit) {
  create(indexed(2, 2, R"("backoffLimitPerIndex":1,)"));
  end_index(0, 1);
  EXPECT_THAT(indexes(), ElementsAre(1));
  wait(10);
  EXPECT_THAT(indexes(), ElementsAre(0, 1));
  for (const auto& key : active()) {
    const auto& pod = *world_.get(key);
    EXPECT_EQ(pod.metadata()["annotations"][kIndexFailures].string(),
              index_of(pod) == 0 ? "1" : "0");
    EXPECT_EQ(slot_of(pod), index_of(pod) == 0 ? 1 : 0) << "each index counts for itself";
  }
  end_index(0, 1);
  EXPECT_EQ(text("failedIndexes"), "0");
  EXPECT_FALSE(is_job_finished(*world_.get(kJob)));
  end_index(1, 0);

  EXPECT_THAT(conditions(),
              ElementsAre("FailureTarget=True(FailedIndexes)", "Failed=True(FailedIndexes)"));
  EXPECT_EQ(text("completedIndexes"), "1");
  EXPECT_EQ(status("failed"), 2);
  EXPECT_EQ(tracked(), 0);
}

TEST_F(JobTest, FailsWhenTooManyIndexesHave) {
  create(indexed(5, 3, R"("backoffLimitPerIndex":0,"maxFailedIndexes":1,)"));
  end_index(0, 1);
  EXPECT_FALSE(is_job(*world_.get(kJob), "FailureTarget"));
  end_index(1, 1);

  EXPECT_TRUE(is_job(*world_.get(kJob), "FailureTarget"));
  wait(20);  // the one of index 2 never had a node
  EXPECT_THAT(conditions(), Contains("Failed=True(MaxFailedIndexesExceeded)"));
  EXPECT_EQ(text("failedIndexes"), "0,1");
}

TEST_F(JobTest, SucceedsByItsSuccessPolicyAndEndsTheRest) {
  create(indexed(
      4, 4, R"("successPolicy":{"rules":[{"succeededIndexes":"2,3","succeededCount":1}]},)"));
  world_.make_all_ready();
  settle();
  end_index(0, 0);
  EXPECT_THAT(active(), SizeIs(3));
  end_index(3, 0);

  EXPECT_THAT(conditions(), ElementsAre("SuccessCriteriaMet=True(SuccessPolicy)"));
  EXPECT_EQ(status("terminating"), 2);
  EXPECT_THAT(active(), IsEmpty());
  world_.end_terminating();
  settle();
  EXPECT_THAT(conditions(), Contains("Complete=True(SuccessPolicy)"));
  EXPECT_EQ(text("completedIndexes"), "0,3");
  EXPECT_EQ(status("failed"), 0);
  EXPECT_EQ(status("terminating"), 0);
}

struct PolicyRow {
  std::string_view name;
  std::string_view rule;
  int code;
  std::int64_t failed;
  std::string_view condition;  ///< "": none
};

void PrintTo(const PolicyRow& row, std::ostream* out) {
  *out << row.name;
}

class PolicyTest : public JobTest, public testing::WithParamInterface<PolicyRow> {};

TEST_P(PolicyTest, SaysWhatAFailureMeans) {
  const auto& row = GetParam();
  create(job(fmt::format(
      R"("parallelism":1,"completions":1,"backoffLimit":6,"podReplacementPolicy":"Failed",
      "podFailurePolicy":{{"rules":[{}]}},)",
      row.rule)));

  end_any(row.code);

  EXPECT_EQ(status("failed"), row.failed);
  if (row.condition.empty()) {
    EXPECT_THAT(conditions(), IsEmpty());
  } else {
    EXPECT_THAT(conditions(), Contains(std::string(row.condition)));
  }
  EXPECT_EQ(tracked(), 0);
}

INSTANTIATE_TEST_SUITE_P(
    Table,
    PolicyTest,
    testing::Values(
        PolicyRow{"counted",
                  R"({"action":"Count","onExitCodes":{"operator":"In","values":[3]}})",
                  3,
                  1,
                  ""},
        PolicyRow{"ignored",
                  R"({"action":"Ignore","onExitCodes":{"operator":"In","values":[3]}})",
                  3,
                  0,
                  ""},
        PolicyRow{"not_listed",
                  R"({"action":"Ignore","onExitCodes":{"operator":"In","values":[3]}})",
                  4,
                  1,
                  ""},
        PolicyRow{"not_in",
                  R"({"action":"FailJob","onExitCodes":{"operator":"NotIn","values":[3]}})",
                  4,
                  1,
                  "Failed=True(PodFailurePolicy)"},
        PolicyRow{"container",
                  R"({"action":"FailJob","onExitCodes":{"containerName":"other","operator":"In",
                     "values":[3]}})",
                  3,
                  1,
                  ""},
        PolicyRow{"first_rule_wins",
                  R"({"action":"Ignore","onExitCodes":{"operator":"In","values":[3]}},
                     {"action":"FailJob","onExitCodes":{"operator":"In","values":[3]}})",
                  3,
                  0,
                  ""}),
    [](const auto& row) { return std::string(row.param.name); });

TEST_F(JobTest, SaysWhichRuleFailedIt) {
  create(job(R"("parallelism":1,"completions":1,"backoffLimit":6,"podFailurePolicy":{"rules":[
      {"action":"FailJob","onPodConditions":[{"type":"DisruptionTarget","status":"True"}]}]},)"));
  const auto pod = active().front();
  world_.change(pod, [](TreeObject& root) {
    root["status"] = TreeObject{
        {"phase", "Failed"},
        {"conditions", TreeArray{TreeObject{{"type", "DisruptionTarget"}, {"status", "True"}}}}};
  });
  settle();

  const auto condition = world_.get(kJob)->root()["status"]["conditions"].at(1);
  EXPECT_EQ(condition["type"].string(), "Failed");
  EXPECT_EQ(condition["message"].string(),
            fmt::format("Pod ns/{} has condition DisruptionTarget matching FailJob rule at index 0",
                        pod.name));
}

TEST_F(JobTest, CountsRestartsWherePodsRestartByThemselves) {
  create(job(kOne, "OnFailure"));
  const auto restart = [&](int count) {
    world_.change(active().front(), [&](TreeObject& root) {
      root["spec"].as_object()["nodeName"] = "n1";
      root["status"] = TreeObject{
          {"phase", "Running"},
          {"containerStatuses", TreeArray{TreeObject{{"name", "c"}, {"restartCount", count}}}}};
    });
    settle();
  };
  restart(1);
  EXPECT_THAT(conditions(), IsEmpty());
  restart(2);

  EXPECT_THAT(conditions(), ElementsAre("FailureTarget=True(BackoffLimitExceeded)"));
  EXPECT_EQ(status("terminating"), 1);
  world_.end_terminating();
  settle();
  EXPECT_THAT(conditions(), Contains("Failed=True(BackoffLimitExceeded)"));
  EXPECT_EQ(status("failed"), 1);
}

TEST_F(JobTest, EndsAtItsDeadline) {
  create(job(R"("parallelism":2,"completions":2,"backoffLimit":6,"activeDeadlineSeconds":30,)"));
  world_.make_all_ready();
  settle();
  wait(29);
  EXPECT_THAT(active(), SizeIs(2));
  wait(1);

  EXPECT_THAT(conditions(), ElementsAre("FailureTarget=True(DeadlineExceeded)"));
  world_.end_terminating();
  settle();
  EXPECT_THAT(conditions(), Contains("Failed=True(DeadlineExceeded)"));
  EXPECT_EQ(status("failed"), 2);
  EXPECT_EQ(tracked(), 0);
}

TEST_F(JobTest, IsSuspendedAndResumed) {
  create(job(R"("parallelism":2,"completions":2,"backoffLimit":0,"suspend":true,)"));
  EXPECT_THAT(active(), IsEmpty());
  EXPECT_THAT(conditions(), ElementsAre("Suspended=True(JobSuspended)"));
  EXPECT_EQ(text("startTime"), "");

  set("suspend", false);
  EXPECT_THAT(active(), SizeIs(2));
  EXPECT_THAT(conditions(), ElementsAre("Suspended=False(JobResumed)"));
  const auto started = text("startTime");
  world_.make_all_ready();
  wait(5);

  set("suspend", true);
  EXPECT_THAT(active(), IsEmpty());
  world_.end_terminating();
  settle();
  EXPECT_EQ(status("failed"), 0);
  EXPECT_THAT(world_.list("pods"), IsEmpty());
  set("suspend", false);
  EXPECT_NE(text("startTime"), started);
  end_any(0);
  end_any(0);

  EXPECT_TRUE(is_job(*world_.get(kJob), "Complete"));
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "Resumed")));
}

TEST_F(JobTest, ReplacesAPodThatEndsOrOneThatHasEndedAsItIsTold) {
  create(job(kOne));
  world_.make_all_ready();
  settle();
  world_.remove(active().front());
  settle();
  EXPECT_EQ(status("failed"), 1);
  wait(10);
  EXPECT_THAT(active(), SizeIs(1)) << "TerminatingOrFailed does not wait for the end";

  world_.vanish(kJob);
  for (const auto& name : world_.names("pods")) {
    world_.vanish({"pods", "ns", name});
  }
  create(
      job(R"("parallelism":1,"completions":1,"backoffLimit":2,"podReplacementPolicy":"Failed",)"));
  world_.make_all_ready();
  settle();
  world_.remove(active().front());
  wait(100);
  EXPECT_THAT(active(), IsEmpty());
  EXPECT_EQ(status("failed"), 0);
  EXPECT_EQ(status("terminating"), 1);
}

constexpr std::string_view kReplacesFailed =
    R"("parallelism":1,"completions":1,"backoffLimit":2,"podReplacementPolicy":"Failed",)";

TEST_F(JobTest, ReplacesADeletedPodThatNoNodeEverHad) {
  create(job(kReplacesFailed));
  const auto first = active().front();
  world_.remove(first);
  settle();
  EXPECT_EQ(status("terminating"), 1);
  wait(20);

  EXPECT_EQ(world_.get(first), nullptr);
  EXPECT_EQ(status("failed"), 1);
  EXPECT_EQ(status("terminating"), 0);
  wait(10);
  EXPECT_THAT(active(), SizeIs(1));
}

TEST_F(JobTest, ReplacesAPodThatEndsOnANodeOutOfService) {
  create(job(kReplacesFailed));
  const auto first = active().front();
  world_.make_all_ready();
  world_.remove(first);
  wait(100);
  EXPECT_EQ(status("terminating"), 1) << "it may still run there";
  world_.change({"nodes", "", "n1"}, [](TreeObject& root) {
    root["spec"] = TreeObject{{"taints",
                               TreeArray{TreeObject{{"key", "node.kubernetes.io/out-of-service"},
                                                    {"effect", "NoExecute"}}}}};
  });
  wait(20);

  EXPECT_EQ(world_.get(first), nullptr);
  EXPECT_EQ(status("failed"), 1);
  wait(10);
  EXPECT_THAT(active(), SizeIs(1));
}

TEST_F(JobTest, ReplacesAPodWhoseNodeIsGoneAndDoesNotCountItWhereItIsToldSo) {
  create(job(R"("parallelism":1,"completions":1,"backoffLimit":2,"podReplacementPolicy":"Failed",
      "podFailurePolicy":{"rules":[{"action":"Ignore","onPodConditions":[
      {"type":"DisruptionTarget","status":"True"}]}]},)"));
  const auto first = active().front();
  world_.make_all_ready();
  settle();
  world_.vanish({"nodes", "", "n1"});
  wait(60);

  EXPECT_EQ(world_.get(first), nullptr);
  EXPECT_EQ(status("failed"), 0);
  EXPECT_THAT(active(), SizeIs(1));
}

TEST_F(JobTest, DoesNotReplaceAPodThatIsForcedAwayAndStillRuns) {
  create(job(kReplacesFailed));
  world_.make_all_ready();
  settle();
  const auto first = active().front();
  world_.change(first, [&](TreeObject& root) {
    auto& metadata = root["metadata"].as_object();
    metadata["deletionTimestamp"] = format_time(world_.now());
    metadata["deletionGracePeriodSeconds"] = 0;
  });
  wait(100);
  EXPECT_THAT(active(), IsEmpty());

  world_.end_terminating();  // its agent says that it has ended
  settle();
  wait(10);
  EXPECT_THAT(active(), SizeIs(1));
  EXPECT_EQ(status("failed"), 1);
}

TEST_F(JobTest, ForgetsNoPodThatIsDeletedBeforeItIsCounted) {
  create(job(R"("parallelism":2,"completions":2,"backoffLimit":6,)"));
  const auto pod = active().front();
  world_.lag(true);
  world_.change(pod, [](TreeObject& root) { root["status"] = TreeObject{{"phase", "Succeeded"}}; });
  world_.remove(pod);
  EXPECT_NE(world_.get(pod), nullptr) << "its finalizer holds it";
  world_.lag(false);
  settle();

  EXPECT_EQ(status("succeeded"), 1);
  EXPECT_EQ(world_.get(pod), nullptr);
}

TEST_F(JobTest, NotesBeforeItLetsGoAndCountsAfter) {
  create(job(R"("parallelism":1,"completions":2,"backoffLimit":6,)"));
  const auto controller = job_controller();
  const auto pod = active().front();
  world_.change(pod, [](TreeObject& root) { root["status"] = TreeObject{{"phase", "Succeeded"}}; });
  const auto subjects = [&] {
    std::set<std::string> out;
    for (const auto& change : world_.plan(*controller, kJob).changes) {
      if (change.verb == Change::Verb::update) {
        out.insert(change.key.resource);
      }
    }
    return out;
  };

  EXPECT_THAT(subjects(), ElementsAre("jobs.batch"));
  world_.apply(world_.plan(*controller, kJob));
  EXPECT_EQ(status("succeeded"), 0);
  EXPECT_EQ(world_.get(kJob)->root().find("status.uncountedTerminatedPods.succeeded").size(), 1U);
  EXPECT_THAT(subjects(), Contains("pods"));
  world_.apply(world_.plan(*controller, kJob));
  EXPECT_FALSE(is_tracked(*world_.get(pod)));
  world_.apply(world_.plan(*controller, kJob));
  EXPECT_EQ(status("succeeded"), 1);
}

TEST_F(JobTest, LetsPodsGoWhoseJobIsGone) {
  create(job(kOne));
  const auto pod = active().front();
  world_.vanish(kJob);
  settle();

  EXPECT_FALSE(is_tracked(*world_.get(pod)));
}

TEST_F(JobTest, LetsPodsGoThatWereOrphaned) {
  create(job(kOne));
  const auto pod = active().front();
  world_.remove(kJob, Propagation::orphan);
  world_.change(pod,
                [](TreeObject& root) { root["metadata"].as_object().erase("ownerReferences"); });
  settle();

  EXPECT_FALSE(is_tracked(*world_.get(pod)));
}

TEST_F(JobTest, IsLeftAloneWhereAnotherManagesIt) {
  create(job(R"("parallelism":1,"completions":1,"backoffLimit":6,"managedBy":"acme.io/jobs",)"));

  EXPECT_THAT(world_.list("pods"), IsEmpty());
}

TEST_F(JobTest, IsDeletedWhenItsTimeIsOver) {
  create(job(R"("parallelism":1,"completions":1,"backoffLimit":6,"ttlSecondsAfterFinished":60,)"));
  wait(100);
  end_any(0);
  wait(59);
  EXPECT_FALSE(is_terminating(*world_.get(kJob)));
  wait(1);

  EXPECT_TRUE(is_terminating(*world_.get(kJob)));
  EXPECT_EQ(world_.get(kJob)->metadata()["finalizers"].raw(), R"(["foregroundDeletion"])");
}

TEST_F(JobTest, WritesNothingWhenNothingIsToDo) {
  create(indexed(3, 2));
  const auto controller = job_controller();
  EXPECT_THAT(world_.plan(*controller, kJob).changes, IsEmpty());
  end_index(0, 0);
  EXPECT_THAT(world_.plan(*controller, kJob).changes, IsEmpty());
}

/// Pods succeed, fail and are deleted; the job is suspended, resumed and made wider; views lag.
class JobStorm : public testing::TestWithParam<unsigned> {};

TEST_P(JobStorm, CountsEverySuccessOnceAndRunsNoMoreThanItMay) {
  World world(GetParam());
  world.add(job_controller());
  world.add(pod_sweep_controller(100, seconds(40)));
  world.create("nodes", R"({"metadata":{"name":"n"}})");
  const bool is_indexed_job = world.chance(2) == 0;
  const int completions = 8;
  world.create("jobs.batch",
               job(fmt::format(R"("parallelism":3,"completions":{},"backoffLimit":1000,
      "completionMode":"{}","podReplacementPolicy":"{}",)",
                               completions,
                               is_indexed_job ? "Indexed" : "NonIndexed",
                               world.chance(2) == 0 ? "Failed" : "TerminatingOrFailed")));
  world.lag(world.chance(2) == 0);
  std::set<std::string> succeeded;
  std::size_t most = 3;
  world.after_change = [&] {
    std::size_t active = 0;
    std::map<std::int64_t, int> by_index;
    for (const auto* pod : world.list("pods")) {
      active += is_active(*pod) ? 1 : 0;
      if (is_active(*pod) && is_indexed_job) {
        EXPECT_EQ(++by_index[index_of(*pod)], 1) << "seed " << GetParam();
      }
    }
    EXPECT_LE(active, most) << "seed " << GetParam();
  };
  const auto any_active = [&]() -> std::optional<Key> {
    std::vector<Key> keys;
    for (const auto* pod : world.list("pods")) {
      if (is_active(*pod)) {
        keys.push_back(pod->key);
      }
    }
    return keys.empty() ? std::nullopt
                        : std::optional(keys[world.chance(static_cast<unsigned>(keys.size()))]);
  };
  const auto is_over = [&] { return is_job_finished(*world.get(kJob)); };
  for (int i = 0; i < 3000 && !is_over(); ++i) {
    const auto pod = any_active();
    switch (world.chance(10)) {
      case 0:
      case 1:
        if (pod) {
          const bool is_good = world.chance(3) != 0;
          world.change(*pod, [&](TreeObject& root) {
            root["spec"].as_object()["nodeName"] = "n";
            root["status"] = TreeObject{{"phase", is_good ? "Succeeded" : "Failed"}};
          });
          if (is_good) {
            succeeded.emplace(world.get(*pod)->uid());
          }
        }
        break;
      case 2:
        if (pod && world.chance(4) == 0) {
          world.remove(*pod);
        }
        break;
      case 3:
        if (world.chance(5) == 0) {
          world.change(kJob, [&](TreeObject& root) {
            root["spec"].as_object()["suspend"] = world.chance(2) == 0;
          });
        }
        break;
      case 4:
        world.end_terminating();
        break;
      case 5:
        world.advance(seconds(world.chance(200)));
        break;
      default:
        world.deliver(4);
        world.step();
        break;
    }
  }
  world.lag(false);
  world.change(kJob, [](TreeObject& root) { root["spec"].as_object()["suspend"] = false; });
  for (int i = 0; i < 300 && !is_over(); ++i) {
    ASSERT_TRUE(world.settle(20'000));
    if (const auto pod = any_active()) {
      world.change(*pod, [&](TreeObject& root) {
        root["spec"].as_object()["nodeName"] = "n";
        root["status"] = TreeObject{{"phase", "Succeeded"}};
      });
      succeeded.emplace(world.get(*pod)->uid());
    }
    world.end_terminating();
    world.advance(seconds(700));
  }
  ASSERT_TRUE(world.settle(20'000));

  ASSERT_TRUE(is_job(*world.get(kJob), "Complete"))
      << "seed " << GetParam() << ": " << world.get(kJob)->root()["status"].raw();
  const auto counted = world.integer(kJob, "status.succeeded");
  EXPECT_GE(counted, completions);
  EXPECT_LE(counted, static_cast<std::int64_t>(succeeded.size()));
  if (is_indexed_job) {
    EXPECT_EQ(world.text(kJob, "status.completedIndexes"), "0-7");
  }
  for (const auto* pod : world.list("pods")) {
    EXPECT_FALSE(is_tracked(*pod)) << pod->key.name;
  }
  const auto writes = world.writes;
  world.advance(seconds(3600));
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.writes, writes);
}

INSTANTIATE_TEST_SUITE_P(Seeds, JobStorm, testing::Range(1U, 21U));

}  // namespace
}  // namespace tetrarch::reconcile

// SPDX-License-Identifier: Apache-2.0
// The worker's decisions as transcripts: what is seen, what is begun.
#include "agent/plan.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent {
namespace {

using runtime::ContainerState;
using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;

constexpr std::string_view kOne =
    R"({"metadata":{"name":"p","uid":"u"},"spec":{"restartPolicy":"Always",
  "containers":[{"name":"a","image":"i"}],"terminationGracePeriodSeconds":30}})";
constexpr std::string_view kJob =
    R"({"metadata":{"name":"p","uid":"u"},"spec":{"restartPolicy":"Never",
  "initContainers":[{"name":"i","image":"i"},{"name":"s","image":"i","restartPolicy":"Always"}],
  "containers":[{"name":"a","image":"i"}]}})";
constexpr std::string_view kEnding =
    R"({"metadata":{"name":"p","uid":"u","deletionTimestamp":"2026-01-01T00:00:00Z",
  "deletionGracePeriodSeconds":7},"spec":{"containers":[{"name":"a","image":"i"}],
  "initContainers":[{"name":"s","image":"i","restartPolicy":"Always"}]}})";

const TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

/// A pod on the bench: tests say what is seen and read the plan as words.
struct Bench {
  explicit Bench(std::string_view json) : document(*Document::parse(json)) {
    memory.is_prepared = true;
    memory.started = kStart;
  }

  Bench& sandbox(bool is_ready = true) {
    seen.sandbox = runtime::Sandbox{};
    seen.sandbox->id = "sandbox";
    seen.sandbox->is_ready = is_ready;
    return *this;
  }

  Bench& has(const std::string& name,
             ContainerState state,
             int exit_code = 0,
             std::uint32_t attempt = 0) {
    runtime::Container container;
    container.id = name + "-id";
    container.name = name;
    container.sandbox_id = "sandbox";
    container.state = state;
    container.exit_code = exit_code;
    container.attempt = attempt;
    container.started = kStart;
    container.finished = kStart + seconds(1);
    seen.containers[name].current = container;
    memory.containers[name].has_started = state == ContainerState::running;
    return *this;
  }

  std::vector<std::string> words(seconds at = seconds(2)) {
    std::vector<std::string> out;
    last = plan(views::PodView(document->root()), seen, memory, kStart + at);
    for (const auto& action : last.actions) {
      out.push_back(action.key());
    }
    return out;
  }

  DocumentPtr document;
  Observation seen;
  PodMemory memory;
  Plan last;
};

TEST(Plan, PreparesThenMakesTheSandboxThenStartsContainers) {
  Bench bench(kOne);
  bench.memory.is_prepared = false;

  EXPECT_THAT(bench.words(), ElementsAre("prepare"));
  bench.memory.is_prepared = true;
  EXPECT_THAT(bench.words(), ElementsAre("sandbox"));
  bench.sandbox();
  EXPECT_THAT(bench.words(), ElementsAre("start/a"));
  bench.has("a", ContainerState::running);
  EXPECT_THAT(bench.words(), IsEmpty());
}

TEST(Plan, BeginsNoActionThatIsUnderWay) {
  Bench bench(kOne);
  bench.sandbox().memory.busy.insert("start/a");

  EXPECT_THAT(bench.words(), IsEmpty());
}

TEST(Plan, RunsInitContainersInOrderAndWaitsForASidecarToHaveStarted) {
  Bench bench(kJob);
  bench.sandbox();

  EXPECT_THAT(bench.words(), ElementsAre("start/i"));
  bench.has("i", ContainerState::running);
  EXPECT_THAT(bench.words(), IsEmpty());
  bench.has("i", ContainerState::exited, 0);
  EXPECT_THAT(bench.words(), ElementsAre("start/s"));
  bench.has("s", ContainerState::running).memory.containers["s"].has_started = false;
  EXPECT_THAT(bench.words(), IsEmpty());
  bench.memory.containers["s"].has_started = true;
  EXPECT_THAT(bench.words(), ElementsAre("start/a"));
}

TEST(Plan, AFailedInitContainerOfAPodThatNeverRestartsEndsIt) {
  Bench bench(kJob);
  bench.sandbox().has("i", ContainerState::exited, 1);

  EXPECT_THAT(bench.words(), ElementsAre("sandbox-stop"));
}

TEST(Plan, StopsSidecarsOnceTheJobIsDone) {
  Bench bench(kJob);
  bench.sandbox().has("i", ContainerState::exited).has("s", ContainerState::running);
  bench.has("a", ContainerState::exited, 0);

  EXPECT_THAT(bench.words(), ElementsAre("stop/s/s-id/30"));
  bench.has("s", ContainerState::exited, 0);
  EXPECT_THAT(bench.words(), ElementsAre("sandbox-stop"));
  bench.sandbox(false).memory.is_released = true;
  EXPECT_THAT(bench.words(), IsEmpty());
}

TEST(Plan, RestartsAtOnceTheFirstTimeAndThenWaits) {
  Bench bench(kOne);
  bench.sandbox().has("a", ContainerState::exited, 1);

  EXPECT_THAT(bench.words(), ElementsAre("start/a"));
  EXPECT_EQ(bench.last.actions[0].attempt, 1U);
  bench.memory.containers["a"].backoff.restarted(seconds(1));
  EXPECT_THAT(bench.words(), IsEmpty());
  EXPECT_EQ(bench.last.wake, kStart + seconds(1) + seconds(10));
  EXPECT_THAT(bench.words(seconds(11)), ElementsAre("start/a"));
}

TEST(Plan, EndsContainersThenSidecarsThenTheSandboxThenRemoves) {
  Bench bench(kEnding);
  bench.sandbox().has("a", ContainerState::running).has("s", ContainerState::running);

  EXPECT_THAT(bench.words(), ElementsAre("stop/a/a-id/7"));
  bench.memory.busy.insert("stop/a/a-id/7");
  EXPECT_THAT(bench.words(), IsEmpty());
  bench.memory.busy.clear();
  bench.has("a", ContainerState::exited);
  EXPECT_THAT(bench.words(), ElementsAre("stop/s/s-id/7"));
  bench.has("s", ContainerState::exited);
  EXPECT_THAT(bench.words(), ElementsAre("sandbox-stop"));
  bench.sandbox(false);
  EXPECT_THAT(bench.words(), ElementsAre("remove"));
}

TEST(Plan, AShorterGraceIsAnotherStop) {
  Bench bench(kEnding);
  bench.sandbox().has("a", ContainerState::running).memory.busy.insert("stop/a/a-id/30");

  EXPECT_THAT(bench.words(), ElementsAre("stop/a/a-id/7"));
}

TEST(Plan, ADeadSandboxIsReplacedAfterItsContainersHaveEnded) {
  Bench bench(kOne);
  bench.sandbox(false).has("a", ContainerState::running);

  EXPECT_THAT(bench.words(), ElementsAre("stop/a/a-id/30"));
  bench.has("a", ContainerState::exited, 137);
  EXPECT_THAT(bench.words(), ElementsAre("sandbox"));
  EXPECT_EQ(bench.last.actions[0].attempt, 1U);
}

constexpr std::string_view kHeld =
    R"({"metadata":{"name":"p","annotations":{"tetrarch.dev/run-state":"held"}},
    "spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"i"}]}})";
constexpr std::string_view kHeldNoMore =
    R"({"metadata":{"name":"p"},"spec":{"restartPolicy":"Never",
    "containers":[{"name":"a","image":"i"}]}})";

TEST(Plan, AHeldPodNotesItsRootsThenStopsAndKeepsItsSandbox) {
  Bench bench(kHeld);
  bench.sandbox().has("a", ContainerState::running);

  EXPECT_THAT(bench.words(), ElementsAre("keep/a"));
  bench.memory.containers["a"].kept_id = "a-id";
  EXPECT_THAT(bench.words(), ElementsAre("stop/a/a-id/30"));
  bench.has("a", ContainerState::exited, 137);
  EXPECT_THAT(bench.words(), IsEmpty());
}

TEST(Plan, WhatHadEndedForGoodBeforeThePodWasHeldStaysEnded) {
  Bench bench(R"({"metadata":{"name":"p","annotations":{"tetrarch.dev/run-state":"held"}},
    "spec":{"restartPolicy":"OnFailure","containers":[{"name":"a","image":"i"},
      {"name":"b","image":"i"},{"name":"c","image":"i"}]}})");
  bench.sandbox()
      .has("a", ContainerState::exited, 0)
      .has("b", ContainerState::exited, 1)
      .has("c", ContainerState::running);

  EXPECT_THAT(bench.words(), ElementsAre("keep/b", "keep/c"));
}

TEST(Plan, WhatWasHeldGoesOnAtOnceWhateverItsRestartPolicySays) {
  Bench bench(kHeldNoMore);
  bench.sandbox().has("a", ContainerState::exited, 137, 4);
  bench.memory.containers["a"].kept_id = "a-id";
  bench.memory.containers["a"].backoff.adopt(9);

  EXPECT_EQ(outcome_of(views::PodView(bench.document->root()), bench.seen, bench.memory),
            Outcome::open);
  EXPECT_THAT(bench.words(), ElementsAre("start/a"));
  EXPECT_EQ(bench.last.actions[0].attempt, 5U);
}

TEST(Plan, AnAttemptThatWasMadeAndNotStartedIsStillTheHeldOne) {
  Bench bench(kHeldNoMore);
  bench.sandbox().has("a", ContainerState::created, 0, 1);
  auto& attempts = bench.seen.containers["a"];
  attempts.previous = attempts.current;
  attempts.previous->id = "held";
  bench.memory.containers["a"].kept_id = "held";

  EXPECT_TRUE(is_kept(attempts, bench.memory.containers["a"]));
  attempts.current->state = ContainerState::exited;
  EXPECT_FALSE(is_kept(attempts, bench.memory.containers["a"]));
}

TEST(Plan, AContainerThatTheRuntimeLostIsCountedOn) {
  Bench bench(kOne);
  bench.sandbox().memory.containers["a"].restarts_told = 2;

  EXPECT_THAT(bench.words(), ElementsAre("start/a"));
  EXPECT_EQ(bench.last.actions[0].attempt, 3U);
}

TEST(Restarts, AreWhatTheAttemptWasMadeWithElseItsNumber) {
  runtime::Container container;
  container.attempt = 5;
  EXPECT_EQ(restarts_of(container), 5U);
  container.annotations[runtime::kAnnotationRestarts] = "2";
  EXPECT_EQ(restarts_of(container), 2U);
}

TEST(Plan, PausesAndResumesOnce) {
  Bench bench(R"({"metadata":{"name":"p","annotations":{"tetrarch.dev/run-state":"paused"}},
    "spec":{"containers":[{"name":"a","image":"i"}]}})");
  bench.sandbox().has("a", ContainerState::running);

  EXPECT_THAT(bench.words(), ElementsAre("pause/a"));
  bench.memory.containers["a"].is_paused = true;
  EXPECT_THAT(bench.words(), IsEmpty());
}

TEST(Plan, KillsWhatFailedItsProbe) {
  Bench bench(kOne);
  bench.sandbox().has("a", ContainerState::running).memory.containers["a"].kill =
      Reason{"Unhealthy", "probe"};

  EXPECT_THAT(bench.words(), ElementsAre("stop/a/a-id/30"));
  EXPECT_EQ(bench.last.actions[0].why, "probe");
}

TEST(SpecHash, ChangesWithTheImageOnly) {
  const auto hash = [](std::string_view json) {
    const auto document = *Document::parse(json);
    return spec_hash(views::ContainerView(document->root()));
  };

  EXPECT_EQ(hash(R"({"name":"a","image":"x"})"), hash(R"({"name":"a","image":"x","tty":false})"));
  EXPECT_NE(hash(R"({"name":"a","image":"x"})"), hash(R"({"name":"a","image":"y"})"));
}

TEST(Plan, AnEndedPodThatStaysGivesItsMemoryBackOnce) {
  Bench bench(kJob);
  bench.sandbox().has("i", ContainerState::exited).has("a", ContainerState::exited);

  EXPECT_THAT(bench.words(), ElementsAre("sandbox-stop"));
  bench.sandbox(false).memory.busy.insert("refresh");
  EXPECT_THAT(bench.words(), IsEmpty()) << "what writes volumes would mount them again";
  bench.memory.busy.clear();
  EXPECT_THAT(bench.words(), ElementsAre("release"));
  bench.memory.is_released = true;
  EXPECT_THAT(bench.words(), IsEmpty());
}

}  // namespace
}  // namespace tetrarch::agent

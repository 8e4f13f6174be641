// SPDX-License-Identifier: Apache-2.0
#include "agent/status.h"

#include <gtest/gtest.h>

namespace tetrarch::agent {
namespace {

using runtime::ContainerState;
using std::chrono::seconds;

const TimePoint kStart{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}};

struct Bench {
  explicit Bench(std::string_view json) : document(*Document::parse(json)) {
    memory.started = kStart;
    memory.facts.host_ip = "192.0.2.1";
    memory.facts.pod_ip = "10.0.0.2";
    memory.facts.pod_ips = {"10.0.0.2"};
    seen.sandbox = runtime::Sandbox{};
    seen.sandbox->id = "sandbox";
    seen.sandbox->is_ready = true;
  }

  runtime::Container& has(const std::string& name, ContainerState state, int exit_code = 0) {
    runtime::Container container;
    container.id = "id";
    container.sandbox_id = "sandbox";
    container.name = name;
    container.state = state;
    container.exit_code = exit_code;
    container.started = kStart;
    if (state == ContainerState::exited) {
      container.finished = kStart + seconds(3);
    }
    seen.containers[name].current = container;
    return *seen.containers[name].current;
  }

  object::View status(object::View before = {}) {
    last = *Document::parse(
        status_of(views::PodView(document->root()), before, seen, memory, kStart + seconds(5)));
    return last->root();
  }

  object::View condition(std::string_view type) const {
    for (const auto entry : last->root()["conditions"].elements()) {
      if (entry["type"].string() == type) {
        return entry;
      }
    }
    return {};
  }

  DocumentPtr document;
  DocumentPtr last;
  Observation seen;
  PodMemory memory;
};

constexpr std::string_view kPod = R"({"metadata":{"name":"p","namespace":"n","uid":"u"},
  "spec":{"restartPolicy":"Always","containers":[{"name":"a","image":"i"}]}})";
constexpr std::string_view kJob = R"({"metadata":{"name":"p","namespace":"n","uid":"u"},
  "spec":{"restartPolicy":"Never","containers":[{"name":"a","image":"i"}]}})";

TEST(Status, IsPendingWhileContainersAreMade) {
  Bench bench(kPod);

  const auto status = bench.status();

  EXPECT_EQ(status["phase"].string(), "Pending");
  EXPECT_EQ(status["containerStatuses"].at(0).find("state.waiting.reason").string(),
            "ContainerCreating");
  EXPECT_EQ(bench.condition("Ready")["reason"].string(), "ContainersNotReady");
  EXPECT_EQ(bench.condition("Ready")["message"].string(), "containers with unready status: [a]");
  EXPECT_EQ(status["qosClass"].string(), "BestEffort");
}

TEST(Status, AHeldContainerShowsHowItEnded) {
  Bench bench(kJob);
  bench.has("a", ContainerState::exited, 143);
  bench.memory.containers["a"].kept_id = "id";

  const auto status = bench.status();

  EXPECT_EQ(status["phase"].string(), "Running");
  EXPECT_EQ(status["containerStatuses"].at(0).find("state.terminated.exitCode").integer(), 143);
}

TEST(Status, IsRunningAndReadyOnceEveryContainerIs) {
  Bench bench(kPod);
  bench.has("a", ContainerState::running);
  bench.memory.containers["a"].has_started = true;
  bench.memory.containers["a"].is_ready = true;

  const auto status = bench.status();

  EXPECT_EQ(status["phase"].string(), "Running");
  EXPECT_EQ(status["podIP"].string(), "10.0.0.2");
  EXPECT_EQ(bench.condition("Ready")["status"].string(), "True");
  EXPECT_TRUE(status["containerStatuses"].at(0)["ready"].boolean());
  EXPECT_EQ(status["containerStatuses"].at(0)["containerID"].string(), "containerd://id");
}

TEST(Status, ShowsTheBackOffOfACrashLoop) {
  Bench bench(kPod);
  bench.has("a", ContainerState::exited, 2).attempt = 1;
  bench.memory.containers["a"].backoff.restarted(seconds(1));
  bench.memory.containers["a"].backoff.restarted(seconds(1));

  const auto container = bench.status()["containerStatuses"].at(0);

  EXPECT_EQ(container.find("state.waiting.reason").string(), "CrashLoopBackOff");
  EXPECT_EQ(container.find("state.waiting.message").string(),
            "back-off 20s restarting failed container=a pod=p_n(u)");
  EXPECT_EQ(container.find("lastState.terminated.exitCode").integer(), 2);
  EXPECT_EQ(container["restartCount"].integer(), 1);
}

TEST(Status, EndsAsSucceededOrFailedByExitCode) {
  Bench good(kJob);
  good.has("a", ContainerState::exited, 0);
  Bench bad(kJob);
  bad.has("a", ContainerState::exited, 9).reason = "OOMKilled";

  EXPECT_EQ(good.status()["phase"].string(), "Succeeded");
  EXPECT_EQ(good.condition("Ready")["reason"].string(), "PodCompleted");
  EXPECT_EQ(bad.status()["phase"].string(), "Failed");
  EXPECT_EQ(bad.last->root()["containerStatuses"].at(0).find("state.terminated.reason").string(),
            "OOMKilled");
}

constexpr std::string_view kDeleted = R"({"metadata":{"name":"p","namespace":"n","uid":"u",
  "deletionTimestamp":"2026-01-01T00:00:30Z"},
  "spec":{"restartPolicy":"Always","containers":[{"name":"a","image":"i"}]}})";

TEST(Status, ADeletedPodThatNeverRanHasFailed) {
  Bench bench(kDeleted);
  bench.memory.busy.insert("start/a");
  EXPECT_EQ(bench.status()["phase"].string(), "Pending") << "something may just be made";
  bench.memory.containers["a"].is_pulling = true;

  EXPECT_EQ(bench.status()["phase"].string(), "Failed") << "a pull gives up by itself";
  bench.memory.busy.clear();
  bench.has("a", ContainerState::running);
  EXPECT_EQ(bench.status()["phase"].string(), "Running");
  bench.has("a", ContainerState::created);
  EXPECT_EQ(bench.status()["phase"].string(), "Failed");
}

TEST(Status, ADeletedPodStaysAsItEndedWhenItsContainersAreForgotten) {
  Bench bench(kDeleted);
  bench.has("a", ContainerState::exited, 0);
  const auto told = bench.status();
  const auto ended = bench.last;
  EXPECT_EQ(told["phase"].string(), "Succeeded");

  bench.seen.containers.clear();
  EXPECT_EQ(bench.status(ended->root())["phase"].string(), "Succeeded");
  const auto running = *Document::parse(
      R"({"phase":"Running","containerStatuses":[{"name":"a","state":{"terminated":{"exitCode":0}}}]})");
  EXPECT_EQ(bench.status(running->root())["phase"].string(), "Succeeded")
      << "an agent that begins anew knows what was told";
}

TEST(Status, ADeadlineFailsThePodOnceNothingRuns) {
  Bench bench(kPod);
  bench.has("a", ContainerState::running);
  bench.memory.failed = Reason{"DeadlineExceeded", "too long"};

  EXPECT_EQ(bench.status()["phase"].string(), "Running");
  bench.has("a", ContainerState::exited, 137);
  EXPECT_EQ(bench.status()["phase"].string(), "Failed");
  EXPECT_EQ(bench.last->root()["reason"].string(), "DeadlineExceeded");
}

TEST(Status, OfARefusedPodNamesNoContainers) {
  Bench bench(kPod);
  bench.seen.sandbox.reset();
  bench.memory.failed = Reason{"SysctlForbidden", "forbidden sysctl"};

  EXPECT_EQ(bench.status()["phase"].string(), "Failed");
  EXPECT_EQ(bench.last->root()["reason"].string(), "SysctlForbidden");
  EXPECT_EQ(bench.last->root()["containerStatuses"].size(), 0U);
}

TEST(Status, KeepsTransitionTimesAndTheConditionsOfOthers) {
  Bench bench(R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a","image":"i"}]},
    "status":{"conditions":[{"type":"example.com/gate","status":"True"}]}})");
  const auto before = *Document::parse(R"({"conditions":[
    {"type":"Ready","status":"False","lastTransitionTime":"2020-01-01T00:00:00Z"},
    {"type":"example.com/gate","status":"False"}]})");

  bench.status(before->root());

  EXPECT_EQ(bench.condition("Ready")["lastTransitionTime"].string(), "2020-01-01T00:00:00Z");
  EXPECT_EQ(bench.condition("example.com/gate")["status"].string(), "True");
}

TEST(Status, AGateOpensWhenSomebodySaysSo) {
  const std::string gated = R"({"metadata":{"name":"p"},"spec":{"containers":[{"name":"a"}],
    "readinessGates":[{"conditionType":"example.com/gate"}]},"status":{"conditions":[
    {"type":"example.com/gate","status":"True"}]}})";
  Bench bench(gated);
  bench.has("a", ContainerState::running);
  bench.memory.containers["a"].is_ready = true;
  const auto before = *Document::parse(R"({"conditions":[{"type":"Ready","status":"False"}]})");

  bench.status(before->root());

  EXPECT_EQ(bench.condition("Ready")["status"].string(), "True");
}

TEST(Status, IsWrittenBesideTheConditionsThatOthersHaveWrittenMeanwhile) {
  const auto pod = *Document::parse(R"({"kind":"Pod","status":{"phase":"Running","conditions":[
    {"type":"Ready","status":"True"},{"type":"DisruptionTarget","status":"True"}]}})");
  const auto written = with_status(
      pod->root(),
      R"({"phase":"Failed","conditions":[{"type":"Ready","status":"False"},{"type":"old","status":"True"}]})");

  EXPECT_EQ(written->root()["status"].raw(),
            R"({"phase":"Failed","conditions":[{"type":"Ready","status":"False"},)"
            R"({"type":"DisruptionTarget","status":"True"}]})");
}

TEST(Status, IsTheSameWhenNothingChanged) {
  Bench bench(kPod);
  bench.has("a", ContainerState::running);

  const auto first = std::string(bench.status().raw());
  const auto kept = bench.last;

  EXPECT_EQ(std::string(bench.status(kept->root()).raw()), first);
}

}  // namespace
}  // namespace tetrarch::agent

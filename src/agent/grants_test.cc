// SPDX-License-Identifier: Apache-2.0
#include "agent/grants.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace tetrarch::agent {
namespace {

DocumentPtr parse(std::string_view json) {
  return *Document::parse(json);
}

views::PodView view(const DocumentPtr& document) {
  return views::PodView(document->root());
}

constexpr std::string_view kPod =
    R"({"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"1"},"requests":{"cpu":"500m"}}},)"
    R"({"name":"b","resources":{}}],"initContainers":[{"name":"s","restartPolicy":"Always",)"
    R"("resources":{"requests":{"cpu":"100m","memory":"1Gi"}}}]},"status":{}})";

TEST(Grants, OfANewPodAreItsSpec) {
  const auto pod = parse(kPod);

  EXPECT_EQ(told_grants(view(pod)), wanted_grants(view(pod)));
  EXPECT_EQ(wanted_grants(view(pod)).at("b"), "{}");
  EXPECT_EQ(with_grants(pod, wanted_grants(view(pod))), pod) << "nothing to change";
}

TEST(Grants, OfAnEarlierProcessAreInTheStatus) {
  const auto pod = parse(
      R"({"spec":{"containers":[{"name":"a","resources":{"limits":{"cpu":"9"},"requests":{"cpu":"9"}}}]},)"
      R"("status":{"containerStatuses":[{"name":"a","allocatedResources":{"cpu":"2"},)"
      R"("resources":{"limits":{"cpu":"3"},"requests":{"cpu":"1"}}}]}})");

  const auto effective = with_grants(pod, told_grants(view(pod)));

  const auto resources = effective->root()["spec"]["containers"].at(0)["resources"];
  EXPECT_EQ(resources["requests"]["cpu"].string(), "2");
  EXPECT_EQ(resources["limits"]["cpu"].string(), "3");
}

TEST(Amounts, AreComparedByWhatTheyMean) {
  const auto one = parse(R"({"limits":{"cpu":"1"},"requests":{"memory":"1Gi"}})");
  const auto same = parse(R"({"limits":{"cpu":"1000m"},"requests":{"memory":"1024Mi"}})");
  const auto other = parse(R"({"limits":{"cpu":"2"},"requests":{"memory":"1Gi"}})");
  const auto fewer = parse(R"({"requests":{"memory":"1Gi"}})");

  EXPECT_TRUE(same_amounts(one->root(), same->root()));
  EXPECT_FALSE(same_amounts(one->root(), other->root()));
  EXPECT_FALSE(same_amounts(one->root(), fewer->root()));
}

TEST(Amounts, RestartTheContainerWhereItsPolicySaysSo) {
  const auto container = parse(
      R"({"name":"a","resizePolicy":[{"resourceName":"memory","restartPolicy":"RestartContainer"},)"
      R"({"resourceName":"cpu","restartPolicy":"NotRequired"}]})");
  const auto before = parse(R"({"requests":{"cpu":"1","memory":"1Gi"}})");
  const auto more_cpu = parse(R"({"requests":{"cpu":"2","memory":"1Gi"}})");
  const auto more_memory = parse(R"({"requests":{"cpu":"1","memory":"2Gi"}})");
  const views::ContainerView a(container->root());

  EXPECT_FALSE(needs_restart(a, before->root(), more_cpu->root()));
  EXPECT_TRUE(needs_restart(a, before->root(), more_memory->root()));
}

TEST(Room, IsAskedForByAllContainersAndSidecars) {
  const auto asked = request_of(view(parse(kPod)));

  EXPECT_EQ(asked.cpu_milli, 600);
  EXPECT_EQ(asked.memory_bytes, std::int64_t{1} << 30);
}

TEST(Room, ThatTheNodeNeverHasIsInfeasibleAndThatOthersHaveIsWaitedFor) {
  const auto pod = parse(kPod);
  const std::int64_t gi = std::int64_t{1} << 30;

  EXPECT_FALSE(resize_refusal(view(pod), {600, gi}, {0, 0}).has_value());
  const auto never = resize_refusal(view(pod), {500, 2 * gi}, {0, 0});
  EXPECT_EQ(never->reason, "Infeasible");
  EXPECT_EQ(never->message, "Node didn't have enough capacity: cpu, requested: 600, capacity: 500");
  const auto later = resize_refusal(view(pod), {1000, 2 * gi}, {500, 0});
  EXPECT_EQ(later->reason, "Deferred");
  EXPECT_EQ(later->message,
            "Node didn't have enough resource: cpu, requested: 600, used: 500, capacity: 1000");
  EXPECT_EQ(resize_refusal(view(pod), {1000, gi}, {0, 1})->reason, "Deferred");
}

TEST(Larger, KeepsNoLimitAsNone) {
  const runtime::Resources limited{
      .cpu_shares = 10, .cpu_quota_us = 5000, .cpu_period_us = 100'000};
  const runtime::Resources more{
      .cpu_shares = 20, .cpu_quota_us = 9000, .cpu_period_us = 100'000, .memory_limit_bytes = 7};

  EXPECT_EQ(larger(limited, more).cpu_quota_us, 9000);
  EXPECT_EQ(larger(more, limited).cpu_shares, 20);
  EXPECT_EQ(larger(limited, more).memory_limit_bytes, 0);
}

}  // namespace
}  // namespace tetrarch::agent

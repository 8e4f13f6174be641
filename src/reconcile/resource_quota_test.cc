// SPDX-License-Identifier: Apache-2.0
#include "reconcile/resource_quota.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const Key kQuota{"resourcequotas", "ns", "q"};

std::string quota(std::string_view hard, std::string_view status) {
  return fmt::format(
      R"({{"kind":"ResourceQuota","apiVersion":"v1","metadata":{{"name":"q","namespace":"ns"}},)"
      R"("spec":{{"hard":{}}},"status":{}}})",
      hard,
      status);
}

std::string pod(std::string_view name, std::string_view phase = "Running") {
  return fmt::format(
      R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{}","namespace":"ns"}},)"
      R"("spec":{{"containers":[{{"name":"c","resources":{{"requests":{{"cpu":"100m"}}}}}}]}},)"
      R"("status":{{"phase":"{}"}}}})",
      name,
      phase);
}

class ResourceQuotaTest : public testing::Test {
 protected:
  Plan plan() const { return world_.plan(*controller_, kQuota); }

  /// The keys that a change would bring up.
  std::vector<Key> keys_of(const Stored* before, const Stored* after) const {
    std::vector<Key> out;
    const auto& resource = (after != nullptr ? after : before)->key.resource;
    for (const auto& watch : controller_->watches()) {
      if (watch.resource == "*" || watch.resource == resource) {
        watch.keys(world_.mirror(), {.before = before, .after = after}, out);
      }
    }
    return out;
  }

  World world_;
  std::unique_ptr<Controller> controller_ = resource_quota_controller();
};

TEST_F(ResourceQuotaTest, AsksForARecountWhereTheNumberIsNotWhatItSees) {
  world_.create("pods", pod("a"));
  world_.create("pods", pod("done", "Succeeded"));
  world_.create(
      "resourcequotas",
      quota(
          R"({"pods":"5","requests.cpu":"1"})",
          R"({"hard":{"pods":"5","requests.cpu":"1"},"used":{"pods":"2","requests.cpu":"200m"}})"));

  const auto changes = plan().changes;

  ASSERT_THAT(changes, SizeIs(1));
  EXPECT_EQ(changes[0].subresource, "usage");
  EXPECT_EQ(changes[0].document->root().find("status.used").raw(),
            R"({"pods":"1","requests.cpu":"100m"})");
}

TEST_F(ResourceQuotaTest, PlansNothingWhereAllIsRightAndLooksAgainLater) {
  world_.create("pods", pod("a"));
  world_.create("resourcequotas",
                quota(R"({"pods":"5"})", R"({"hard":{"pods":"5"},"used":{"pods":"1"}})"));

  EXPECT_THAT(plan().changes, IsEmpty());
  EXPECT_EQ(plan().look_again, world_.now() + std::chrono::minutes(5));
}

TEST_F(ResourceQuotaTest, AChangedLimitIsTakenOver) {
  world_.create("resourcequotas",
                quota(R"({"pods":"9"})", R"({"hard":{"pods":"5"},"used":{"pods":"0"}})"));

  ASSERT_THAT(plan().changes, SizeIs(1));
}

TEST_F(ResourceQuotaTest, LooksWhenSomethingGoesOrFinishesNotWhenItIsCharged) {
  world_.create("resourcequotas",
                quota(R"({"pods":"5"})", R"({"hard":{"pods":"5"},"used":{"pods":"1"}})"));
  world_.advance(seconds(60));
  const auto running = world_.create("pods", pod("a"));
  const auto finished = world_.create("pods", pod("b", "Failed"));
  const auto map = world_.create(
      "configmaps",
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"m","namespace":"ns"}})");
  const auto charged = *world_.get(kQuota);

  EXPECT_THAT(keys_of(nullptr, &running), IsEmpty());
  EXPECT_THAT(keys_of(&charged, &charged), IsEmpty());
  EXPECT_THAT(keys_of(&running, nullptr), ElementsAre(kQuota));
  EXPECT_THAT(keys_of(&running, &finished), ElementsAre(kQuota));
  EXPECT_THAT(keys_of(&map, nullptr), IsEmpty());
}

TEST_F(ResourceQuotaTest, LooksAtWhatWasOnItsWayWhenTheQuotaCame) {
  world_.create("resourcequotas",
                quota(R"({"pods":"5"})", R"({"hard":{"pods":"5"},"used":{"pods":"0"}})"));
  const auto slipped = world_.create("pods", pod("a"));

  EXPECT_THAT(keys_of(nullptr, &slipped), ElementsAre(kQuota));
}

}  // namespace
}  // namespace tetrarch::reconcile

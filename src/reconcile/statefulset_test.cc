// SPDX-License-Identifier: Apache-2.0
#include "reconcile/statefulset.h"

#include <algorithm>
#include <map>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/pod_state.h"
#include "reconcile/stateful_pods.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeObject;
using std::chrono::seconds;
using testing::Contains;
using testing::ElementsAre;
using testing::Field;
using testing::IsEmpty;
using testing::SizeIs;

const Key kSet{"statefulsets.apps", "ns", "db"};

constexpr std::string_view kParallel = R"(,"podManagementPolicy":"Parallel")";

std::string stateful_set(int replicas, std::string_view more = "") {
  return fmt::format(
      R"({{"kind":"StatefulSet","apiVersion":"apps/v1","metadata":{{"name":"db","namespace":"ns",
      "uid":"s-uid"}},"spec":{{"replicas":{},"serviceName":"peers","revisionHistoryLimit":10,
      "podManagementPolicy":"OrderedReady","updateStrategy":{{"type":"RollingUpdate",
      "rollingUpdate":{{"partition":0}}}},"selector":{{"matchLabels":{{"app":"db"}}}}{},
      "template":{{"metadata":{{"labels":{{"app":"db"}}}},"spec":{{"image":0}}}}}}}})",
      replicas,
      more);
}

Key pod(int number) {
  return {"pods", "ns", fmt::format("db-{}", number)};
}

class StatefulSetTest : public testing::Test {
 protected:
  StatefulSetTest() { world_.add(statefulset_controller()); }

  void create(const std::string& json) {
    world_.create("statefulsets.apps", json);
    settle();
  }

  void settle() { ASSERT_TRUE(world_.settle()); }

  void set(std::string_view field, object::Tree value) {
    world_.change(kSet, [&](TreeObject& root) { root["spec"].as_object()[field] = value; });
    settle();
  }

  void set_image(int image) { set("template", with_image(image)); }

  static object::Tree with_image(int image) {
    return TreeObject{{"metadata", TreeObject{{"labels", TreeObject{{"app", "db"}}}}},
                      {"spec", TreeObject{{"image", image}}}};
  }

  void update(object::Tree strategy) { set("updateStrategy", std::move(strategy)); }

  void ready(int number) {
    world_.make_ready(pod(number));
    settle();
  }

  /// Lets everything happen that the set waits for, one pod after the other.
  void go_on(int rounds = 20) {
    for (int i = 0; i < rounds; ++i) {
      settle();
      world_.end_terminating();
      settle();
      world_.make_all_ready();
    }
    settle();
  }

  std::map<std::string, std::int64_t> images() const {
    std::map<std::string, std::int64_t> out;
    for (const auto* each : world_.list("pods")) {
      out[each->key.name] = each->root()["spec"]["image"].integer();
    }
    return out;
  }

  std::int64_t status(std::string_view field) const {
    return world_.integer(kSet, fmt::format("status.{}", field));
  }

  std::string text(std::string_view field) const {
    return world_.text(kSet, fmt::format("status.{}", field));
  }

  World world_;
};

TEST_F(StatefulSetTest, MakesOnePodAfterTheOtherEachWithANameOfItsOwn) {
  create(stateful_set(3));
  EXPECT_THAT(world_.names("pods"), ElementsAre("db-0"));
  ready(0);
  EXPECT_THAT(world_.names("pods"), ElementsAre("db-0", "db-1"));
  ready(1);
  ready(2);

  const auto& second = *world_.get(pod(1));
  EXPECT_EQ(second.root()["spec"]["hostname"].string(), "db-1");
  EXPECT_EQ(second.root()["spec"]["subdomain"].string(), "peers");
  const auto labels = second.metadata()["labels"];
  EXPECT_EQ(labels["statefulset.kubernetes.io/pod-name"].string(), "db-1");
  EXPECT_EQ(labels["apps.kubernetes.io/pod-index"].string(), "1");
  EXPECT_EQ(labels["controller-revision-hash"].string(), text("currentRevision"));
  EXPECT_EQ(status("readyReplicas"), 3);
  EXPECT_EQ(status("currentReplicas"), 3);
  EXPECT_EQ(status("updatedReplicas"), 3);
  EXPECT_EQ(text("currentRevision"), text("updateRevision"));
  EXPECT_THAT(world_.notes,
              Contains(Field(&Note::message, "create Pod db-1 in StatefulSet db successful")));
}

TEST_F(StatefulSetTest, WaitsUntilAPodHasBeenReadyForLongEnough) {
  create(stateful_set(2, R"(,"minReadySeconds":10)"));
  ready(0);
  EXPECT_THAT(world_.names("pods"), SizeIs(1));
  EXPECT_EQ(status("availableReplicas"), 0);
  world_.advance(seconds(10));
  settle();

  EXPECT_THAT(world_.names("pods"), SizeIs(2));
  EXPECT_EQ(status("availableReplicas"), 1);
}

TEST_F(StatefulSetTest, GoesFromTheHighestNumberDown) {
  create(stateful_set(3));
  go_on();
  set("replicas", 1);
  EXPECT_TRUE(is_terminating(*world_.get(pod(2))));
  EXPECT_FALSE(is_terminating(*world_.get(pod(1)))) << "one at a time";
  world_.end_terminating();
  settle();
  EXPECT_TRUE(is_terminating(*world_.get(pod(1))));
  go_on();

  EXPECT_THAT(world_.names("pods"), ElementsAre("db-0"));
}

TEST_F(StatefulSetTest, WhatIsUnwellHoldsItsShrinking) {
  create(stateful_set(3));
  go_on();
  for (const int number : {1, 2}) {
    world_.make_ready(pod(number), false);
  }
  settle();
  set("replicas", 1);
  EXPECT_FALSE(is_terminating(*world_.get(pod(2)))) << "db-1 is unwell too";

  ready(2);
  EXPECT_TRUE(is_terminating(*world_.get(pod(2))));
  world_.end_terminating();
  settle();

  EXPECT_TRUE(is_terminating(*world_.get(pod(1)))) << "the last that is unwell may go";
}

TEST_F(StatefulSetTest, DoesAllAtOnceWhereItMay) {
  create(stateful_set(3, kParallel));
  EXPECT_THAT(world_.names("pods"), SizeIs(3));
  world_.make_all_ready();
  settle();
  set("replicas", 0);

  for (int i = 0; i < 3; ++i) {
    EXPECT_TRUE(is_terminating(*world_.get(pod(i))));
  }
}

TEST_F(StatefulSetTest, OfThousandsOfMillionsMakesSoManyAtATime) {
  create(stateful_set(0));
  const auto controller = statefulset_controller();
  const auto make = [&](std::string_view policy) {
    world_.change(kSet, [&](TreeObject& root) {
      auto& spec = root["spec"].as_object();
      spec["replicas"] = 2'000'000'000;
      spec["podManagementPolicy"] = policy;
    });
    const auto before = world_.names("pods").size();
    world_.apply(world_.plan(*controller, kSet));
    return world_.names("pods").size() - before;
  };

  EXPECT_EQ(make("OrderedReady"), 1U);
  EXPECT_EQ(make("Parallel"), 250U);
  EXPECT_EQ(make("Parallel"), 250U);
  EXPECT_NE(world_.get(pod(500)), nullptr) << "each number once, from the lowest on";
  EXPECT_EQ(make("OrderedReady"), 0U) << "db-0 is not ready";
}

TEST_F(StatefulSetTest, NumbersFromWhereItIsTold) {
  create(stateful_set(2, R"(,"ordinals":{"start":5})"));
  go_on();
  EXPECT_THAT(world_.names("pods"), ElementsAre("db-5", "db-6"));

  set("ordinals", TreeObject{{"start", 6}});
  go_on();
  EXPECT_THAT(world_.names("pods"), ElementsAre("db-6", "db-7"));
}

TEST_F(StatefulSetTest, MakesALostOrFailedPodAgainUnderItsName) {
  create(stateful_set(2));
  go_on();
  const std::string before(world_.get(pod(0))->uid());
  world_.change(pod(0), [](TreeObject& root) { root["status"] = TreeObject{{"phase", "Failed"}}; });
  go_on();

  EXPECT_THAT(world_.names("pods"), ElementsAre("db-0", "db-1"));
  EXPECT_NE(world_.get(pod(0))->uid(), before);
  EXPECT_THAT(world_.notes, Contains(Field(&Note::reason, "RecreatingFailedPod")));
}

TEST_F(StatefulSetTest, UpdatesFromTheHighestNumberDownWaitingForEach) {
  create(stateful_set(3));
  go_on();
  const auto old = text("currentRevision");
  set_image(1);
  EXPECT_TRUE(is_terminating(*world_.get(pod(2))));
  EXPECT_FALSE(is_terminating(*world_.get(pod(1))));
  world_.end_terminating();
  settle();
  EXPECT_EQ(images()["db-2"], 1);
  EXPECT_FALSE(is_terminating(*world_.get(pod(1)))) << "db-2 is not ready yet";
  EXPECT_EQ(text("currentRevision"), old);
  EXPECT_EQ(status("updatedReplicas"), 1);
  EXPECT_EQ(status("currentReplicas"), 2);
  ready(2);
  EXPECT_TRUE(is_terminating(*world_.get(pod(1))));
  go_on();

  EXPECT_THAT(images(),
              ElementsAre(std::pair("db-0", 1), std::pair("db-1", 1), std::pair("db-2", 1)));
  EXPECT_NE(text("currentRevision"), old);
  EXPECT_EQ(text("currentRevision"), text("updateRevision"));
  EXPECT_EQ(status("currentReplicas"), 3);
}

TEST_F(StatefulSetTest, UpdatesOnlyFromThePartitionOn) {
  create(stateful_set(3));
  go_on();
  world_.change(kSet, [](TreeObject& root) {
    root["spec"].as_object()["updateStrategy"].as_object()["rollingUpdate"] =
        TreeObject{{"partition", 2}};
  });
  set_image(1);
  go_on();
  EXPECT_THAT(images(),
              ElementsAre(std::pair("db-0", 0), std::pair("db-1", 0), std::pair("db-2", 1)));

  // One below the partition that is lost comes back as it was.
  world_.remove(pod(0));
  go_on();
  EXPECT_EQ(images()["db-0"], 0);

  update(TreeObject{{"type", "RollingUpdate"}, {"rollingUpdate", TreeObject{{"partition", 0}}}});
  go_on();
  EXPECT_EQ(images()["db-0"], 1);
}

TEST_F(StatefulSetTest, UpdatesOnDeleteOnlyWhatIsDeleted) {
  create(stateful_set(2));
  go_on();
  update(TreeObject{{"type", "OnDelete"}});
  set_image(1);
  go_on();
  EXPECT_THAT(images(), ElementsAre(std::pair("db-0", 0), std::pair("db-1", 0)));

  world_.remove(pod(1));
  go_on();
  EXPECT_THAT(images(), ElementsAre(std::pair("db-0", 0), std::pair("db-1", 1)));
}

TEST_F(StatefulSetTest, UpdatesAsManyAtATimeAsMayBeMissing) {
  create(stateful_set(4, kParallel));
  go_on();
  world_.change(kSet, [](TreeObject& root) {
    root["spec"].as_object()["updateStrategy"].as_object()["rollingUpdate"] =
        TreeObject{{"partition", 0}, {"maxUnavailable", 2}};
  });
  set_image(1);

  EXPECT_TRUE(is_terminating(*world_.get(pod(3))));
  EXPECT_TRUE(is_terminating(*world_.get(pod(2))));
  EXPECT_FALSE(is_terminating(*world_.get(pod(1))));
  go_on();
  EXPECT_EQ(status("updatedReplicas"), 4);
}

TEST_F(StatefulSetTest, AdoptsPodsThatBearItsNames) {
  world_.create("pods",
                R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"db-0","namespace":"ns",
      "labels":{"app":"db"}},"spec":{"image":0}})");
  world_.create("pods",
                R"({"kind":"Pod","apiVersion":"v1","metadata":{"name":"other","namespace":"ns",
      "labels":{"app":"db"}},"spec":{"image":0}})");
  create(stateful_set(1));

  EXPECT_EQ(controller_of(*world_.get(pod(0))).uid(), "s-uid");
  EXPECT_EQ(world_.get(pod(0))->metadata()["labels"]["apps.kubernetes.io/pod-index"].string(), "0");
  EXPECT_FALSE(controller_of(*world_.get({"pods", "ns", "other"})));
}

TEST_F(StatefulSetTest, WritesNothingWhenNothingIsToDo) {
  create(stateful_set(3));
  go_on();
  const auto controller = statefulset_controller();

  EXPECT_THAT(world_.plan(*controller, kSet).changes, IsEmpty());
}

TEST(OrdinalOf, IsTheNumberBehindTheSetsName) {
  EXPECT_EQ(ordinal_of("db-0", "db"), 0);
  EXPECT_EQ(ordinal_of("db-12", "db"), 12);
  EXPECT_EQ(ordinal_of("db-012", "db"), std::nullopt);
  EXPECT_EQ(ordinal_of("db-x", "db"), std::nullopt);
  EXPECT_EQ(ordinal_of("db-", "db"), std::nullopt);
  EXPECT_EQ(ordinal_of("db--1", "db"), std::nullopt);
  EXPECT_EQ(ordinal_of("dbx-1", "db"), std::nullopt);
  EXPECT_EQ(ordinal_of("db-99999999999999999999", "db"), std::nullopt);
}

TEST(StatefulPods, AreAllThatAreThereAndTheLowestFreeNumbers) {
  World world;
  world.create("statefulsets.apps", stateful_set(2'000'000'000, R"(,"ordinals":{"start":5})"));
  for (const int number : {1'000'000'000, 7, 4, 3}) {
    world.create(
        "pods",
        fmt::format(R"({{"metadata":{{"name":"db-{}","namespace":"ns"}},"spec":{{}}}})", number));
  }

  const auto pods = stateful_pods(*world.get(kSet), world.list("pods"));

  EXPECT_EQ(pods.first, 5);
  ASSERT_THAT(pods.wanted, SizeIs(kStatefulBurst + 2));
  EXPECT_EQ(pods.wanted[0].ordinal, 5);
  EXPECT_EQ(pods.wanted[0].pod, nullptr);
  EXPECT_EQ(pods.wanted[2].pod, world.get(pod(7)));
  EXPECT_EQ(pods.wanted[3].ordinal, 8);
  EXPECT_EQ(pods.wanted[kStatefulBurst].ordinal, 255);
  EXPECT_EQ(pods.wanted.back().pod, world.get(pod(1'000'000'000)));
  ASSERT_THAT(pods.surplus, SizeIs(2));
  EXPECT_EQ(pods.surplus[0].ordinal, 4) << "the highest first";
}

/// Sizes, templates, partitions and first numbers change, pods fail and are deleted, views lag.
class StatefulStorm : public testing::TestWithParam<unsigned> {};

TEST_P(StatefulStorm, EndsWithExactlyItsPodsAndMakesEachOnlyWhenThoseBeforeItAreReady) {
  World world(GetParam());
  world.add(statefulset_controller());
  world.create("statefulsets.apps", stateful_set(3));
  const bool is_lagging = world.chance(2) == 0;
  world.lag(is_lagging);
  std::vector<std::string> before;
  world.after_change = [&] {
    const auto names = world.names("pods");
    const auto first = world.integer(kSet, "spec.ordinals.start");
    for (const auto& name : names) {
      if (is_lagging || std::count(before.begin(), before.end(), name) > 0) {
        continue;
      }
      for (auto number = first; number < ordinal_of(name, "db"); ++number) {
        const auto* lower = world.get({"pods", "ns", fmt::format("db-{}", number)});
        EXPECT_TRUE(lower != nullptr && is_ready(views::PodView(lower->root())))
            << name << ", seed " << GetParam();
      }
    }
    before = names;
  };
  const auto set = [&](std::string_view field, object::Tree value) {
    world.change(kSet, [&](TreeObject& root) { root["spec"].as_object()[field] = value; });
  };
  for (int i = 0; i < 300; ++i) {
    const auto pods = world.list("pods");
    const auto* any = pods.empty() ? nullptr : pods[world.chance(unsigned(pods.size()))];
    const Key key = any == nullptr ? Key{} : any->key;
    switch (world.chance(10)) {
      case 0:
        set("replicas", static_cast<int>(world.chance(5)));
        break;
      case 1:
        set("template",
            TreeObject{{"metadata", TreeObject{{"labels", TreeObject{{"app", "db"}}}}},
                       {"spec", TreeObject{{"image", static_cast<int>(world.chance(4))}}}});
        break;
      case 2:
        set("updateStrategy",
            TreeObject{
                {"type", "RollingUpdate"},
                {"rollingUpdate", TreeObject{{"partition", static_cast<int>(world.chance(3))}}}});
        break;
      case 3:
        set("ordinals", TreeObject{{"start", static_cast<int>(world.chance(3))}});
        break;
      case 4:
        if (any != nullptr && !is_terminating(*any)) {
          world.remove(key);
        }
        break;
      case 5:
        if (any != nullptr && is_active(*any)) {
          world.change(key, [](TreeObject& root) {
            root["spec"].as_object()["nodeName"] = "n";
            root["status"] = TreeObject{{"phase", "Failed"}};
          });
        }
        break;
      case 6:
        world.end_terminating();
        break;
      default:
        world.deliver(4);
        world.step();
        world.step();
        if (const auto* still = world.get(key); still != nullptr && is_active(*still)) {
          world.make_ready(key);
        }
        break;
    }
  }
  world.lag(false);
  set("updateStrategy",
      TreeObject{{"type", "RollingUpdate"}, {"rollingUpdate", TreeObject{{"partition", 0}}}});
  for (int i = 0; i < 60; ++i) {
    ASSERT_TRUE(world.settle(20'000));
    world.end_terminating();
    ASSERT_TRUE(world.settle(20'000));
    world.make_all_ready();
  }
  ASSERT_TRUE(world.settle(20'000));

  const auto first = world.integer(kSet, "spec.ordinals.start");
  const auto count = world.integer(kSet, "spec.replicas");
  std::vector<std::string> wanted;
  for (std::int64_t i = 0; i < count; ++i) {
    wanted.push_back(fmt::format("db-{}", first + i));
  }
  EXPECT_EQ(world.names("pods"), wanted) << "seed " << GetParam();
  for (const auto* each : world.list("pods")) {
    EXPECT_EQ(each->root()["spec"]["image"].integer(),
              world.integer(kSet, "spec.template.spec.image"));
  }
  EXPECT_EQ(world.integer(kSet, "status.readyReplicas"), count);
  EXPECT_EQ(world.text(kSet, "status.currentRevision"), world.text(kSet, "status.updateRevision"));
  const auto writes = world.writes;
  world.advance(seconds(3600));
  ASSERT_TRUE(world.settle());
  EXPECT_EQ(world.writes, writes);
}

INSTANTIATE_TEST_SUITE_P(Seeds, StatefulStorm, testing::Range(1U, 21U));

}  // namespace
}  // namespace tetrarch::reconcile

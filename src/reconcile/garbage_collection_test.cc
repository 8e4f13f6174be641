// SPDX-License-Identifier: Apache-2.0
#include "reconcile/garbage_collection.h"

#include <algorithm>
#include <map>
#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

KindPlace place_of(std::string_view, std::string_view kind) {
  if (kind == "ConfigMap") {
    return {"configmaps", true};
  }
  if (kind == "Secret") {
    return {"secrets", true};
  }
  if (kind == "Node") {
    return {"nodes", false};
  }
  return {};
}

struct Ref {
  std::string kind;
  std::string name;
  bool blocks = true;
};

class GarbageTest : public testing::Test {
 protected:
  GarbageTest() { world_.add(garbage_collection_controller(place_of)); }

  /// A config map with uid "u-<name>".
  Key make(std::string_view name,
           const std::vector<Ref>& owners = {},
           std::string_view resource = "configmaps") {
    std::string references;
    for (const auto& each : owners) {
      references += fmt::format(
          R"({}{{"apiVersion":"v1","kind":"{}","name":"{}","uid":"u-{}","blockOwnerDeletion":{}}})",
          references.empty() ? "" : ",",
          each.kind,
          each.name,
          each.name,
          each.blocks);
    }
    const auto kind = resource == "secrets" ? "Secret" : "ConfigMap";
    world_.create(
        std::string(resource),
        fmt::format(
            R"({{"kind":"{}","apiVersion":"v1","metadata":{{"name":"{}","namespace":"ns","uid":"u-{}","ownerReferences":[{}]}}}})",
            kind,
            name,
            name,
            references));
    return {std::string(resource), "ns", std::string(name)};
  }

  World world_;
};

TEST_F(GarbageTest, BackgroundDeletesTheWholeTree) {
  const auto root = make("root");
  make("child", {{"ConfigMap", "root"}});
  make("grandchild", {{"ConfigMap", "child"}}, "secrets");
  make("stranger");
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.names("configmaps").size(), 3U);

  world_.remove(root);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), ElementsAre("stranger"));
  EXPECT_THAT(world_.names("secrets"), IsEmpty());
}

TEST_F(GarbageTest, WhatIsMadeForAnOwnerThatIsGoneGoesToo) {
  make("late", {{"ConfigMap", "never"}});

  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), IsEmpty());
}

TEST_F(GarbageTest, AnotherObjectOfTheSameNameIsNoOwner) {
  make("root");
  world_.create("configmaps",
                R"({"kind":"ConfigMap","metadata":{"name":"child","namespace":"ns",
                "ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"root",
       "uid":"of-its-predecessor"}]}})");

  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), ElementsAre("root"));
}

TEST_F(GarbageTest, OneOwnerThatIsLeftKeepsItAndTheLostOneIsForgotten) {
  const auto first = make("first");
  make("second");
  const auto shared = make("shared", {{"ConfigMap", "first"}, {"ConfigMap", "second"}});

  world_.remove(first);
  ASSERT_TRUE(world_.settle());

  ASSERT_NE(world_.get(shared), nullptr);
  const auto owners = world_.get(shared)->metadata()["ownerReferences"];
  EXPECT_EQ(owners.size(), 1U);
  EXPECT_EQ(owners.at(0)["name"].string(), "second");
}

TEST_F(GarbageTest, ForegroundWaitsForBlockingDependents) {
  const auto root = make("root");
  const auto child = make("child", {{"ConfigMap", "root"}});
  world_.change(child, [](object::TreeObject& object) {
    object["metadata"].as_object()["finalizers"] = object::TreeArray{"example.com/wait"};
  });

  world_.remove(root, Propagation::foreground);
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.names("configmaps"), ElementsAre("child", "root"));  // both are ending
  EXPECT_FALSE(world_.text(child, "metadata.deletionTimestamp").empty());

  world_.vanish(child);
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.names("configmaps"), IsEmpty());
}

TEST_F(GarbageTest, ForegroundDoesNotWaitForDependentsThatDoNotBlock) {
  const auto root = make("root");
  const auto child = make("child", {{"ConfigMap", "root", false}});
  world_.change(child, [](object::TreeObject& object) {
    object["metadata"].as_object()["finalizers"] = object::TreeArray{"example.com/wait"};
  });

  world_.remove(root, Propagation::foreground);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), ElementsAre("child"));
}

TEST_F(GarbageTest, ForegroundGoesDownTheTree) {
  const auto root = make("root");
  make("child", {{"ConfigMap", "root"}});
  make("grandchild", {{"ConfigMap", "child"}});

  world_.remove(root, Propagation::foreground);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), IsEmpty());
}

TEST_F(GarbageTest, ForegroundAlsoEndsDependentsThatDoNotBlock) {
  const auto root = make("root");
  make("child", {{"ConfigMap", "root", false}});

  world_.remove(root, Propagation::foreground);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), IsEmpty());
}

TEST_F(GarbageTest, ForegroundOnlyLetsGoOfWhatAnotherOwnerKeeps) {
  const auto root = make("root");
  make("other");
  const auto child = make("child", {{"ConfigMap", "root"}, {"ConfigMap", "other"}});

  world_.remove(root, Propagation::foreground);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), ElementsAre("child", "other"));
  EXPECT_EQ(world_.get(child)->metadata()["ownerReferences"].size(), 1U);
}

TEST_F(GarbageTest, ForegroundEndsOwnersThatFormACircle) {
  const auto first = make("first", {{"ConfigMap", "third"}});  // all made before anyone looks
  make("second", {{"ConfigMap", "first"}});
  make("third", {{"ConfigMap", "second"}});
  ASSERT_TRUE(world_.settle());

  world_.remove(first, Propagation::foreground);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), IsEmpty());
}

TEST_F(GarbageTest, ForegroundEndsTwoThatOwnEachOtherAndAreDeletedTogether) {
  const auto first = make("first", {{"ConfigMap", "second"}});
  const auto second = make("second", {{"ConfigMap", "first"}});

  world_.remove(first, Propagation::foreground);
  world_.remove(second, Propagation::foreground);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), IsEmpty());
}

TEST_F(GarbageTest, ACircleThatStillLivesIsLeftAlone) {
  const auto first = make("first");
  make("second", {{"ConfigMap", "first"}});
  world_.change(first, [](object::TreeObject& root) {
    root["metadata"].as_object()["ownerReferences"] = object::TreeArray{object::TreeObject{
        {"apiVersion", "v1"}, {"kind", "ConfigMap"}, {"name", "second"}, {"uid", "u-second"}}};
  });

  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), ElementsAre("first", "second"));
}

TEST_F(GarbageTest, AnOwnerInAnotherNamespaceIsNoneAndTheUserIsTold) {
  world_.create("configmaps",
                R"({"kind":"ConfigMap","metadata":{"name":"root","namespace":"other",
                "uid":"u-root"}})");
  make("child", {{"ConfigMap", "root"}});

  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), ElementsAre("root"));
  EXPECT_THAT(
      world_.notes,
      testing::Contains(testing::Field(
          &Note::message,
          "ownerRef [v1/ConfigMap, namespace: ns, name: root, uid: u-root] does not exist in "
          "namespace \"ns\"")));
}

TEST_F(GarbageTest, ANamespacedOwnerOfAClusterScopedObjectIsBelieved) {
  world_.create("nodes",
                R"({"kind":"Node","metadata":{"name":"n","uid":"u-n","ownerReferences":[
                {"apiVersion":"v1","kind":"ConfigMap","name":"gone","uid":"u-gone"}]}})");

  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("nodes"), ElementsAre("n"));
}

TEST_F(GarbageTest, ADependentOfAWaitingOwnerIsNotRemovedWhileAnotherOwnerMayBeThere) {
  world_.lag(true);
  const auto root = make("root");
  world_.create("secrets", R"({"kind":"Secret","metadata":{"name":"other","namespace":"ns",
                "uid":"u-other"}})");
  const auto child = make("child", {{"ConfigMap", "root"}, {"Secret", "other"}});
  world_.remove(root, Propagation::foreground);
  // The secret has not been seen yet: it comes through another watch.
  while (world_.mirror().get(child) == nullptr ||
         world_.text(root, "metadata.deletionTimestamp") !=
             world_.mirror().get(root)->metadata()["deletionTimestamp"].string()) {
    world_.deliver_of("configmaps");
  }

  for (int i = 0; i < 10; ++i) {
    world_.step();
  }
  EXPECT_NE(world_.get(child), nullptr);

  ASSERT_TRUE(world_.settle());
  world_.advance(std::chrono::seconds(5));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.names("configmaps"), ElementsAre("child"));
}

TEST_F(GarbageTest, OrphanLetsDependentsGo) {
  const auto root = make("root");
  const auto child = make("child", {{"ConfigMap", "root"}});

  world_.remove(root, Propagation::orphan);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), ElementsAre("child"));
  EXPECT_EQ(world_.get(child)->metadata()["ownerReferences"].size(), 0U);
}

TEST_F(GarbageTest, OwnersOfKindsThatWeDoNotKnowAreBelieved) {
  make("child", {{"Gadget", "g"}});

  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("configmaps"), ElementsAre("child"));
}

TEST_F(GarbageTest, AClusterScopedOwnerIsLookedForWithoutNamespace) {
  world_.create("nodes", R"({"kind":"Node","metadata":{"name":"n","uid":"u-n"}})");
  make("child", {{"Node", "n"}});
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.names("configmaps"), ElementsAre("child"));

  world_.remove({"nodes", "", "n"});
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.names("configmaps"), IsEmpty());
}

TEST_F(GarbageTest, AnOwnerThatTheMirrorHasNotSeenYetIsAskedForFirst) {
  world_.lag(true);
  make("root");
  make("child", {{"ConfigMap", "root"}}, "secrets");
  // The secret arrives before its owner: two resources are two watches.
  while (world_.mirror().get("secrets", "ns", "child") == nullptr &&
         world_.mirror().count("configmaps") == 0) {
    world_.deliver(1);
  }

  for (int i = 0; i < 5; ++i) {
    world_.step();
  }
  EXPECT_THAT(world_.names("secrets"), ElementsAre("child"));

  ASSERT_TRUE(world_.settle());
  world_.advance(std::chrono::seconds(5));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.names("secrets"), ElementsAre("child"));
}

/// Random trees, random deletions, lagging views: at rest nothing is left whose owners are all
/// gone, and nothing is gone that had an owner left.
class GarbageChanceTest : public testing::TestWithParam<unsigned> {};

TEST_P(GarbageChanceTest, LeavesExactlyWhatHasAnOwnerLeft) {
  World world(GetParam());
  world.add(garbage_collection_controller(place_of));
  world.lag(true);
  std::map<std::string, std::vector<std::string>> owners;
  for (int i = 0; i < 30; ++i) {
    const auto name = fmt::format("o{:02}", i);
    std::string references;
    for (unsigned k = 0; i > 0 && k < world.chance(3); ++k) {
      const auto owner = fmt::format("o{:02}", world.chance(static_cast<unsigned>(i)));
      owners[name].push_back(owner);
      references += fmt::format(
          R"({}{{"apiVersion":"v1","kind":"ConfigMap","name":"{}","uid":"u-{}","blockOwnerDeletion":true}})",
          references.empty() ? "" : ",",
          owner,
          owner);
    }
    world.create(
        "configmaps",
        fmt::format(
            R"({{"kind":"ConfigMap","metadata":{{"name":"{}","namespace":"ns","uid":"u-{}","ownerReferences":[{}]}}}})",
            name,
            name,
            references));
  }
  ASSERT_TRUE(world.settle());
  std::set<std::string> removed;
  for (int i = 0; i < 60; ++i) {
    const Key key{"configmaps", "ns", fmt::format("o{:02}", world.chance(30))};
    if (i % 10 == 0 && world.get(key) != nullptr) {
      removed.insert(key.name);
      world.remove(key, world.chance(2) == 0 ? Propagation::background : Propagation::foreground);
    }
    world.deliver(2);
    world.step();
  }
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(world.settle());
    world.advance(std::chrono::seconds(5));
  }

  std::set<std::string> alive;
  for (int i = 0; i < 30; ++i) {
    const auto name = fmt::format("o{:02}", i);
    bool lives = !removed.contains(name);
    if (lives && !owners[name].empty()) {
      lives = std::any_of(owners[name].begin(), owners[name].end(), [&](const auto& each) {
        return alive.contains(each);
      });
    }
    if (lives) {
      alive.insert(name);
    }
  }
  const auto names = world.names("configmaps");
  EXPECT_EQ(std::set<std::string>(names.begin(), names.end()), alive);
}

INSTANTIATE_TEST_SUITE_P(Seeds, GarbageChanceTest, testing::Range(1U, 30U));

}  // namespace
}  // namespace tetrarch::reconcile

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

/// Random trees over two resources, random deletions, lagging views: at rest nothing is left whose
/// owners are all gone, and nothing is gone that had an owner left.
class GarbageChanceTest : public testing::TestWithParam<unsigned> {
 protected:
  static constexpr unsigned kObjects = 30;

  GarbageChanceTest() : world_(GetParam()) {
    world_.add(garbage_collection_controller(place_of));
    world_.lag(true);
  }

  /// Every other one is a Secret: its owners come through another watch.
  static Key key_of(unsigned number) {
    return {number % 2 == 0 ? "configmaps" : "secrets", "ns", fmt::format("o{:02}", number)};
  }

  void make(unsigned number) {
    std::string references;
    for (unsigned k = 0; number > 0 && k < world_.chance(4); ++k) {
      const auto owner = world_.chance(number);
      if (!owners_[number].insert(owner).second) {
        continue;
      }
      references += fmt::format(
          R"({}{{"apiVersion":"v1","kind":"{}","name":"{}","uid":"u{}","blockOwnerDeletion":{}}})",
          references.empty() ? "" : ",",
          owner % 2 == 0 ? "ConfigMap" : "Secret",
          key_of(owner).name,
          owner,
          world_.chance(2) == 0);
    }
    const auto key = key_of(number);
    world_.create(key.resource,
                  fmt::format(R"({{"kind":"{}","apiVersion":"v1","metadata":{{"name":"{}",
        "namespace":"ns","uid":"u{}","ownerReferences":[{}]}}}})",
                              number % 2 == 0 ? "ConfigMap" : "Secret",
                              key.name,
                              number,
                              references));
  }

  std::set<unsigned> expected() const {
    std::set<unsigned> alive;
    for (unsigned i = 0; i < kObjects; ++i) {
      const auto owners = owners_.find(i);
      const bool has_owner = owners == owners_.end() || owners->second.empty() ||
                             std::any_of(owners->second.begin(),
                                         owners->second.end(),
                                         [&](unsigned each) { return alive.contains(each); });
      if (has_owner && !removed_.contains(i)) {
        alive.insert(i);
      }
    }
    return alive;
  }

  World world_;
  std::map<unsigned, std::set<unsigned>> owners_;
  std::set<unsigned> removed_;
};

TEST_P(GarbageChanceTest, LeavesExactlyWhatHasAnOwnerLeft) {
  for (unsigned i = 0; i < kObjects; ++i) {
    make(i);
  }
  ASSERT_TRUE(world_.settle());
  for (int i = 0; i < 80; ++i) {
    const auto number = world_.chance(kObjects);
    if (i % 10 == 0 && world_.get(key_of(number)) != nullptr) {
      removed_.insert(number);
      world_.remove(key_of(number),
                    world_.chance(2) == 0 ? Propagation::background : Propagation::foreground);
    }
    world_.deliver(static_cast<int>(world_.chance(4)));
    world_.step();
  }
  for (int i = 0; i < 5; ++i) {
    ASSERT_TRUE(world_.settle());
    world_.advance(std::chrono::seconds(5));
  }

  std::set<unsigned> left;
  for (unsigned i = 0; i < kObjects; ++i) {
    if (world_.get(key_of(i)) != nullptr) {
      left.insert(i);
    }
  }
  EXPECT_EQ(left, expected());
}

INSTANTIATE_TEST_SUITE_P(Seeds, GarbageChanceTest, testing::Range(1U, 101U));

}  // namespace
}  // namespace tetrarch::reconcile

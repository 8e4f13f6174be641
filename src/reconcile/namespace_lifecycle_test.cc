// SPDX-License-Identifier: Apache-2.0
#include "reconcile/namespace_lifecycle.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class NamespaceTest : public testing::Test {
 protected:
  NamespaceTest() {
    world_.add(namespace_lifecycle_controller({"configmaps", "pods", "secrets"}));
    world_.add(namespace_defaults_controller("PEM"));
    // The API sets the finalizer when a namespace is made.
    world_.create(
        "namespaces",
        R"({"kind":"Namespace","apiVersion":"v1","metadata":{"name":"ns"},"spec":{"finalizers":["kubernetes"]}})");
  }

  /// "True Reason Message"
  std::string condition(std::string_view type) const {
    for (const auto each : world_.get(namespace_)->root()["status"]["conditions"].elements()) {
      if (each["type"].string() == type) {
        return fmt::format(
            "{} {} {}", each["status"].string(), each["reason"].string(), each["message"].string());
      }
    }
    return "(none)";
  }

  World world_;
  const Key namespace_{"namespaces", "", "ns"};
};

TEST_F(NamespaceTest, ANewOneGetsItsAccountAndTheRootCa) {
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("serviceaccounts", "ns"), ElementsAre("default"));
  EXPECT_EQ(world_.get({"configmaps", "ns", "kube-root-ca.crt"})->root()["data"]["ca.crt"].string(),
            "PEM");
}

TEST_F(NamespaceTest, WhatIsDeletedOrChangedOfThemComesBack) {
  ASSERT_TRUE(world_.settle());

  world_.remove({"serviceaccounts", "ns", "default"});
  world_.change({"configmaps", "ns", "kube-root-ca.crt"},
                [](object::TreeObject& root) { root["data"].as_object()["ca.crt"] = "forged"; });
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("serviceaccounts", "ns"), ElementsAre("default"));
  EXPECT_EQ(world_.get({"configmaps", "ns", "kube-root-ca.crt"})->root()["data"]["ca.crt"].string(),
            "PEM");
}

TEST(NamespaceDefaults, SayInKubeSystemWhatOtherApiServersKnowUsBy) {
  World world;
  world.add(namespace_defaults_controller("PEM", {{"client-ca-file", "CA"}, {"extra", "[]"}}));
  for (const auto* name : {"kube-system", "other"}) {
    world.create("namespaces",
                 fmt::format(R"({{"kind":"Namespace","metadata":{{"name":"{}"}}}})", name));
  }
  ASSERT_TRUE(world.settle());
  const Key key{"configmaps", "kube-system", "extension-apiserver-authentication"};
  EXPECT_THAT(world.names("configmaps", "other"), ElementsAre("kube-root-ca.crt"));
  EXPECT_EQ(world.get(key)->root()["data"].raw(), R"({"client-ca-file":"CA","extra":"[]"})");

  world.change(key, [](object::TreeObject& root) {
    root["data"] = object::TreeObject{{"client-ca-file", "forged"}, {"mine", "kept"}};
  });
  ASSERT_TRUE(world.settle());
  const auto data = world.get(key)->root()["data"];
  EXPECT_EQ(data["client-ca-file"].string(), "CA");
  EXPECT_EQ(data["extra"].string(), "[]");
  EXPECT_EQ(data["mine"].string(), "kept");
}

TEST_F(NamespaceTest, ATerminatingOneIsEmptiedAndThenGone) {
  world_.create("pods", R"({"kind":"Pod","metadata":{"name":"p","namespace":"ns"},"spec":{}})");
  world_.make_ready({"pods", "ns", "p"});
  world_.create("secrets", R"({"kind":"Secret","metadata":{"name":"s","namespace":"ns"}})");
  world_.create("secrets", R"({"kind":"Secret","metadata":{"name":"s","namespace":"other"}})");
  ASSERT_TRUE(world_.settle());

  world_.remove(namespace_);
  ASSERT_TRUE(world_.settle());
  ASSERT_NE(world_.get(namespace_), nullptr);  // the pod still ends
  EXPECT_EQ(condition("NamespaceContentRemaining"),
            "True SomeResourcesRemain Some resources are remaining: pods. has 1 resource "
            "instances");

  world_.end_terminating();
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.get(namespace_), nullptr);
  EXPECT_THAT(world_.names("secrets"), ElementsAre("s"));
}

TEST_F(NamespaceTest, PodsGoBeforeWhatTheyUse) {
  world_.create("pods", R"({"kind":"Pod","metadata":{"name":"p","namespace":"ns"},"spec":{}})");
  world_.make_ready({"pods", "ns", "p"});
  world_.create("secrets", R"({"kind":"Secret","metadata":{"name":"s","namespace":"ns"}})");
  world_.remove(namespace_);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("secrets", "ns"), ElementsAre("s")) << "the pod still ends";
  world_.end_terminating();
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("secrets", "ns"), IsEmpty());
  EXPECT_EQ(world_.get(namespace_), nullptr);
}

TEST(NamespaceChance, IsNeverFinalizedWhileTheServerStillHasSomethingThatWeHaveNotSeen) {
  for (unsigned seed = 1; seed < 20; ++seed) {
    World world(seed);
    world.add(namespace_lifecycle_controller({"configmaps", "secrets"}));
    world.create(
        "namespaces",
        R"({"kind":"Namespace","metadata":{"name":"ns"},"spec":{"finalizers":["kubernetes"]}})");
    world.lag(true);
    world.after_change = [&world] {
      if (world.names("namespaces").empty()) {
        ASSERT_THAT(world.names("secrets", "ns"), IsEmpty());
      }
    };

    world.create("secrets", R"({"kind":"Secret","metadata":{"name":"s","namespace":"ns"}})");
    world.remove({"namespaces", "", "ns"});
    for (int i = 0; i < 10; ++i) {
      world.deliver(1);
      world.step();
      world.advance(std::chrono::seconds(1));
    }
    ASSERT_TRUE(world.settle());
    world.advance(std::chrono::seconds(5));
    ASSERT_TRUE(world.settle());

    EXPECT_THAT(world.names("namespaces"), IsEmpty());
  }
}

TEST_F(NamespaceTest, NamesTheFinalizersThatHoldIt) {
  for (const auto name : {"s1", "s2"}) {
    world_.create("secrets",
                  fmt::format(R"({{"kind":"Secret","metadata":{{"name":"{}","namespace":"ns",
                  "finalizers":["example.com/a","example.com/{}"]}}}})",
                              name,
                              name));
  }
  world_.remove(namespace_);
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(condition("NamespaceFinalizersRemaining"),
            "True SomeFinalizersRemain Some content in the namespace has finalizers remaining: "
            "example.com/a in 2 resource instances, example.com/s1 in 1 resource instances, "
            "example.com/s2 in 1 resource instances");
}

TEST_F(NamespaceTest, TellsAllFiveConditionsInTheOrderThatUsersKnow) {
  world_.create("pods", R"({"kind":"Pod","metadata":{"name":"p","namespace":"ns"},"spec":{}})");
  world_.make_ready({"pods", "ns", "p"});
  world_.remove(namespace_);
  ASSERT_TRUE(world_.settle());

  std::vector<std::string> types;
  for (const auto each : world_.get(namespace_)->root()["status"]["conditions"].elements()) {
    types.emplace_back(each["type"].string());
  }
  EXPECT_THAT(types,
              ElementsAre("NamespaceDeletionDiscoveryFailure",
                          "NamespaceDeletionGroupVersionParsingFailure",
                          "NamespaceDeletionContentFailure",
                          "NamespaceContentRemaining",
                          "NamespaceFinalizersRemaining"));
  EXPECT_EQ(condition("NamespaceDeletionDiscoveryFailure"),
            "False ResourcesDiscovered All resources successfully discovered");
  EXPECT_EQ(condition("NamespaceDeletionGroupVersionParsingFailure"),
            "False ParsedGroupVersions All legacy kube types successfully parsed");
  EXPECT_EQ(condition("NamespaceDeletionContentFailure"),
            "False ContentDeleted All content successfully deleted, may be waiting on "
            "finalization");
  EXPECT_EQ(condition("NamespaceFinalizersRemaining"),
            "False ContentHasNoFinalizers All content-preserving finalizers finished");
}

TEST_F(NamespaceTest, CountsWhatIsLeftByResourceAndGroup) {
  World world;
  world.add(namespace_lifecycle_controller({"deployments.apps", "pods", "secrets"}));
  world.create(
      "namespaces",
      R"({"kind":"Namespace","metadata":{"name":"ns"},"spec":{"finalizers":["kubernetes"]}})");
  for (const auto& [resource, name] :
       {std::pair("deployments.apps", "d"), std::pair("secrets", "p"), std::pair("secrets", "q")}) {
    world.create(resource,
                 fmt::format(R"({{"metadata":{{"name":"{}","namespace":"ns",
                 "finalizers":["x"]}},"spec":{{}}}})",
                             name));
  }
  world.remove(namespace_);
  ASSERT_TRUE(world.settle());

  EXPECT_EQ(world.get(namespace_)->root()["status"]["conditions"].at(3)["message"].string(),
            "Some resources are remaining: deployments.apps has 1 resource instances, secrets. has "
            "2 resource instances");
}

TEST_F(NamespaceTest, SaysWhyItCannotBeEmptied) {
  world_.create("secrets", R"({"kind":"Secret","metadata":{"name":"s","namespace":"ns"}})");
  world_.remove(namespace_);

  world_.apply(
      world_.plan(*namespace_lifecycle_controller({"secrets"}), namespace_, "admission says no"));

  EXPECT_EQ(
      condition("NamespaceDeletionContentFailure"),
      "True ContentDeletionFailed Failed to delete all resource types, 1 remaining: admission "
      "says no");
}

TEST_F(NamespaceTest, RemovesMuchInSeveralSteps) {
  for (int i = 0; i < 1200; ++i) {
    world_.create(
        "secrets",
        fmt::format(R"({{"kind":"Secret","metadata":{{"name":"s{}","namespace":"ns"}}}})", i));
  }
  world_.remove(namespace_);

  const auto controller = namespace_lifecycle_controller({"secrets"});
  EXPECT_EQ(world_.plan(*controller, namespace_).changes.size(), 500U + 1U);  // and the status
  ASSERT_TRUE(world_.settle(10'000));
  EXPECT_EQ(world_.get(namespace_), nullptr);
}

TEST_F(NamespaceTest, ATerminatingOneGetsNoDefaultsAgain) {
  ASSERT_TRUE(world_.settle());
  world_.create("pods", R"({"kind":"Pod","metadata":{"name":"p","namespace":"ns"},"spec":{}})");
  world_.make_ready({"pods", "ns", "p"});

  world_.remove(namespace_);  // the pod still ends; both are missing while it does
  world_.remove({"serviceaccounts", "ns", "default"});
  world_.remove({"configmaps", "ns", "kube-root-ca.crt"});
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("serviceaccounts", "ns"), IsEmpty());
  EXPECT_THAT(world_.names("configmaps", "ns"), IsEmpty());
}

TEST_F(NamespaceTest, OneThatSomebodyElseHoldsIsEmptiedButStays) {
  world_.change(namespace_, [](object::TreeObject& root) {
    root["spec"].as_object()["finalizers"] = object::TreeArray{"example.com/hold", "kubernetes"};
  });
  world_.remove(namespace_);
  ASSERT_TRUE(world_.settle());

  ASSERT_NE(world_.get(namespace_), nullptr);
  EXPECT_EQ(world_.get(namespace_)->root()["spec"]["finalizers"].size(), 1U);
}

TEST_F(NamespaceTest, TheRootCaSaysWhatItIs) {
  ASSERT_TRUE(world_.settle());

  EXPECT_TRUE(world_.get({"configmaps", "ns", "kube-root-ca.crt"})
                  ->metadata()["annotations"]["kubernetes.io/description"]
                  .string()
                  .starts_with("Contains a CA bundle"));
}

TEST(NamespaceDefaults, WithoutACaNoneIsPublished) {
  World world;
  world.add(namespace_defaults_controller(""));
  world.create("namespaces", R"({"kind":"Namespace","metadata":{"name":"ns"}})");
  ASSERT_TRUE(world.settle());

  EXPECT_THAT(world.names("serviceaccounts", "ns"), ElementsAre("default"));
  EXPECT_THAT(world.names("configmaps"), IsEmpty());
}

}  // namespace
}  // namespace tetrarch::reconcile

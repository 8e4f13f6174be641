// SPDX-License-Identifier: Apache-2.0
#include "reconcile/image_store.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;
using testing::SizeIs;

class ImageStoreTest : public testing::Test {
 protected:
  ImageStoreTest() {
    world_.add(image_store_controller(
        {.copies = 2, .grace = seconds(100), .machine_patience = seconds(30)}));
  }

  void node(std::string_view name) {
    world_.create(
        "nodes",
        fmt::format(R"({{"metadata":{{"name":"{}"}},"status":{{"conditions":[)"
                    R"({{"type":"Ready","status":"True","lastTransitionTime":"{}"}}]}}}})",
                    name,
                    format_time(world_.now())));
    ASSERT_TRUE(world_.settle());
  }

  void set_ready(std::string_view name, std::string_view status) {
    world_.change({"nodes", "", std::string(name)}, [&](object::TreeObject& root) {
      auto& condition = root["status"].as_object()["conditions"].as_array()[0].as_object();
      condition["status"] = status;
      condition["lastTransitionTime"] = format_time(world_.now());
    });
    ASSERT_TRUE(world_.settle());
  }

  /// `nodes` as JSON: ["a","b"].
  void blob(std::string_view name, std::string_view nodes) {
    world_.create(
        std::string(kImageBlobs),
        fmt::format(R"({{"metadata":{{"name":"{0}"}},"spec":{{"digest":"{0}","nodes":{1}}}}})",
                    name,
                    nodes));
    ASSERT_TRUE(world_.settle());
  }

  void manifest(std::string_view name, std::string_view blob, std::string_view parts = "[]") {
    world_.create(
        std::string(kImageManifests),
        fmt::format(
            R"({{"metadata":{{"name":"{}"}},"spec":{{"blobs":[{{"digest":"{}"}}],"manifests":{}}}}})",
            name,
            blob,
            parts));
    ASSERT_TRUE(world_.settle());
  }

  void tag(std::string_view name, std::string_view manifest) {
    world_.create(
        std::string(kImages),
        fmt::format(
            R"({{"metadata":{{"name":"{}"}},"spec":{{"manifest":"{}"}}}})", name, manifest));
    ASSERT_TRUE(world_.settle());
  }

  static Key blob_key(std::string_view name) {
    return {std::string(kImageBlobs), "", std::string(name)};
  }

  std::vector<std::string> holders(std::string_view name) {
    std::vector<std::string> out;
    for (const auto node : world_.get(blob_key(name))->root()["spec"]["nodes"].elements()) {
      out.emplace_back(node.string());
    }
    return out;
  }

  /// The agents of its holders that are named have fetched it.
  void copy_on(std::string_view name, std::initializer_list<std::string_view> nodes) {
    world_.change(blob_key(name), [&](object::TreeObject& root) {
      auto& copies = Edit::object_in(Edit::object_in(root, "status"), "copies");
      for (const auto node : nodes) {
        copies[std::string(node)] = "2026-01-01T00:00:00Z";
      }
    });
    ASSERT_TRUE(world_.settle());
  }

  std::vector<std::string> all(std::string_view resource) { return world_.names(resource); }

  World world_;
};

TEST_F(ImageStoreTest, GivesABlobASecondMachine) {
  node("a");
  manifest("m", "x");
  tag("t", "m");
  blob("x", R"(["a"])");
  EXPECT_THAT(holders("x"), ElementsAre("a")) << "there is no other";

  node("b");
  node("c");

  EXPECT_THAT(holders("x"), SizeIs(2));
  EXPECT_EQ(holders("x")[0], "a");
}

TEST_F(ImageStoreTest, LeavesBlobsWithCopiesEnoughWhereTheyAre) {
  for (const auto* name : {"a", "b", "c", "d", "e"}) {
    node(name);
  }
  manifest("m", "x");
  manifest("n", "y");
  tag("t", "m");
  tag("u", "n");
  blob("x", R"(["d","e"])");
  blob("y", R"(["a","b","c"])");
  copy_on("x", {"d", "e"});
  copy_on("y", {"a"});

  EXPECT_THAT(holders("x"), ElementsAre("d", "e"));
  EXPECT_THAT(holders("y"), ElementsAre("a", "b", "c")) << "of one copy no machine is spared";
  copy_on("y", {"b"});
  EXPECT_THAT(holders("y"), ElementsAre("a", "b"));
  const auto controller = image_store_controller({.copies = 2});
  EXPECT_THAT(world_.plan(*controller, {std::string(kImages), "", ""}).changes, SizeIs(0));
}

TEST_F(ImageStoreTest, ReplacesAMachineThatIsSilentForLongAndTakesItBackOnlyIfNeeded) {
  for (const auto* name : {"a", "b", "c"}) {
    node(name);
  }
  manifest("m", "x");
  tag("t", "m");
  blob("x", R"(["a","b"])");
  copy_on("x", {"a", "b"});

  set_ready("b", "Unknown");
  EXPECT_THAT(holders("x"), ElementsAre("a", "b")) << "it may be back in a moment";
  world_.advance(seconds(31));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(holders("x"), ElementsAre("a", "b", "c")) << "what b has may still be needed";
  copy_on("x", {"c"});
  EXPECT_THAT(holders("x"), ElementsAre("a", "c"));
  EXPECT_EQ(world_.get(blob_key("x"))->root()["status"]["copies"].size(), 2U);

  set_ready("b", "True");
  EXPECT_THAT(holders("x"), ElementsAre("a", "c"));
}

TEST_F(ImageStoreTest, NeverGivesUpAnOnlyCopy) {
  for (const auto* name : {"a", "b"}) {
    node(name);
  }
  manifest("m", "x");
  tag("t", "m");
  set_ready("b", "Unknown");
  blob("x", R"(["b"])");
  copy_on("x", {"b"});
  world_.advance(seconds(60));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(holders("x"), ElementsAre("a", "b"));

  world_.vanish({"nodes", "", "b"});
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(holders("x"), ElementsAre("a")) << "a machine that is no member any more has nothing";
}

TEST_F(ImageStoreTest, RemovesWhatNoTagLeadsToAfterAWhile) {
  node("a");
  blob("x", R"(["a"])");
  blob("y", R"(["a"])");
  manifest("m", "x");
  manifest("index", "y", R"(["m"])");
  tag("t", "index");
  world_.advance(seconds(1000));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(all(kImageManifests), ElementsAre("index", "m"));
  EXPECT_THAT(all(kImageBlobs), ElementsAre("x", "y"));

  world_.remove({std::string(kImages), "", "t"});
  ASSERT_TRUE(world_.settle());
  world_.advance(seconds(99));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(all(kImageManifests), ElementsAre("index", "m"));
  world_.advance(seconds(2));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(all(kImageManifests), SizeIs(0));
  EXPECT_THAT(all(kImageBlobs), ElementsAre("x", "y")) << "the blobs' time begins now";
  world_.advance(seconds(101));
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(all(kImageBlobs), SizeIs(0));
}

TEST_F(ImageStoreTest, KeepsWhatIsTaggedAgainInTime) {
  node("a");
  blob("x", R"(["a"])");
  manifest("m", "x");
  world_.advance(seconds(50));
  tag("t", "m");
  world_.advance(seconds(1000));
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(all(kImageManifests), ElementsAre("m"));
  EXPECT_FALSE(world_.get({std::string(kImageManifests), "", "m"})
                   ->metadata()["annotations"][kUnusedSince]
                   .exists());
}

}  // namespace
}  // namespace tetrarch::reconcile

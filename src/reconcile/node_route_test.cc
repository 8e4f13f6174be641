// SPDX-License-Identifier: Apache-2.0
#include "reconcile/node_route.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

class NodeRouteTest : public testing::Test {
 protected:
  NodeRouteTest() { world_.add(node_route_controller()); }

  void node(std::string_view name, std::string_view range, std::string_view more = "") {
    world_.create(
        "nodes",
        fmt::format(R"({{"metadata":{{"name":"{}"{}}},"spec":{{"podCIDR":"{}"}},"status":{{)"
                    R"("addresses":[{{"type":"Hostname","address":"x"}},)"
                    R"({{"type":"InternalIP","address":"10.90.1.11"}}]}}}})",
                    name,
                    more,
                    range));
    ASSERT_TRUE(world_.settle());
  }

  static Key key(std::string_view name) {
    return {std::string(kNodeRoutes), "", std::string(name)};
  }

  World world_;
};

TEST_F(NodeRouteTest, SaysWhereANodesPodsAre) {
  node("a", "10.42.1.0/24");

  EXPECT_EQ(world_.get(key("a"))->root()["spec"].raw(),
            R"({"address":"10.90.1.11","podCIDR":"10.42.1.0/24","transport":"auto"})");
  EXPECT_EQ(world_.get(key("a"))->metadata()["ownerReferences"].at(0)["kind"].string(), "Node");
}

TEST_F(NodeRouteTest, FollowsTheNode) {
  node("a", "");
  EXPECT_EQ(world_.get(key("a")), nullptr) << "a node without a range has no pods to reach";

  world_.change({"nodes", "", "a"}, [](object::TreeObject& root) {
    root["spec"].as_object()["podCIDR"] = "10.42.7.0/24";
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.text(key("a"), "spec.podCIDR"), "10.42.7.0/24");

  world_.change({"nodes", "", "a"}, [](object::TreeObject& root) {
    Edit::object_in(root["metadata"].as_object(), "annotations")[std::string(kTransport)] = "vxlan";
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.text(key("a"), "spec.transport"), "vxlan");

  world_.remove({"nodes", "", "a"});
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.get(key("a")), nullptr);
}

TEST_F(NodeRouteTest, RepairsWhatSomebodyChangedOrRemoved) {
  node("a", "10.42.1.0/24");
  world_.change(key("a"), [](object::TreeObject& root) {
    root["spec"].as_object()["address"] = "192.0.2.1";
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.text(key("a"), "spec.address"), "10.90.1.11");

  world_.vanish(key("a"));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.text(key("a"), "spec.address"), "10.90.1.11");
}

TEST_F(NodeRouteTest, ANodeOfTheSameNameGetsARouteOfItsOwn) {
  node("a", "10.42.1.0/24");
  const std::string before(world_.get(key("a"))->uid());
  world_.vanish({"nodes", "", "a"});
  world_.create("nodes",
                R"({"metadata":{"name":"a"},"spec":{"podCIDR":"10.42.1.0/24"},"status":{)"
                R"("addresses":[{"type":"InternalIP","address":"10.90.1.11"}]}})");
  ASSERT_TRUE(world_.settle());

  ASSERT_NE(world_.get(key("a")), nullptr);
  EXPECT_NE(world_.get(key("a"))->uid(), before);
}

TEST_F(NodeRouteTest, AHeartbeatIsNoReasonToLook) {
  node("a", "10.42.1.0/24");
  const auto controller = node_route_controller();
  const auto watching = controller->watches().front();
  Mirror mirror;
  const auto before = *world_.get({"nodes", "", "a"});
  auto after = before;
  Edit edit(before);
  edit.status()["conditions"] = object::TreeArray{};
  after.document = edit.document();

  std::vector<Key> keys;
  watching.keys(mirror, {&before, &after}, keys);
  EXPECT_THAT(keys, testing::IsEmpty());
}

}  // namespace
}  // namespace tetrarch::reconcile

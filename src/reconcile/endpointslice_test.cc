// SPDX-License-Identifier: Apache-2.0
#include "reconcile/endpointslice.h"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/endpoint_packing.h"
#include "reconcile/endpoints.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

const Key kService{"services", "ns", "web"};
const Key kEndpoints{"endpoints", "ns", "web"};

std::string service(std::string_view spec) {
  return fmt::format(
      R"({{"kind":"Service","apiVersion":"v1","metadata":{{"name":"web","namespace":"ns","uid":"s-uid","labels":{{"l":"1"}}}},
    "spec":{}}})",
      spec);
}

constexpr std::string_view kPlain =
    R"({"clusterIP":"10.43.0.9","selector":{"app":"web"},"ports":[{"name":"http","port":80,"targetPort":8080,"protocol":"TCP"}]})";

std::string pod(std::string_view name, std::string_view ports = "[]", std::string_view more = "") {
  return fmt::format(
      R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{}","namespace":"ns","labels":{{"app":"web"}}}},
    "spec":{{"containers":[{{"name":"c","ports":{}}}]{}}}}})",
      name,
      ports,
      more);
}

class ServiceTest : public testing::Test {
 protected:
  ServiceTest() {
    world_.add(endpointslice_controller());
    world_.add(endpoints_controller());
    world_.add(endpoints_mirroring_controller());
  }

  void ready_pod(std::string_view name, std::string_view ports = "[]", std::string_view more = "") {
    world_.create("pods", pod(name, ports, more));
    world_.make_ready({"pods", "ns", std::string(name)});
  }

  object::View slice(std::size_t place = 0) const {
    return world_.list(kSliceResource).at(place)->root();
  }

  /// Pod names in all slices, as "name" or "name!" where it is not ready.
  std::multiset<std::string> targets() const {
    std::multiset<std::string> out;
    for (const auto* each : world_.list(kSliceResource)) {
      for (const auto endpoint : each->root()["endpoints"].elements()) {
        out.insert(std::string(endpoint["targetRef"]["name"].string()) +
                   (endpoint["conditions"]["ready"].boolean() ? "" : "!"));
      }
    }
    return out;
  }

  World world_;
};

TEST_F(ServiceTest, PublishesReadyPodsWithAllThatAProxyNeeds) {
  world_.create("nodes",
                R"({"metadata":{"name":"n1","labels":{"topology.kubernetes.io/zone":"z1"}}})");
  ready_pod("a");
  world_.create("services", service(kPlain));
  ASSERT_TRUE(world_.settle());

  ASSERT_THAT(world_.list(kSliceResource), SizeIs(1));
  const auto metadata = slice()["metadata"];
  EXPECT_EQ(metadata["labels"]["kubernetes.io/service-name"].string(), "web");
  EXPECT_EQ(metadata["labels"]["l"].string(), "1");
  EXPECT_EQ(metadata["ownerReferences"].at(0)["uid"].string(), "s-uid");
  EXPECT_EQ(slice()["addressType"].string(), "IPv4");
  EXPECT_EQ(slice()["ports"].at(0).raw(), R"({"name":"http","port":8080,"protocol":"TCP"})");
  const auto endpoint = slice()["endpoints"].at(0);
  EXPECT_EQ(endpoint["nodeName"].string(), "n1");
  EXPECT_EQ(endpoint["zone"].string(), "z1");
  EXPECT_EQ(endpoint["targetRef"]["name"].string(), "a");
  EXPECT_EQ(endpoint["addresses"].at(0).string(), world_.text({"pods", "ns", "a"}, "status.podIP"));
  EXPECT_TRUE(endpoint["conditions"]["ready"].boolean());

  const auto subset = world_.get(kEndpoints)->root()["subsets"].at(0);
  EXPECT_EQ(subset["addresses"].at(0)["targetRef"]["name"].string(), "a");
  EXPECT_EQ(subset["ports"].at(0)["port"].integer(), 8080);
}

TEST_F(ServiceTest, FollowsReadinessAndTheEndOfPods) {
  world_.create("services", service(kPlain));
  ready_pod("a");
  ready_pod("b");
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(targets(), ElementsAre("a", "b"));

  world_.make_ready({"pods", "ns", "a"}, false);
  world_.remove({"pods", "ns", "b"});
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(targets(), ElementsAre("a!", "b!"));
  const auto ending = slice()["endpoints"].at(1)["conditions"];
  EXPECT_TRUE(ending["serving"].boolean());
  EXPECT_TRUE(ending["terminating"].boolean());
  const auto subset = world_.get(kEndpoints)->root()["subsets"].at(0);
  EXPECT_EQ(subset["addresses"].size(), 0U);
  EXPECT_EQ(subset["notReadyAddresses"].size(), 1U);

  world_.end_terminating();
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(targets(), ElementsAre("a!"));
}

TEST_F(ServiceTest, PublishesUnreadyPodsWhereTheServiceAsksForIt) {
  world_.create(
      "services",
      service(R"({"clusterIP":"None","publishNotReadyAddresses":true,"selector":{"app":"web"}})"));
  world_.create("pods", pod("a", "[]", R"(,"hostname":"h","subdomain":"web")"));
  world_.make_ready({"pods", "ns", "a"}, false);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(targets(), ElementsAre("a"));
  EXPECT_FALSE(slice()["endpoints"].at(0)["conditions"]["serving"].boolean());
  EXPECT_EQ(slice()["endpoints"].at(0)["hostname"].string(), "h");
  EXPECT_TRUE(slice()["metadata"]["labels"]["service.kubernetes.io/headless"].exists());
}

TEST_F(ServiceTest, LeavesOutPodsWithoutAddressAndFinishedOnes) {
  world_.create("services", service(kPlain));
  world_.create("pods", pod("pending"));
  ready_pod("done");
  world_.change({"pods", "ns", "done"},
                [](TreeObject& root) { root["status"].as_object()["phase"] = "Succeeded"; });
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(targets(), IsEmpty());
  EXPECT_THAT(world_.list(kSliceResource), SizeIs(1));  // one that says so
}

TEST_F(ServiceTest, ResolvesNamedPortsPerPod) {
  world_.create(
      "services",
      service(
          R"({"selector":{"app":"web"},"ports":[{"port":80,"targetPort":"http","protocol":"TCP"}]})"));
  ready_pod("a", R"([{"name":"http","containerPort":8080,"protocol":"TCP"}])");
  ready_pod("b", R"([{"name":"http","containerPort":9090,"protocol":"TCP"}])");
  ready_pod("none", R"([{"name":"http","containerPort":9090,"protocol":"UDP"}])");
  ASSERT_TRUE(world_.settle());

  std::set<std::int64_t> ports;
  for (const auto* each : world_.list(kSliceResource)) {
    ports.insert(each->root()["ports"].at(0)["port"].integer());
  }
  EXPECT_THAT(ports, testing::IsSupersetOf({8080, 9090}));
  EXPECT_THAT(world_.get(kEndpoints)->root()["subsets"].size(), 2U);
}

TEST_F(ServiceTest, SplitsAtAHundredAndChangesOnlyTheSliceConcerned) {
  world_.create("services", service(kPlain));
  for (int i = 0; i < 250; ++i) {
    ready_pod(fmt::format("p{:03}", i));
  }
  ASSERT_TRUE(world_.settle());
  ASSERT_THAT(world_.list(kSliceResource), SizeIs(3));
  std::map<std::string, Revision> before;
  for (const auto* each : world_.list(kSliceResource)) {
    EXPECT_LE(each->root()["endpoints"].size(), kEndpointsPerSlice);
    before[each->key.name] = each->revision;
  }

  world_.make_ready({"pods", "ns", "p007"}, false);
  ASSERT_TRUE(world_.settle());

  int changed = 0;
  for (const auto* each : world_.list(kSliceResource)) {
    changed += before[each->key.name] == each->revision ? 0 : 1;
  }
  EXPECT_EQ(changed, 1);
  EXPECT_THAT(targets(), SizeIs(250));
}

TEST_F(ServiceTest, FillsTheGapThatAPodLeft) {
  world_.create("services", service(kPlain));
  for (int i = 0; i < 100; ++i) {
    ready_pod(fmt::format("p{:03}", i));
  }
  ASSERT_TRUE(world_.settle());

  world_.vanish({"pods", "ns", "p050"});
  ready_pod("late");
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.list(kSliceResource), SizeIs(1));
  EXPECT_EQ(targets().count("late"), 1U);
}

TEST_F(ServiceTest, WritesNothingAtRest) {
  world_.create("services", service(kPlain));
  ready_pod("a");
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.plan(*endpointslice_controller(), kService).changes, IsEmpty());
  EXPECT_THAT(world_.plan(*endpoints_controller(), kService).changes, IsEmpty());
}

TEST_F(ServiceTest, AStatusThatChangesNothingPublishedWakesNobody) {
  world_.create("services", service(kPlain));
  ready_pod("a");
  ASSERT_TRUE(world_.settle());

  world_.change({"pods", "ns", "a"},
                [](TreeObject& root) { root["status"].as_object()["message"] = "hello"; });

  EXPECT_FALSE(world_.step());
}

TEST_F(ServiceTest, EndpointsGoWithTheirServiceButNotAUsersOwn) {
  world_.create("services", service(kPlain));
  ready_pod("a");
  world_.create(
      "endpoints",
      R"({"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"own","namespace":"ns"}})");
  ASSERT_TRUE(world_.settle());

  world_.remove(kService);
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.names("endpoints"), ElementsAre("own"));
}

TEST_F(ServiceTest, MirrorsEndpointsThatAUserWrites) {
  world_.create("services", service(R"({"ports":[{"port":80}]})"));
  world_.create(
      "endpoints",
      R"({"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"web","namespace":"ns","uid":"e"},
    "subsets":[{"addresses":[{"ip":"192.0.2.1"}],"notReadyAddresses":[{"ip":"192.0.2.2"}],
       "ports":[{"port":5432,"protocol":"TCP"}]}]})");
  ASSERT_TRUE(world_.settle());

  ASSERT_THAT(world_.list(kSliceResource), SizeIs(1));
  EXPECT_EQ(slice()["metadata"]["labels"]["kubernetes.io/service-name"].string(), "web");
  EXPECT_EQ(slice()["endpoints"].at(0)["addresses"].at(0).string(), "192.0.2.1");
  EXPECT_FALSE(slice()["endpoints"].at(1)["conditions"]["ready"].boolean());
  EXPECT_EQ(slice()["ports"].at(0)["port"].integer(), 5432);

  world_.change(kEndpoints, [](TreeObject& root) { root["subsets"] = TreeArray(); });
  ASSERT_TRUE(world_.settle());
  EXPECT_THAT(world_.list(kSliceResource), IsEmpty());
}

TEST_F(ServiceTest, DoesNotMirrorWhatAsksNotToBe) {
  world_.create("services", service(R"({"ports":[{"port":80}]})"));
  world_.create("endpoints",
                R"({"kind":"Endpoints","apiVersion":"v1","metadata":{"name":"web","namespace":"ns",
       "uid":"e",
    "labels":{"endpointslice.kubernetes.io/skip-mirror":"true"}},
       "subsets":[{"addresses":[{"ip":"192.0.2.1"}]}]})");
  ASSERT_TRUE(world_.settle());

  EXPECT_THAT(world_.list(kSliceResource), IsEmpty());
}

/// Pods come, go and change by chance, views lag: at rest the slices hold exactly the pods with an
/// address, once each.
class ServiceChanceTest : public testing::TestWithParam<unsigned> {};

TEST_P(ServiceChanceTest, ConvergesToExactlyThePodsThatAreThere) {
  World world(GetParam());
  world.add(endpointslice_controller());
  world.lag(true);
  world.create("services", service(kPlain));
  for (int i = 0; i < 200; ++i) {
    switch (world.chance(6)) {
      case 0:
        world.create("pods", pod(fmt::format("p{}", i)));
        break;
      case 1:
        if (const auto pods = world.list("pods"); !pods.empty()) {
          world.vanish(Key(pods[world.chance(static_cast<unsigned>(pods.size()))]->key));
        }
        break;
      case 2:
        world.progress_a_pod();
        break;
      case 3:
        world.deliver(3);
        break;
      default:
        world.step();
        break;
    }
  }
  ASSERT_TRUE(world.settle());
  world.advance(std::chrono::seconds(5));
  ASSERT_TRUE(world.settle());

  std::multiset<std::string> wanted;
  for (const auto* each : world.list("pods")) {
    if (!each->root()["status"]["podIP"].string().empty()) {
      wanted.insert(each->key.name);
    }
  }
  std::multiset<std::string> found;
  for (const auto* each : world.list(kSliceResource)) {
    for (const auto endpoint : each->root()["endpoints"].elements()) {
      found.emplace(endpoint["targetRef"]["name"].string());
    }
  }
  EXPECT_EQ(found, wanted);
}

INSTANTIATE_TEST_SUITE_P(Seeds, ServiceChanceTest, testing::Range(1U, 25U));

}  // namespace
}  // namespace tetrarch::reconcile

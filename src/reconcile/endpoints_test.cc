// SPDX-License-Identifier: Apache-2.0
// Endpoints objects, and what is mirrored of those that users write.
#include "reconcile/endpoints.h"

#include <set>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/edit.h"
#include "reconcile/endpoint_packing.h"
#include "reconcile/service_pods.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

using object::TreeArray;
using object::TreeObject;
using testing::Contains;
using testing::Field;
using testing::HasSubstr;

const Key kService{"services", "ns", "web"};
const Key kEndpoints{"endpoints", "ns", "web"};
constexpr std::string_view kOverCapacity = "endpoints.kubernetes.io/over-capacity";

class EndpointsTest : public testing::Test {
 protected:
  EndpointsTest() {
    world_.add(endpoints_controller());
    world_.add(endpoints_mirroring_controller());
  }

  void service(std::string_view spec, std::string_view labels = "{}") {
    world_.create("services",
                  fmt::format(R"({{"kind":"Service","apiVersion":"v1","metadata":{{"name":"web",
      "namespace":"ns","uid":"s-uid","labels":{}}},"spec":{}}})",
                              labels,
                              spec));
  }

  void pod(int number, bool is_ready, std::string_view more = "", std::string_view ports = "[]") {
    const auto name = fmt::format("p{:04}", number);
    world_.create("pods",
                  fmt::format(R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{}",
      "namespace":"ns","uid":"u-{}","labels":{{"app":"web"}}}},"spec":{{"nodeName":"n1",
      "containers":[{{"name":"c","ports":{}}}]{}}},"status":{{"phase":"Running","podIP":
      "10.1.{}.{}","conditions":[{{"type":"Ready","status":"{}"}}]}}}})",
                              name,
                              name,
                              ports,
                              more,
                              number / 250,
                              number % 250 + 1,
                              is_ready ? "True" : "False"));
  }

  object::View subsets() const { return world_.get(kEndpoints)->root()["subsets"]; }

  std::string annotation(std::string_view name) const {
    return std::string(world_.get(kEndpoints)->metadata()["annotations"][name].string());
  }

  std::size_t mirrored() const {
    std::size_t count = 0;
    for (const auto* slice : world_.list(kSliceResource)) {
      count += slice->root()["endpoints"].size();
    }
    return count;
  }

  World world_;
};

constexpr std::string_view kPlain =
    R"({"clusterIP":"10.43.0.9","selector":{"app":"web"},"ports":[{"name":"http","port":80,"targetPort":8080}]})";

TEST_F(EndpointsTest, AThousandFitAndOneMoreIsTooMany) {
  service(kPlain);
  for (int i = 0; i < 1000; ++i) {
    pod(i, true);
  }
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(subsets().at(0)["addresses"].size(), 1000U);
  EXPECT_EQ(annotation(kOverCapacity), "");

  pod(1000, true);
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(subsets().at(0)["addresses"].size(), 1000U);
  EXPECT_EQ(annotation(kOverCapacity), "truncated");

  world_.remove({"pods", "ns", "p0000"});
  world_.end_terminating();
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(annotation(kOverCapacity), "");
}

TEST_F(EndpointsTest, OverCapacityThoseThatAnswerStay) {
  for (int i = 0; i < 1100; ++i) {
    pod(i, i >= 200);
  }
  service(kPlain);
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(subsets().at(0)["addresses"].size(), 900U);
  EXPECT_EQ(subsets().at(0)["notReadyAddresses"].size(), 100U);
  EXPECT_EQ(annotation(kOverCapacity), "truncated");  // also where it is new
}

TEST_F(EndpointsTest, CarriesTheServicesLabelsAndSaysWhoWroteIt) {
  service(R"({"clusterIP":"None","selector":{"app":"web"}})", R"({"team":"a"})");
  pod(1, true);
  ASSERT_TRUE(world_.settle());

  const auto labels = world_.get(kEndpoints)->metadata()["labels"];
  EXPECT_EQ(labels["team"].string(), "a");
  EXPECT_TRUE(labels["service.kubernetes.io/headless"].exists());
  EXPECT_EQ(labels["endpoints.kubernetes.io/managed-by"].string(), "endpoint-controller");
  EXPECT_FALSE(subsets().at(0)["ports"].exists());  // headless without ports
}

TEST_F(EndpointsTest, PodsWithOtherNamedPortsAreOtherSubsets) {
  service(R"({"clusterIP":"10.43.0.9","selector":{"app":"web"},
      "ports":[{"name":"http","port":80,"targetPort":"web"}]})");
  pod(1, true, "", R"([{"name":"web","containerPort":8001}])");
  pod(2, true, "", R"([{"name":"web","containerPort":8002}])");
  pod(3, true, "", R"([{"name":"other","containerPort":8003}])");
  ASSERT_TRUE(world_.settle());

  ASSERT_EQ(subsets().size(), 2U);  // the third has no such port
  EXPECT_EQ(subsets().at(0)["ports"].at(0)["port"].integer(), 8001);
  EXPECT_EQ(subsets().at(1)["ports"].at(0)["port"].integer(), 8002);
}

TEST_F(EndpointsTest, AnEndingPodIsPublishedOnlyWhereUnreadyOnesAre) {
  service(R"({"clusterIP":"None","selector":{"app":"web"},"publishNotReadyAddresses":true})");
  pod(1, true);
  world_.remove({"pods", "ns", "p0001"});
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(subsets().at(0)["addresses"].size(), 1U);

  world_.change(kService, [](TreeObject& root) {
    root["spec"].as_object()["publishNotReadyAddresses"] = false;
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(subsets().size(), 0U);
}

TEST_F(EndpointsTest, AServiceWithoutSelectorIsLeftToItsUser) {
  service(R"({"clusterIP":"10.43.0.9","ports":[{"port":80}]})");
  pod(1, true);
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(world_.get(kEndpoints), nullptr);
}

TEST_F(EndpointsTest, AnExternalNameHasNone) {
  service(R"({"type":"ExternalName","externalName":"example.com","selector":{"app":"web"}})");
  pod(1, true);
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(world_.get(kEndpoints), nullptr);
}

class MirroringTest : public EndpointsTest {
 protected:
  MirroringTest() { service(R"({"clusterIP":"10.43.0.9","ports":[{"port":80}]})"); }

  void endpoints(std::string_view subsets, std::string_view more = "") {
    world_.create("endpoints",
                  fmt::format(R"({{"kind":"Endpoints","apiVersion":"v1","metadata":{{"name":"web",
      "namespace":"ns","uid":"e-uid"{}}},"subsets":{}}})",
                              more,
                              subsets));
  }

  static std::string addresses(int count) {
    std::string out;
    for (int i = 0; i < count; ++i) {
      out += fmt::format(R"({}{{"ip":"192.0.{}.{}"}})", i == 0 ? "" : ",", i / 250, i % 250 + 1);
    }
    return out;
  }
};

TEST_F(MirroringTest, KeepsWhatProxiesNeed) {
  endpoints(R"([{"addresses":[{"ip":"192.0.2.1","hostname":"db-0","nodeName":"n1",
      "targetRef":{"kind":"Pod","name":"db-0"}}],"notReadyAddresses":[{"ip":"192.0.2.2"}],
      "ports":[{"name":"sql","port":5432,"protocol":"TCP"}]}])",
            R"(,"labels":{"team":"a"})");
  ASSERT_TRUE(world_.settle());

  ASSERT_EQ(world_.list(kSliceResource).size(), 1U);
  const auto slice = world_.list(kSliceResource).front()->root();
  EXPECT_EQ(slice["metadata"]["labels"]["team"].string(), "a");
  EXPECT_EQ(slice["metadata"]["labels"]["kubernetes.io/service-name"].string(), "web");
  EXPECT_EQ(slice["metadata"]["labels"]["endpointslice.kubernetes.io/managed-by"].string(),
            "endpointslicemirroring-controller.k8s.io");
  EXPECT_EQ(slice["ports"].at(0)["port"].integer(), 5432);
  const auto first = slice["endpoints"].at(0);
  EXPECT_EQ(first["hostname"].string(), "db-0");
  EXPECT_EQ(first["nodeName"].string(), "n1");
  EXPECT_EQ(first["targetRef"]["name"].string(), "db-0");
  EXPECT_TRUE(first["conditions"]["ready"].boolean());
  EXPECT_FALSE(slice["endpoints"].at(1)["conditions"]["ready"].boolean());
}

TEST_F(MirroringTest, FamiliesAndPortsAreApart) {
  endpoints(R"([{"addresses":[{"ip":"192.0.2.1"},{"ip":"2001:db8::1"}],"ports":[{"port":80}]},
      {"addresses":[{"ip":"192.0.2.1"}],"ports":[{"port":81}]}])");
  ASSERT_TRUE(world_.settle());

  std::multiset<std::string> found;
  for (const auto* slice : world_.list(kSliceResource)) {
    found.insert(fmt::format("{} {}",
                             slice->root()["addressType"].string(),
                             slice->root()["ports"].at(0)["port"].integer()));
  }
  EXPECT_THAT(found, testing::ElementsAre("IPv4 80", "IPv4 81", "IPv6 80"));
}

TEST_F(MirroringTest, AThousandOfASubsetAreMirroredAndTheRestIsSaid) {
  endpoints(fmt::format(
      R"([{{"addresses":[{}],"notReadyAddresses":[{{"ip":"198.51.100.1"}}],"ports":[{{"port":80}}]}}])",
      addresses(1005)));
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(mirrored(), 1000U);
  EXPECT_EQ(world_.list(kSliceResource).size(), 10U);
  EXPECT_THAT(world_.notes,
              Contains(Field(&Note::message,
                             "A max of 1000 addresses can be mirrored to EndpointSlices per "
                             "Endpoints subset. 6 addresses were skipped")));
}

TEST_F(MirroringTest, FollowsChangesAndEndsWithItsService) {
  endpoints(fmt::format(R"([{{"addresses":[{}],"ports":[{{"port":80}}]}}])", addresses(150)));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(mirrored(), 150U);

  world_.change(kEndpoints, [](TreeObject& root) { root["subsets"] = TreeArray(); });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(mirrored(), 0U);

  world_.change(kEndpoints, [](TreeObject& root) {
    root["subsets"] =
        TreeArray{TreeObject{{"addresses", TreeArray{TreeObject{{"ip", "192.0.2.9"}}}}}};
  });
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(mirrored(), 1U);
  world_.remove(kService);
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.list(kSliceResource).size(), 0U);
}

struct SkipRow {
  std::string_view name;
  std::string_view metadata;
  bool is_mirrored;
};

void PrintTo(const SkipRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr SkipRow kSkipRows[] = {
    {"plain", "", true},
    {"asks_not_to_be", R"(,"labels":{"endpointslice.kubernetes.io/skip-mirror":"true"})", false},
    {"asks_something_else",
     R"(,"labels":{"endpointslice.kubernetes.io/skip-mirror":"false"})",
     true},
    {"is_a_leaders_lock",
     R"(,"annotations":{"control-plane.alpha.kubernetes.io/leader":"{}"})",
     false},
    {"is_going", R"(,"deletionTimestamp":"2026-01-01T00:00:00Z","finalizers":["x"])", false},
};

class SkipTest : public MirroringTest, public testing::WithParamInterface<SkipRow> {};

TEST_P(SkipTest, DecidesWhatIsMirrored) {
  endpoints(R"([{"addresses":[{"ip":"192.0.2.1"}],"ports":[{"port":80}]}])", GetParam().metadata);
  ASSERT_TRUE(world_.settle());

  EXPECT_EQ(mirrored(), GetParam().is_mirrored ? 1U : 0U);
}

INSTANTIATE_TEST_SUITE_P(Table, SkipTest, testing::ValuesIn(kSkipRows), [](const auto& row) {
  return std::string(row.param.name);
});

/// The ports of a service as one pod has them: "name:port/protocol".
struct PortsRow {
  std::string_view name;
  std::string_view service;
  std::string_view pod;
  std::string_view expected;
};

void PrintTo(const PortsRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr PortsRow kPortsRows[] = {
    {"a_number", R"([{"port":80,"targetPort":8080}])", "{}", ":8080/TCP"},
    {"none_means_the_same_port", R"([{"port":80}])", "{}", ":80/TCP"},
    {"a_name",
     R"([{"name":"h","port":80,"targetPort":"web"}])",
     R"({"containers":[{"ports":[{"name":"web","containerPort":9}]}]})",
     "h:9/TCP"},
    {"a_name_of_another_protocol",
     R"([{"port":80,"targetPort":"web","protocol":"UDP"}])",
     R"({"containers":[{"ports":[{"name":"web","containerPort":9}]}]})",
     ""},
    {"a_name_in_the_second_container",
     R"([{"port":80,"targetPort":"web"}])",
     R"({"containers":[{"ports":[{"name":"x","containerPort":1}]},
        {"ports":[{"name":"web","containerPort":9}]}]})",
     ":9/TCP"},
    {"a_name_of_a_sidecar",
     R"([{"port":80,"targetPort":"web"}])",
     R"({"containers":[],"initContainers":[{"restartPolicy":"Always",
        "ports":[{"name":"web","containerPort":9}]}]})",
     ":9/TCP"},
    {"a_name_of_a_container_that_ends",
     R"([{"port":80,"targetPort":"web"}])",
     R"({"containers":[],"initContainers":[{"ports":[{"name":"web","containerPort":9}]}]})",
     ""},
    {"a_name_of_the_sidecar_behind_it",
     R"([{"port":80,"targetPort":"web"}])",
     R"({"initContainers":[{"ports":[{"name":"web","containerPort":9}]},
        {"restartPolicy":"Always","ports":[{"name":"web","containerPort":10}]}]})",
     ":10/TCP"},
    {"a_name_that_is_not_there_leaves_the_others",
     R"([{"name":"a","port":80,"targetPort":"web"},{"name":"b","port":81}])",
     "{}",
     "b:81/TCP"},
    {"two_ports_of_one_number",
     R"([{"name":"a","port":53,"protocol":"TCP"},{"name":"b","port":53,"protocol":"UDP"}])",
     "{}",
     "a:53/TCP b:53/UDP"},
};

class PortsTest : public testing::TestWithParam<PortsRow> {};

TEST_P(PortsTest, AreAsThePodHasThem) {
  const auto service =
      Document::parse(fmt::format(R"({{"spec":{{"ports":{}}}}})", GetParam().service)).value();
  const auto pod = Document::parse(fmt::format(R"({{"spec":{}}})", GetParam().pod)).value();
  std::string out;
  for (const auto& each :
       ports_of_pod(views::ServiceView(service->root()), views::PodView(pod->root()))) {
    out += fmt::format("{}{}:{}/{}",
                       out.empty() ? "" : " ",
                       std::string(each.at("name").as_string()),
                       each.at("port").to_number<int>(),
                       std::string(each.at("protocol").as_string()));
  }

  EXPECT_EQ(out, GetParam().expected);
}

INSTANTIATE_TEST_SUITE_P(Table, PortsTest, testing::ValuesIn(kPortsRows), [](const auto& row) {
  return std::string(row.param.name);
});

struct AddressRow {
  std::string_view name;
  std::string_view status;
  std::string_view v4;
  std::string_view v6;
};

void PrintTo(const AddressRow& row, std::ostream* out) {
  *out << row.name;
}

constexpr AddressRow kAddressRows[] = {
    {"none", "{}", "", ""},
    {"one", R"({"podIP":"10.0.0.1"})", "10.0.0.1", ""},
    {"both",
     R"({"podIP":"10.0.0.1","podIPs":[{"ip":"10.0.0.1"},{"ip":"fd00::1"}]})",
     "10.0.0.1",
     "fd00::1"},
    {"the_other_first",
     R"({"podIP":"fd00::1","podIPs":[{"ip":"fd00::1"},{"ip":"10.0.0.1"}]})",
     "10.0.0.1",
     "fd00::1"},
};

class AddressTest : public testing::TestWithParam<AddressRow> {};

TEST_P(AddressTest, IsOfTheFamilyThatIsAskedFor) {
  const auto pod = Document::parse(fmt::format(R"({{"status":{}}})", GetParam().status)).value();

  EXPECT_EQ(address_of(views::PodView(pod->root()), "IPv4"), GetParam().v4);
  EXPECT_EQ(address_of(views::PodView(pod->root()), "IPv6"), GetParam().v6);
}

INSTANTIATE_TEST_SUITE_P(Table, AddressTest, testing::ValuesIn(kAddressRows), [](const auto& row) {
  return std::string(row.param.name);
});

}  // namespace
}  // namespace tetrarch::reconcile

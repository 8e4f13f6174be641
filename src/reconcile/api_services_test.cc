// SPDX-License-Identifier: Apache-2.0
#include "reconcile/api_services.h"

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "reconcile/condition.h"
#include "reconcile/edit.h"
#include "reconcile/world.h"

namespace tetrarch::reconcile {
namespace {

const Key kApps{std::string(kApiServices), "", "v1.apps"};
const Key kBatch{std::string(kApiServices), "", "v1.batch"};
const Key kOther{std::string(kApiServices), "", "v1.example.com"};

std::string api_service(const Key& key, std::string_view label, std::string_view spec) {
  return fmt::format(
      R"({{"kind":"APIService","apiVersion":"apiregistration.k8s.io/v1","metadata":{{"name":"{}","labels":{{{}}}}},"spec":{}}})",
      key.name,
      label.empty() ? std::string()
                    : fmt::format(R"("kube-aggregator.kubernetes.io/automanaged":"{}")", label),
      spec);
}

constexpr std::string_view kAppsSpec = R"({"group":"apps","groupPriorityMinimum":17800})";
constexpr std::string_view kRemote =
    R"({"group":"example.com","service":{"name":"s","namespace":"n","port":443}})";

std::string said(const Stored& object) {
  const auto condition = object.root().find("status.conditions").at(0);
  return fmt::format("{} {}: {}",
                     condition["status"].string(),
                     condition["reason"].string(),
                     condition["message"].string());
}

class ApiServicesTest : public testing::Test {
 protected:
  ApiServicesTest() {
    const auto document = [](const Key& key, std::string_view spec) {
      return Document::from_canonical(api_service(key, "onstart", spec));
    };
    world_.add(api_services_controller(
        {document(kApps, kAppsSpec), document(kBatch, R"({"group":"batch"})")}));
    EXPECT_TRUE(world_.settle());
  }

  World world_;
};

TEST_F(ApiServicesTest, MakesWhatIsMissingAndThenRests) {
  for (const auto& key : {kApps, kBatch}) {
    ASSERT_NE(world_.get(key), nullptr) << key.name;
    EXPECT_EQ(said(*world_.get(key)), "True Local: Local APIServices are always available");
  }
  world_.remove(kApps);
  ASSERT_TRUE(world_.settle());
  EXPECT_NE(world_.get(kApps), nullptr);

  const auto before = world_.writes;
  world_.advance(std::chrono::seconds(600));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.writes, before);
}

TEST_F(ApiServicesTest, BringsTheSpecBackUnlessSomebodyTookItOver) {
  const auto move = [this] {
    world_.change(kApps, [](object::TreeObject& root) {
      Edit::object_in(root, "spec")["groupPriorityMinimum"] = 1;
    });
    EXPECT_TRUE(world_.settle());
    return world_.integer(kApps, "spec.groupPriorityMinimum");
  };

  EXPECT_EQ(move(), 17800);
  world_.change(
      kApps, [](object::TreeObject& root) { Edit::object_in(root, "metadata").erase("labels"); });
  EXPECT_EQ(move(), 1);
}

TEST_F(ApiServicesTest, RemovesWhatItOnceMadeAndNothingElse) {
  world_.create(std::string(kApiServices), api_service(kOther, "true", R"({"group":"a"})"));
  ASSERT_TRUE(world_.settle());
  EXPECT_EQ(world_.get(kOther), nullptr);

  world_.create(std::string(kApiServices), api_service(kOther, "", kRemote));
  ASSERT_TRUE(world_.settle());
  ASSERT_NE(world_.get(kOther), nullptr);
  EXPECT_FALSE(world_.get(kOther)->root()["status"]["conditions"].exists());
}

class BackendTest : public testing::Test {
 protected:
  std::string fault() {
    const auto& stored = *world_.get(kOther);
    const auto found = fault_of_backend(world_.mirror(), stored);
    return found ? fmt::format("{} {}: {}", found->status, found->reason, found->message) : "";
  }

  void add_service(std::string_view more) {
    world_.create(
        "services",
        fmt::format(
            R"({{"kind":"Service","apiVersion":"v1","metadata":{{"name":"s","namespace":"n"}},"spec":{{{}}}}})",
            more));
    world_.settle();
  }

  void add_slice(std::string_view name, std::string_view port, std::string_view conditions) {
    world_.create(
        "endpointslices.discovery.k8s.io",
        fmt::format(
            R"({{"kind":"EndpointSlice","apiVersion":"discovery.k8s.io/v1","metadata":{{"name":"{}","namespace":"n","labels":{{"kubernetes.io/service-name":"s"}}}},)"
            R"("endpoints":[{{"addresses":["10.0.0.1"],"conditions":{{{}}}}}],"ports":[{{"name":"{}","port":8443}}]}})",
            name,
            conditions,
            port));
    world_.settle();
  }

  void SetUp() override {
    world_.create(std::string(kApiServices), api_service(kOther, "", kRemote));
    world_.settle();
  }

  World world_;
};

TEST_F(BackendTest, SaysWhatLacksInTheOrderOfKubernetes) {
  EXPECT_EQ(fault(), "False ServiceNotFound: service/s in \"n\" is not present");

  add_service(R"("ports":[{"name":"other","port":80}])");
  EXPECT_EQ(fault(), "False ServicePortError: service/s in \"n\" is not listening on port 443");

  world_.vanish({"services", "n", "s"});
  add_service(R"("ports":[{"name":"https","port":443}])");
  EXPECT_EQ(fault(), "False EndpointsNotFound: cannot find endpoints for service/s in \"n\"");

  add_slice("a", "other", "");
  add_slice("b", "https", R"("ready":false)");
  EXPECT_EQ(fault(),
            "False MissingEndpoints: endpoints for service/s in \"n\" have no addresses with port "
            "name \"https\"");

  add_slice("c", "https", R"("ready":true)");
  EXPECT_EQ(fault(), "");
}

TEST_F(BackendTest, LooksForNoEndpointsOfAName) {
  add_service(R"("type":"ExternalName","externalName":"api.example.com")");

  EXPECT_EQ(fault(), "");
}

TEST_F(BackendTest, TellsOnlyWhatIsNew) {
  const auto& before = *world_.get(kOther);
  const auto passed = told_available(before, answer_of_backend(""), world_.now());
  ASSERT_TRUE(passed);
  EXPECT_EQ(passed->subresource, "status");
  const Stored told{kOther, Revision{9}, passed->document};
  EXPECT_EQ(said(told), "True Passed: all checks passed");

  EXPECT_FALSE(told_available(told, answer_of_backend(""), world_.now()));
  const auto failed = told_available(told, answer_of_backend("no answer"), world_.now());
  ASSERT_TRUE(failed);
  EXPECT_EQ(said({kOther, Revision{9}, failed->document}), "False FailedDiscoveryCheck: no answer");
}

}  // namespace
}  // namespace tetrarch::reconcile

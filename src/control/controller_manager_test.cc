// SPDX-License-Identifier: Apache-2.0
#include "control/controller_manager.h"

#include <algorithm>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "control/fake_client.h"
#include "reconcile/every_controller.h"

namespace tetrarch::control {
namespace {

using testing::Contains;
using testing::Not;

const Key kLease{"leases.coordination.k8s.io", "kube-system", "tetrarch-controllers"};

/// The whole set of controllers over a server in memory.
class ControllerManagerTest : public testing::Test {
 protected:
  ControllerManagerTest() : catalog_(schema::Catalog::load_builtin().value()) {}

  std::unique_ptr<ControllerManager> make(std::string identity) {
    ControllerManager::Options options;
    options.resources = mirrored_resources(*catalog_);
    options.election.identity = std::move(identity);
    options.election.retry = std::chrono::seconds(1);
    reconcile::ClusterSettings settings;
    settings.ca_pem = "PEM";
    settings.advertise_address = "192.0.2.1";
    return std::make_unique<ControllerManager>(
        ControllerManager::Parts{client_, system_clock(), system_random(), metrics_},
        std::move(options),
        reconcile::every_controller(*catalog_, settings),
        pool_.strand());
  }

  bool wait_for(std::string_view resource, std::string_view ns, std::ptrdiff_t count) {
    return client_.wait_until([&](const FakeClient::Objects& objects) {
      return std::count_if(objects.begin(), objects.end(), [&](const auto& each) {
               return each.first.resource == resource && each.first.ns == ns;
             }) == count;
    });
  }

  async::IoPool pool_{2};
  FakeClient client_;
  Metrics metrics_;
  std::unique_ptr<schema::Catalog> catalog_;
};

constexpr std::string_view kDeployment = R"({"kind":"Deployment","apiVersion":"apps/v1",
"metadata":{"name":"web","namespace":"default","uid":"d","generation":1},
"spec":{"replicas":3,"selector":{"matchLabels":{"app":"web"}},"strategy":{"type":"RollingUpdate",
"rollingUpdate":{"maxSurge":"25%","maxUnavailable":"25%"}},
"template":{"metadata":{"labels":{"app":"web"}},"spec":{"containers":[{"name":"c",
       "image":"i"}]}}}})";

std::string canonical(std::string_view json) {
  return (*Document::parse(json))->bytes();
}

TEST_F(ControllerManagerTest, MirrorsEveryKindThatCanBeListedAndWatched) {
  const auto resources = mirrored_resources(*catalog_);

  EXPECT_THAT(resources, Contains("pods"));
  EXPECT_THAT(resources, Contains("deployments.apps"));
  EXPECT_THAT(resources, Contains("events"));
  EXPECT_THAT(resources, Not(Contains("bindings")));
  EXPECT_THAT(resources, Not(Contains("tokenreviews.authentication.k8s.io")));
}

TEST_F(ControllerManagerTest, BringsADeploymentToItsPodsAndTheClusterToItsDefaults) {
  const auto manager = make("a");
  manager->run();
  client_.put({"deployments.apps", "default", "web"}, canonical(kDeployment));

  EXPECT_TRUE(wait_for("pods", "default", 3));
  EXPECT_TRUE(wait_for("serviceaccounts", "kube-system", 1));
  EXPECT_TRUE(wait_for("configmaps", "default", 1));
  EXPECT_TRUE(wait_for("endpointslices.discovery.k8s.io", "default", 1));
  EXPECT_TRUE(manager->is_leading());

  client_.erase({"deployments.apps", "default", "web"});
  EXPECT_TRUE(wait_for("replicasets.apps", "default", 0));
  EXPECT_TRUE(wait_for("pods", "default", 0));
  manager->stop_and_wait();
}

TEST_F(ControllerManagerTest, ASecondServerDoesNothingWhileTheFirstLeads) {
  const auto first = make("a");
  first->run();
  ASSERT_TRUE(wait_for("serviceaccounts", "default", 1));
  const auto second = make("b");
  second->run();
  client_.put({"deployments.apps", "default", "web"}, canonical(kDeployment));
  EXPECT_TRUE(wait_for("pods", "default", 3));

  EXPECT_FALSE(second->is_leading());
  EXPECT_TRUE(client_.wait_until([](const FakeClient::Objects& objects) {
    return objects.at(kLease).root()["spec"]["holderIdentity"].string() == "a";
  }));
  second->stop_and_wait();
  first->stop_and_wait();
}

TEST_F(ControllerManagerTest, AServerThatStartsAgainGoesOnAtOnce) {
  const auto first = make("a");
  first->run();
  ASSERT_TRUE(wait_for("serviceaccounts", "default", 1));
  first->stop_and_wait();
  client_.put({"deployments.apps", "default", "web"}, canonical(kDeployment));

  const auto again = make("a");
  again->run();

  EXPECT_TRUE(wait_for("pods", "default", 3));
  again->stop_and_wait();
}

TEST_F(ControllerManagerTest, AServerThatLostTheLeaseStopsAndGoesOnWhenItHasItAgain) {
  const auto manager = make("a");
  manager->run();
  ASSERT_TRUE(wait_for("serviceaccounts", "default", 1));
  const auto lease = [](std::string_view holder) {
    return canonical(fmt::format(R"({{"kind":"Lease","apiVersion":"coordination.k8s.io/v1",
        "metadata":{{"name":"tetrarch-controllers","namespace":"kube-system"}},
        "spec":{{"holderIdentity":"{}","leaseDurationSeconds":3600}}}})",
                                 holder));
  };

  client_.put(kLease, lease("somebody-else"));
  const int looks = client_.calls("get leases.coordination.k8s.io");
  ASSERT_TRUE(client_.wait_for_calls("get leases.coordination.k8s.io", looks + 2));
  EXPECT_FALSE(manager->is_leading());
  client_.put({"deployments.apps", "default", "web"}, canonical(kDeployment));
  ASSERT_TRUE(client_.wait_for_calls("get leases.coordination.k8s.io", looks + 3));
  EXPECT_EQ(client_.calls("create replicasets.apps"), 0);

  client_.put(kLease, lease(""));
  EXPECT_TRUE(wait_for("pods", "default", 3));
  manager->stop_and_wait();
}

}  // namespace
}  // namespace tetrarch::control

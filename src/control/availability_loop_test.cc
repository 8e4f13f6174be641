// SPDX-License-Identifier: Apache-2.0
#include "control/availability_loop.h"

#include <atomic>
#include <mutex>
#include <optional>

#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "control/fake_client.h"

namespace tetrarch::control {
namespace {

const Key kApi{"apiservices.apiregistration.k8s.io", "", "v1.example.com"};
const Key kService{"services", "n", "s"};
const Key kSlice{"endpointslices.discovery.k8s.io", "n", "s-1"};

std::string available(const FakeClient::Objects& objects) {
  const auto at = objects.find(kApi);
  if (at == objects.end()) {
    return "(gone)";
  }
  const auto condition = at->second.root().find("status.conditions").at(0);
  return fmt::format("{} {}", condition["status"].string(), condition["reason"].string());
}

class AvailabilityLoopTest : public testing::Test {
 protected:
  AvailabilityLoopTest()
      : cache_({client_, system_clock(), system_random(), metrics_},
               {kApi.resource, kService.resource, kSlice.resource}),
        loop_({client_, cache_, system_clock()},
              [this](std::string name) { return answer(std::move(name)); }) {}

  void TearDown() override { group_.stop_and_wait(); }

  void start() {
    cache_.run(group_);
    loop_.run(group_);
  }

  Task<Status> answer(std::string name) {
    EXPECT_EQ(name, kApi.name);
    ++asked_;
    co_return is_up_ ? ok() : Status(Error{Code::unavailable, "no answer"});
  }

  void register_api() {
    client_.put(
        kApi,
        R"({"kind":"APIService","metadata":{"name":"v1.example.com","uid":"u"},"spec":{"group":"example.com",)"
        R"("service":{"name":"s","namespace":"n","port":443},"version":"v1"}})");
  }

  void serve() {
    client_.put(
        kService,
        R"({"kind":"Service","metadata":{"name":"s","namespace":"n"},"spec":{"ports":[{"port":443}]}})");
    client_.put(
        kSlice,
        R"({"kind":"EndpointSlice","metadata":{"labels":{"kubernetes.io/service-name":"s"},"name":"s-1","namespace":"n"},)"
        R"("endpoints":[{"addresses":["10.0.0.1"]}],"ports":[{"port":8443}]})");
  }

  bool comes_to(std::string_view what) {
    return client_.wait_until(
        [what](const FakeClient::Objects& objects) { return available(objects) == what; });
  }

  Metrics metrics_;
  FakeClient client_;
  async::IoPool pool_{2};
  async::TaskGroup group_{pool_.strand(), "test"};
  Cache cache_;
  std::atomic<bool> is_up_ = true;
  std::atomic<int> asked_ = 0;
  AvailabilityLoop loop_;
};

TEST_F(AvailabilityLoopTest, AsksOnlyWhereObjectsSayThatThereIsSomebody) {
  register_api();
  start();

  EXPECT_TRUE(comes_to("False ServiceNotFound"));
  EXPECT_EQ(asked_, 0);

  serve();
  EXPECT_TRUE(comes_to("True Passed"));
  EXPECT_GE(asked_, 1);
}

TEST_F(AvailabilityLoopTest, AsksAgainWhenTheEndpointsChange) {
  serve();
  register_api();
  start();
  ASSERT_TRUE(comes_to("True Passed"));

  client_.erase(kSlice);
  EXPECT_TRUE(comes_to("False EndpointsNotFound"));
  is_up_ = false;
  serve();
  EXPECT_TRUE(comes_to("False FailedDiscoveryCheck"));
}

TEST_F(AvailabilityLoopTest, TriesAgainByItselfWhatFailed) {
  is_up_ = false;
  serve();
  register_api();
  start();
  ASSERT_TRUE(comes_to("False FailedDiscoveryCheck"));

  is_up_ = true;
  EXPECT_TRUE(comes_to("True Passed"));
}

}  // namespace
}  // namespace tetrarch::control

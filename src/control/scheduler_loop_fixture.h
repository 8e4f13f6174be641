// SPDX-License-Identifier: Apache-2.0
// What the tests of the scheduler's loop share: a server in memory, nodes, pods. Only tests include
// it.
#pragma once

#include <algorithm>
#include <functional>
#include <optional>
#include <string>

#include <fmt/format.h>
#include <gtest/gtest.h>

#include "async/io_pool.h"
#include "control/fake_client.h"
#include "control/manual_clock.h"
#include "control/scheduler_loop.h"

namespace tetrarch::control {

inline std::string canonical(std::string_view json) {
  return (*Document::parse(json))->bytes();
}

class SchedulerLoopFixture : public testing::Test {
 protected:
  void TearDown() override { stop(); }

  void start() {
    group_.emplace(strand_, "test");
    if (!loop_) {
      loop_.emplace(SchedulerLoop::Parts{client_, cache_, recorder_, clock_, metrics_});
      cache_.run(cache_group_);
      cache_group_.spawn(recorder_.run());
    }
    loop_->run(*group_);
  }

  void stop() {
    if (group_) {
      group_->stop_and_wait();
      group_.reset();
    }
    cache_group_.stop_and_wait();
  }

  void node(std::string_view name, int cpu, std::string_view more = "") {
    client_.put({"nodes", "", std::string(name)},
                canonical(fmt::format(
                    R"({{"kind":"Node","apiVersion":"v1","metadata":{{"name":"{}"}},"spec":
                {{}},"status":{{"allocatable":{{"cpu":"{}","memory":"9Gi","pods":"1000"}}{}}}}})",
                    name,
                    cpu,
                    more)));
  }

  static Key key(std::string_view name) { return {"pods", "ns", std::string(name)}; }

  /// `more`: further members of spec, each with a leading comma.
  void pod(std::string_view name,
           int cpu = 1,
           std::string_view more = "",
           std::string_view labels = "{}") {
    client_.put(key(name),
                canonical(fmt::format(R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{0}",
                "namespace":"ns","uid":"u-{0}","labels":{3}}},"spec":{{"containers":[{{"name":"c",
                "resources":{{"requests":{{"cpu":"{1}"}}}}}}]{2}}}}})",
                                      name,
                                      cpu,
                                      more,
                                      labels)));
  }

  bool wait_for_node(std::string_view name, std::string_view node) {
    return client_.wait_until([&](const FakeClient::Objects& objects) {
      const auto found = objects.find(key(name));
      return found != objects.end() && found->second.root()["spec"]["nodeName"].string() == node;
    });
  }

  /// True once the pod is as `holds` says.
  bool wait_for_pod(std::string_view name, const std::function<bool(object::View)>& holds) {
    return client_.wait_until([&](const FakeClient::Objects& objects) {
      const auto found = objects.find(key(name));
      return found != objects.end() && holds(found->second.root());
    });
  }

  /// The message of the condition PodScheduled.
  bool wait_for_message(std::string_view name, std::string_view message) {
    return client_.wait_until([&](const FakeClient::Objects& objects) {
      const auto found = objects.find(key(name));
      return found != objects.end() &&
             found->second.root()["status"]["conditions"].at(0)["message"].string() == message;
    });
  }

  bool wait_for_event(std::string_view reason, std::string_view message) {
    return client_.wait_until([&](const FakeClient::Objects& objects) {
      return std::any_of(objects.begin(), objects.end(), [&](const auto& each) {
        const auto root = each.second.root();
        return each.first.resource == "events" && root["reason"].string() == reason &&
               root["message"].string() == message;
      });
    });
  }

  std::uint64_t refusals() { return metrics_.counter("scheduler_refusals_total", "").value(); }

  async::IoPool pool_{2};
  asio::any_io_executor strand_ = pool_.strand();  // of the cache, the recorder and the loop
  FakeClient client_;
  ManualClock clock_;
  Metrics metrics_;
  Cache cache_{{client_, clock_, system_random(), metrics_},
               {"nodes", "pods", "poddisruptionbudgets.policy"}};
  EventRecorder recorder_{client_, clock_, system_random(), metrics_, "default-scheduler"};
  async::TaskGroup cache_group_{strand_, "cache"};
  std::optional<async::TaskGroup> group_;
  std::optional<SchedulerLoop> loop_;
};

}  // namespace tetrarch::control

// SPDX-License-Identifier: Apache-2.0
// A whole agent on the bench: a real containerd, a server in memory and a bridge of its own. Needs
// root, containerd, runc, CNI plugins and the images of tools/build_images; fails, saying so,
// without them.
#pragma once

#include <filesystem>
#include <fstream>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/agent.h"
#include "agent/down.h"
#include "agent/runtime/process.h"
#include "memory_client.h"

namespace tetrarch::agent {

/// Only a bridge by CNI: services and DNS are another room's test.
class BridgeNetwork final : public network::Network {
 public:
  BridgeNetwork(std::filesystem::path directory, std::string bridge)
      : directory_(std::move(directory)), bridge_(std::move(bridge)) {}

  Task<Status> set_up(std::string node_pod_cidr, std::string) override {
    std::filesystem::create_directories(directory_ / "conf");
    std::ofstream(directory_ / "conf/10-test.conflist") << fmt::format(
        R"({{"cniVersion":"1.0.0","name":"{0}","plugins":[{{"type":"bridge","bridge":"{0}","isGateway":true,)"
        R"("ipMasq":false,"ipam":{{"type":"host-local","dataDir":"{2}","ranges":[[{{"subnet":"{1}"}}]]}}}}]}})",
        bridge_,
        node_pod_cidr,
        (directory_ / "leases").string());
    co_return ok();
  }

  std::filesystem::path cni_conf_directory() const override { return directory_ / "conf"; }

  std::filesystem::path cni_bin_directory() const override { return "/usr/lib/cni"; }

  std::string dns_address() const override { return "10.43.0.10"; }

  Task<Status> apply(std::vector<network::Change>, bool) override { co_return ok(); }

  Task<Status> keep_routes() override { co_return ok(); }

  bool admit(const network::LocalPod&) override { return false; }

  void release(const std::string&) override {}

  bool is_limited(const std::string&) const override { return false; }

  const network::HealthPortsByService& health_ports() const override { return health_ports_; }

  Task<void> stop() override { co_return; }

 private:
  std::filesystem::path directory_;
  std::string bridge_;
  network::HealthPortsByService health_ports_;
};

/// One agent for all tests of a suite. A suite calls set_up with what its agent is told.
class AgentBench : public testing::Test {
 public:
  static void set_up(std::function<void(Options&)> adjust = {}) {
    adjust_ = std::move(adjust);
    ASSERT_EQ(::geteuid(), 0U) << "this test needs root: it runs containers";
    ASSERT_TRUE(std::filesystem::exists(std::filesystem::path(TETRARCH_IMAGES_DIR) / "pause.tar"))
        << "run tools/build_images first";
    place_ = std::filesystem::temp_directory_path() /
             ("tetrarch-agent-" + make_suffix(system_random(), 8));
    std::filesystem::create_directories(place_);
    bridge_ = "tt" + instance_name(place_);
    client_ = std::make_unique<MemoryClient>();
    // A controller gives the node its range as soon as it registers; here it is there already.
    client_->put({"nodes", "", "n1"},
                 R"({"kind":"Node","apiVersion":"v1","metadata":{"name":"n1","uid":"node-1"},)"
                 R"("spec":{"podCIDR":"10.199.77.0/24"},"status":{}})");
    start();
  }

  static void TearDownTestSuite() {
    stop();
    const auto down = take_down(place_, true);
    EXPECT_TRUE(down.ok()) << down.error().message;
    static_cast<void>(runtime::run_process({"ip", "link", "del", bridge_}));
    std::error_code ignored;
    std::filesystem::remove_all(place_, ignored);
  }

  static void start() {
    pool_ = std::make_unique<async::IoPool>(2);
    blocking_ = std::make_unique<async::BlockingPool>(4);
    metrics_ = std::make_unique<Metrics>();
    network_ = std::make_unique<BridgeNetwork>(place_ / "net", bridge_);
    Options options;
    options.node_name = "n1";
    options.node_address = "127.0.0.1";
    options.data_directory = place_;
    options.image_directories = {TETRARCH_IMAGES_DIR};
    if (adjust_) {
      adjust_(options);
    }
    agent_ = std::make_unique<Agent>(options,
                                     Dependencies{*client_,
                                                  *pool_,
                                                  *blocking_,
                                                  system_clock(),
                                                  system_random(),
                                                  *metrics_,
                                                  network_.get()});
    const auto started = run(agent_->run());
    ASSERT_TRUE(started.ok()) << started.error().message;
  }

  static void stop() {
    asio::co_spawn(pool_->strand(), agent_->stop(), asio::use_future).get();
    agent_.reset();
    network_.reset();
    pool_.reset();
    blocking_.reset();
  }

  template <class T>
  static T run(Task<T> task) {
    // Result has no default value, which use_future's path needs: carry it in an optional.
    auto boxed = [](Task<T> inner) -> Task<std::optional<T>> {
      co_return std::optional<T>(co_await std::move(inner));
    };
    return *asio::co_spawn(pool_->strand(), boxed(std::move(task)), asio::use_future).get();
  }

  static Key pod(const std::string& name) { return {"pods", "default", name}; }

  static void put_pod(const std::string& name,
                      const std::string& spec,
                      const std::string& metadata = "") {
    client_->put(
        pod(name),
        fmt::format(R"({{"kind":"Pod","apiVersion":"v1","metadata":{{"name":"{0}",)"
                    R"("namespace":"default","uid":"uid-{0}"{2}}},"spec":{1},"status":{{}}}})",
                    name,
                    spec,
                    metadata));
  }

  /// Waits for a condition on the pod's document; the last document either way.
  template <class Condition>
  static DocumentPtr wait_for(const std::string& name, Condition condition, int seconds = 30) {
    DocumentPtr last;
    for (int tries = 0; tries < seconds * 20; ++tries) {
      last = client_->look(pod(name));
      if (condition(last)) {
        return last;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ADD_FAILURE() << name << ": not reached; last status: "
                  << (last == nullptr ? "gone" : std::string(last->root()["status"].raw()));
    return last;
  }

  static bool is_ready(const DocumentPtr& document) {
    if (document == nullptr) {
      return false;
    }
    for (const auto condition : document->root().find("status.conditions").elements()) {
      if (condition["type"].string() == "Ready") {
        return condition["status"].string() == "True";
      }
    }
    return false;
  }

  static object::View first(const DocumentPtr& document) {
    return document->root().find("status.containerStatuses").at(0);
  }

  static void delete_pod(const std::string& name, int grace) {
    const auto now = client_->look(pod(name));
    ASSERT_NE(now, nullptr);
    auto tree = object::to_tree(now->root());
    auto& metadata = tree.get_object()["metadata"].get_object();
    metadata["deletionTimestamp"] = "2026-11-23T00:00:00Z";
    metadata["deletionGracePeriodSeconds"] = grace;
    client_->put(pod(name), object::to_json(tree));
    wait_for(name, [](const DocumentPtr& document) { return document == nullptr; });
  }

  static std::string shell(const std::string& command) {
    return runtime::run_process({"/bin/sh", "-c", command}).value_or({}).output;
  }

  static inline std::function<void(Options&)> adjust_;
  static inline std::filesystem::path place_;
  static inline std::string bridge_;
  static inline std::unique_ptr<MemoryClient> client_;
  static inline std::unique_ptr<async::IoPool> pool_;
  static inline std::unique_ptr<async::BlockingPool> blocking_;
  static inline std::unique_ptr<Metrics> metrics_;
  static inline std::unique_ptr<BridgeNetwork> network_;
  static inline std::unique_ptr<Agent> agent_;
};

}  // namespace tetrarch::agent

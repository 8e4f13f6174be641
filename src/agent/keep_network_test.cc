// SPDX-License-Identifier: Apache-2.0
// What the agent tells the network, and when it says it again.
#include <boost/asio/co_spawn.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/agent_impl.h"
#include "agent/noting_network.h"
#include "agent/worker_bench.h"
#include "async/task_group.h"
#include "async/virtual_time.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;
using testing::ElementsAre;

class KeepNetwork : public testing::Test {
 protected:
  KeepNetwork()
      : time_(asio::make_service<async::VirtualTime>(
            context_, TimePoint{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}})),
        place_(std::filesystem::temp_directory_path() /
               ("keep-network-" + make_suffix(system_random(), 10))),
        tasks_(context_.get_executor(), "test") {
    Options options;
    options.node_name = "n1";
    options.data_directory = place_;
    agent_ = std::make_unique<Agent::Impl>(
        options,
        Dependencies{server_, pool_, blocking_, time_, system_random(), metrics_, &network_});
    agent_->network_cidr = "10.42.1.0/24";
    agent_->objects.on_change([this](const Key& key, const DocumentPtr& document) {
      agent_->note_network_change(key, document);
    });
    put("a");
    put("b");
    tasks_.spawn(agent_->keep_network());
    advance(seconds(0));
  }

  ~KeepNetwork() override {
    asio::co_spawn(context_, tasks_.stop(), [](const std::exception_ptr&) {});
    poll();
    std::filesystem::remove_all(place_);
  }

  void put(const std::string& name) {
    const Key key{"services", "default", name};
    const auto document = *Document::parse(
        fmt::format(R"({{"metadata":{{"name":"{}","resourceVersion":"{}"}}}})", name, ++revision_));
    agent_->objects.apply({client::EventType::added, Stored{key, Revision{revision_}, document}});
  }

  void advance(seconds by) {
    const auto target = time_.now() + by;
    poll();
    for (auto next = time_.next(); next && *next <= target; next = time_.next()) {
      time_.move_to(*next);
      poll();
    }
    time_.move_to(target);
    poll();
  }

  void poll() {
    context_.restart();
    context_.poll();
  }

  asio::io_context context_;
  async::VirtualTime& time_;
  std::filesystem::path place_;
  async::IoPool pool_{1};
  async::BlockingPool blocking_{1};
  FakeServer server_;
  Metrics metrics_;
  NotingNetwork network_;
  std::unique_ptr<Agent::Impl> agent_;
  async::TaskGroup tasks_;
  std::uint64_t revision_ = 0;
};

TEST_F(KeepNetwork, SaysAllAndThenWhatChanges) {
  put("c");
  advance(seconds(300));

  EXPECT_THAT(network_.told, ElementsAre("2 of all", "1 changed"));
}

TEST_F(KeepNetwork, SaysAllAgainAfterAnErrorThoughNothingElseChanges) {
  network_.failures = 2;
  put("c");
  advance(seconds(300));

  EXPECT_THAT(network_.told,
              ElementsAre("2 of all", "1 changed, failed", "3 of all, failed", "3 of all"));
}

TEST_F(KeepNetwork, TriesLessOftenTheLongerItFails) {
  network_.failures = 1000;
  put("c");
  advance(seconds(600));

  EXPECT_LT(network_.told.size(), 30U);
  EXPECT_GT(network_.told.size(), 15U);
}

TEST_F(KeepNetwork, LooksAtRoutesEachMinuteThoughNothingChanges) {
  const int before = network_.routes_kept;
  advance(seconds(300));

  EXPECT_EQ(network_.routes_kept - before, 5);
}

TEST_F(KeepNetwork, LooksAtRoutesEachMinuteThoughChangesNeverEnd) {
  const int before = network_.routes_kept;
  for (int i = 0; i < 30; ++i) {
    put("c");
    advance(seconds(10));
  }

  EXPECT_EQ(network_.routes_kept - before, 4);  // after 60, 120, 180 and 240 s
}

}  // namespace
}  // namespace tetrarch::agent

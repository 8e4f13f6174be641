// SPDX-License-Identifier: Apache-2.0
#include "agent/registrar.h"

#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <gtest/gtest.h>

#include "agent/worker_bench.h"
#include "async/task_group.h"
#include "async/virtual_time.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;

const Key kNode{"nodes", "", "n1"};
const Key kLease{"leases.coordination.k8s.io", "kube-node-lease", "n1"};

/// A registrar at a server that knows its node, with time that moves when told to.
class RegistrarTest : public testing::Test {
 protected:
  RegistrarTest()
      : time_(asio::make_service<async::VirtualTime>(
            context_, TimePoint{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}})),
        runtime_(time_),
        tasks_(context_.get_executor(), "test") {
    options_.node_name = "n1";
    put(kNode, R"({"kind":"Node","metadata":{"name":"n1"},"status":{}})");
    put(kLease, R"({"kind":"Lease","metadata":{"name":"n1"},"spec":{"acquireTime":"then"}})");
  }

  ~RegistrarTest() override {
    bool is_done = false;
    asio::co_spawn(context_, tasks_.stop(), [&](const std::exception_ptr&) { is_done = true; });
    while (!is_done) {
      move(std::chrono::milliseconds(1));
    }
  }

  void start() {
    auto shown = [this]() -> const Stored* {
      return frozen_ ? &*frozen_ : is_feed_up_ ? server_.find(kNode) : nullptr;
    };
    registrar_ = std::make_unique<Registrar>(options_,
                                             machine_,
                                             Registrar::Parts{server_,
                                                              runtime_,
                                                              time_,
                                                              pressure_,
                                                              thresholds_,
                                                              is_shutting_down_,
                                                              {},
                                                              shown,
                                                              port_,
                                                              systemd_});
    tasks_.spawn(registrar_->keep_node());
    tasks_.spawn(registrar_->keep_lease());
    move(seconds(1));
  }

  bool is_systemd_ready() const {
    for (const auto one : server_.find(kNode)->root().find("status.conditions").elements()) {
      if (one["type"].string() == "Systemd") {
        return one["status"].string() == "True";
      }
    }
    ADD_FAILURE() << "nothing is said of systemd";
    return false;
  }

  void put(const Key& key, std::string json) {
    server_.put(key, Document::from_canonical(std::move(json)));
  }

  void move(std::chrono::nanoseconds by) {
    const auto target = time_.now() + std::chrono::duration_cast<TimePoint::duration>(by);
    poll();
    for (auto next = time_.next(); next && *next <= target; next = time_.next()) {
      time_.move_to(std::max(*next, time_.now()));
      poll();
    }
    time_.move_to(target);
    poll();
  }

  std::string renewed() const {
    return std::string(server_.find(kLease)->root().find("spec.renewTime").string());
  }

  void poll() {
    context_.restart();
    context_.poll();
  }

  asio::io_context context_;
  async::VirtualTime& time_;
  FakeServer server_;
  FakeRuntime runtime_;
  Options options_;
  Machine machine_ = {};
  PressureState pressure_{seconds(300)};
  bool is_shutting_down_ = false;
  std::vector<Threshold> thresholds_;
  bool is_feed_up_ = true;
  int port_ = 0;
  std::optional<Stored> frozen_ = {};  // what a feed that hangs showed last
  std::function<SystemdState()> systemd_ = {};
  std::unique_ptr<Registrar> registrar_;
  async::TaskGroup tasks_;
};

TEST_F(RegistrarTest, what_is_known_is_not_asked_for_again) {
  start();
  EXPECT_EQ(server_.reads, 2) << "the node and the lease, once";
  const auto first = renewed();
  int writes = 0;
  server_.on_write = [&](const std::string&) { ++writes; };
  move(seconds(60));
  EXPECT_EQ(server_.reads, 2);
  EXPECT_EQ(writes, 6) << "renewals of the lease; the node has nothing new to say";
  EXPECT_LT(first, renewed());
  EXPECT_EQ(server_.find(kLease)->root().find("spec.acquireTime").string(), "then");
}

TEST_F(RegistrarTest, what_others_did_to_the_lease_is_read_and_written_over) {
  start();
  put(kLease, R"({"kind":"Lease","metadata":{"name":"n1","labels":{"a":"b"}},"spec":{}})");
  move(seconds(11));
  EXPECT_EQ(server_.reads, 3);
  EXPECT_FALSE(renewed().empty());
  EXPECT_EQ(server_.find(kLease)->root().find("metadata.labels.a").string(), "b");
}

TEST_F(RegistrarTest, a_node_that_somebody_says_is_unknown_is_ready_again) {
  start();
  const auto said = server_.find(kNode)->root()["status"].raw();
  const std::string before(said);
  put(kNode, R"({"kind":"Node","metadata":{"name":"n1"},"status":{}})");
  registrar_->wake();
  move(seconds(1));
  EXPECT_TRUE(is_same_status(server_.find(kNode)->root()["status"],
                             Document::from_canonical(before)->root()));
  EXPECT_EQ(server_.reads, 2) << "the feed has shown it";
}

TEST_F(RegistrarTest, others_are_told_where_its_blobs_are) {
  port_ = 6444;
  start();
  ASSERT_FALSE(server_.patches.empty());
  EXPECT_EQ(server_.patches[0],
            R"({"metadata":{"annotations":{"images.tetrarch.dev/blob-port":"6444"}}})");
}

TEST_F(RegistrarTest, where_its_blobs_are_is_not_said_twice_and_taken_back) {
  put(kNode,
      R"({"kind":"Node","metadata":{"name":"n1","annotations":)"
      R"({"images.tetrarch.dev/blob-port":"6444"}},"status":{}})");
  port_ = 6444;
  start();
  EXPECT_TRUE(server_.patches.empty());
  put(kNode,
      R"({"kind":"Node","metadata":{"name":"n1","annotations":)"
      R"({"images.tetrarch.dev/blob-port":"7000"}},"status":{}})");
  registrar_->wake();
  move(seconds(1));
  ASSERT_FALSE(server_.patches.empty());
  EXPECT_NE(server_.patches[0].find(R"("images.tetrarch.dev/blob-port":"6444")"),
            std::string::npos);
}

TEST_F(RegistrarTest, a_node_says_whether_it_runs_systemd_units) {
  machine_.machine_id = "9678f7a7";
  options_.metadata = "region=eu";
  SystemdState state{true, "systemd 252 runs units"};
  systemd_ = [&] { return state; };
  start();
  ASSERT_FALSE(server_.patches.empty());
  EXPECT_EQ(server_.patches[0],
            R"({"metadata":{"labels":{"fleet.tetrarch.dev/systemd":"true",)"
            R"("fleet.tetrarch.dev/machine-id":"9678f7a7"},)"
            R"("annotations":{"fleet.tetrarch.dev/metadata":"region=eu"}}})");
  EXPECT_TRUE(is_systemd_ready());

  put(kNode,
      R"({"kind":"Node","metadata":{"name":"n1","labels":{"fleet.tetrarch.dev/systemd":"true",)"
      R"("fleet.tetrarch.dev/machine-id":"9678f7a7"},)"
      R"("annotations":{"fleet.tetrarch.dev/metadata":"region=eu"}},"status":{}})");
  server_.patches.clear();
  registrar_->wake();
  move(seconds(1));
  EXPECT_TRUE(server_.patches.empty()) << "what is said already is not said again";

  state = {false, "no bus"};
  registrar_->wake();
  move(seconds(1));
  ASSERT_FALSE(server_.patches.empty());
  EXPECT_NE(server_.patches[0].find(R"("fleet.tetrarch.dev/systemd":null)"), std::string::npos);
  EXPECT_FALSE(is_systemd_ready());
}

TEST_F(RegistrarTest, a_machine_whose_id_another_has_runs_no_units) {
  machine_.machine_id = "9678f7a7";
  systemd_ = [] { return SystemdState{true, "systemd 252 runs units"}; };
  put(kNode,
      R"({"kind":"Node","metadata":{"name":"n1","labels":{"fleet.tetrarch.dev/machine-id":)"
      R"("9678f7a7"},"annotations":{"fleet.tetrarch.dev/same-machine-id":"n0"}},"status":{}})");
  start();
  EXPECT_TRUE(server_.patches.empty()) << "the label is not said again";
  EXPECT_FALSE(is_systemd_ready());
}

TEST_F(RegistrarTest, without_a_feed_the_server_is_asked) {
  is_feed_up_ = false;
  start();
  move(seconds(20));
  EXPECT_EQ(server_.reads, 4) << "the lease once, the node at each look";
}

TEST_F(RegistrarTest, after_the_server_was_out_of_reach_it_is_asked_and_not_the_feed) {
  start();
  frozen_ = *server_.find(kNode);
  server_.is_away = true;
  move(seconds(30));
  put(kNode, R"({"kind":"Node","metadata":{"name":"n1"},"status":{}})");
  server_.is_away = false;
  const auto before = renewed();
  move(seconds(2));  // at once, not at the next look
  EXPECT_LT(before, renewed());
  EXPECT_TRUE(is_same_status(server_.find(kNode)->root()["status"], frozen_->root()["status"]));
}

}  // namespace
}  // namespace tetrarch::agent

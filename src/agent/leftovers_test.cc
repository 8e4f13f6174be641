// SPDX-License-Identifier: Apache-2.0
// What an agent knows and does of what earlier processes left.
#include <fstream>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/agent_impl.h"
#include "agent/down.h"
#include "agent/noting_network.h"
#include "agent/worker_bench.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using testing::ElementsAre;

class Leftovers : public testing::Test {
 protected:
  Leftovers()
      : place_(fs::temp_directory_path() / ("leftovers-" + make_suffix(system_random(), 10))) {
    fs::create_directories(place_);
    options_.node_name = "n1";
    options_.data_directory = place_;
    agent_ = std::make_unique<Agent::Impl>(
        options_,
        Dependencies{
            server_, pool_, blocking_, system_clock(), system_random(), metrics_, &network_});
    agent_->runtime = std::make_unique<FakeRuntime>(system_clock());
  }

  ~Leftovers() override { fs::remove_all(place_); }

  void run(Task<void> task) {
    asio::co_spawn(pool_.strand(), std::move(task), asio::use_future).get();
  }

  fs::path place_;
  async::IoPool pool_{1};
  async::BlockingPool blocking_{1};
  FakeServer server_;
  Metrics metrics_;
  NotingNetwork network_;
  Options options_;
  std::unique_ptr<Agent::Impl> agent_;
};

TEST_F(Leftovers, APodThatNobodyKnowsLeavesNoControlGroup) {
  std::ofstream(place_ / "cgroup.controllers") << "";  // a hierarchy of version 2
  agent_->cgroups = CgroupFiles(place_);
  const auto groups = place_ / ("tetrarch-" + instance_name(place_)) / "burstable";
  fs::create_directories(groups / "podu-1/child");
  fs::create_directories(groups / "podu-2");
  runtime::Sandbox sandbox;
  sandbox.id = "sandbox-0";
  sandbox.uid = "u-1";

  run(agent_->remove_orphan(sandbox));

  EXPECT_FALSE(fs::exists(groups / "podu-1"));
  EXPECT_TRUE(fs::exists(groups / "podu-2"));
}

TEST_F(Leftovers, ANewProcessKnowsWhichImagesWereImported) {
  run(agent_->note_imported({"docker.io/app:1"}));
  run(agent_->note_imported({"docker.io/app:2", "docker.io/app:1"}));

  EXPECT_THAT(read_imported(agent_->imported_note()),
              ElementsAre("docker.io/app:1", "docker.io/app:2"));
  EXPECT_THAT(read_imported(place_ / "none"), testing::IsEmpty());
}

TEST_F(Leftovers, AnImportThatCouldNotBeNotedIsWithTheNextLoad) {
  const auto note = agent_->imported_note();
  fs::create_directories(note / "in the way");
  run(agent_->note_imported({"docker.io/app:1"}));
  fs::remove_all(note);

  run(agent_->note_imported({"docker.io/app:1"}));

  EXPECT_THAT(read_imported(note), ElementsAre("docker.io/app:1"));
}

}  // namespace
}  // namespace tetrarch::agent

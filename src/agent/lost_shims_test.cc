// SPDX-License-Identifier: Apache-2.0
#include "agent/lost_shims.h"

#include <optional>

#include <boost/asio/co_spawn.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/fake_runtime.h"
#include "agent/shim_double.h"
#include "async/virtual_time.h"

namespace tetrarch::agent {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::SizeIs;

constexpr std::uint64_t kDaemonStart = 1000;

Shim a_shim(std::string id, std::uint64_t start_time = kDaemonStart - 1) {
  return {
      .pid = 7, .start_time = start_time, .ns = "k8s.io", .id = std::move(id), .is_serving = true};
}

/// A runtime with the sandbox "sandbox-0" and a container that runs in it.
class FindLostShimsTest : public testing::Test {
 protected:
  FindLostShimsTest()
      : time_(asio::make_service<async::VirtualTime>(
            context_, TimePoint{std::chrono::sys_days{std::chrono::year{2026} / 1 / 1}})),
        runtime_(time_) {
    run(make_pod());
  }

  Task<void> make_pod() {
    runtime::SandboxConfig sandbox;
    auto id = co_await runtime_.run_sandbox(sandbox);
    runtime::ContainerConfig config;
    config.name = "app";
    auto container = co_await runtime_.create_container(*id, config, sandbox);
    container_ = *container;
    static_cast<void>(co_await runtime_.start_container(container_));
  }

  Task<void> look(FoundShims found) {
    RuntimeViews views{runtime_, [this](std::string id) { return has_process(id); }, kDaemonStart};
    result_ = co_await find_lost_shims(std::move(views), std::move(found));
  }

  Task<Result<bool>> has_process(std::string id) {
    if (is_silent_) {
      co_return Error{Code::unavailable, "containerd is down"};
    }
    const auto found = co_await runtime_.container(id);
    co_return found.ok();
  }

  void run(Task<void> task) {
    asio::co_spawn(context_, std::move(task), [](const std::exception_ptr&) {});
    context_.restart();
    context_.poll();
  }

  /// Ids of those that are lost.
  std::vector<std::string> lost(FoundShims found) {
    result_.reset();
    run(look(std::move(found)));
    std::vector<std::string> out;
    for (const auto& one : result_->value()) {
      out.push_back(one.shim.id);
    }
    return out;
  }

  asio::io_context context_;
  async::VirtualTime& time_;
  FakeRuntime runtime_;
  std::string container_;
  bool is_silent_ = false;  ///< containerd, of its processes
  std::optional<Result<std::vector<LostShim>>> result_;
};

TEST_F(FindLostShimsTest, ServesASandboxThatRuns) {
  EXPECT_THAT(lost({.shims = {a_shim("sandbox-0")}}), IsEmpty());
}

TEST_F(FindLostShimsTest, IsLostWhereTheRuntimeHasNoProcess) {
  EXPECT_THAT(lost({.shims = {a_shim("sandbox-0"), a_shim("forgotten")}}),
              ElementsAre("forgotten"));
  EXPECT_THAT(lost({.shims = {a_shim("forgotten")}, .bundles = {"forgotten"}}),
              ElementsAre("forgotten"));
}

TEST_F(FindLostShimsTest, ServesContainersOfASandboxThatHasDied) {
  runtime_.kill_sandbox();

  EXPECT_THAT(lost({.shims = {a_shim("sandbox-0")}}), IsEmpty());

  runtime_.lose_container("app");
  EXPECT_THAT(lost({.shims = {a_shim("sandbox-0")}}), ElementsAre("sandbox-0"));
}

TEST_F(FindLostShimsTest, MayBeOneThatTheRuntimeIsJustMaking) {
  const auto young = a_shim("new", kDaemonStart);

  EXPECT_THAT(lost({.shims = {young}, .bundles = {"new"}}), IsEmpty());
  EXPECT_THAT(lost({.shims = {young}, .bundles = {"another"}}), ElementsAre("new"));
}

TEST_F(FindLostShimsTest, LeavesOtherNamespacesAndHelpersAlone) {
  auto of_other = a_shim("x");
  of_other.ns = "default";
  auto helper = a_shim("y");
  helper.is_serving = false;

  EXPECT_THAT(lost({.shims = {of_other, helper}}), IsEmpty());
}

TEST_F(FindLostShimsTest, SaysNothingWhileTheRuntimeCannotAnswer) {
  is_silent_ = true;
  run(look({.shims = {a_shim("forgotten")}}));
  EXPECT_FALSE(result_->ok());

  is_silent_ = false;
  runtime_.failures["list"] = "containerd is down";
  result_.reset();
  run(look({.shims = {a_shim("forgotten")}}));
  EXPECT_FALSE(result_->ok());
}

TEST(EndLostShim, RemovesItsProcessesAndDirectories) {
  const ShimDouble shim("gone");
  const ShimDouble other("other");
  Places places;
  places.socket = shim.socket();
  places.run = shim.directory() / "run";
  places.containerd = shim.directory() / "containerd";
  const auto bundles = places.run / "state/io.containerd.runtime.v2.task/k8s.io";
  std::filesystem::create_directories(bundles / "gone/rootfs");
  std::filesystem::create_directories(bundles / "kept/rootfs");
  auto found = read_shims(places);
  ASSERT_THAT(found.shims, SizeIs(1));
  EXPECT_THAT(found.bundles, ElementsAre("gone", "kept"));

  const auto ended = end_lost_shim({found.shims[0], {"gone", "..", ""}}, places);

  ASSERT_TRUE(ended.ok()) << ended.error().message;
  EXPECT_EQ(*ended, 1);
  found = read_shims(places);
  EXPECT_THAT(found.shims, IsEmpty());
  EXPECT_THAT(found.bundles, ElementsAre("kept"));
  EXPECT_THAT(find_shims(other.socket()), SizeIs(1));
}

}  // namespace
}  // namespace tetrarch::agent

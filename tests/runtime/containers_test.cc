// SPDX-License-Identifier: Apache-2.0
// The containers runtime against a real containerd of its own: sandbox, container, exec, log,
// events, adoption. Needs root, containerd, runc and the images of tools/build_images; fails,
// saying so, where one is missing.
#include "agent/runtime/containers.h"

#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <future>
#include <thread>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/runtime/containerd.h"
#include "agent/runtime/process.h"
#include "async/io_pool.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "base/random.h"

namespace tetrarch::agent::runtime {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

fs::path images_directory() {
  const char* given = std::getenv("TETRARCH_IMAGES");
  return given != nullptr ? given : TETRARCH_IMAGES_DIR;
}

/// One containerd for all tests of this file, in directories of its own.
class ContainersTest : public testing::Test {
 public:
  static void SetUpTestSuite() {
    ASSERT_EQ(::geteuid(), 0U) << "this test needs root: it runs containers";
    ASSERT_TRUE(fs::exists(images_directory() / "pause.tar")) << "run tools/build_images first";
    place_ = fs::temp_directory_path() / ("tetrarch-runtime-" + make_suffix(system_random(), 8));
    fs::create_directories(place_);
    pool_ = std::make_unique<async::IoPool>(2);
    blocking_ = std::make_unique<async::BlockingPool>(4);
    executor_ = pool_->strand();
    containerd_ = std::make_unique<Containerd>(options(), *blocking_);
    const auto started = run(containerd_->start());
    ASSERT_TRUE(started.ok()) << started.error().message;
    runtime_ = make_containers({(place_ / "c.sock").string(), place_ / "pipes", "ctr", place_},
                               *blocking_);
    for (const char* name : {"pause.tar", "demo.tar", "busybox.tar"}) {
      const auto names = run(runtime_->import_images((images_directory() / name).string()));
      ASSERT_TRUE(names.ok()) << names.error().message;
      ASSERT_EQ(names->size(), 1U);
    }
  }

  static void TearDownTestSuite() {
    if (runtime_) {
      const auto left = run(runtime_->sandboxes(""));
      for (const auto& sandbox : left.value_or({})) {
        static_cast<void>(run(runtime_->stop_sandbox(sandbox.id)));
        static_cast<void>(run(runtime_->remove_sandbox(sandbox.id)));
      }
    }
    if (const auto daemon = find_daemon(place_ / "containerd"); daemon.pid != 0) {
      ::kill(daemon.pid, SIGTERM);
      for (int i = 0; i < 100 && process_start_time(daemon.pid) == daemon.start_time; ++i) {
        std::this_thread::sleep_for(std::chrono::milliseconds(50));
      }
    }
    runtime_.reset();
    containerd_.reset();
    executor_ = {};
    pool_.reset();
    blocking_.reset();
    std::error_code ignored;
    fs::remove_all(place_, ignored);
  }

  static ContainerdOptions options() {
    ContainerdOptions out;
    out.directory = place_ / "containerd";
    out.settings.root = place_ / "containerd/root";
    out.settings.state = place_ / "state";
    out.settings.socket = (place_ / "c.sock").string();
    out.settings.pause_image = "tetrarch.dev/pause:1";
    out.settings.cni_bin_directory = "/usr/lib/cni";
    out.settings.cni_conf_directory = place_ / "cni";
    out.settings.registry_directory = place_ / "registries";
    return out;
  }

  template <class T>
  static T run(Task<T> task) {
    // Result has no default value, which use_future's path needs: carry it in an optional.
    auto boxed = [](Task<T> inner) -> Task<std::optional<T>> {
      co_return std::optional<T>(co_await std::move(inner));
    };
    return *asio::co_spawn(executor_, boxed(std::move(task)), asio::use_future).get();
  }

  static SandboxConfig sandbox_config(const std::string& name) {
    SandboxConfig out;
    out.name = name;
    out.ns = "default";
    out.uid = "uid-" + name;
    out.hostname = name;
    out.log_directory = (place_ / "logs" / name).string();
    out.namespaces.is_host_network = true;  // the network is another room's test
    out.cgroup_parent = "/tetrarch-test/" + name;
    out.labels = {{kLabelPodName, name}, {kLabelPodUid, out.uid}};
    return out;
  }

  static ContainerConfig shell(const std::string& script) {
    ContainerConfig out;
    out.name = "main";
    out.image = "tetrarch.dev/busybox:1";
    out.command = {"/bin/sh", "-c", script};
    out.labels = {{kLabelContainerName, "main"}};
    out.log_path = "main/0.log";
    return out;
  }

  struct Started {
    std::string sandbox;
    std::string container;
    SandboxConfig config;
  };

  static Started start(const std::string& name, const ContainerConfig& config) {
    Started out;
    out.config = sandbox_config(name);
    auto sandbox = run(runtime_->run_sandbox(out.config));
    EXPECT_TRUE(sandbox.ok()) << sandbox.error().message;
    out.sandbox = sandbox.value_or("");
    auto labelled = config;
    labelled.labels[kLabelPodUid] = out.config.uid;
    auto container = run(runtime_->create_container(out.sandbox, labelled, out.config));
    EXPECT_TRUE(container.ok()) << container.error().message;
    out.container = container.value_or("");
    const auto started = run(runtime_->start_container(out.container));
    EXPECT_TRUE(started.ok()) << started.error().message;
    return out;
  }

  static Container wait_for(const std::string& id, ContainerState state) {
    for (int tries = 0; tries < 200; ++tries) {
      auto found = run(runtime_->container(id));
      if (found.ok() && found->state == state) {
        return *found;
      }
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    ADD_FAILURE() << "container " << id << " did not reach the state";
    return {};
  }

  static void remove(const Started& pod) {
    EXPECT_TRUE(run(runtime_->stop_sandbox(pod.sandbox)).ok());
    EXPECT_TRUE(run(runtime_->remove_sandbox(pod.sandbox)).ok());
  }

  static inline fs::path place_;
  static inline std::unique_ptr<async::IoPool> pool_;
  static inline std::unique_ptr<async::BlockingPool> blocking_;
  static inline asio::any_io_executor executor_;
  static inline std::unique_ptr<Containerd> containerd_;
  static inline std::unique_ptr<Runtime> runtime_;
};

TEST_F(ContainersTest, SaysItsVersionAndKnowsImportedImages) {
  EXPECT_THAT(run(runtime_->version()).value_or(""), testing::StartsWith("containerd://"));

  const auto image = run(runtime_->image("tetrarch.dev/demo:1"));
  ASSERT_TRUE(image.ok() && image->has_value());
  EXPECT_THAT((*image)->tags, testing::Contains("tetrarch.dev/demo:1"));
  EXPECT_FALSE(run(runtime_->image("tetrarch.dev/none:1"))->has_value());
}

TEST_F(ContainersTest, RunsAContainerAndReportsItsExitCodeAndLog) {
  const auto pod = start("exits", shell("echo out; echo err >&2; exit 3"));

  const auto ended = wait_for(pod.container, ContainerState::exited);

  EXPECT_EQ(ended.exit_code, 3);
  EXPECT_EQ(ended.reason, "Error");
  EXPECT_TRUE(ended.started && ended.finished);
  std::ifstream file(pod.config.log_directory + "/main/0.log");
  const std::string log((std::istreambuf_iterator<char>(file)), std::istreambuf_iterator<char>());
  EXPECT_THAT(log, testing::HasSubstr("stdout F out\n"));
  EXPECT_THAT(log, testing::HasSubstr("stderr F err\n"));
  remove(pod);
}

TEST_F(ContainersTest, ExecGivesOutputAndExitCode) {
  const auto pod = start("execs", shell("sleep 1000"));

  const auto result = run(
      runtime_->exec(pod.container, {"/bin/sh", "-c", "echo a; echo b >&2; exit 7"}, seconds(10)));

  ASSERT_TRUE(result.ok()) << result.error().message;
  EXPECT_EQ(result->out, "a\n");
  EXPECT_EQ(result->err, "b\n");
  EXPECT_EQ(result->exit_code, 7);
  remove(pod);
}

Task<Result<std::string>> converse(std::unique_ptr<Session> session, std::string input) {
  CO_TRY_STATUS(co_await session->write(input));
  CO_TRY_STATUS(co_await session->close_stdin());
  std::string all;
  while (true) {
    CO_TRY(const auto chunk, co_await session->read());
    if (chunk.bytes.empty()) {
      break;
    }
    all += (chunk.is_error_stream ? "E:" : "O:") + chunk.bytes;
  }
  CO_TRY(const int code, co_await session->wait());
  co_return all + "=" + std::to_string(code);
}

Task<Result<std::string>> exec_and_converse(Runtime& runtime,
                                            std::string id,
                                            ExecOptions options,
                                            std::string input) {
  CO_TRY(auto session, co_await runtime.start_exec(std::move(id), std::move(options)));
  co_return co_await converse(std::move(session), std::move(input));
}

Task<Result<std::string>> attach_and_converse(Runtime& runtime, std::string id, std::string input) {
  CO_TRY(auto session, co_await runtime.attach(std::move(id), true));
  co_return co_await converse(std::move(session), std::move(input));
}

TEST_F(ContainersTest, ExecWithStreamsCarriesStdinAndBothOutputs) {
  const auto pod = start("streams", shell("sleep 1000"));

  ExecOptions options;
  options.command = {"/bin/sh", "-c", "cat; echo problem >&2; exit 5"};
  options.has_stdin = true;
  const auto talk = run(exec_and_converse(*runtime_, pod.container, options, "hello\n"));

  ASSERT_TRUE(talk.ok()) << talk.error().message;
  EXPECT_THAT(*talk, testing::HasSubstr("O:hello\n"));
  EXPECT_THAT(*talk, testing::HasSubstr("E:problem\n"));
  EXPECT_THAT(*talk, testing::EndsWith("=5"));
  remove(pod);
}

TEST_F(ContainersTest, AttachEndsAStdinThatIsForOneOnly) {
  auto config = shell("cat; echo problem >&2; printf unfinished; exit 5");
  config.has_stdin = true;
  config.is_stdin_once = true;
  const auto pod = start("attached", config);

  const auto talk = run(attach_and_converse(*runtime_, pod.container, "hello\n"));

  ASSERT_TRUE(talk.ok()) << talk.error().message;
  EXPECT_THAT(*talk, testing::HasSubstr("O:hello\n"));
  EXPECT_THAT(*talk, testing::HasSubstr("E:problem\n"));
  EXPECT_THAT(*talk, testing::HasSubstr("unfinished"));
  EXPECT_THAT(*talk, testing::EndsWith("=0")) << "how the container ends is its own matter";
  EXPECT_EQ(wait_for(pod.container, ContainerState::exited).exit_code, 5);
  EXPECT_FALSE(run(runtime_->attach(pod.container, true)).ok());
  remove(pod);
}

TEST_F(ContainersTest, KnowsTheNetworkOfASandbox) {
  const auto pod = start("network", shell("sleep 1000"));

  const auto network = run(runtime_->network_namespace(pod.sandbox));

  ASSERT_TRUE(network.ok()) << network.error().message;
  EXPECT_TRUE(fs::equivalent(*network, "/proc/self/ns/net")) << *network << ": it has the host's";
  EXPECT_FALSE(run(runtime_->network_namespace("none")).ok());
  remove(pod);
}

TEST_F(ContainersTest, PausesAndResumes) {
  const auto pod = start("pauses", shell("while true; do date +%N > /tmp/t; done"));

  EXPECT_FALSE(run(runtime_->is_paused(pod.container)).value_or(true));
  EXPECT_TRUE(run(runtime_->pause_container(pod.container)).ok());
  EXPECT_TRUE(run(runtime_->is_paused(pod.container)).value_or(false));
  EXPECT_TRUE(run(runtime_->resume_container(pod.container)).ok());
  EXPECT_FALSE(run(runtime_->is_paused(pod.container)).value_or(true));

  EXPECT_EQ(wait_for(pod.container, ContainerState::running).state, ContainerState::running);
  remove(pod);
}

TEST_F(ContainersTest, StopsWithTheGivenGrace) {
  const auto pod = start("stops", shell("trap 'exit 4' TERM; while true; do sleep 0.1; done"));

  EXPECT_TRUE(run(runtime_->stop_container(pod.container, seconds(20))).ok());

  EXPECT_EQ(wait_for(pod.container, ContainerState::exited).exit_code, 4);
  remove(pod);
}

TEST_F(ContainersTest, ARootMovesToAContainerThatIsMadeAndNotStarted) {
  const auto first = start("roots", shell("echo one > /file; rm /bin/vi; mkdir /d; ls / /bin"));
  wait_for(first.container, ContainerState::exited);
  auto config = shell("cat /file; ls -d /d; ls /bin/vi; exec sleep 1000");
  config.attempt = 1;
  config.labels[kLabelPodUid] = first.config.uid;
  const auto second = run(runtime_->create_container(first.sandbox, config, first.config));
  ASSERT_TRUE(second.ok()) << second.error().message;

  const auto moved = run(runtime_->move_root(first.container, *second));
  const auto again = run(runtime_->move_root(first.container, *second));
  ASSERT_TRUE(run(runtime_->start_container(*second)).ok());

  EXPECT_TRUE(moved.ok()) << moved.error().message;
  EXPECT_TRUE(again.ok()) << again.error().message;
  const auto seen = run(
      runtime_->exec(*second, {"/bin/sh", "-c", "cat /file; ls -d /d; ls /bin/vi"}, seconds(9)));
  ASSERT_TRUE(seen.ok()) << seen.error().message;
  EXPECT_EQ(seen->out, "one\n/d\n");
  EXPECT_THAT(seen->err, testing::HasSubstr("No such file")) << "what was deleted stays deleted";
  const auto running = run(runtime_->move_root(*second, first.container));
  EXPECT_EQ(running.error().code, Code::precondition) << "the root of a running container stays";
  remove(first);
}

Task<Result<Event>> next_exit(EventStream& events, std::string id) {
  while (true) {
    CO_TRY(auto event, co_await events.next());
    if (event.kind == EventKind::exited && event.id == id) {
      co_return event;
    }
  }
}

TEST_F(ContainersTest, TellsOfAnExitThroughItsEventStream) {
  auto events = run(runtime_->events());
  ASSERT_TRUE(events.ok());
  const auto pod = start("events", shell("read x"));

  EXPECT_TRUE(run(runtime_->stop_container(pod.container, seconds(0))).ok());

  const auto event = run(next_exit(**events, pod.container));
  EXPECT_TRUE(event.ok());
  remove(pod);
}

TEST_F(ContainersTest, ContainersSurviveTheDeathOfContainerdAndAreFoundAgain) {
  const auto pod = start("survives", shell("sleep 1000"));
  const auto daemon = find_daemon(place_ / "containerd");
  ASSERT_NE(daemon.pid, 0);

  ::kill(daemon.pid, SIGKILL);
  for (int i = 0; i < 100 && process_start_time(daemon.pid) == daemon.start_time; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
  }
  Containerd again(options(), *blocking_);
  const auto started = run(again.start());

  ASSERT_TRUE(started.ok()) << started.error().message;
  EXPECT_NE(find_daemon(place_ / "containerd").pid, daemon.pid);
  const auto found = wait_for(pod.container, ContainerState::running);
  EXPECT_EQ(found.name, "main");
  EXPECT_EQ(found.labels.at(kLabelPodUid), pod.config.uid);
  remove(pod);
}

}  // namespace
}  // namespace tetrarch::agent::runtime

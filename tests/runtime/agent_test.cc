// SPDX-License-Identifier: Apache-2.0
// A whole agent against a real containerd, with a server in memory and a bridge of its own: what
// kubectl users see. Needs root, containerd, runc, CNI plugins and the images of
// tools/build_images; fails, saying so, without them.
#include "agent/agent.h"

#include <csignal>
#include <filesystem>
#include <fstream>
#include <thread>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/down.h"
#include "agent/places.h"
#include "agent/runtime/containerd.h"
#include "agent/runtime/process.h"
#include "async/task_group.h"
#include "memory_client.h"
#include "net/pipe.h"
#include "reach/frames.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using testing::Contains;

/// Only a bridge by CNI: services and DNS are another room's test.
class BridgeNetwork final : public network::Network {
 public:
  BridgeNetwork(fs::path directory, std::string bridge)
      : directory_(std::move(directory)), bridge_(std::move(bridge)) {}

  Task<Status> set_up(std::string node_pod_cidr) override {
    fs::create_directories(directory_ / "conf");
    std::ofstream(directory_ / "conf/10-test.conflist") << fmt::format(
        R"({{"cniVersion":"1.0.0","name":"{0}","plugins":[{{"type":"bridge","bridge":"{0}","isGateway":true,)"
        R"("ipMasq":false,"ipam":{{"type":"host-local","dataDir":"{2}","ranges":[[{{"subnet":"{1}"}}]]}}}}]}})",
        bridge_,
        node_pod_cidr,
        (directory_ / "leases").string());
    co_return ok();
  }

  fs::path cni_conf_directory() const override { return directory_ / "conf"; }

  fs::path cni_bin_directory() const override { return "/usr/lib/cni"; }

  std::string dns_address() const override { return "10.43.0.10"; }

  Task<Status> apply(std::vector<network::Change>, bool) override { co_return ok(); }

  Task<void> stop() override { co_return; }

 private:
  fs::path directory_;
  std::string bridge_;
};

class AgentTest : public testing::Test {
 public:
  static void SetUpTestSuite() {
    ASSERT_EQ(::geteuid(), 0U) << "this test needs root: it runs containers";
    ASSERT_TRUE(fs::exists(fs::path(TETRARCH_IMAGES_DIR) / "pause.tar"))
        << "run tools/build_images first";
    place_ = fs::temp_directory_path() / ("tetrarch-agent-" + make_suffix(system_random(), 8));
    fs::create_directories(place_);
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
    fs::remove_all(place_, ignored);
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
    agent_ = std::make_unique<Agent>(options,
                                     Dependencies{*client_,
                                                  *pool_,
                                                  *blocking_,
                                                  system_clock(),
                                                  system_random(),
                                                  *metrics_,
                                                  network_.get()});
    auto boxed = [](Agent* agent) -> Task<std::optional<Status>> {
      co_return std::optional(co_await agent->run());
    };
    const auto started =
        asio::co_spawn(pool_->strand(), boxed(agent_.get()), asio::use_future).get();
    ASSERT_TRUE(started->ok()) << started->error().message;
  }

  static void stop() {
    asio::co_spawn(pool_->strand(), agent_->stop(), asio::use_future).get();
    agent_.reset();
    network_.reset();
    pool_.reset();
    blocking_.reset();
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

  static inline fs::path place_;
  static inline std::string bridge_;
  static inline std::unique_ptr<MemoryClient> client_;
  static inline std::unique_ptr<async::IoPool> pool_;
  static inline std::unique_ptr<async::BlockingPool> blocking_;
  static inline std::unique_ptr<Metrics> metrics_;
  static inline std::unique_ptr<BridgeNetwork> network_;
  static inline std::unique_ptr<Agent> agent_;
};

TEST_F(AgentTest, RunsADemoPodUntilItIsReadyAndAnswersOnItsAddress) {
  put_pod(
      "web",
      R"({"containers":[{"name":"web","image":"tetrarch.dev/demo:1","imagePullPolicy":"IfNotPresent",
    "env":[{"name":"GREETING","value":"Hi"},
      {"name":"NODE","valueFrom":{"fieldRef":{"fieldPath":"status.hostIP"}}}],
    "readinessProbe":{"httpGet":{"path":"/healthz","port":8080},"periodSeconds":1}}],
    "restartPolicy":"Always"})");

  const auto ready = wait_for("web", is_ready);

  const std::string ip(ready->root().find("status.podIP").string());
  EXPECT_EQ(ready->root().find("status.phase").string(), "Running");
  EXPECT_EQ(first(ready)["restartCount"].integer(), 0);
  EXPECT_TRUE(first(ready).find("state.running").exists());
  const auto images = std::string(TETRARCH_IMAGES_DIR);
  EXPECT_EQ(shell("busybox wget -q -O - http://" + ip + ":8080/"), "Hi from web\n");
  EXPECT_EQ(shell("busybox wget -q -O - http://" + ip + ":8080/env/NODE"), "127.0.0.1\n");
  EXPECT_THAT(client_->event_reasons(), Contains("Started"));
  delete_pod("web", 5);
  EXPECT_FALSE(fs::exists(place_ / "agent/pods/uid-web"));
}

TEST_F(AgentTest, RegistersAReadyNodeWithItsImagesAndLease) {
  DocumentPtr node;
  for (int tries = 0; tries < 400; ++tries) {
    node = client_->look({"nodes", "", "n1"});
    if (node->root().find("status.conditions").at(3)["status"].string() == "True") {
      break;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }

  EXPECT_EQ(node->root().find("status.conditions").at(3)["status"].string(), "True");
  EXPECT_THAT(std::string(node->root().find("status.images").raw()),
              testing::HasSubstr("tetrarch.dev/demo:1"));
  EXPECT_NE(client_->look({"leases.coordination.k8s.io", "kube-node-lease", "n1"}), nullptr);
}

TEST_F(AgentTest, BacksOffFromAContainerThatKeepsCrashing) {
  put_pod("crash",
          R"({"containers":[{"name":"c","image":"tetrarch.dev/busybox:1","imagePullPolicy":"Never",
    "command":["sh","-c","echo why > /dev/termination-log; exit 3"],
    "terminationMessagePath":"/dev/termination-log"}],
    "restartPolicy":"Always"})");

  const auto waiting = wait_for("crash", [](const DocumentPtr& document) {
    return first(document).find("state.waiting.reason").string() == "CrashLoopBackOff";
  });

  EXPECT_EQ(first(waiting)["restartCount"].integer(), 1);
  EXPECT_EQ(first(waiting).find("lastState.terminated.exitCode").integer(), 3);
  EXPECT_EQ(first(waiting).find("lastState.terminated.reason").string(), "Error");
  EXPECT_EQ(first(waiting).find("lastState.terminated.message").string(), "why\n");
  delete_pod("crash", 1);
}

TEST_F(AgentTest, RunsInitContainersInOrderAndEndsAJobAsSucceeded) {
  put_pod("job", R"({"initContainers":[
      {"name":"one","image":"tetrarch.dev/busybox:1","imagePullPolicy":"Never",
       "command":["sh","-c","echo 1 >> /w/log"],
       "volumeMounts":[{"name":"w","mountPath":"/w"}]},
      {"name":"two","image":"tetrarch.dev/busybox:1","imagePullPolicy":"Never",
       "command":["sh","-c","echo 2 >> /w/log"],
       "volumeMounts":[{"name":"w","mountPath":"/w"}]}],
    "containers":[{"name":"main","image":"tetrarch.dev/busybox:1","imagePullPolicy":"Never",
      "command":["sh","-c","test \"$(cat /w/log | tr -d '\\n')\" = 12"],
      "volumeMounts":[{"name":"w","mountPath":"/w"}]}],
    "volumes":[{"name":"w","emptyDir":{"medium":"Memory"}}],"restartPolicy":"Never"})");

  const auto done = wait_for("job", [](const DocumentPtr& document) {
    return document->root().find("status.phase").string() == "Succeeded";
  });

  EXPECT_EQ(first(done).find("state.terminated.reason").string(), "Completed");
  EXPECT_EQ(done->root()
                .find("status.initContainerStatuses")
                .at(1)
                .find("state.terminated.exitCode")
                .integer(-1),
            0);
  delete_pod("job", 0);
}

TEST_F(AgentTest, AConfigMapChangeReachesARunningPod) {
  const Key map{"configmaps", "default", "settings"};
  client_->put(
      map,
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","namespace":"default"},)"
      R"("data":{"color":"red"}})");
  put_pod("conf",
          R"({"containers":[{"name":"web","image":"tetrarch.dev/demo:1","imagePullPolicy":"Never",
      "volumeMounts":[{"name":"c","mountPath":"/etc/conf"}]}],
    "volumes":[{"name":"c","projected":{"sources":[{"configMap":{"name":"settings"}},
      {"serviceAccountToken":{"path":"token"}},
      {"downwardAPI":{"items":[{"path":"name","fieldRef":{"fieldPath":"metadata.name"}}]}}]}}]})");
  const auto ready = wait_for("conf", is_ready);
  const std::string base = "busybox wget -q -O - http://" +
                           std::string(ready->root().find("status.podIP").string()) +
                           ":8080/file/etc/conf/";
  // A pod without a readiness probe is ready before its server listens.
  std::string color;
  for (int tries = 0; tries < 100 && color != "red"; ++tries) {
    color = shell(base + "color 2>/dev/null");
  }
  EXPECT_EQ(color, "red");
  EXPECT_EQ(shell(base + "name"), "conf");
  EXPECT_THAT(shell(base + "token"), testing::StartsWith("token-"));

  client_->put(
      map,
      R"({"kind":"ConfigMap","apiVersion":"v1","metadata":{"name":"settings","namespace":"default"},)"
      R"("data":{"color":"blue"}})");

  for (int tries = 0; tries < 200 && color != "blue"; ++tries) {
    color = shell(base + "color");
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  EXPECT_EQ(color, "blue");
  delete_pod("conf", 2);
}

TEST_F(AgentTest, ALivenessFailureRestartsTheContainer) {
  put_pod(
      "sick",
      R"({"containers":[{"name":"web","image":"tetrarch.dev/busybox:1","imagePullPolicy":"Never",
    "command":["sh","-c","trap 'exit 0' TERM; while true; do sleep 0.1; done"],
    "livenessProbe":{"exec":{"command":["false"]},"periodSeconds":1,"failureThreshold":2}}]})");

  const auto restarted = wait_for("sick", [](const DocumentPtr& document) {
    return first(document)["restartCount"].integer() >= 1;
  });

  EXPECT_EQ(first(restarted).find("lastState.terminated.exitCode").integer(-1), 0);
  EXPECT_THAT(client_->event_reasons(), Contains("Unhealthy"));
  delete_pod("sick", 1);
}

TEST_F(AgentTest, SaysWhyAContainerCannotBeMade) {
  put_pod(
      "noimage",
      R"({"containers":[{"name":"c","image":"tetrarch.dev/none:1","imagePullPolicy":"Never"}]})");
  put_pod("nokey",
          R"({"containers":[{"name":"c","image":"tetrarch.dev/busybox:1","imagePullPolicy":"Never",
    "env":[{"name":"A","valueFrom":{"configMapKeyRef":{"name":"absent","key":"k"}}}]}]})");

  wait_for("noimage", [](const DocumentPtr& document) {
    return first(document).find("state.waiting.reason").string() == "ErrImageNeverPull";
  });
  const auto refused = wait_for("nokey", [](const DocumentPtr& document) {
    return first(document).find("state.waiting.reason").string() == "CreateContainerConfigError";
  });

  EXPECT_EQ(first(refused).find("state.waiting.message").string(),
            "configmap \"absent\" not found");
  delete_pod("noimage", 0);
  delete_pod("nokey", 0);
}

TEST_F(AgentTest, ANewAgentAdoptsWhatRunsWithoutARestart) {
  put_pod(
      "stays",
      R"({"containers":[{"name":"web","image":"tetrarch.dev/demo:1","imagePullPolicy":"Never"}]})");
  const auto before = wait_for("stays", is_ready);
  const std::string id(first(before)["containerID"].string());

  stop();
  const auto daemon = runtime::find_daemon(places_of(place_).containerd);
  ::kill(daemon.pid, SIGKILL);
  start();
  put_pod(
      "another",
      R"({"containers":[{"name":"web","image":"tetrarch.dev/demo:1","imagePullPolicy":"Never"}]})");
  wait_for("another", is_ready);

  const auto after = wait_for("stays", is_ready);
  EXPECT_EQ(first(after)["containerID"].string(), id);
  EXPECT_EQ(first(after)["restartCount"].integer(), 0);
  delete_pod("another", 0);
  delete_pod("stays", 0);
}

/// One request over reach, its answer line and everything after it, as a server sees it.
Task<std::optional<std::string>> ask(Agent* agent, std::string request, std::string input) {
  auto [ours, theirs] = net::make_pipe(1 << 20);
  async::TaskGroup group(co_await asio::this_coro::executor, "test");
  static_cast<void>(co_await ours->write(input));
  group.spawn(agent->serve_reach(std::move(request), std::move(theirs)));
  std::string all;
  std::string buffer(4096, '\0');
  while (true) {
    const auto count = co_await ours->read(buffer.data(), buffer.size());
    if (!count.ok() || *count == 0) {
      break;
    }
    all.append(buffer, 0, *count);
  }
  co_await group.stop();
  co_return std::optional(all);
}

TEST_F(AgentTest, ServesLogsAndExecOverReach) {
  put_pod("talk", R"({"containers":[{"name":"c","image":"tetrarch.dev/busybox:1",
    "imagePullPolicy":"Never",
    "command":["sh","-c","for i in 1 2 3; do echo line $i; done; sleep 1000"]}]})");
  wait_for("talk", is_ready);
  const auto reach = [](const std::string& members, const std::string& input) {
    auto request = fmt::format(
        R"({{"namespace":"default","pod":"talk","uid":"uid-talk","container":"c",{}}})", members);
    const auto strand = pool_->strand();
    auto task =
        asio::co_spawn(strand, ask(agent_.get(), std::move(request), input), asio::use_future);
    return task.get().value_or("");
  };
  std::string logs;
  for (int tries = 0; tries < 100 && logs != "{\"status\":200}\nline 2\nline 3\n"; ++tries) {
    logs = reach(R"("kind":"logs","tailLines":2)", "");
  }
  std::string input;
  reach::append_channel_frame(input, reach::Channel::in, "hello");
  input += reach::close_channel_frame(reach::Channel::in);

  const auto answer =
      reach(R"("kind":"exec","command":["sh","-c","cat; exit 3"],"stdin":true)", input);

  EXPECT_EQ(logs, "{\"status\":200}\nline 2\nline 3\n");
  const auto line_end = answer.find('\n');
  EXPECT_EQ(answer.substr(0, line_end), "{\"status\":200}");
  reach::ChannelDecoder decoder;
  decoder.feed(answer.substr(line_end + 1));
  EXPECT_EQ(decoder.next().value().value().payload, "hello");
  const auto status = decoder.next().value().value();
  EXPECT_EQ(status.channel, reach::Channel::status);
  EXPECT_THAT(status.payload, testing::HasSubstr(R"("reason":"ExitCode","message":"3")"));
  EXPECT_THAT(reach(R"("kind":"exec","command":["/none"])", ""), testing::HasSubstr("none"));
  EXPECT_THAT(reach(R"("kind":"dance")", ""), testing::HasSubstr("dance"));
  delete_pod("talk", 0);
}

}  // namespace
}  // namespace tetrarch::agent

// SPDX-License-Identifier: Apache-2.0
// A whole agent against a real containerd: what kubectl users see of their pods.
#include <csignal>
#include <thread>

#include "agent/places.h"
#include "agent/runtime/containerd.h"
#include "agent_bench.h"
#include "async/task_group.h"
#include "async/timer.h"
#include "net/pipe.h"
#include "reach/frames.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using testing::Contains;

class AgentTest : public AgentBench {
 public:
  static void SetUpTestSuite() { set_up(); }
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

Task<void> never() {
  async::Event event;
  co_await event.wait();
}

/// One request over reach, its answer line and everything after it, as a server sees it.
Task<std::optional<std::string>> ask(Agent* agent, std::string request, std::string input) {
  auto [ours, theirs] = net::make_pipe(1 << 20);
  async::TaskGroup group(co_await asio::this_coro::executor, "test");
  static_cast<void>(co_await ours->write(input));
  group.spawn(agent->serve_reach(std::move(request), std::move(theirs), never()));
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

// SPDX-License-Identifier: Apache-2.0
// Sandboxes and containers over CRI, pause and resume over the native tasks service.
#include "agent/runtime/containers.h"

#include <fmt/format.h>

#include "agent/runtime/containers_impl.h"
#include "agent/runtime/cri_convert.h"

namespace tetrarch::agent::runtime {
namespace {

using std::chrono::milliseconds;
using std::chrono::minutes;
using std::chrono::seconds;

// Ours: a loaded two-core machine makes a sandbox in well under a second; these bound what is
// stuck.
constexpr milliseconds kQuick = seconds(20);
constexpr milliseconds kSlow = minutes(4);

std::shared_ptr<grpc::Channel> make_channel(const std::string& socket) {
  grpc::ChannelArguments arguments;
  arguments.SetMaxReceiveMessageSize(64 << 20);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 1000);
  return grpc::CreateCustomChannel(
      "unix://" + socket, grpc::InsecureChannelCredentials(), arguments);
}

/// Turns a reply that carries nothing into a Status.
template <class Reply>
Status nothing(const Result<Reply>& reply) {
  return reply.ok() ? ok() : Status(reply.error());
}

}  // namespace

Services::Services(std::shared_ptr<grpc::Channel> connection)
    : channel(std::move(connection)),
      pods(cri::RuntimeService::NewStub(channel)),
      images(cri::ImageService::NewStub(channel)),
      tasks(native_tasks::Tasks::NewStub(channel)),
      events(native_events::Events::NewStub(channel)),
      containers(native_containers::Containers::NewStub(channel)),
      snapshots(native_snapshots::Snapshots::NewStub(channel)) {}

Containers::Containers(ContainersOptions options, async::BlockingPool& blocking)
    : options_(std::move(options)),
      blocking_(blocking),
      services_(std::make_shared<Services>(make_channel(options_.socket))) {}

std::unique_ptr<Runtime> make_containers(ContainersOptions options, async::BlockingPool& blocking) {
  return std::make_unique<Containers>(std::move(options), blocking);
}

OperationTime::~OperationTime() {
  if (series_ != nullptr) {
    series_->observe(std::chrono::duration<double>(system_clock().steady() - begun_).count());
  }
}

OperationTime Containers::time_of(std::string_view operation) const {
  if (options_.metrics == nullptr) {
    return OperationTime(nullptr);
  }
  // Source: the metrics of kubelet, which dashboards know; its names of the operations too.
  return OperationTime(
      &options_.metrics->histogram("kubelet_runtime_operations_duration_seconds",
                                   "What the container runtime took, by operation.",
                                   fmt::format(R"(operation_type="{}")", operation)));
}

Task<Result<std::string>> Containers::version() {
  CO_TRY(const auto reply,
         co_await call<cri::VersionResponse>(
             TETRARCH_RPC(pods, Version), cri::VersionRequest(), kQuick));
  co_return reply.runtime_name() + "://" + reply.runtime_version();
}

Task<Status> Containers::ready() {
  CO_TRY(
      const auto reply,
      co_await call<cri::StatusResponse>(TETRARCH_RPC(pods, Status), cri::StatusRequest(), kQuick));
  for (const auto& condition : reply.status().conditions()) {
    if (!condition.status()) {
      co_return Error{Code::unavailable, condition.type() + " is false: " + condition.message()};
    }
  }
  co_return ok();
}

Task<Result<std::string>> Containers::run_sandbox(SandboxConfig config) {
  const auto timed = time_of("run_podsandbox");
  cri::RunPodSandboxRequest request;
  *request.mutable_config() = to_cri(config);
  request.set_runtime_handler(config.runtime_handler);
  CO_TRY(const auto reply,
         co_await call<cri::RunPodSandboxResponse>(
             TETRARCH_RPC(pods, RunPodSandbox), std::move(request), kSlow));
  // In the host's network namespace sysfs is the host's own.
  if (config.security.is_privileged && !config.namespaces.is_host_network) {
    CO_TRY_STATUS(co_await allow_sysfs_writes(reply.pod_sandbox_id()));
  }
  co_return reply.pod_sandbox_id();
}

Task<Status> Containers::stop_sandbox(std::string id) {
  const auto timed = time_of("stop_podsandbox");
  cri::SandboxIdRequest request;
  request.set_pod_sandbox_id(std::move(id));
  co_return nothing(co_await call<cri::EmptyResponse>(
      TETRARCH_RPC(pods, StopPodSandbox), std::move(request), kSlow));
}

Task<Status> Containers::remove_sandbox(std::string id) {
  const auto timed = time_of("remove_podsandbox");
  cri::SandboxIdRequest request;
  request.set_pod_sandbox_id(std::move(id));
  co_return nothing(co_await call<cri::EmptyResponse>(
      TETRARCH_RPC(pods, RemovePodSandbox), std::move(request), kSlow));
}

Task<Result<std::filesystem::path>> Containers::network_namespace(std::string sandbox_id) {
  native_tasks::GetRequest request;
  request.set_container_id(std::move(sandbox_id));
  CO_TRY(const auto reply,
         co_await call<native_tasks::GetResponse>(
             TETRARCH_RPC(tasks, Get), std::move(request), kQuick));
  co_return std::filesystem::path(fmt::format("/proc/{}/ns/net", reply.process().pid()));
}

Task<Result<Sandbox>> Containers::sandbox(std::string id) {
  cri::SandboxIdRequest request;
  request.set_pod_sandbox_id(std::move(id));
  CO_TRY(const auto reply,
         co_await call<cri::PodSandboxStatusResponse>(
             TETRARCH_RPC(pods, PodSandboxStatus), std::move(request), kQuick));
  co_return from_cri(reply.status());
}

Task<Result<std::vector<Sandbox>>> Containers::sandboxes(std::string pod_uid) {
  cri::ListPodSandboxRequest request;
  if (!pod_uid.empty()) {
    (*request.mutable_filter()->mutable_label_selector())[kLabelPodUid] = pod_uid;
  }
  CO_TRY(const auto reply,
         co_await call<cri::ListPodSandboxResponse>(
             TETRARCH_RPC(pods, ListPodSandbox), std::move(request), kQuick));
  std::vector<Sandbox> out;
  for (const auto& item : reply.items()) {
    out.push_back(from_cri(item));
  }
  co_return out;
}

Task<Result<std::string>> Containers::create_container(std::string sandbox_id,
                                                       ContainerConfig config,
                                                       SandboxConfig sandbox) {
  const auto timed = time_of("create_container");
  cri::CreateContainerRequest request;
  request.set_pod_sandbox_id(std::move(sandbox_id));
  *request.mutable_config() = to_cri(config, sandbox.namespaces);
  *request.mutable_sandbox_config() = to_cri(sandbox);
  CO_TRY(const auto reply,
         co_await call<cri::CreateContainerResponse>(
             TETRARCH_RPC(pods, CreateContainer), std::move(request), kSlow));
  co_return reply.container_id();
}

Task<Status> Containers::start_container(std::string id) {
  const auto timed = time_of("start_container");
  cri::ContainerIdRequest request;
  request.set_container_id(std::move(id));
  co_return nothing(co_await call<cri::EmptyResponse>(
      TETRARCH_RPC(pods, StartContainer), std::move(request), kSlow));
}

Task<Status> Containers::stop_container(std::string id, std::chrono::seconds grace) {
  const auto timed = time_of("stop_container");
  cri::StopContainerRequest request;
  request.set_container_id(std::move(id));
  request.set_timeout(grace.count());
  const milliseconds deadline = grace + kSlow;
  co_return nothing(co_await call<cri::EmptyResponse>(
      TETRARCH_RPC(pods, StopContainer), std::move(request), deadline));
}

Task<Status> Containers::update_container(std::string id, Resources resources) {
  cri::UpdateContainerResourcesRequest request;
  request.set_container_id(std::move(id));
  *request.mutable_linux() = to_cri(resources);
  co_return nothing(co_await call<cri::EmptyResponse>(
      TETRARCH_RPC(pods, UpdateContainerResources), std::move(request), kQuick));
}

Task<Status> Containers::remove_container(std::string id) {
  const auto timed = time_of("remove_container");
  cri::ContainerIdRequest request;
  request.set_container_id(std::move(id));
  co_return nothing(co_await call<cri::EmptyResponse>(
      TETRARCH_RPC(pods, RemoveContainer), std::move(request), kSlow));
}

Task<Status> Containers::pause_container(std::string id) {
  native_tasks::ContainerRequest request;
  request.set_container_id(std::move(id));
  co_return nothing(
      co_await call<native_tasks::Nothing>(TETRARCH_RPC(tasks, Pause), std::move(request), kQuick));
}

Task<Status> Containers::resume_container(std::string id) {
  native_tasks::ContainerRequest request;
  request.set_container_id(std::move(id));
  co_return nothing(co_await call<native_tasks::Nothing>(
      TETRARCH_RPC(tasks, Resume), std::move(request), kQuick));
}

/// CRI calls a paused container running; only the tasks service tells.
Task<Result<bool>> Containers::is_paused(std::string id) {
  // Source: containerd 1.6.20, api/types/task/task.proto, enum Status.
  constexpr int kPaused = 4;
  constexpr int kPausing = 5;
  native_tasks::GetRequest request;
  request.set_container_id(std::move(id));
  CO_TRY(const auto reply,
         co_await call<native_tasks::GetResponse>(
             TETRARCH_RPC(tasks, Get), std::move(request), kQuick));
  const auto status = reply.process().status();
  co_return status == kPaused || status == kPausing;
}

Task<Result<Container>> Containers::container(std::string id) {
  cri::ContainerIdRequest request;
  request.set_container_id(std::move(id));
  CO_TRY(const auto reply,
         co_await call<cri::ContainerStatusResponse>(
             TETRARCH_RPC(pods, ContainerStatus), std::move(request), kQuick));
  co_return from_cri(reply.status());
}

Task<Result<std::vector<Container>>> Containers::containers(std::string pod_uid) {
  cri::ListContainersRequest request;
  if (!pod_uid.empty()) {
    (*request.mutable_filter()->mutable_label_selector())[kLabelPodUid] = pod_uid;
  }
  CO_TRY(const auto reply,
         co_await call<cri::ListContainersResponse>(
             TETRARCH_RPC(pods, ListContainers), std::move(request), kQuick));
  std::vector<Container> out;
  for (const auto& item : reply.containers()) {
    out.push_back(from_cri(item));
  }
  co_return out;
}

Task<Status> Containers::reopen_log(std::string id) {
  cri::ContainerIdRequest request;
  request.set_container_id(std::move(id));
  co_return nothing(co_await call<cri::EmptyResponse>(
      TETRARCH_RPC(pods, ReopenContainerLog), std::move(request), kQuick));
}

Task<Result<ExecResult>> Containers::exec(std::string id,
                                          std::vector<std::string> command,
                                          std::chrono::milliseconds deadline) {
  const auto timed = time_of("exec_sync");
  cri::ExecSyncRequest request;
  request.set_container_id(std::move(id));
  for (auto& word : command) {
    request.add_cmd(std::move(word));
  }
  const auto whole_seconds = std::chrono::ceil<seconds>(deadline);
  request.set_timeout(whole_seconds.count());
  const milliseconds limit = deadline + seconds(2);
  CO_TRY(auto reply,
         co_await call<cri::ExecSyncResponse>(
             TETRARCH_RPC(pods, ExecSync), std::move(request), limit));
  co_return ExecResult{reply.stdout(), reply.stderr(), reply.exit_code()};
}

Task<Result<std::vector<Stats>>> Containers::stats(std::string pod_uid) {
  cri::ListContainerStatsRequest request;
  if (!pod_uid.empty()) {
    (*request.mutable_filter()->mutable_label_selector())[kLabelPodUid] = pod_uid;
  }
  CO_TRY(const auto reply,
         co_await call<cri::ListContainerStatsResponse>(
             TETRARCH_RPC(pods, ListContainerStats), std::move(request), kQuick));
  std::vector<Stats> out;
  for (const auto& item : reply.stats()) {
    Stats stats;
    stats.container_id = item.attributes().id();
    stats.labels = {item.attributes().labels().begin(), item.attributes().labels().end()};
    stats.cpu_nanoseconds = item.cpu().usage_core_nano_seconds().value();
    stats.memory_working_set_bytes = item.memory().working_set_bytes().value();
    stats.memory_usage_bytes = item.memory().usage_bytes().value();
    stats.disk_bytes = item.writable_layer().used_bytes().value();
    stats.disk_inodes = item.writable_layer().inodes_used().value();
    out.push_back(std::move(stats));
  }
  co_return out;
}

}  // namespace tetrarch::agent::runtime

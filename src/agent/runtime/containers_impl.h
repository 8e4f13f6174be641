// SPDX-License-Identifier: Apache-2.0
// The class behind containers.h; its verbs are spread over containers_*.cc. Heavy header: for those
// files only.
#pragma once

#include <memory>
#include <string>

#include <containers.grpc.pb.h>
#include <cri.grpc.pb.h>
#include <events.grpc.pb.h>
#include <snapshots.grpc.pb.h>
#include <tasks.grpc.pb.h>

#include "agent/runtime/containers.h"
#include "agent/runtime/first_attach.h"
#include "agent/runtime/grpc_call.h"
#include "base/clock.h"

namespace tetrarch::agent::runtime {

namespace cri = ::runtime::v1;
namespace native_tasks = ::containerd::services::tasks::v1;
namespace native_events = ::containerd::services::events::v1;
namespace native_containers = ::containerd::services::containers::v1;
namespace native_snapshots = ::containerd::services::snapshots::v1;

/// The first arguments of call(): `co_await call<Reply>(TETRARCH_RPC(tasks, Pause), request,
/// deadline)` where a member `services_` is in scope.
#define TETRARCH_RPC(stub, Method)     \
  services_, services_->stub->async(), \
      &std::remove_pointer_t<decltype(services_->stub->async())>::Method

/// The stubs of one channel and the calls on it. Sessions and event streams share it, because they
/// may outlive a verb's call; gRPC itself never does (see Calls).
struct Services {
  explicit Services(std::shared_ptr<grpc::Channel> channel);
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<cri::RuntimeService::Stub> pods;
  std::unique_ptr<cri::ImageService::Stub> images;
  std::unique_ptr<native_tasks::Tasks::Stub> tasks;
  std::unique_ptr<native_events::Events::Stub> events;
  std::unique_ptr<native_containers::Containers::Stub> containers;
  std::unique_ptr<native_snapshots::Snapshots::Stub> snapshots;
  Calls calls;  ///< last: ends before the channel does
};

/// From its making to its end, however that comes, one operation of the runtime.
class OperationTime {
 public:
  explicit OperationTime(Histogram* series) : series_(series), begun_(system_clock().steady()) {}

  ~OperationTime();
  OperationTime(const OperationTime&) = delete;
  OperationTime& operator=(const OperationTime&) = delete;

 private:
  Histogram* series_;  ///< null: not measured
  SteadyPoint begun_;
};

class Containers final : public Runtime {
 public:
  Containers(ContainersOptions options, async::BlockingPool& blocking);

  Task<Result<std::string>> version() override;
  Task<Status> ready() override;
  Task<Result<std::string>> run_sandbox(SandboxConfig config) override;
  Task<Status> stop_sandbox(std::string id) override;
  Task<Status> remove_sandbox(std::string id) override;
  Task<Result<std::filesystem::path>> network_namespace(std::string sandbox_id) override;
  Task<Result<Sandbox>> sandbox(std::string id) override;
  Task<Result<std::vector<Sandbox>>> sandboxes(std::string pod_uid) override;
  Task<Result<std::string>> create_container(std::string sandbox_id,
                                             ContainerConfig config,
                                             SandboxConfig sandbox) override;
  Task<Status> start_container(std::string id) override;
  Task<Status> stop_container(std::string id, std::chrono::seconds grace) override;
  Task<Status> update_container(std::string id, Resources resources) override;
  Task<Status> remove_container(std::string id) override;
  Task<Status> move_root(std::string from, std::string to) override;
  Task<Status> pause_container(std::string id) override;
  Task<Status> resume_container(std::string id) override;
  Task<Result<bool>> is_paused(std::string id) override;
  Task<Result<Container>> container(std::string id) override;
  Task<Result<std::vector<Container>>> containers(std::string pod_uid) override;
  Task<Status> reopen_log(std::string id) override;
  Task<Result<ExecResult>> exec(std::string id,
                                std::vector<std::string> command,
                                std::chrono::milliseconds deadline) override;
  Task<Result<std::unique_ptr<Session>>> start_exec(std::string id, ExecOptions options) override;
  Task<Result<std::unique_ptr<Session>>> attach(std::string id, bool has_stdin) override;
  Task<Result<std::vector<Stats>>> stats(std::string pod_uid) override;
  Task<Result<std::optional<Image>>> image(std::string reference) override;
  Task<Result<std::vector<Image>>> images() override;
  Task<Result<std::string>> pull_image(std::string reference,
                                       std::optional<RegistryLogin> login) override;
  Task<Result<std::vector<std::string>>> import_images(std::string archive_path) override;
  Task<Status> remove_image(std::string reference) override;
  Task<Result<std::unique_ptr<EventStream>>> events() override;

 private:
  OperationTime time_of(std::string_view operation) const;
  Task<Status> allow_sysfs_writes(std::string sandbox_id);  // containers_sysfs.cc
  Task<Result<std::unique_ptr<Session>>> observe(Container found, bool has_tty, bool is_whole);

  ContainersOptions options_;
  async::BlockingPool& blocking_;
  std::shared_ptr<Services> services_;
  FirstAttach first_attach_;
};

}  // namespace tetrarch::agent::runtime

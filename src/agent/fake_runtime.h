// SPDX-License-Identifier: Apache-2.0
// FakeRuntime: containers as entries in memory, which do what a test's script says; every verb is
// told to a listener. Its time is the virtual time of the context it runs on. Only tests include
// it; used on one thread.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "agent/runtime/runtime.h"
#include "async/timer.h"

namespace tetrarch::agent {

class FakeRuntime final : public runtime::Runtime {
 public:
  /// What a command of exec (by its first word) or a container's own process (by the container's
  /// name) does.
  struct Behaviour {
    int exit_code = 0;
    std::optional<std::chrono::seconds> after = {};  ///< a process without it runs until stopped
    std::chrono::seconds stops_after{0};             ///< how long a process takes to obey SIGTERM
    /// The only word of its end comes while the call that starts it is still under way.
    bool is_told_early = false;
    std::chrono::seconds starts_after{0};  ///< how long the call takes that starts it
  };

  explicit FakeRuntime(const Clock& clock) : clock_(clock) {}

  // The script's side.
  std::function<void(const std::string&)> on_call = [](const std::string&) {};
  std::function<void(const runtime::Event&)> on_event = [](const runtime::Event&) {};
  std::map<std::string, Behaviour> processes;
  std::map<std::string, Behaviour> commands;
  std::map<std::string, std::string> failures;  ///< verb -> what it fails with, until erased
  std::map<std::string, runtime::Image> present_images;
  std::map<std::string, std::string> pull_errors;  ///< by reference
  std::chrono::seconds pull_time{0};
  std::chrono::seconds list_time{0};  ///< from the look at containers to its answer

  /// The newest container of that name ends now.
  void end(const std::string& name, int exit_code);
  /// As if it had never been: by another hand, or a lost disk.
  void lose_container(const std::string& name);
  void lose_sandbox();
  void kill_sandbox();
  /// Ends what is due by now; when the next one is. The script's clock asks before it moves on.
  std::optional<TimePoint> end_due();

  // runtime::Runtime
  Task<Result<std::string>> version() override;
  Task<Status> ready() override;
  Task<Result<std::string>> run_sandbox(runtime::SandboxConfig config) override;
  Task<Status> stop_sandbox(std::string id) override;
  Task<Status> remove_sandbox(std::string id) override;
  Task<Result<std::filesystem::path>> network_namespace(std::string sandbox_id) override;
  Task<Result<runtime::Sandbox>> sandbox(std::string id) override;
  Task<Result<std::vector<runtime::Sandbox>>> sandboxes(std::string pod_uid) override;
  Task<Result<std::string>> create_container(std::string sandbox_id,
                                             runtime::ContainerConfig config,
                                             runtime::SandboxConfig sandbox) override;
  Task<Status> start_container(std::string id) override;
  Task<Status> stop_container(std::string id, std::chrono::seconds grace) override;
  Task<Status> update_container(std::string id, runtime::Resources resources) override;
  Task<Status> remove_container(std::string id) override;
  Task<Status> move_root(std::string from, std::string to) override;
  Task<Status> pause_container(std::string id) override;
  Task<Status> resume_container(std::string id) override;
  Task<Result<bool>> is_paused(std::string id) override;
  Task<Result<runtime::Container>> container(std::string id) override;
  Task<Result<std::vector<runtime::Container>>> containers(std::string pod_uid) override;
  Task<Status> reopen_log(std::string id) override;
  Task<Result<runtime::ExecResult>> exec(std::string id,
                                         std::vector<std::string> command,
                                         std::chrono::milliseconds deadline) override;
  Task<Result<std::unique_ptr<runtime::Session>>> start_exec(std::string id,
                                                             runtime::ExecOptions options) override;
  Task<Result<std::unique_ptr<runtime::Session>>> attach(std::string id, bool has_stdin) override;
  Task<Result<std::vector<runtime::Stats>>> stats(std::string pod_uid) override;
  Task<Result<std::optional<runtime::Image>>> image(std::string reference) override;
  Task<Result<std::vector<runtime::Image>>> images() override;
  Task<Result<std::string>> pull_image(std::string reference,
                                       std::optional<runtime::RegistryLogin> login) override;
  Task<Result<std::vector<std::string>>> import_images(std::string archive_path) override;
  Task<Status> remove_image(std::string reference) override;
  Task<Result<std::unique_ptr<runtime::EventStream>>> events() override;

 private:
  Status failure(const std::string& verb) const;
  runtime::Container* newest(const std::string& name);
  void finish(const std::string& id, int exit_code);
  Task<void> sleep_while_running(std::string id, std::chrono::nanoseconds pause);

  const Clock& clock_;
  std::map<std::string, runtime::Sandbox> sandboxes_;
  std::map<std::string, runtime::Container> containers_;
  std::set<std::string> paused_;              ///< ids
  std::map<std::string, TimePoint> ends_at_;  ///< of running containers whose end is known
  int count_ = 0;
};

}  // namespace tetrarch::agent

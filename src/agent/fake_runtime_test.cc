// SPDX-License-Identifier: Apache-2.0
#include "agent/fake_runtime.h"

#include <fmt/format.h>
#include <fmt/ranges.h>

namespace tetrarch::agent {

using runtime::Container;
using runtime::ContainerState;

namespace {

constexpr std::chrono::milliseconds kSlowStart{100};
constexpr std::chrono::milliseconds kStep{100};

Error unimplemented() {
  return {Code::unimplemented, "not part of the fake"};
}

}  // namespace

Status FakeRuntime::failure(const std::string& verb) const {
  const auto at = failures.find(verb);
  return at == failures.end() ? ok() : Status(Error{Code::unavailable, at->second});
}

Container* FakeRuntime::newest(const std::string& name) {
  Container* out = nullptr;
  for (auto& [id, container] : containers_) {
    if (container.name == name && (out == nullptr || out->attempt <= container.attempt)) {
      out = &container;
    }
  }
  return out;
}

void FakeRuntime::finish(const std::string& id, int exit_code) {
  auto& container = containers_.at(id);
  if (container.state != ContainerState::running) {
    return;
  }
  container.state = ContainerState::exited;
  container.exit_code = exit_code;
  container.reason = exit_code == 0 ? "Completed" : "Error";
  container.finished = clock_.now();
  ends_at_.erase(id);
  paused_.erase(id);
  if (!processes[container.name].is_told_early) {
    on_event({runtime::EventKind::exited, id});
  }
}

void FakeRuntime::end(const std::string& name, int exit_code) {
  if (auto* container = newest(name)) {
    finish(container->id, exit_code);
  }
}

void FakeRuntime::lose_container(const std::string& name) {
  std::erase_if(containers_, [&](const auto& entry) { return entry.second.name == name; });
  on_event({runtime::EventKind::lost, ""});
}

void FakeRuntime::lose_sandbox() {
  sandboxes_.clear();
  containers_.clear();
  ends_at_.clear();
  on_event({runtime::EventKind::lost, ""});
}

void FakeRuntime::kill_sandbox() {
  for (auto& [id, sandbox] : sandboxes_) {
    sandbox.is_ready = false;
    on_event({runtime::EventKind::exited, id});
  }
}

std::optional<TimePoint> FakeRuntime::end_due() {
  std::optional<TimePoint> next;
  const auto ends = ends_at_;
  for (const auto& [id, time] : ends) {
    if (time <= clock_.now()) {
      finish(id, processes[containers_.at(id).name].exit_code);
    } else if (!next || time < *next) {
      next = time;
    }
  }
  return next;
}

Task<void> FakeRuntime::sleep_while_running(std::string id, std::chrono::nanoseconds pause) {
  for (std::chrono::nanoseconds slept{0}; slept < pause; slept += kStep) {
    const auto at = containers_.find(id);
    if (at == containers_.end() || at->second.state != ContainerState::running) {
      co_return;
    }
    co_await async::sleep_for(kStep);
  }
}

Task<Result<std::string>> FakeRuntime::version() {
  co_return std::string("fake");
}

Task<Status> FakeRuntime::ready() {
  co_return ok();
}

Task<Result<std::string>> FakeRuntime::run_sandbox(runtime::SandboxConfig config) {
  on_call(fmt::format("run_sandbox attempt={}", config.attempt));
  CO_TRY_STATUS(failure("run_sandbox"));
  runtime::Sandbox sandbox;
  sandbox.id = fmt::format("sandbox-{}", config.attempt);
  sandbox.name = config.name;
  sandbox.ns = config.ns;
  sandbox.uid = config.uid;
  sandbox.attempt = config.attempt;
  sandbox.is_ready = true;
  sandbox.created = clock_.now();
  sandbox.addresses = {fmt::format("10.42.0.{}", 5 + count_++)};
  sandbox.labels = config.labels;
  sandboxes_[sandbox.id] = sandbox;
  co_return sandbox.id;
}

Task<Status> FakeRuntime::stop_sandbox(std::string id) {
  on_call("stop_sandbox " + id);
  CO_TRY_STATUS(failure("stop_sandbox"));
  if (const auto at = sandboxes_.find(id); at != sandboxes_.end()) {
    at->second.is_ready = false;
  }
  for (auto& [container_id, container] : containers_) {
    if (container.sandbox_id == id) {
      finish(container_id, 137);
    }
  }
  co_return ok();
}

Task<Status> FakeRuntime::remove_sandbox(std::string id) {
  on_call("remove_sandbox " + id);
  CO_TRY_STATUS(failure("remove_sandbox"));
  sandboxes_.erase(id);
  std::erase_if(containers_, [&](const auto& entry) { return entry.second.sandbox_id == id; });
  co_return ok();
}

Task<Result<runtime::Sandbox>> FakeRuntime::sandbox(std::string id) {
  const auto at = sandboxes_.find(id);
  if (at == sandboxes_.end()) {
    co_return Error{Code::not_found, "no such sandbox"};
  }
  auto out = at->second;
  if (!out.is_ready) {
    out.addresses.clear();
  }
  co_return out;
}

Task<Result<std::vector<runtime::Sandbox>>> FakeRuntime::sandboxes(std::string pod_uid) {
  CO_TRY_STATUS(failure("list"));
  std::vector<runtime::Sandbox> out;
  for (const auto& [id, sandbox] : sandboxes_) {
    if (pod_uid.empty() || sandbox.uid == pod_uid) {
      out.push_back(sandbox);
      out.back().addresses.clear();
    }
  }
  co_return out;
}

Task<Result<std::string>> FakeRuntime::create_container(std::string sandbox_id,
                                                        runtime::ContainerConfig config,
                                                        runtime::SandboxConfig sandbox) {
  on_call(fmt::format("create {}/{} in {}{}",
                      config.name,
                      config.attempt,
                      sandbox_id,
                      config.pid_target.empty() ? "" : " beside " + config.pid_target));
  CO_TRY_STATUS(failure("create"));
  Container container;
  container.id = fmt::format("{}-{}", config.name, config.attempt);
  if (containers_.contains(container.id)) {
    co_return Error{Code::already_exists, "name \"" + container.id + "\" is reserved"};
  }
  container.sandbox_id = sandbox_id;
  container.name = config.name;
  container.attempt = config.attempt;
  container.state = ContainerState::created;
  container.labels = config.labels;
  container.annotations = config.annotations;
  container.created = clock_.now();
  container.image = config.image;
  container.image_ref = "ref-" + config.image;
  containers_[container.id] = container;
  static_cast<void>(sandbox);
  co_return container.id;
}

Task<Status> FakeRuntime::start_container(std::string id) {
  on_call("start " + id);
  CO_TRY_STATUS(failure("start"));
  if (processes[containers_.at(id).name].is_told_early) {
    on_event({runtime::EventKind::exited, id});
    co_await async::sleep_for(kSlowStart);
  }
  if (const auto takes = processes[containers_.at(id).name].starts_after; takes.count() > 0) {
    co_await async::sleep_for(takes);
  }
  auto& container = containers_.at(id);
  container.state = ContainerState::running;
  container.started = clock_.now();
  if (const auto& does = processes[container.name]; does.after) {
    ends_at_[id] = clock_.now() + *does.after;
  }
  on_event({runtime::EventKind::started, id});
  co_return ok();
}

Task<Status> FakeRuntime::stop_container(std::string id, std::chrono::seconds grace) {
  on_call(fmt::format("stop {} grace={}s", id, grace.count()));
  CO_TRY_STATUS(failure("stop"));
  const auto at = containers_.find(id);
  if (at == containers_.end()) {
    co_return Error{Code::not_found, "no such container"};
  }
  const auto needed = processes[at->second.name].stops_after;
  const bool obeys = needed <= grace;
  const auto pause = std::min(needed, grace);
  co_await sleep_while_running(id, pause);
  if (containers_.contains(id)) {
    // Source: Linux, signal(7): 128 and the signal's number, SIGTERM or SIGKILL.
    finish(id, obeys ? 143 : 137);
  }
  co_return ok();
}

Task<Status> FakeRuntime::update_container(std::string id, runtime::Resources resources) {
  on_call(fmt::format("update {} shares={} quota={} memory={}",
                      id,
                      resources.cpu_shares,
                      resources.cpu_quota_us,
                      resources.memory_limit_bytes));
  co_return failure("update");
}

Task<Status> FakeRuntime::remove_container(std::string id) {
  on_call("remove " + id);
  containers_.erase(id);
  co_return ok();
}

Task<Status> FakeRuntime::move_root(std::string from, std::string to) {
  on_call("move_root " + from + " to " + to);
  co_return ok();
}

Task<Status> FakeRuntime::pause_container(std::string id) {
  on_call("pause " + id);
  CO_TRY_STATUS(failure("pause"));
  if (!paused_.insert(id).second) {
    co_return Error{Code::precondition, "container not running"};
  }
  co_return ok();
}

Task<Status> FakeRuntime::resume_container(std::string id) {
  on_call("resume " + id);
  CO_TRY_STATUS(failure("resume"));
  if (paused_.erase(id) == 0) {
    co_return Error{Code::precondition, "container not paused"};
  }
  co_return ok();
}

Task<Result<bool>> FakeRuntime::is_paused(std::string id) {
  co_return paused_.contains(id);
}

Task<Result<Container>> FakeRuntime::container(std::string id) {
  const auto at = containers_.find(id);
  if (at == containers_.end()) {
    co_return Error{Code::not_found, "no such container"};
  }
  co_return at->second;
}

Task<Result<std::vector<Container>>> FakeRuntime::containers(std::string pod_uid) {
  CO_TRY_STATUS(failure("list"));
  std::vector<Container> out;
  for (const auto& [id, container] : containers_) {
    const auto uid = container.labels.find(runtime::kLabelPodUid);
    if (pod_uid.empty() || (uid != container.labels.end() && uid->second == pod_uid)) {
      out.push_back(container);
    }
  }
  if (list_time.count() > 0) {
    co_await async::sleep_for(list_time);
  }
  co_return out;
}

Task<Status> FakeRuntime::reopen_log(std::string) {
  co_return ok();
}

Task<Result<runtime::ExecResult>> FakeRuntime::exec(std::string id,
                                                    std::vector<std::string> command,
                                                    std::chrono::milliseconds deadline) {
  on_call(fmt::format("exec {} {}", id, fmt::join(command, " ")));
  const Behaviour does = commands[command.at(0)];
  const auto takes = std::chrono::milliseconds(does.after.value_or(std::chrono::seconds(0)));
  const auto pause = std::min(takes, deadline);
  co_await sleep_while_running(id, pause);
  const auto at = containers_.find(id);
  if (at == containers_.end() || at->second.state != ContainerState::running) {
    co_return Error{Code::not_found, "the container has ended"};
  }
  if (takes > deadline) {
    co_return Error{Code::timeout, "timed out"};
  }
  runtime::ExecResult result;
  result.out = does.exit_code == 0 ? "" : "said no";
  result.exit_code = does.exit_code;
  co_return result;
}

Task<Result<std::filesystem::path>> FakeRuntime::network_namespace(std::string) {
  co_return unimplemented();
}

Task<Result<std::unique_ptr<runtime::Session>>> FakeRuntime::start_exec(std::string,
                                                                        runtime::ExecOptions) {
  co_return unimplemented();
}

Task<Result<std::unique_ptr<runtime::Session>>> FakeRuntime::attach(std::string, bool) {
  co_return unimplemented();
}

Task<Result<std::vector<runtime::Stats>>> FakeRuntime::stats(std::string) {
  co_return std::vector<runtime::Stats>();  // nothing uses anything
}

Task<Result<std::optional<runtime::Image>>> FakeRuntime::image(std::string reference) {
  const auto at = present_images.find(reference);
  co_return at == present_images.end() ? std::nullopt : std::optional(at->second);
}

Task<Result<std::vector<runtime::Image>>> FakeRuntime::images() {
  co_return std::vector<runtime::Image>{};
}

Task<Result<std::string>> FakeRuntime::pull_image(std::string reference,
                                                  std::optional<runtime::RegistryLogin> login) {
  on_call(fmt::format("pull {}{}", reference, login ? " as " + login->user : ""));
  co_await async::sleep_for(pull_time);
  if (const auto at = pull_errors.find(reference); at != pull_errors.end()) {
    co_return Error{Code::unavailable, at->second};
  }
  runtime::Image made;
  made.id = "image-" + reference;
  present_images[reference] = made;
  co_return made.id;
}

Task<Result<std::vector<std::string>>> FakeRuntime::import_images(std::string) {
  co_return unimplemented();
}

Task<Status> FakeRuntime::remove_image(std::string reference) {
  present_images.erase(reference);
  co_return ok();
}

Task<Result<std::unique_ptr<runtime::EventStream>>> FakeRuntime::events() {
  co_return unimplemented();
}

}  // namespace tetrarch::agent

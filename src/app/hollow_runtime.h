// SPDX-License-Identifier: Apache-2.0
// HollowRuntime: is ready and runs nothing, for agents that only talk (hollow_agents.h).
#pragma once

#include "agent/runtime/runtime.h"

namespace tetrarch::app {

class HollowRuntime final : public agent::runtime::Runtime {
 public:
  Task<Result<std::string>> version() override { co_return std::string("hollow://1"); }

  Task<Status> ready() override { co_return ok(); }

  Task<Result<std::vector<agent::runtime::Image>>> images() override {
    co_return std::vector<agent::runtime::Image>();
  }

  // What follows is not asked of an agent that only talks.
  Task<Result<std::string>> run_sandbox(agent::runtime::SandboxConfig) override {
    return lacks<std::string>();
  }

  Task<Status> stop_sandbox(std::string) override { return lacks(); }

  Task<Status> remove_sandbox(std::string) override { return lacks(); }

  Task<Result<std::filesystem::path>> network_namespace(std::string) override {
    return lacks<std::filesystem::path>();
  }

  Task<Result<agent::runtime::Sandbox>> sandbox(std::string) override {
    return lacks<agent::runtime::Sandbox>();
  }

  Task<Result<std::vector<agent::runtime::Sandbox>>> sandboxes(std::string) override {
    return lacks<std::vector<agent::runtime::Sandbox>>();
  }

  Task<Result<std::string>> create_container(std::string,
                                             agent::runtime::ContainerConfig,
                                             agent::runtime::SandboxConfig) override {
    return lacks<std::string>();
  }

  Task<Status> start_container(std::string) override { return lacks(); }

  Task<Status> stop_container(std::string, std::chrono::seconds) override { return lacks(); }

  Task<Status> update_container(std::string, agent::runtime::Resources) override { return lacks(); }

  Task<Status> remove_container(std::string) override { return lacks(); }

  Task<Status> move_root(std::string, std::string) override { return lacks(); }

  Task<Status> pause_container(std::string) override { return lacks(); }

  Task<Status> resume_container(std::string) override { return lacks(); }

  Task<Result<bool>> is_paused(std::string) override { return lacks<bool>(); }

  Task<Result<agent::runtime::Container>> container(std::string) override {
    return lacks<agent::runtime::Container>();
  }

  Task<Result<std::vector<agent::runtime::Container>>> containers(std::string) override {
    return lacks<std::vector<agent::runtime::Container>>();
  }

  Task<Status> reopen_log(std::string) override { return lacks(); }

  Task<Result<agent::runtime::ExecResult>> exec(std::string,
                                                std::vector<std::string>,
                                                std::chrono::milliseconds) override {
    return lacks<agent::runtime::ExecResult>();
  }

  Task<Result<std::unique_ptr<agent::runtime::Session>>> start_exec(
      std::string, agent::runtime::ExecOptions) override {
    return lacks<std::unique_ptr<agent::runtime::Session>>();
  }

  Task<Result<std::unique_ptr<agent::runtime::Session>>> attach(std::string, bool) override {
    return lacks<std::unique_ptr<agent::runtime::Session>>();
  }

  Task<Result<std::vector<agent::runtime::Stats>>> stats(std::string) override {
    return lacks<std::vector<agent::runtime::Stats>>();
  }

  Task<Result<std::optional<agent::runtime::Image>>> image(std::string) override {
    return lacks<std::optional<agent::runtime::Image>>();
  }

  Task<Result<std::string>> pull_image(std::string,
                                       std::optional<agent::runtime::RegistryLogin>) override {
    return lacks<std::string>();
  }

  Task<Result<std::vector<std::string>>> import_images(std::string) override {
    return lacks<std::vector<std::string>>();
  }

  Task<Status> remove_image(std::string) override { return lacks(); }

  Task<Result<std::unique_ptr<agent::runtime::EventStream>>> events() override {
    return lacks<std::unique_ptr<agent::runtime::EventStream>>();
  }

 private:
  static Error lack() { return {Code::unimplemented, "a hollow runtime runs nothing"}; }

  static Task<Status> lacks() { co_return lack(); }

  template <class T>
  static Task<Result<T>> lacks() {
    co_return lack();
  }
};

}  // namespace tetrarch::app

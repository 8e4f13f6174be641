// SPDX-License-Identifier: Apache-2.0
// FakeSystemd: a machine's systemd in memory, with the files that were linked into it. Every call
// is told. Only tests include it; used on one thread.
#pragma once

#include <filesystem>
#include <functional>
#include <map>
#include <string>
#include <vector>

#include "agent/systemd/systemd.h"

namespace tetrarch::agent {

class FakeSystemd final : public systemd::Systemd {
 public:
  struct Unit {
    std::filesystem::path file;
    bool is_known = false;  ///< read since it was linked
    std::string active = "inactive";
    std::string sub = "dead";
    systemd::MainProcess main = {};
    bool has_stop = false;     ///< a stop is in the queue
    bool is_required = false;  ///< by a unit that runs: without a stop it comes back
  };

  // The script's side.
  std::function<void(const std::string&)> on_call = [](const std::string&) {};
  std::map<std::string, Unit> units;
  std::map<std::string, std::string> failures;  ///< "start x.service" -> what it says
  bool obeys_stop = true;
  bool finds_files = true;  ///< else a reload reads nothing that is linked

  /// It becomes that by itself.
  void set(const std::string& unit, std::string active, std::string sub) {
    units[unit].active = std::move(active);
    units[unit].sub = std::move(sub);
    changed(unit);
  }

  /// Another unit that requires it is started: that takes its stop out of the queue.
  void require(const std::string& unit) {
    units[unit].is_required = true;
    units[unit].has_stop = false;
    set(unit, "active", "running");
  }

  void end_connection() { ended(); }

  systemd::Connect connector() {
    return [this](std::function<void(std::string)> told)
               -> Task<Result<std::shared_ptr<systemd::Systemd>>> {
      return connect(this, std::move(told));
    };
  }

  // systemd::Systemd
  Task<Result<std::string>> version() override { co_return std::string("252"); }

  Task<Status> link(std::filesystem::path file) override {
    const auto name = file.filename().string();
    CO_TRY_STATUS(call("link " + name));
    units[name].file = file;
    co_return ok();
  }

  Task<Status> enable(std::string unit) override { co_return call("enable " + unit); }

  Task<Status> disable(std::string unit) override {
    CO_TRY_STATUS(call("disable " + unit));
    units[unit].file.clear();
    co_return ok();
  }

  Task<Status> reload() override {
    CO_TRY_STATUS(call("reload"));
    for (auto& [name, unit] : units) {
      unit.is_known = finds_files && !unit.file.empty();
    }
    co_return ok();
  }

  Task<Status> start(std::string unit) override {
    CO_TRY_STATUS(call("start " + unit));
    units[unit].main.pid = ++last_pid_;
    units[unit].main.started = TimePoint{};
    set(unit, "active", "running");
    co_return ok();
  }

  Task<Status> stop(std::string unit) override {
    CO_TRY_STATUS(call("stop " + unit));
    units[unit].has_stop = true;
    if (obeys_stop) {
      set(unit, "inactive", "dead");
    } else {
      set(unit, "deactivating", "stop-sigterm");
    }
    co_return ok();
  }

  Task<Status> kill(std::string unit) override {
    CO_TRY_STATUS(call("kill " + unit));
    if (units[unit].is_required && !units[unit].has_stop) {
      set(unit, "active", "running");
    } else {
      set(unit, "failed", "failed");
    }
    co_return ok();
  }

  Task<Status> reset_failed(std::string unit) override {
    CO_TRY_STATUS(call("reset-failed " + unit));
    if (units[unit].active == "failed") {
      units[unit].active = "inactive";
    }
    co_return ok();
  }

  Task<Result<std::vector<systemd::UnitState>>> states(std::vector<std::string> names) override {
    std::vector<systemd::UnitState> out;
    for (const auto& name : names) {
      const auto& unit = units[name];
      out.push_back({name, unit.is_known ? "loaded" : "not-found", unit.active, unit.sub});
    }
    co_return out;
  }

  Task<Result<systemd::MainProcess>> main_process(std::string unit) override {
    co_return units[unit].main;
  }

  Task<Result<systemd::Fragment>> fragment(std::string unit) override {
    const auto& found = units[unit];
    co_return systemd::Fragment{found.is_known ? "loaded" : "not-found", found.file};
  }

  void on_end(std::function<void()> handler) override { ended = std::move(handler); }

 private:
  static Task<Result<std::shared_ptr<systemd::Systemd>>> connect(
      FakeSystemd* self, std::function<void(std::string)> told) {
    CO_TRY_STATUS(self->call("connect"));
    self->changed = std::move(told);
    // Not owned: the test's own object.
    co_return std::shared_ptr<systemd::Systemd>(self, [](systemd::Systemd*) {});
  }

  Status call(const std::string& what) {
    on_call(what);
    const auto at = failures.find(what);
    return at == failures.end() ? ok() : Status(Error{Code::internal, at->second});
  }

  std::function<void(std::string)> changed = [](const std::string&) {};
  std::function<void()> ended = [] {};
  std::uint32_t last_pid_ = 100;
};

}  // namespace tetrarch::agent

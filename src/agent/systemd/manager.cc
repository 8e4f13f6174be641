// SPDX-License-Identifier: Apache-2.0
#include "agent/systemd/manager.h"

#include <csignal>
#include <cstdlib>
#include <utility>

#include <fmt/format.h>

namespace tetrarch::agent::systemd {
namespace {

constexpr const char* kService = "org.freedesktop.systemd1";
constexpr const char* kManagerPath = "/org/freedesktop/systemd1";
constexpr const char* kManager = "org.freedesktop.systemd1.Manager";
constexpr const char* kUnitInterface = "org.freedesktop.systemd1.Unit";
constexpr const char* kServiceInterface = "org.freedesktop.systemd1.Service";
constexpr const char* kUnitPath = "/org/freedesktop/systemd1/unit";
constexpr std::chrono::seconds kQuick{25};
constexpr std::chrono::seconds kReload{90};  // generators and many files take their time
constexpr int kExited = 1;                   // CLD_EXITED

struct Free {
  void operator()(char* text) const { std::free(text); }  // sd-bus allocates with malloc
};

using CString = std::unique_ptr<char, Free>;

/// sd-bus answers negative on failure; a message that lacks what it should have is one.
Status appended(int result, const char* method) {
  return result < 0 ? Status(bus_error(method, result)) : ok();
}

Status append_strings(sd_bus_message* to, const std::vector<std::string>& strings) {
  int result = sd_bus_message_open_container(to, 'a', "s");
  for (const auto& text : strings) {
    result = result < 0 ? result : sd_bus_message_append(to, "s", text.c_str());
  }
  result = result < 0 ? result : sd_bus_message_close_container(to);
  return appended(result, "strings");
}

/// The unit that a signal's path speaks of; empty: none.
std::string unit_of_path(const char* path) {
  char* found = nullptr;
  const int result = path == nullptr ? 0 : sd_bus_path_decode(path, kUnitPath, &found);
  const CString name(found);
  return result > 0 ? name.get() : "";
}

Result<std::string> path_of_unit(const std::string& unit) {
  char* made = nullptr;
  const int result = sd_bus_path_encode(kUnitPath, unit.c_str(), &made);
  const CString path(made);
  return result < 0 ? Result<std::string>(bus_error(unit, result)) : std::string(path.get());
}

Result<std::vector<UnitState>> read_states(sd_bus_message* reply) {
  std::vector<UnitState> states;
  int result = sd_bus_message_enter_container(reply, 'a', "(ssssssouso)");
  while (result >= 0) {
    const char *name = nullptr, *about = nullptr, *load = nullptr, *active = nullptr;
    const char *sub = nullptr, *following = nullptr, *path = nullptr, *job_kind = nullptr;
    const char* job_path = nullptr;
    std::uint32_t job = 0;
    result = sd_bus_message_read(reply,
                                 "(ssssssouso)",
                                 &name,
                                 &about,
                                 &load,
                                 &active,
                                 &sub,
                                 &following,
                                 &path,
                                 &job,
                                 &job_kind,
                                 &job_path);
    if (result == 0) {
      return states;
    }
    if (result > 0) {
      states.push_back({name, load, active, sub});
    }
  }
  return bus_error("ListUnitsByNames", result);
}

std::optional<TimePoint> time_of(std::uint64_t microseconds) {
  if (microseconds == 0) {
    return std::nullopt;
  }
  return TimePoint(std::chrono::microseconds(microseconds));
}

/// Reads one property's value into what it belongs to.
int read_property(sd_bus_message* from, std::string_view name, MainProcess& into) {
  const auto read_u32 = [&](std::uint32_t& value) {
    return sd_bus_message_read(from, "v", "u", &value);
  };
  const auto read_i32 = [&](std::int32_t& value) {
    return sd_bus_message_read(from, "v", "i", &value);
  };
  const auto read_time = [&](std::optional<TimePoint>& value) {
    std::uint64_t microseconds = 0;
    const int result = sd_bus_message_read(from, "v", "t", &microseconds);
    value = time_of(microseconds);
    return result;
  };
  if (name == "MainPID") {
    return read_u32(into.pid);
  }
  if (name == "NRestarts") {
    return read_u32(into.restarts);
  }
  if (name == "ExecMainStatus") {
    return read_i32(into.exit_code);
  }
  if (name == "ExecMainCode") {
    std::int32_t code = 0;
    const int result = read_i32(code);
    into.has_exited = code == kExited;
    return result;
  }
  if (name == "ExecMainStartTimestamp") {
    return read_time(into.started);
  }
  if (name == "ExecMainExitTimestamp") {
    return read_time(into.finished);
  }
  return sd_bus_message_skip(from, "v");
}

Result<MainProcess> read_main_process(sd_bus_message* reply) {
  MainProcess found;
  int result = sd_bus_message_enter_container(reply, 'a', "{sv}");
  while (result >= 0) {
    result = sd_bus_message_enter_container(reply, 'e', "sv");
    if (result == 0) {
      return found;
    }
    const char* name = nullptr;
    result = result < 0 ? result : sd_bus_message_read(reply, "s", &name);
    result = result < 0 ? result : read_property(reply, name, found);
    result = result < 0 ? result : sd_bus_message_exit_container(reply);
  }
  return bus_error("GetAll", result);
}

/// What is not there is as good as taken away.
Status if_there(const Result<Message>& answer) {
  const bool is_good = answer.ok() || answer.error().code == Code::not_found;
  return is_good ? ok() : Status(answer.error());
}

}  // namespace

Task<Result<std::shared_ptr<Systemd>>> Manager::connect(std::string address,
                                                        std::function<void(std::string)> changed) {
  CO_TRY(auto bus, co_await Bus::connect(std::move(address)));
  auto manager = std::make_shared<Manager>(std::move(bus));
  CO_TRY_STATUS(manager->subscribe(changed));
  CO_TRY(auto request, manager->manager_call("Subscribe"));
  CO_TRY_STATUS(co_await manager->bus_->call(std::move(request), kQuick));
  co_return std::shared_ptr<Systemd>(std::move(manager));
}

Status Manager::subscribe(const std::function<void(std::string unit)>& changed) {
  TRY_STATUS(bus_->match(kService,
                         "interface='org.freedesktop.DBus.Properties',member='PropertiesChanged',"
                         "path_namespace='/org/freedesktop/systemd1/unit'",
                         [changed](sd_bus_message* message) {
                           if (auto unit = unit_of_path(sd_bus_message_get_path(message));
                               !unit.empty()) {
                             changed(std::move(unit));
                           }
                         }));
  // After a reload, and when systemd has executed itself anew, all that was known may be old.
  return bus_->match(kService,
                     fmt::format("interface='{}',member='Reloading'", kManager),
                     [changed](sd_bus_message* /*unused*/) { changed(""); });
}

Result<Message> Manager::manager_call(const char* method) {
  return bus_->new_call({kService, kManagerPath, kManager, method});
}

Task<Result<Message>> Manager::property(std::string path, const char* interface, const char* name) {
  CO_TRY(auto request,
         bus_->new_call({kService, path.c_str(), "org.freedesktop.DBus.Properties", "Get"}));
  CO_TRY_STATUS(appended(sd_bus_message_append(request.get(), "ss", interface, name), "Get"));
  co_return co_await bus_->call(std::move(request), kQuick);
}

namespace {

Result<std::string> read_text(sd_bus_message* reply) {
  const char* text = nullptr;
  TRY_STATUS(appended(sd_bus_message_read(reply, "v", "s", &text), "Get"));
  return std::string(text);
}

}  // namespace

Task<Result<std::string>> Manager::version() {
  CO_TRY(const auto reply, co_await property(kManagerPath, kManager, "Version"));
  co_return read_text(reply.get());
}

Task<Status> Manager::link(std::filesystem::path file) {
  CO_TRY(auto request, manager_call("LinkUnitFiles"));
  const std::vector<std::string> paths = {file.string()};
  CO_TRY_STATUS(append_strings(request.get(), paths));
  CO_TRY_STATUS(appended(sd_bus_message_append(request.get(), "bb", 1, 1), "LinkUnitFiles"));
  CO_TRY_STATUS(co_await bus_->call(std::move(request), kQuick));
  co_return ok();
}

Task<Status> Manager::enable(std::string unit) {
  CO_TRY(auto request, manager_call("EnableUnitFiles"));
  const std::vector<std::string> units = {std::move(unit)};
  CO_TRY_STATUS(append_strings(request.get(), units));
  CO_TRY_STATUS(appended(sd_bus_message_append(request.get(), "bb", 1, 1), "EnableUnitFiles"));
  CO_TRY_STATUS(co_await bus_->call(std::move(request), kQuick));
  co_return ok();
}

Task<Status> Manager::disable(std::string unit) {
  CO_TRY(auto request, manager_call("DisableUnitFiles"));
  const std::vector<std::string> units = {std::move(unit)};
  CO_TRY_STATUS(append_strings(request.get(), units));
  CO_TRY_STATUS(appended(sd_bus_message_append(request.get(), "b", 1), "DisableUnitFiles"));
  co_return if_there(co_await bus_->call(std::move(request), kQuick));
}

Task<Status> Manager::reload() {
  CO_TRY(auto request, manager_call("Reload"));
  CO_TRY_STATUS(co_await bus_->call(std::move(request), kReload));
  co_return ok();
}

Task<Result<Message>> Manager::job(const char* method, std::string unit) {
  CO_TRY(auto request, manager_call(method));
  CO_TRY_STATUS(
      appended(sd_bus_message_append(request.get(), "ss", unit.c_str(), "replace"), method));
  co_return co_await bus_->call(std::move(request), kQuick);
}

Task<Status> Manager::start(std::string unit) {
  CO_TRY_STATUS(co_await job("StartUnit", std::move(unit)));
  co_return ok();
}

Task<Status> Manager::stop(std::string unit) {
  co_return if_there(co_await job("StopUnit", std::move(unit)));
}

Task<Status> Manager::kill(std::string unit) {
  CO_TRY(auto request, manager_call("KillUnit"));
  CO_TRY_STATUS(appended(sd_bus_message_append(request.get(), "ssi", unit.c_str(), "all", SIGKILL),
                         "KillUnit"));
  co_return if_there(co_await bus_->call(std::move(request), kQuick));
}

Task<Status> Manager::reset_failed(std::string unit) {
  CO_TRY(auto request, manager_call("ResetFailedUnit"));
  CO_TRY_STATUS(
      appended(sd_bus_message_append(request.get(), "s", unit.c_str()), "ResetFailedUnit"));
  co_return if_there(co_await bus_->call(std::move(request), kQuick));
}

Task<Result<std::vector<UnitState>>> Manager::states(std::vector<std::string> units) {
  CO_TRY(auto request, manager_call("ListUnitsByNames"));
  CO_TRY_STATUS(append_strings(request.get(), units));
  CO_TRY(const auto reply, co_await bus_->call(std::move(request), kQuick));
  co_return read_states(reply.get());
}

Task<Result<MainProcess>> Manager::main_process(std::string unit) {
  CO_TRY(const std::string path, path_of_unit(unit));
  CO_TRY(auto request,
         bus_->new_call({kService, path.c_str(), "org.freedesktop.DBus.Properties", "GetAll"}));
  CO_TRY_STATUS(appended(sd_bus_message_append(request.get(), "s", kServiceInterface), "GetAll"));
  CO_TRY(const auto reply, co_await bus_->call(std::move(request), kQuick));
  co_return read_main_process(reply.get());
}

/// Loading it makes systemd look at its files, where it does not know the unit yet.
Task<Result<Fragment>> Manager::fragment(std::string unit) {
  CO_TRY(auto request, manager_call("LoadUnit"));
  CO_TRY_STATUS(appended(sd_bus_message_append(request.get(), "s", unit.c_str()), "LoadUnit"));
  CO_TRY(const auto loaded, co_await bus_->call(std::move(request), kQuick));
  const char* text = nullptr;
  CO_TRY_STATUS(appended(sd_bus_message_read(loaded.get(), "o", &text), "LoadUnit"));
  const std::string path = text;
  Fragment found;
  CO_TRY(const auto state, co_await property(path, kUnitInterface, "LoadState"));
  CO_TRY(found.load, read_text(state.get()));
  CO_TRY(const auto file, co_await property(path, kUnitInterface, "FragmentPath"));
  CO_TRY(found.file, read_text(file.get()));
  co_return found;
}

}  // namespace tetrarch::agent::systemd

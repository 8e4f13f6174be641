// SPDX-License-Identifier: Apache-2.0
// What is asked of a machine's systemd. Source: org.freedesktop.systemd1(5), systemd 252.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "agent/systemd/bus.h"
#include "base/clock.h"

namespace tetrarch::agent::systemd {

struct UnitState {
  std::string name;
  std::string load;    ///< loaded, not-found, bad-setting, error, masked
  std::string active;  ///< active, reloading, inactive, failed, activating, deactivating
  std::string sub;     ///< running, exited, dead, failed, listening, waiting …
  bool operator==(const UnitState&) const = default;
};

/// What a service's main process did last; all empty for a unit that is no service.
struct MainProcess {
  std::uint32_t pid = 0;
  int exit_code = 0;
  bool has_exited = false;
  std::optional<TimePoint> started = {};
  std::optional<TimePoint> finished = {};
  std::uint32_t restarts = 0;
};

/// systemd at one bus. On the bus's strand. Each call has a deadline of its own.
class Manager {
 public:
  /// `changed` gets the names of units whose state may be another now, among them units that are
  /// none of ours; an empty name: any may have changed.
  static Task<Result<std::shared_ptr<Manager>>> connect(
      std::string address, std::function<void(std::string unit)> changed);

  Task<Result<std::string>> version();

  /// Links files into systemd's runtime directory, in place of what is linked there by that name.
  Task<Status> link(std::vector<std::filesystem::path> files);
  /// Makes the links that [Install] asks for, until the next boot.
  Task<Status> enable(std::string unit);
  /// Takes away both kinds of links. A unit that is not there is none.
  Task<Status> disable(std::string unit);
  /// Reads all units' files again: tens of milliseconds; done once for many.
  Task<Status> reload();
  /// systemd takes the job; its end shows in the unit's state.
  Task<Status> start(std::string unit);
  Task<Status> stop(std::string unit);
  /// Forgets that it failed; nothing where it is not loaded.
  Task<Status> reset_failed(std::string unit);

  /// One for each name, in no order; unknown names are `not-found`.
  Task<Result<std::vector<UnitState>>> states(std::vector<std::string> units);
  Task<Result<MainProcess>> main_process(std::string unit);

  void on_end(std::function<void()> handler) { bus_->on_end(std::move(handler)); }

 private:
  explicit Manager(std::shared_ptr<Bus> bus) : bus_(std::move(bus)) {}

  Status subscribe(const std::function<void(std::string unit)>& changed);
  Result<Message> manager_call(const char* method);
  Task<Result<Message>> job(const char* method, std::string unit);

  std::shared_ptr<Bus> bus_;  // shared with calls under way
};

}  // namespace tetrarch::agent::systemd

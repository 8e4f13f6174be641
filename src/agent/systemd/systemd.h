// SPDX-License-Identifier: Apache-2.0
// What is asked of a machine's systemd: the seam between the agent, which decides, and the bus.
// Real form: Manager; tests have one in memory. Source: org.freedesktop.systemd1(5), systemd 252.
#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "async/task.h"
#include "base/clock.h"
#include "base/result.h"

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

/// What systemd has by a name, whoever put it there.
struct Fragment {
  std::string load;            ///< as in UnitState
  std::filesystem::path file;  ///< empty: it came from no file
};

/// systemd at one bus. On the strand it was made on. Each call has a deadline of its own.
class Systemd {
 public:
  virtual ~Systemd() = default;

  virtual Task<Result<std::string>> version() = 0;

  /// Links a file into systemd's runtime directory, in place of what is linked there by that name.
  virtual Task<Status> link(std::filesystem::path file) = 0;
  /// Makes the links that [Install] asks for, until the next boot.
  virtual Task<Status> enable(std::string unit) = 0;
  /// Takes away both kinds of links. A unit that is not there is none.
  virtual Task<Status> disable(std::string unit) = 0;
  /// Reads all units' files again: tens of milliseconds; done once for many.
  virtual Task<Status> reload() = 0;
  /// systemd takes the job; its end shows in the unit's state.
  virtual Task<Status> start(std::string unit) = 0;
  virtual Task<Status> stop(std::string unit) = 0;
  /// SIGKILL to all its processes. A unit that is not there has none.
  virtual Task<Status> kill(std::string unit) = 0;
  /// Forgets that it failed; nothing where it is not loaded.
  virtual Task<Status> reset_failed(std::string unit) = 0;

  /// One for each name, in no order; unknown names are `not-found`.
  virtual Task<Result<std::vector<UnitState>>> states(std::vector<std::string> units) = 0;
  virtual Task<Result<MainProcess>> main_process(std::string unit) = 0;
  virtual Task<Result<Fragment>> fragment(std::string unit) = 0;

  /// Called once, when the connection ends by itself.
  virtual void on_end(std::function<void()> handler) = 0;
};

/// `changed` gets the names of units whose state may be another now, among them units that are none
/// of ours; an empty name: any may have changed.
using Connect =
    std::function<Task<Result<std::shared_ptr<Systemd>>>(std::function<void(std::string)> changed)>;

}  // namespace tetrarch::agent::systemd

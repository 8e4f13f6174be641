// SPDX-License-Identifier: Apache-2.0
#include "agent/down.h"

#include <csignal>
#include <optional>
#include <unistd.h>

#include <boost/asio/co_spawn.hpp>
#include <boost/asio/use_future.hpp>
#include <fmt/format.h>
#include <sys/wait.h>

#include "agent/cgroup_files.h"
#include "agent/network/network.h"
#include "agent/places.h"
#include "agent/pod_networks.h"
#include "agent/runtime/containerd.h"
#include "agent/runtime/containers.h"
#include "agent/runtime/process.h"
#include "agent/shims.h"
#include "agent/unit_down.h"
#include "agent/volume_files.h"
#include "agent/volume_mounts.h"
#include "async/timer.h"
#include "base/log.h"
#include "trust/sha256.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

void end_daemon(const fs::path& directory) {
  const auto daemon = runtime::find_daemon(directory);
  if (daemon.pid == 0) {
    return;
  }
  ::kill(daemon.pid, SIGTERM);
  for (int tries = 0; tries < 100 && runtime::process_start_time(daemon.pid) == daemon.start_time;
       ++tries) {
    ::waitpid(daemon.pid, nullptr, WNOHANG);
    ::usleep(50'000);
  }
  for (int tries = 0; tries < 100 && runtime::process_start_time(daemon.pid) == daemon.start_time;
       ++tries) {
    ::kill(daemon.pid, SIGKILL);
    ::waitpid(daemon.pid, nullptr, WNOHANG);
    ::usleep(20'000);
  }
}

/// Stops every sandbox through CRI, which frees addresses, interfaces and network namespaces as it
/// made them.
Task<std::optional<Status>> stop_sandboxes(runtime::Runtime& runtime) {
  Status last = Error{Code::unavailable, "containerd does not answer"};
  for (int tries = 0; tries < 100 && !last.ok(); ++tries) {
    const auto version = co_await runtime.version();
    last = version.ok() ? ok() : Status(version.error());
    if (!last.ok()) {
      co_await async::sleep_for(std::chrono::milliseconds(100));
    }
  }
  if (!last.ok()) {
    co_return std::optional(last);
  }
  const auto sandboxes = co_await runtime.sandboxes("");
  if (!sandboxes.ok()) {
    co_return std::optional<Status>(sandboxes.error());
  }
  for (const auto& sandbox : *sandboxes) {
    if (const auto stopped = co_await runtime.stop_sandbox(sandbox.id); !stopped.ok()) {
      last = stopped;
    }
    if (const auto removed = co_await runtime.remove_sandbox(sandbox.id); !removed.ok()) {
      last = removed;
    }
  }
  co_return std::optional(last);
}

/// With our containerd, started once more for this where it does not run.
Status end_pods(const Places& places) {
  std::error_code error;
  const auto config = places.containerd / "config.toml";
  if (!fs::exists(config, error)) {
    return ok();
  }
  fs::create_directories(places.run, error);
  if (runtime::find_daemon(places.containerd).pid == 0) {
    TRY(const pid_t pid,
        runtime::spawn_daemon({"containerd", "--config", config.string()},
                              places.containerd / "containerd.log"));
    TRY_STATUS(write_file(places.containerd / "containerd.pid",
                          fmt::format("{} {}\n", pid, runtime::process_start_time(pid)),
                          0600));
  }
  async::IoPool pool(1);
  async::BlockingPool blocking(1);
  auto runtime = runtime::make_containers({places.socket, places.run / "pipes", "ctr"}, blocking);
  auto outcome = asio::co_spawn(pool.strand(), stop_sandboxes(*runtime), asio::use_future).get();
  runtime.reset();
  return *outcome;
}

/// All steps are taken, whatever becomes of each.
class Steps {
 public:
  /// A later step makes up for it.
  static void add(std::string_view name, const Status& done) {
    if (!done.ok()) {
      log::warning("agent", "{}: {}", name, done.error().message);
    }
  }

  void must(std::string_view name, const Status& done) {
    add(name, done);
    if (!done.ok() && first_.ok()) {
      first_ = done;
    }
  }

  Status outcome() const { return first_; }

 private:
  Status first_ = ok();  ///< the first failure
};

}  // namespace

std::string instance_name(const fs::path& data_directory) {
  std::error_code error;
  const auto real = fs::weakly_canonical(data_directory, error);
  return trust::sha256_hex((error ? data_directory : real).string()).substr(0, 6);
}

Places places_of(const fs::path& data_directory) {
  const auto instance = instance_name(data_directory);
  Places out;
  out.agent = data_directory / "agent";
  out.containerd = out.agent / "containerd";
  out.objects = out.agent / "objects";
  out.pods = out.agent / "pods";
  out.logs = out.agent / "logs";
  out.network = out.agent / "network";
  out.run = fs::path("/run/tetrarch") / instance;
  out.socket = (out.run / "containerd.sock").string();
  out.units = out.run / "units";
  out.cgroup = "/tetrarch-" + instance;
  // Source: systemd, logind.conf(5).
  out.logind_note = fs::path("/run/systemd/logind.conf.d") / ("99-tetrarch-" + instance + ".conf");
  return out;
}

Status take_down(const fs::path& data_directory, bool is_purge) {
  const auto places = places_of(data_directory);
  network::Options network;
  network.instance = instance_name(data_directory);
  network.directory = places.network;
  const CgroupFiles cgroups;
  Steps steps;
  steps.must("systemd units", take_units_down(places.units));
  // First, while the runtime still says which they are.
  const auto pod_networks = find_pod_networks(places);
  steps.add("ending pods by containerd; what is left is killed", end_pods(places));
  end_daemon(places.containerd);
  cgroups.kill_all(places.cgroup, 100);
  kill_shims(places.socket);
  // What cannot be unmounted makes the removal below fail, which says so.
  steps.add("mounts", unmount_below(places.run));
  steps.add("mounts", unmount_below(places.agent));
  steps.must("pods' networks", remove_pod_networks(pod_networks));
  steps.must("network", network::tear_down(network));
  static_cast<void>(cgroups.remove(places.cgroup));
  std::error_code ignored;
  fs::remove(places.logind_note, ignored);
  steps.must("files", remove_volumes(places.run));
  steps.must("files", remove_volumes(places.pods));
  if (is_purge) {
    steps.must("files", remove_volumes(places.agent));
  }
  return steps.outcome();
}

}  // namespace tetrarch::agent

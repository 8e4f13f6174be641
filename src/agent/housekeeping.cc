// SPDX-License-Identifier: Apache-2.0
// What an agent does now and then: rotates logs, removes attempts that nobody can ask for any more,
// and files of pods that have gone.
#include <algorithm>
#include <set>

#include "agent/agent_impl.h"
#include "agent/down.h"
#include "agent/resources.h"
#include "agent/runtime/log_file.h"
#include "agent/runtime/on_pool.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;
using std::chrono::seconds;

constexpr seconds kLogInterval{1};  ///< a writer of 50 MB/s exceeds its limit by as much
// Source: kubelet, --maximum-dead-containers-per-container: 1, beside the one that runs.
constexpr std::size_t kAttemptsKept = 2;

enum class Rotation : std::uint8_t { none, rotated, missing };

/// x.log.3 becomes x.log.4 …, x.log becomes x.log.1, and what is then too many goes.
Rotation rotate(const fs::path& log, std::int64_t size_max, int files_max) {
  std::error_code error;
  const auto size = fs::file_size(log, error);
  if (error) {
    return Rotation::missing;
  }
  if (size < static_cast<std::uintmax_t>(size_max)) {
    return Rotation::none;
  }
  const int last = std::max(files_max - 1, 1);
  for (int n = static_cast<int>(runtime::log_files(log).size()) - 1; n >= 1; --n) {
    const auto from = runtime::rotated_log(log, n);
    if (n >= last) {
      fs::remove(from, error);
    } else {
      fs::rename(from, runtime::rotated_log(log, n + 1), error);
    }
  }
  error.clear();
  fs::rename(log, runtime::rotated_log(log, 1), error);
  return error ? Rotation::none : Rotation::rotated;
}

struct RunningLog {
  std::string container;  ///< id
  fs::path path;
};

/// The containers whose logs have to be opened anew.
std::vector<std::string> rotate_all(const std::vector<RunningLog>& logs,
                                    std::int64_t size_max,
                                    int files_max) {
  std::vector<std::string> out;
  for (const auto& log : logs) {
    // A missing file was renamed by an agent that ended before the next step.
    if (rotate(log.path, size_max, files_max) != Rotation::none) {
      out.push_back(log.container);
    }
  }
  return out;
}

void remove_logs(const fs::path& log) {
  std::error_code ignored;
  for (const auto& file : runtime::log_files(log)) {
    fs::remove(file, ignored);
  }
}

/// Removes the entries whose names end in no known uid: "<uid>" or "<namespace>_<name>_<uid>".
void remove_unknown(const fs::path& folder, const std::set<std::string>& known) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(folder, error)) {
    const auto name = entry.path().filename().string();
    if (!known.contains(name.substr(name.rfind('_') + 1))) {
      if (const auto removed = remove_volumes(entry.path()); !removed.ok()) {
        log::warning("agent", "{}", removed.error().message);
      }
    }
  }
}

}  // namespace

Task<void> Agent::Impl::keep_logs() {
  while (true) {
    co_await async::sleep_for(kLogInterval);
    co_await rotate_logs();
  }
}

/// Nothing is lost between the renaming and the reopening: the writer goes on in the renamed file.
Task<void> Agent::Impl::rotate_logs() {
  std::vector<RunningLog> logs;
  for (const auto& [uid, worker] : workers) {
    for (const auto& [name, attempts] : worker->seen().containers) {
      if (attempts.current && attempts.current->state == runtime::ContainerState::running &&
          !attempts.current->log_path.empty()) {
        logs.push_back({attempts.current->id, attempts.current->log_path});
      }
    }
  }
  auto work = [logs, size = options.log_size_max_bytes, files = options.log_files_max] {
    return rotate_all(logs, size, files);
  };
  const auto rotated = co_await runtime::on_pool(with.blocking, std::move(work));
  for (const auto& id : rotated) {
    if (const auto reopened = co_await runtime->reopen_log(id); !reopened.ok()) {
      log::debug("agent", "log of container {} not reopened: {}", id, reopened.error().message);
    }
  }
}

Task<void> Agent::Impl::keep_house() {
  std::optional<TimePoint> images_looked;
  while (true) {
    co_await async::sleep_for(options.housekeeping_interval);
    co_await remove_old_attempts(kAttemptsKept);
    auto sandboxes = co_await runtime->sandboxes("");
    if (sandboxes.ok()) {
      co_await remove_old_sandboxes(*sandboxes);
      co_await remove_leftover_files(std::move(*sandboxes));
    }
    const auto now = with.clock.now();
    if (!images_looked || now - *images_looked >= options.image_gc_interval) {
      images_looked = now;
      co_await remove_unused_images();
    }
  }
}

/// Keeps so many attempts of every container, and what runs.
Task<void> Agent::Impl::remove_old_attempts(std::size_t kept_of_each) {
  auto all = co_await runtime->containers("");
  if (!all.ok()) {
    co_return;
  }
  std::sort(all->begin(), all->end(), [](const auto& a, const auto& b) {
    return std::pair(a.attempt, a.created) > std::pair(b.attempt, b.created);
  });
  std::map<std::pair<std::string, std::string>, std::vector<std::string>> kept;  // ids
  for (const auto& container : *all) {
    const auto uid = container.labels.find(runtime::kLabelPodUid);
    if (uid == container.labels.end()) {
      continue;
    }
    auto& ids = kept[std::pair(uid->second, container.name)];
    if (ids.size() < kept_of_each || container.state == runtime::ContainerState::running) {
      ids.push_back(container.id);
    } else {
      co_await remove_attempt(container, ids);
    }
  }
}

/// `kept`: the attempts that stay. One that went on after a hold has the log of the one before it.
Task<void> Agent::Impl::remove_attempt(runtime::Container container,
                                       std::vector<std::string> kept) {
  const auto uid = container.labels.at(runtime::kLabelPodUid);
  const auto worker = workers.find(uid);
  if (worker != workers.end() && worker->second->keeps_root_of(container.id)) {
    co_return;
  }
  const auto details = co_await runtime->container(container.id);
  if (!details.ok() || !(co_await runtime->remove_container(container.id)).ok()) {
    co_return;
  }
  const auto log = details->log_path;
  bool removes_log = !log.empty();
  for (const auto& id : kept) {
    const auto other = co_await runtime->container(id);
    removes_log = removes_log && other.ok() && other->log_path != log;
  }
  const auto again = workers.find(uid);
  if (again == workers.end()) {
    co_return;
  }
  auto clean = [removes_log,
                log,
                message = again->second->directory() / "containers" / container.name /
                          std::to_string(container.attempt)] {
    if (removes_log) {
      remove_logs(log);
    }
    std::error_code ignored;
    return fs::remove(message, ignored);
  };
  static_cast<void>(co_await runtime::on_pool(with.blocking, std::move(clean)));
}

/// Everything of the newest sandbox of a pod stays, and the one before it.
Task<void> Agent::Impl::remove_old_sandboxes(std::vector<runtime::Sandbox> sandboxes) {
  for (const auto& sandbox : sandboxes) {
    const auto at = workers.find(sandbox.uid);
    if (at == workers.end() || sandbox.is_ready) {
      continue;
    }
    const auto& newest = at->second->seen().sandbox;
    if (newest && newest->id != sandbox.id && newest->attempt > sandbox.attempt + 1) {
      static_cast<void>(co_await runtime->remove_sandbox(sandbox.id));
    }
  }
}

/// Of pods that were deleted while no agent ran. Those of orphans that still run stay until
/// relist() has ended them.
Task<void> Agent::Impl::remove_leftover_files(std::vector<runtime::Sandbox> sandboxes) {
  if (!objects.is_synced()) {
    co_return;
  }
  std::set<std::string> known;
  for (const auto& sandbox : sandboxes) {
    known.insert(sandbox.uid);
  }
  for (const auto& [uid, worker] : workers) {
    known.insert(uid);
  }
  auto clean = [known, pods = places.pods, logs = places.logs] {
    remove_unknown(pods, known);
    remove_unknown(logs, known);
    return 0;
  };
  static_cast<void>(co_await runtime::on_pool(with.blocking, std::move(clean)));
}

/// A pod that was deleted while no agent ran.
Task<void> Agent::Impl::remove_orphan(runtime::Sandbox sandbox) {
  log::info("agent",
            "pod {}/{} ({}) is not known any more; removing it",
            sandbox.ns,
            sandbox.name,
            sandbox.uid);
  static_cast<void>(co_await runtime->stop_sandbox(sandbox.id));
  static_cast<void>(co_await runtime->remove_sandbox(sandbox.id));
  // Nobody says any more of which class the pod was.
  std::vector<std::string> groups;
  for (const auto qos : {Qos::guaranteed, Qos::burstable, Qos::best_effort}) {
    groups.push_back(pod_cgroup_parent(instance_name(options.data_directory), qos, sandbox.uid));
  }
  auto clean = [place = places.pods / sandbox.uid, groups, &cgroups = cgroups] {
    for (const auto& group : groups) {
      static_cast<void>(cgroups.remove(group));  // an empty group left behind harms nobody
    }
    return remove_volumes(place);
  };
  const auto removed = co_await runtime::on_pool(with.blocking, std::move(clean));
  if (!removed.ok()) {
    log::warning("agent", "{}", removed.error().message);
  }
}

}  // namespace tetrarch::agent

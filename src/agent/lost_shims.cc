// SPDX-License-Identifier: Apache-2.0
#include "agent/lost_shims.h"

#include <algorithm>
#include <chrono>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "agent/runtime/on_pool.h"
#include "agent/runtime/process.h"
#include "agent/runtime/task_list.h"
#include "agent/volume_mounts.h"
#include "async/timer.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

namespace fs = std::filesystem;

// Source: containerd 1.6.20, pkg/cri/constants: the namespace of all that CRI makes.
constexpr const char* kNamespace = "k8s.io";
// Source: containerd 1.6.20, runtime/v2: below root and state alike.
constexpr const char* kTasks = "io.containerd.runtime.v2.task/k8s.io";
// Source: containerd 1.6.20, pkg/process/init.go, RuncRoot; by namespace.
constexpr const char* kRuncRoot = "/run/containerd/runc/k8s.io";

// Ours: what containerd ends by itself after its start is over by the second look, also on a
// machine that has much to do.
constexpr std::chrono::seconds kPause{5};
constexpr int kLooks = 8;

fs::path bundles_of(const Places& places) {
  return places.run / "state" / kTasks;
}

/// A sandbox with its containers; what runs well is left out.
Task<Result<std::vector<LostShim>>> doubtful(runtime::Runtime& runtime, std::vector<Shim> shims) {
  CO_TRY(const auto sandboxes, co_await runtime.sandboxes(""));
  CO_TRY(const auto containers, co_await runtime.containers(""));
  std::set<std::string> ready;
  for (const auto& sandbox : sandboxes) {
    if (sandbox.is_ready) {
      ready.insert(sandbox.id);
    }
  }
  std::vector<LostShim> out;
  for (auto& shim : shims) {
    if (!shim.is_serving || shim.ns != kNamespace || ready.contains(shim.id)) {
      continue;
    }
    LostShim one{std::move(shim), {}};
    one.served.push_back(one.shim.id);
    for (const auto& container : containers) {
      if (container.sandbox_id == one.shim.id) {
        one.served.push_back(container.id);
      }
    }
    out.push_back(std::move(one));
  }
  co_return out;
}

Task<Result<bool>> has_any_process(RuntimeViews views, std::vector<std::string> ids) {
  for (const auto& id : ids) {
    CO_TRY(const bool has_one, co_await views.has_process(id));
    if (has_one) {
      co_return true;
    }
  }
  co_return false;
}

bool was_lost(const std::vector<LostShim>& before, const Shim& shim) {
  return std::ranges::any_of(before, [&](const LostShim& one) { return one.shim == shim; });
}

/// Its processes and cgroups, where runc still has a record of it; then its files.
Status clear_up(const std::string& id, const Places& places) {
  if (id.empty() || id.front() == '.' || id.find('/') != std::string::npos) {
    return ok();  // no id of containerd's
  }
  std::error_code error;
  if (fs::exists(fs::path(kRuncRoot) / id, error)) {
    TRY(const auto ran,
        runtime::run_process({"runc", "--root", kRuncRoot, "delete", "--force", id}));
    if (ran.exit_code != 0) {
      return Error{Code::unavailable, "runc delete " + id + ": " + ran.output};
    }
  }
  TRY_STATUS(remove_volumes(bundles_of(places) / id));
  return remove_volumes(places.containerd / "root" / kTasks / id);
}

void say(const LostShim& one, const Result<int>& ended) {
  const auto name = fmt::format("the shim of sandbox {} (pid {})", one.shim.id, one.shim.pid);
  if (ended.ok()) {
    log::warning("agent",
                 "ended {} and {} processes of it: containerd has lost it, as happens when it is "
                 "killed while it starts or ends one",
                 name,
                 *ended);
  } else {
    log::error("agent", "cannot end {}, lost by containerd: {}", name, ended.error().message);
  }
}

/// Those that are lost now; what was lost before, too, is ended.
Task<std::vector<LostShim>> end_lost_shims(ShimKeeping with,
                                           const runtime::TaskList* tasks,
                                           std::vector<LostShim> before) {
  auto look = [places = with.places] { return read_shims(places); };
  auto found = co_await runtime::on_pool(with.blocking, std::move(look));
  RuntimeViews views{with.runtime,
                     [tasks](std::string id) { return tasks->has(std::move(id)); },
                     with.containerd.start_time()};
  auto lost = co_await find_lost_shims(std::move(views), std::move(found));
  if (!lost.ok()) {
    log::debug("agent", "no look for lost shims: {}", lost.error().message);
    co_return std::vector<LostShim>();
  }
  for (const auto& one : *lost) {
    if (was_lost(before, one.shim)) {
      auto end = [one, places = with.places] { return end_lost_shim(one, places); };
      const auto ended = co_await runtime::on_pool(with.blocking, std::move(end));
      say(one, ended);
    }
  }
  co_return std::move(*lost);
}

}  // namespace

FoundShims read_shims(const Places& places) {
  FoundShims out{find_shims(places.socket), {}};
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(bundles_of(places), error)) {
    out.bundles.insert(entry.path().filename().string());
  }
  return out;
}

Task<Result<std::vector<LostShim>>> find_lost_shims(RuntimeViews views, FoundShims found) {
  std::vector<LostShim> out;
  if (found.shims.empty()) {
    co_return out;
  }
  CO_TRY(auto candidates, co_await doubtful(views.runtime, std::move(found.shims)));
  for (auto& one : candidates) {
    const bool has_bundle = std::ranges::any_of(
        one.served, [&](const std::string& id) { return found.bundles.contains(id); });
    if (one.shim.start_time >= views.daemon_start && has_bundle) {
      continue;
    }
    CO_TRY(const bool is_served, co_await has_any_process(views, one.served));
    if (!is_served) {
      out.push_back(std::move(one));
    }
  }
  co_return out;
}

Result<int> end_lost_shim(const LostShim& lost, const Places& places) {
  TRY(auto ended, end_shim(lost.shim, places.socket));
  for (const auto& id : lost.served) {
    TRY_STATUS(clear_up(id, places));
  }
  // A container that the runtime has forgotten is known by its cgroup alone, which has its id.
  std::error_code error;
  for (const auto& id : ended.groups) {
    if (!id.empty() && fs::exists(fs::path(kRuncRoot) / id, error)) {
      TRY_STATUS(clear_up(id, places));
    }
  }
  return static_cast<int>(ended.processes.size());
}

Task<void> keep_shims(ShimKeeping with) {
  const runtime::TaskList tasks(with.places.socket);
  while (true) {
    std::vector<LostShim> lost;
    bool is_anew = false;
    for (int look = 0; look < kLooks && !is_anew; ++look) {
      is_anew = co_await with.containerd.started().wait_for(kPause);
      if (!is_anew) {
        lost = co_await end_lost_shims(with, &tasks, std::move(lost));
      }
    }
    if (!is_anew) {
      co_await with.containerd.started().wait();
    }
  }
}

}  // namespace tetrarch::agent

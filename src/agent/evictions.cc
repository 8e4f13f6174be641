// SPDX-License-Identifier: Apache-2.0
// What an agent does when its machine runs short: says so in the Node's conditions, removes what
// nobody uses, and where that is not enough ends pods, one at a time.
#include <algorithm>

#include <fmt/format.h>

#include "agent/agent_impl.h"
#include "agent/container_config.h"
#include "agent/runtime/on_pool.h"
#include "async/timer.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

// Source: kubelet, podCleanupTimeout: then the next may have to go as well.
constexpr seconds kCleanup{30};
constexpr milliseconds kLookAgain{250};
// Ours: containerd gives back the space of removed images a while later.
constexpr seconds kImageSpace{5};

EventSubject node_subject(const std::string& name) {
  EventSubject out;
  out.kind = "Node";
  out.name = name;
  out.uid = name;  // Source: kubelet's events name the node by its name in both
  return out;
}

/// "NodeHasDiskPressure". Source: kubelet, nodestatus/setters.go.
std::string condition_event(Pressure pressure, bool is_on) {
  switch (pressure) {
    case Pressure::memory:
      return is_on ? "NodeHasInsufficientMemory" : "NodeHasSufficientMemory";
    case Pressure::disk:
      return is_on ? "NodeHasDiskPressure" : "NodeHasNoDiskPressure";
    case Pressure::pids:
      return is_on ? "NodeHasInsufficientPID" : "NodeHasSufficientPID";
  }
  return "";
}

/// A pod and where its usage is to be read.
struct Measuring {
  Candidate pod;
  std::filesystem::path volumes;
  std::filesystem::path logs;
  std::string cgroup;
};

/// What the runtime tells of a pod's containers.
PodUsage usage_of(const std::vector<runtime::Stats>& stats, const std::string& uid) {
  PodUsage out;
  for (const auto& each : stats) {
    const auto pod = each.labels.find(runtime::kLabelPodUid);
    const auto name = each.labels.find(runtime::kLabelContainerName);
    if (pod == each.labels.end() || pod->second != uid || name == each.labels.end()) {
      continue;
    }
    ContainerUsage usage;
    usage.name = name->second;
    usage.memory_bytes = static_cast<std::int64_t>(each.memory_working_set_bytes);
    usage.layer = {static_cast<std::int64_t>(each.disk_bytes),
                   static_cast<std::int64_t>(each.disk_inodes)};
    out.containers.push_back(std::move(usage));
  }
  return out;
}

/// Adds what the runtime does not tell. Blocking.
void measure(Measuring& one, const CgroupFiles& cgroups, Signal signal) {
  if (!one.pod.usage) {
    return;
  }
  if (signal == Signal::pid_available) {
    one.pod.usage->pids = cgroups.processes(one.cgroup);
  } else if (pressure_of(signal) == Pressure::disk) {
    one.pod.usage->volumes = disk_usage_of(one.volumes);
    for (auto& container : one.pod.usage->containers) {
      container.logs = disk_usage_of(one.logs / container.name);
    }
  }
}

}  // namespace

Task<void> Agent::Impl::keep_pressure() {
  while (true) {
    const bool has_evicted = co_await relieve();
    if (!has_evicted) {
      co_await async::sleep_for(options.pressure_interval);
    }
  }
}

Task<Observations> Agent::Impl::observe_machine() {
  auto look = [machine = measured] { return machine.observe(); };
  co_return co_await runtime::on_pool(with.blocking, std::move(look));
}

/// True: a pod had to go; what is left is to be looked at now.
Task<bool> Agent::Impl::relieve() {
  auto seen = co_await observe_machine();
  const auto wanted = met(thresholds, seen);
  note_pressure(wanted);
  if (wanted.empty()) {
    co_return false;
  }
  const auto worst = wanted.front();
  events.warning(node_subject(options.node_name),
                 "EvictionThresholdMet",
                 fmt::format("Attempting to reclaim {}", resource_of(worst.signal)));
  if (pressure_of(worst.signal) == Pressure::disk) {
    co_await remove_old_attempts(1);
    const bool is_enough = co_await free_image_space(worst);
    if (is_enough) {
      co_return false;
    }
    seen = co_await observe_machine();
  }
  const auto at = seen.find(worst.signal);
  const auto observed = at == seen.end() ? Observed() : at->second;
  co_return co_await evict_one(worst, observed);
}

void Agent::Impl::note_pressure(const std::vector<Threshold>& wanted) {
  const auto changed = pressure.note(wanted, with.clock.now());
  for (const auto each : changed) {
    const auto reason = condition_event(each, pressure.has(each));
    events.normal(node_subject(options.node_name),
                  reason,
                  fmt::format("Node {} status is now: {}", options.node_name, reason));
    log::info("agent", "node {}: {}", options.node_name, reason);
  }
  if (!changed.empty() && registrar) {
    registrar->wake();
  }
}

/// Images that nothing uses go first. Whether there is enough then.
Task<bool> Agent::Impl::free_image_space(Threshold wanted) {
  const auto unused = co_await unused_images();
  if (!unused.ok()) {
    co_return false;
  }
  std::size_t removed = 0;
  for (const auto& image : *unused) {
    log::info("agent", "removing image {}: the disk is too full", image.id);
    const auto done = co_await runtime->remove_image(image.id);
    removed += done.ok() ? 1 : 0;
  }
  const auto end = with.clock.now() + (removed > 0 ? kImageSpace : seconds(0));
  const std::vector<Threshold> only{wanted};
  while (true) {
    const auto seen = co_await observe_machine();
    if (met(only, seen).empty()) {
      co_return true;
    }
    if (with.clock.now() >= end) {
      co_return false;
    }
    co_await async::sleep_for(kLookAgain);
  }
}

/// Every pod that runs here, with what it takes.
Task<std::vector<Candidate>> Agent::Impl::candidates(Signal signal) {
  const auto stats = co_await runtime->stats("");
  std::vector<Measuring> list;
  for (const auto& [uid, worker] : workers) {
    if (!worker->is_active()) {
      continue;
    }
    Measuring one;
    one.pod.uid = uid;
    one.pod.document = worker->document();
    one.volumes = worker->directory() / "volumes";
    one.logs = log_directory(shop->node, one.pod.pod());
    one.cgroup = sandbox_config(one.pod.pod(), shop->node, 0).cgroup_parent;
    if (stats.ok()) {
      one.pod.usage = usage_of(*stats, uid);
    }
    list.push_back(std::move(one));
  }
  auto work = [list = std::move(list), signal, &groups = cgroups]() mutable {
    std::vector<Candidate> out;
    for (auto& one : list) {
      measure(one, groups, signal);
      out.push_back(std::move(one.pod));
    }
    return out;
  };
  co_return co_await runtime::on_pool(with.blocking, std::move(work));
}

Task<bool> Agent::Impl::evict_one(Threshold threshold, Observed observed) {
  auto pods = co_await candidates(threshold.signal);
  auto compare = [machine = measured] { return machine.has_image_disk(); };
  const bool has_image_disk = co_await runtime::on_pool(with.blocking, std::move(compare));
  rank(pods, threshold.signal, has_image_disk);
  for (const auto& pod : pods) {
    const auto at = workers.find(pod.uid);
    if (at == workers.end() || !at->second->is_active() || is_critical(pod.pod())) {
      continue;
    }
    const auto worker = at->second;  // shared: it may end meanwhile
    log::warning("agent",
                 "{} is below its threshold: evicting pod {}/{}",
                 to_string(threshold.signal),
                 worker->key().ns,
                 worker->key().name);
    worker->evict(eviction_message(threshold, observed, pod));
    co_await wait_for_end(worker);
    co_return true;
  }
  log::warning("agent", "{} is below its threshold: no pod can go", to_string(threshold.signal));
  co_return false;
}

/// Until what it held is given back.
Task<void> Agent::Impl::wait_for_end(std::shared_ptr<PodWorker> worker) {
  const auto end = with.clock.now() + kCleanup;
  while (!worker->is_released() && with.clock.now() < end) {
    co_await async::sleep_for(kLookAgain);
  }
}

}  // namespace tetrarch::agent

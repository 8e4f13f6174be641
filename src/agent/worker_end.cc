// SPDX-License-Identifier: Apache-2.0
// How a worker ends and pauses what runs: containers with their hooks and grace, sandboxes, and at
// last everything of a pod that is gone.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/checks.h"
#include "agent/runtime/on_pool.h"
#include "agent/volume_mounts.h"
#include "agent/worker.h"
#include "base/log.h"

namespace tetrarch::agent {

namespace fs = std::filesystem;
using runtime::on_pool;
using std::chrono::seconds;

/// What is left of a grace that began when the pod began to end, else with this stop.
/// Source: Kubernetes documentation, "Pod Lifecycle", termination: hooks and the containers that
/// end first use it up; 2 s remain for each.
seconds PodWorker::remaining(seconds grace, TimePoint begun) const {
  const bool is_of_pod = memory_.ending_since && grace == memory_.ending_grace;
  const auto since = is_of_pod ? *memory_.ending_since : begun;
  const auto used = std::chrono::duration_cast<seconds>(shop_.clock.now() - since);
  return std::min(grace, std::max(grace - used, seconds(2)));
}

Task<void> PodWorker::run_pre_stop(Action action) {
  const DocumentPtr document = pod_.document;
  const auto container = container_named(views::PodView(document->root()), action.container);
  const auto hook = container.lifecycle().view()["preStop"];
  CheckTarget target{document, hook, container.view(), action.id, memory_.facts.pod_ip};
  target.is_hook = true;
  const auto limit = remaining(action.grace, shop_.clock.now());
  const auto ran = co_await run_check(shop_.runtime, target, limit);
  if (!ran.is_success) {
    shop_.events.warning(
        subject(action.container), "FailedPreStopHook", "PreStopHook failed: " + ran.message);
  }
}

Task<void> PodWorker::stop_container(Action action) {
  const DocumentPtr document = pod_.document;
  const auto container = container_named(views::PodView(document->root()), action.container);
  const auto begun = shop_.clock.now();
  shop_.events.normal(
      subject(action.container),
      "Killing",
      action.why.empty() ? fmt::format("Stopping container {}", action.container) : action.why);
  if (memory_.containers[action.container].is_paused) {
    static_cast<void>(co_await shop_.runtime.resume_container(action.id));
    memory_.containers[action.container].is_paused = false;
  }
  auto& memory = memory_.containers[action.container];
  const bool has_hook = container.lifecycle().view()["preStop"].exists();
  // A shorter grace is another stop of the same container: its hook has been begun.
  if (has_hook && action.grace.count() > 0 &&
      std::exchange(memory.stop_hooked_id, action.id) != action.id) {
    co_await run_pre_stop(action);
    const auto& attempts = seen_.containers[action.container];
    if (!attempts.current || attempts.current->id != action.id ||
        attempts.current->state != runtime::ContainerState::running) {
      co_return;  // ended meanwhile: by itself, or by a stop with a shorter grace
    }
  }
  const auto grace = remaining(action.grace, begun);
  const auto stopped = co_await shop_.runtime.stop_container(action.id, grace);
  if (!stopped.ok() && stopped.error().code != Code::not_found) {
    log::warning("agent",
                 "container {} of pod {}/{} not stopped: {}",
                 action.container,
                 key_.ns,
                 key_.name,
                 stopped.error().message);
    co_await async::sleep_for(seconds(1));
  }
}

Task<void> PodWorker::pause_container(Action action, bool is_pause) {
  Status done = ok();
  if (is_pause) {
    done = co_await shop_.runtime.pause_container(action.id);
  } else {
    done = co_await shop_.runtime.resume_container(action.id);
  }
  if (done.ok()) {
    memory_.containers[action.container].is_paused = is_pause;
  } else {
    log::warning("agent",
                 "container {} of pod {}/{}: {}",
                 action.container,
                 key_.ns,
                 key_.name,
                 done.error().message);
    co_await async::sleep_for(seconds(1));
  }
}

Task<void> PodWorker::stop_sandbox(Action action) {
  const auto stopped = co_await shop_.runtime.stop_sandbox(action.id);
  if (!stopped.ok()) {
    log::warning("agent",
                 "sandbox of pod {}/{} not stopped: {}",
                 key_.ns,
                 key_.name,
                 stopped.error().message);
    co_await async::sleep_for(seconds(1));
    co_return;
  }
  stopped_sandboxes_.insert(action.id);
}

/// Containers, logs and volumes of a pod that went for the node's sake. Its status was told.
Task<Status> PodWorker::forget_evicted() {
  CO_TRY_STATUS(co_await stop_sandboxes());
  CO_TRY(const auto sandboxes, co_await shop_.runtime.sandboxes(uid_));
  for (const auto& sandbox : sandboxes) {
    CO_TRY_STATUS(co_await shop_.runtime.remove_sandbox(sandbox.id));
  }
  auto work = [place = directory(), logs = log_directory(shop_.node, view())]() -> Status {
    std::error_code ignored;
    fs::remove_all(logs, ignored);
    return remove_volumes(place);
  };
  co_return co_await on_pool(shop_.blocking, std::move(work));
}

/// An ended pod may stay in the API for days; its secrets do not stay in memory.
Task<void> PodWorker::release() {
  Status released = ok();
  if (memory_.is_evicted) {
    released = co_await forget_evicted();
  } else {
    auto work = [place = directory()] { return unmount_below(place); };
    released = co_await on_pool(shop_.blocking, std::move(work));
  }
  memory_.is_released = released.ok();
  if (!released.ok()) {
    log::warning("agent", "pod {}/{}: {}", key_.ns, key_.name, released.error().message);
    co_await async::sleep_for(seconds(1));
  }
}

Task<void> PodWorker::remove() {
  const auto again = [this](const Error& error) {
    log::warning("agent", "pod {}/{} not removed yet: {}", key_.ns, key_.name, error.message);
    memory_.retry_at = shop_.clock.now() + seconds(2);
  };
  // How it ended is told before the object may go. A server that is away refuses the rest as well.
  if (!memory_.is_gone && shop_.statuses.is_waiting(uid_)) {
    memory_.retry_at = shop_.clock.now() + std::chrono::milliseconds(100);
    co_return;
  }
  if (const auto freed = co_await stop_sandboxes(); !freed.ok()) {
    again(freed.error());
    co_return;
  }
  const auto sandboxes = co_await shop_.runtime.sandboxes(uid_);
  if (!sandboxes.ok()) {
    again(sandboxes.error());
    co_return;
  }
  memory_.is_removing = true;
  for (const auto& sandbox : *sandboxes) {
    if (const auto removed = co_await shop_.runtime.remove_sandbox(sandbox.id); !removed.ok()) {
      again(removed.error());
      co_return;
    }
  }
  auto clean = [&cgroups = shop_.cgroups,
                parent = sandbox_config(view(), shop_.node, 0).cgroup_parent,
                place = directory(),
                logs = log_directory(shop_.node, view())]() -> Status {
    static_cast<void>(cgroups.remove(parent));  // an empty group left behind harms nobody
    std::error_code ignored;
    fs::remove_all(logs, ignored);
    return remove_volumes(place);
  };
  if (const auto cleaned = co_await on_pool(shop_.blocking, std::move(clean)); !cleaned.ok()) {
    again(cleaned.error());
    co_return;
  }
  if (!memory_.is_gone) {
    client::DeleteOptions options;
    options.grace_seconds = 0;
    options.expected_uid = uid_;
    const auto removed = co_await shop_.client.remove(key_, options);
    const bool is_settled = removed.ok() || removed.error().code == Code::not_found ||
                            removed.error().code == Code::precondition ||
                            removed.error().code == Code::conflict;
    if (!is_settled) {
      again(removed.error());
      co_return;
    }
  }
  memory_.is_finished = true;
}

}  // namespace tetrarch::agent

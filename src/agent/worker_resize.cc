// SPDX-License-Identifier: Apache-2.0
// How a worker takes a resize: asks the node for room, changes what runs, and says how far it is.
// The order of control groups: the pod's grows before its containers and shrinks after them, for a
// child may not have more than its parent.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/resources.h"
#include "agent/runtime/on_pool.h"
#include "agent/worker.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;

constexpr seconds kResizeRetry{10};

bool are_equal(const Grants& a, const Grants& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const auto& one, const auto& other) {
    return one.first == other.first && same_amounts(Document::from_canonical(one.second)->root(),
                                                    Document::from_canonical(other.second)->root());
  });
}

}  // namespace

/// The pod as it runs: as the API says, with what is granted of it.
void PodWorker::take(Stored pod) {
  desired_ = std::move(pod);
  pod_ = desired_;
  pod_.document = with_grants(desired_.document, granted_);
}

Task<void> PodWorker::settle_resize() {
  if (is_active()) {
    co_await seek_grant();
    note_resize_restarts();
  }
  if (memory_.is_cgroup_raised && !is_resizing()) {
    const auto numbers = pod_resources(view());
    const bool is_set = co_await set_pod_cgroup(numbers);
    memory_.is_cgroup_raised = !is_set;
    if (is_set) {
      shop_.events.normal(subject(), "ResizeCompleted", "Pod resize completed");
    }
  }
}

Task<void> PodWorker::seek_grant() {
  const DocumentPtr desired = desired_.document;
  const views::PodView wanted(desired->root());
  auto grants = wanted_grants(wanted);
  if (are_equal(grants, granted_)) {
    memory_.resize_pending.reset();
    if (grants != granted_) {
      granted_ = std::move(grants);  // the same, in other words
      take(desired_);
    }
    co_return;
  }
  auto refusal = shop_.refuse_resize ? shop_.refuse_resize(uid_, wanted) : std::nullopt;
  if (refusal) {
    if (!memory_.resize_pending || memory_.resize_pending->message != refusal->message) {
      shop_.events.warning(subject(), "Resize" + refusal->reason, refusal->message);
    }
    memory_.resize_pending = std::move(refusal);
    co_return;
  }
  memory_.resize_pending.reset();
  const auto before = pod_resources(view());
  granted_ = std::move(grants);
  take(desired_);
  if (memory_.is_prepared) {
    shop_.events.normal(subject(), "ResizeStarted", "Pod resize started");
    memory_.is_cgroup_raised = true;
    const auto raised = larger(before, pod_resources(view()));
    static_cast<void>(co_await set_pod_cgroup(raised));  // a container that does not fit says so
  }
}

Task<bool> PodWorker::set_pod_cgroup(runtime::Resources numbers) {
  auto work = [&cgroups = shop_.cgroups,
               path = sandbox_config(view(), shop_.node, 0).cgroup_parent,
               numbers]() -> Status { return cgroups.make(path, numbers); };
  const auto done = co_await runtime::on_pool(shop_.blocking, std::move(work));
  if (!done.ok()) {
    log::warning("agent", "pod {}/{}: {}", key_.ns, key_.name, done.error().message);
    co_await async::sleep_for(seconds(1));
  }
  co_return done.ok();
}

/// Those whose policy asks for a start from anew.
void PodWorker::note_resize_restarts() {
  for (auto& [name, attempts] : seen_.containers) {
    const auto container = container_named(view(), name);
    auto& memory = memory_.containers[name];
    const bool runs =
        attempts.current && attempts.current->state == runtime::ContainerState::running;
    if (runs && !memory.kill && is_to_resize(container, memory) &&
        needs_restart(container, memory.enacted->root(), container.resources().view())) {
      memory.kill = Reason{"Resize", fmt::format("Container {} resize requires restart", name)};
      memory.resized_id = attempts.current->id;
    }
  }
}

bool PodWorker::is_resizing() const {
  return std::any_of(seen_.containers.begin(), seen_.containers.end(), [this](const auto& entry) {
    const auto at = memory_.containers.find(entry.first);
    const auto& current = entry.second.current;
    return current && current->state == runtime::ContainerState::running &&
           at != memory_.containers.end() &&
           is_to_resize(container_named(view(), entry.first), at->second);
  });
}

/// The kernel would end something at once, where it cannot take memory back.
Task<Status> PodWorker::check_memory_fits(std::string id, std::int64_t limit) {
  if (limit <= 0) {
    co_return ok();
  }
  CO_TRY(const auto stats, co_await shop_.runtime.stats(uid_));
  for (const auto& each : stats) {
    const auto used = static_cast<std::int64_t>(each.memory_working_set_bytes);
    if (each.container_id == id && used > limit) {
      // Source: kubelet's sentence (v1.35).
      co_return Error{
          Code::precondition,
          fmt::format("attempting to set container memory limit ({}) below current usage ({})",
                      limit,
                      used)};
    }
  }
  co_return ok();
}

Task<void> PodWorker::resize_container(Action action) {
  const DocumentPtr document = pod_.document;
  const views::PodView pod(document->root());
  const auto container = container_named(pod, action.container);
  const auto numbers =
      container_resources(container.resources(), qos_of(pod), shop_.node.memory_bytes);
  auto done = co_await check_memory_fits(action.id, numbers.memory_limit_bytes);
  if (done.ok()) {
    done = co_await shop_.runtime.update_container(action.id, numbers);
  }
  auto& memory = memory_.containers[action.container];
  if (done.ok()) {
    memory.enacted = Document::from_canonical(std::string(container.resources().view().raw()));
    memory.resize_error.clear();
    co_return;
  }
  if (memory.resize_error != done.error().message) {
    shop_.events.warning(subject(action.container), "ResizeError", done.error().message);
  }
  memory.resize_error = done.error().message;
  memory.resize_retry_at = shop_.clock.now() + kResizeRetry;
}

}  // namespace tetrarch::agent

// SPDX-License-Identifier: Apache-2.0
// A worker's probes: one task per probe and attempt, which ends with that attempt.
#include <fmt/format.h>

#include "agent/checks.h"
#include "agent/worker.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;

views::ProbeView probe_of(views::ContainerView container, ProbeKind kind) {
  switch (kind) {
    case ProbeKind::startup:
      return container.startup_probe();
    case ProbeKind::readiness:
      return container.readiness_probe();
    case ProbeKind::liveness:
      return container.liveness_probe();
  }
  return {};
}

/// From the start of a container to its first probe. One that can end the container leaves it a
/// period to begin: kubelet's workers look for a container's first time before it is there, so that
/// they come to probe it about a period after its start too.
std::int64_t first_probe_after_s(views::ProbeView spec, ProbeKind kind, seconds period) {
  return kind == ProbeKind::liveness ? std::max(spec.initial_delay_seconds(), period.count())
                                     : spec.initial_delay_seconds();
}

std::int64_t at_least(std::int64_t value, std::int64_t fallback) {
  return value > 0 ? value : fallback;
}

}  // namespace

void PodWorker::begin_probes(views::ContainerView container, const runtime::Container& running) {
  for (const auto kind : {ProbeKind::startup, ProbeKind::readiness, ProbeKind::liveness}) {
    if (probe_of(container, kind)) {
      shop_.tasks.spawn(probe(shared_from_this(), std::string(container.name()), running.id, kind));
    }
  }
}

/// Counted from the start of the container, which an earlier process may have seen.
std::chrono::nanoseconds PodWorker::initial_delay(const std::string& container,
                                                  std::int64_t delay_s) const {
  const auto at = seen_.containers.find(container);
  const bool is_known =
      at != seen_.containers.end() && at->second.current && at->second.current->started;
  const auto now = shop_.clock.now();
  const auto begun = is_known ? *at->second.current->started : now;
  return std::clamp<std::chrono::microseconds>(
      begun + seconds(delay_s) - now, std::chrono::microseconds(0), seconds(delay_s));
}

bool PodWorker::is_current(const std::string& container, const std::string& id) const {
  const auto at = seen_.containers.find(container);
  return at != seen_.containers.end() && at->second.current && at->second.current->id == id &&
         at->second.current->state == runtime::ContainerState::running && !memory_.is_finished;
}

Task<void> PodWorker::probe(std::shared_ptr<PodWorker> self,
                            std::string container,
                            std::string id,
                            ProbeKind kind) {
  const DocumentPtr document = self->pod_.document;  // a probe does not change in a pod's life
  const auto spec_of_container = container_named(views::PodView(document->root()), container);
  const auto spec = probe_of(spec_of_container, kind);
  ProbeThresholds thresholds;
  thresholds.successes = static_cast<int>(at_least(spec.success_threshold(), 1));
  thresholds.failures = static_cast<int>(at_least(spec.failure_threshold(), 3));
  ProbeState state(kind, thresholds);
  const seconds period(at_least(spec.period_seconds(), 10));
  co_await async::sleep_for(
      self->initial_delay(container, first_probe_after_s(spec, kind, period)));
  while (self->is_current(container, id)) {
    const bool has_started = self->memory_.containers[container].has_started;
    if (kind == ProbeKind::startup && has_started) {
      co_return;
    }
    if (kind != ProbeKind::readiness && self->is_ending()) {
      co_return;  // nothing is restarted any more
    }
    if (kind != ProbeKind::startup && !has_started) {
      co_await async::sleep_for(seconds(1));
      continue;
    }
    if (!self->memory_.containers[container].is_paused) {
      CheckTarget target;
      target.owner = document;
      target.handler = spec.view();
      target.container = spec_of_container.view();
      target.container_id = id;
      target.pod_ip = self->memory_.facts.pod_ip;
      const seconds limit(at_least(spec.timeout_seconds(), 1));
      const auto result = co_await run_check(self->shop_.runtime, target, limit);
      if (!self->is_current(container, id)) {
        co_return;
      }
      if (!result.is_success) {
        self->shop_.events.warning(
            self->subject(container),
            "Unhealthy",
            fmt::format("{} probe failed: {}", to_string(kind), result.message));
      }
      if (state.add(result.is_success)) {
        self->take_verdict(container, kind, state);
      }
      if (kind != ProbeKind::readiness && self->memory_.containers[container].kill) {
        co_return;  // the next attempt has probes of its own
      }
    }
    co_await async::sleep_for(period);
  }
}

void PodWorker::take_verdict(const std::string& container,
                             ProbeKind kind,
                             const ProbeState& state) {
  auto& memory = memory_.containers[container];
  const bool is_failure = state.verdict() == ProbeVerdict::failure;
  if (kind == ProbeKind::readiness) {
    memory.is_ready = !is_failure;
  } else if (is_failure) {
    const auto spec = probe_of(container_named(view(), container), kind);
    if (spec.has_termination_grace_period_seconds()) {
      memory.kill_grace = seconds(spec.termination_grace_period_seconds());
    }
    memory.kill = Reason{"Unhealthy",
                         fmt::format("Container {} failed {} probe, will be restarted",
                                     container,
                                     kind == ProbeKind::liveness ? "liveness" : "startup")};
  } else if (kind == ProbeKind::startup) {
    memory.has_started = true;
    memory.is_ready = !container_named(view(), container).has_readiness_probe();
  }
  wake();
}

}  // namespace tetrarch::agent

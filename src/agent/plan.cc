// SPDX-License-Identifier: Apache-2.0
#include "agent/plan.h"

#include <charconv>

#include <fmt/format.h>

#include "agent/grants.h"
#include "agent/status.h"
#include "trust/sha256.h"
#include "unitfile/marks.h"

namespace tetrarch::agent {
namespace {

using runtime::ContainerState;
using std::chrono::seconds;

const Attempts kNoAttempts;
const ContainerMemory kNoMemory;

const Attempts& attempts_of(const Observation& seen, std::string_view name) {
  const auto at = seen.containers.find(name);
  return at == seen.containers.end() ? kNoAttempts : at->second;
}

const ContainerMemory& memory_of(const PodMemory& memory, std::string_view name) {
  const auto at = memory.containers.find(name);
  return at == memory.containers.end() ? kNoMemory : at->second;
}

bool is_running(const Attempts& attempts) {
  return attempts.current && attempts.current->state == ContainerState::running;
}

bool has_exited(const Attempts& attempts) {
  return attempts.current && (attempts.current->state == ContainerState::exited ||
                              attempts.current->state == ContainerState::unknown);
}

bool may_restart(std::string_view policy, int exit_code) {
  if (policy == "Never") {
    return false;
  }
  return policy == "OnFailure" ? exit_code != 0 : true;
}

/// Regular init containers run again only where the policy is not Never and they failed.
bool may_restart_init(std::string_view policy, int exit_code) {
  return exit_code != 0 && policy != "Never";
}

std::chrono::microseconds ran_for(const runtime::Container& container) {
  if (!container.started || !container.finished) {
    return std::chrono::microseconds(0);
  }
  return *container.finished - *container.started;
}

/// It ended so that the next may have other amounts, whatever the pod's policy says.
bool ended_for_resize(const Attempts& attempts, const ContainerMemory& memory) {
  return attempts.current && memory.resized_id == attempts.current->id;
}

/// One call of plan(): collects actions.
class Planner {
 public:
  Planner(views::PodView pod, const Observation& seen, const PodMemory& memory, TimePoint now)
      : pod_(pod), seen_(seen), memory_(memory), now_(now) {}

  Plan make() {
    const bool is_deleting = !pod_.metadata().deletion_timestamp().empty() || memory_.is_gone;
    if (is_deleting) {
      end(true);
    } else if (memory_.failed || outcome_of(pod_, seen_, memory_) != Outcome::open ||
               is_final(pod_.view())) {
      end(false);
    } else if (run_state_of(pod_) == RunState::held) {
      hold();
    } else {
      keep_running();
    }
    return std::move(plan_);
  }

 private:
  void add(Action action) {
    if (!memory_.busy.contains(action.key())) {
      plan_.actions.push_back(std::move(action));
    }
  }

  void wake_at(TimePoint time) {
    if (!plan_.wake || time < *plan_.wake) {
      plan_.wake = time;
    }
  }

  bool is_busy(std::string_view prefix) const {
    const auto at = memory_.busy.lower_bound(prefix);
    return at != memory_.busy.end() && at->starts_with(prefix);
  }

  /// A start is under way that may have made something; one that pulls gives up by itself.
  bool is_making(std::string_view name) const {
    return memory_.busy.contains("start/" + std::string(name)) &&
           !memory_of(memory_, name).is_pulling;
  }

  void stop(std::string_view name, const runtime::Container& container, std::string why) {
    Action action{Verb::stop_container, std::string(name), container.id};
    const auto& memory = memory_of(memory_, name);
    action.grace =
        memory.kill ? memory.kill_grace.value_or(grace_of(pod_, memory_)) : grace_of(pod_, memory_);
    action.why = std::move(why);
    add(std::move(action));
  }

  /// Containers first, sidecars after them from the last to the first, the sandbox last.
  void end(bool is_deleting) {
    bool has_running = false;
    const auto stop_if_running = [&](views::ContainerView container) {
      const auto& attempts = attempts_of(seen_, container.name());
      if (is_running(attempts) || is_making(container.name())) {
        has_running = true;
        if (is_running(attempts)) {
          stop(container.name(), *attempts.current, memory_.failed ? memory_.failed->message : "");
        }
      }
    };
    for (const auto container : pod_.spec().containers()) {
      stop_if_running(container);
    }
    for_each_ephemeral(pod_, stop_if_running);
    for (const auto container : pod_.spec().init_containers()) {
      if (!is_sidecar(container)) {
        stop_if_running(container);
      }
    }
    for (std::size_t left = pod_.spec().init_containers().size(); left > 0 && !has_running;
         --left) {
      if (const auto container = pod_.spec().init_containers().at(left - 1);
          is_sidecar(container)) {
        stop_if_running(container);
      }
    }
    if (has_running || is_busy("stop/") || is_busy("sandbox") || is_busy("prepare") ||
        is_busy("refresh")) {
      return;
    }
    if (seen_.sandbox && seen_.sandbox->is_ready) {
      add({Verb::stop_sandbox, "", seen_.sandbox->id});
      return;
    }
    if (!is_deleting && !memory_.is_released) {
      add({Verb::release});
    } else if (is_deleting && !memory_.is_finished) {
      if (memory_.retry_at && *memory_.retry_at > now_) {
        wake_at(*memory_.retry_at);
        return;
      }
      add({Verb::remove});
    }
  }

  /// Placed, but nothing runs; what would run has its root noted first.
  void hold() {
    for (const auto container : pod_.spec().init_containers()) {
      hold(container, is_sidecar(container) ? "Always" : pod_.spec().restart_policy());
    }
    for (const auto container : pod_.spec().containers()) {
      hold(container, pod_.spec().restart_policy());
    }
    for_each_ephemeral(pod_, [this](views::ContainerView container) {
      const auto& attempts = attempts_of(seen_, container.name());
      if (is_running(attempts)) {
        stop(container.name(), *attempts.current, "held");
      }
    });
  }

  void hold(views::ContainerView container, std::string_view policy) {
    const auto& attempts = attempts_of(seen_, container.name());
    const bool will_run_again =
        is_running(attempts) ||
        (has_exited(attempts) && may_restart(policy, attempts.current->exit_code) &&
         !is_done_init(container, attempts));
    if (will_run_again && !is_kept(attempts, memory_of(memory_, container.name()))) {
      add({Verb::keep_root, std::string(container.name()), attempts.current->id});
    } else if (is_running(attempts)) {
      stop(container.name(), *attempts.current, "held");
    }
  }

  bool is_done_init(views::ContainerView container, const Attempts& attempts) const {
    return is_init(container.name()) && !is_sidecar(container) && attempts.current->exit_code == 0;
  }

  bool is_init(std::string_view name) const {
    for (const auto container : pod_.spec().init_containers()) {
      if (container.name() == name) {
        return true;
      }
    }
    return false;
  }

  void keep_running() {
    check_deadline();
    if (!memory_.is_prepared) {
      if (wait_for_retry()) {
        return;
      }
      add({Verb::prepare});
      return;
    }
    if (!seen_.sandbox || !seen_.sandbox->is_ready) {
      make_sandbox();
      return;
    }
    for_each_ephemeral(pod_,
                       [this](views::ContainerView container) { start_ephemeral(container); });
    if (!run_init_containers()) {
      return;
    }
    for (const auto container : pod_.spec().containers()) {
      keep_container(container, pod_.spec().restart_policy());
    }
  }

  void check_deadline() {
    if (pod_.spec().has_active_deadline_seconds() && memory_.started) {
      wake_at(*memory_.started + seconds(pod_.spec().active_deadline_seconds()));
    }
  }

  bool wait_for_retry() {
    if (memory_.retry_at && *memory_.retry_at > now_) {
      wake_at(*memory_.retry_at);
      return true;
    }
    return false;
  }

  void make_sandbox() {
    bool has_running = false;
    for (const auto& [name, attempts] : seen_.containers) {
      if (is_running(attempts)) {
        has_running = true;
        stop(name, *attempts.current, "Pod sandbox changed, it will be killed and re-created.");
      }
    }
    if (has_running || wait_for_retry()) {
      return;
    }
    Action action{Verb::run_sandbox};
    action.attempt = seen_.sandbox ? seen_.sandbox->attempt + 1 : 0;
    add(std::move(action));
  }

  /// True when app containers may run. Sidecars are kept running either way.
  bool run_init_containers() {
    const bool is_done = is_initialized(pod_, seen_, memory_);
    for (const auto container : pod_.spec().init_containers()) {
      const auto& attempts = attempts_of(seen_, container.name());
      if (is_sidecar(container)) {
        keep_container(container, "Always");
        if (!is_done &&
            !(is_running(attempts) && memory_of(memory_, container.name()).has_started)) {
          return false;
        }
        continue;
      }
      if (is_done) {
        continue;
      }
      const bool is_of_this_sandbox =
          attempts.current && attempts.current->sandbox_id == seen_.sandbox->id;
      if (is_of_this_sandbox && has_exited(attempts) && attempts.current->exit_code == 0 &&
          !is_kept(attempts, memory_of(memory_, container.name()))) {
        continue;
      }
      if (!is_running(attempts)) {
        start_if_due(container, attempts, is_of_this_sandbox);
      }
      return false;
    }
    return true;
  }

  void keep_container(views::ContainerView container, std::string_view policy) {
    const auto& attempts = attempts_of(seen_, container.name());
    const auto& memory = memory_of(memory_, container.name());
    if (is_running(attempts)) {
      keep_as_it_should_run(container, attempts, memory);
      return;
    }
    if (has_exited(attempts) && !may_restart(policy, attempts.current->exit_code) &&
        !is_kept(attempts, memory) && !ended_for_resize(attempts, memory)) {
      return;
    }
    start_if_due(container, attempts, true);
  }

  /// Once in its life, whatever became of it; also while init containers run.
  /// Source: Kubernetes documentation, "Ephemeral Containers": never restarted.
  void start_ephemeral(views::ContainerView container) {
    const auto& attempts = attempts_of(seen_, container.name());
    const bool was_made = memory_of(memory_, container.name()).restarts_told >= 0;
    const bool is_unstarted =
        attempts.current && attempts.current->state == ContainerState::created;
    if (!was_made || is_unstarted) {
      start_if_due(container, attempts, false);
    }
  }

  void keep_as_it_should_run(views::ContainerView container,
                             const Attempts& attempts,
                             const ContainerMemory& memory) {
    if (memory.kill) {
      stop(container.name(), *attempts.current, memory.kill->message);
      return;
    }
    resize_if_due(container, attempts, memory);
    const bool should_pause = run_state_of(pod_) == RunState::paused;
    if (should_pause != memory.is_paused) {
      add({should_pause ? Verb::pause_container : Verb::resume_container,
           std::string(container.name()),
           attempts.current->id});
    }
  }

  void resize_if_due(views::ContainerView container,
                     const Attempts& attempts,
                     const ContainerMemory& memory) {
    if (!is_to_resize(container, memory)) {
      return;
    }
    if (memory.resize_retry_at && *memory.resize_retry_at > now_) {
      wake_at(*memory.resize_retry_at);
      return;
    }
    add({Verb::resize_container, std::string(container.name()), attempts.current->id});
  }

  void start_if_due(views::ContainerView container, const Attempts& attempts, bool counts_backoff) {
    const auto& memory = memory_of(memory_, container.name());
    // One after the other, as the spec lists them: a postStart hook holds up those behind it.
    if (is_busy("stop/" + std::string(container.name()) + "/") || is_busy("start/") || has_start_) {
      return;
    }
    if (memory.waiting && memory.retry_at && *memory.retry_at > now_) {
      wake_at(*memory.retry_at);
      return;
    }
    if (counts_backoff && has_exited(attempts) && !is_kept(attempts, memory)) {
      const auto finished = attempts.current->finished.value_or(now_);
      const auto due = memory.backoff.next(finished, ran_for(*attempts.current));
      if (due > now_) {
        wake_at(due);
        plan_.backing_off.emplace_back(container.name());
        return;
      }
    }
    Action action{Verb::start_container, std::string(container.name())};
    action.attempt = attempts.current ? attempts.current->attempt + 1
                                      : static_cast<std::uint32_t>(memory.restarts_told + 1);
    add(std::move(action));
    has_start_ = true;
  }

  views::PodView pod_;
  const Observation& seen_;
  const PodMemory& memory_;
  TimePoint now_;
  Plan plan_;
  bool has_start_ = false;
};

}  // namespace

std::string_view to_string(Verb verb) {
  switch (verb) {
    case Verb::prepare:
      return "prepare";
    case Verb::run_sandbox:
      return "sandbox";
    case Verb::start_container:
      return "start";
    case Verb::keep_root:
      return "keep";
    case Verb::stop_container:
      return "stop";
    case Verb::pause_container:
      return "pause";
    case Verb::resume_container:
      return "resume";
    case Verb::resize_container:
      return "resize";
    case Verb::stop_sandbox:
      return "sandbox-stop";
    case Verb::release:
      return "release";
    case Verb::remove:
      return "remove";
  }
  return "";
}

std::string Action::key() const {
  if (verb == Verb::stop_container) {
    return fmt::format(
        "stop/{}/{}/{}", container, id, grace.count());  // a shorter grace is another action
  }
  return container.empty() ? std::string(to_string(verb))
                           : fmt::format("{}/{}", to_string(verb), container);
}

RunState run_state_of(views::PodView pod) {
  const auto text = pod.metadata().annotations().find(unitfile::marks::kRunState);
  if (text == "held") {
    return RunState::held;
  }
  return text == "paused" ? RunState::paused : RunState::running;
}

bool is_sidecar(views::ContainerView container) {
  return container.restart_policy() == "Always";
}

bool is_to_resize(views::ContainerView container, const ContainerMemory& memory) {
  return memory.enacted != nullptr && container &&
         !same_amounts(memory.enacted->root(), container.resources().view());
}

std::uint32_t restarts_of(const runtime::Container& container) {
  const auto at = container.annotations.find(runtime::kAnnotationRestarts);
  std::uint32_t out = 0;
  if (at != container.annotations.end() &&
      std::from_chars(at->second.data(), at->second.data() + at->second.size(), out).ec ==
          std::errc()) {
    return out;
  }
  return container.attempt;
}

bool is_kept(const Attempts& attempts, const ContainerMemory& memory) {
  if (memory.kept_id.empty() || !attempts.current) {
    return false;
  }
  // An attempt that was made and never started has taken the root over, or is about to.
  return attempts.current->id == memory.kept_id ||
         (attempts.current->state == ContainerState::created && attempts.previous &&
          attempts.previous->id == memory.kept_id);
}

Outcome outcome_of(views::PodView pod, const Observation& seen, const PodMemory& memory) {
  const auto policy = pod.spec().restart_policy();
  if (memory.failed) {
    return Outcome::failed;
  }
  for (const auto container : pod.spec().init_containers()) {
    const auto& attempts = attempts_of(seen, container.name());
    if (!is_sidecar(container) && has_exited(attempts) && attempts.current->exit_code != 0 &&
        !may_restart_init(policy, attempts.current->exit_code) &&
        !is_kept(attempts, memory_of(memory, container.name()))) {
      return Outcome::failed;
    }
  }
  bool has_failure = false;
  for (const auto container : pod.spec().containers()) {
    const auto& attempts = attempts_of(seen, container.name());
    if (!has_exited(attempts) || may_restart(policy, attempts.current->exit_code) ||
        is_kept(attempts, memory_of(memory, container.name())) ||
        ended_for_resize(attempts, memory_of(memory, container.name()))) {
      return Outcome::open;
    }
    has_failure = has_failure || attempts.current->exit_code != 0;
  }
  return has_failure ? Outcome::failed : Outcome::succeeded;
}

bool is_initialized(views::PodView pod, const Observation& seen, const PodMemory& memory) {
  if (!seen.sandbox) {
    return false;
  }
  for (const auto container : pod.spec().containers()) {
    const auto& attempts = attempts_of(seen, container.name());
    if (attempts.current && attempts.current->sandbox_id == seen.sandbox->id) {
      return true;  // the init containers of this sandbox are done, even if they were cleaned up
    }
  }
  for (const auto container : pod.spec().init_containers()) {
    const auto& attempts = attempts_of(seen, container.name());
    if (is_sidecar(container)) {
      if (!is_running(attempts) || !memory_of(memory, container.name()).has_started) {
        return false;
      }
    } else if (!has_exited(attempts) || attempts.current->sandbox_id != seen.sandbox->id ||
               attempts.current->exit_code != 0 ||
               is_kept(attempts, memory_of(memory, container.name()))) {
      return false;
    }
  }
  return true;
}

std::string spec_hash(views::ContainerView container) {
  // Only what may change in a pod's life and needs a new container; adding fields would restart
  // what runs.
  return trust::sha256_hex(fmt::format("{}\n{}", container.name(), container.image()))
      .substr(0, 16);
}

std::chrono::seconds grace_of(views::PodView pod, const PodMemory& memory) {
  if (memory.is_evicted) {
    return seconds(1);  // Source: kubelet, immediateEvictionGracePeriodSeconds
  }
  const auto metadata = pod.metadata();
  if (metadata.has_deletion_grace_period_seconds()) {
    return seconds(metadata.deletion_grace_period_seconds());
  }
  if (memory.is_gone && !memory.is_static) {
    return seconds(2);  // taken out of the API by force: nobody waits for a clean end
  }
  const seconds own(pod.spec().has_termination_grace_period_seconds()
                        ? pod.spec().termination_grace_period_seconds()
                        : 30);
  return memory.shutdown_grace ? std::min(own, *memory.shutdown_grace) : own;
}

Plan plan(views::PodView pod, const Observation& seen, const PodMemory& memory, TimePoint now) {
  return Planner(pod, seen, memory, now).make();
}

}  // namespace tetrarch::agent

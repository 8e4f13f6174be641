// SPDX-License-Identifier: Apache-2.0
#include "agent/status.h"

#include <algorithm>
#include <vector>

#include <fmt/format.h>

#include "agent/plan.h"
#include "agent/resources.h"
#include "object/writer.h"

namespace tetrarch::agent {
namespace {

using object::Writer;
using runtime::Container;
using runtime::ContainerState;

/// What a container is to its pod.
enum class Role : std::uint8_t { init, app, ephemeral };

std::string_view statuses_name(Role role) {
  switch (role) {
    case Role::init:
      return "initContainerStatuses";
    case Role::app:
      return "containerStatuses";
    case Role::ephemeral:
      break;
  }
  return "ephemeralContainerStatuses";
}

/// One call of status_of.
class Reporter {
 public:
  Reporter(views::PodView pod,
           object::View before,
           const Observation& seen,
           const PodMemory& memory,
           TimePoint now)
      : pod_(pod), before_(before), seen_(seen), memory_(memory), now_(now), writer_(out_) {}

  std::string make() {
    outcome_ = outcome_of(pod_, seen_, memory_);
    phase_ = phase_of(pod_, before_, seen_, memory_);
    writer_.begin_object();
    writer_.field("phase", phase_);
    write_reason();
    write_conditions();
    if (!memory_.facts.host_ip.empty()) {
      writer_.field("hostIP", memory_.facts.host_ip);
      writer_.key("hostIPs")
          .begin_array()
          .begin_object()
          .field("ip", memory_.facts.host_ip)
          .end_object()
          .end_array();
    }
    write_addresses();
    if (memory_.started) {
      writer_.field("startTime", format_time(*memory_.started));
    }
    if (!is_refused()) {
      write_statuses(pod_.spec().init_containers(), Role::init);
      write_statuses(pod_.spec().containers(), Role::app);
      write_statuses(pod_.spec().ephemeral_containers(), Role::ephemeral);
    }
    writer_.field("qosClass", to_string(qos_of(pod_)));
    if (const auto generation = pod_.metadata().generation(); generation > 0) {
      writer_.field("observedGeneration", generation);
    }
    if (const auto nominated = pod_.status().nominated_node_name(); !nominated.empty()) {
      writer_.field("nominatedNodeName", nominated);
    }
    writer_.end_object();
    return std::move(out_);
  }

 private:
  const Attempts* attempts(std::string_view name) const {
    const auto at = seen_.containers.find(name);
    return at == seen_.containers.end() ? nullptr : &at->second;
  }

  const ContainerMemory* container_memory(std::string_view name) const {
    const auto at = memory_.containers.find(name);
    return at == memory_.containers.end() ? nullptr : &at->second;
  }

  const Container* current(std::string_view name) const {
    const auto* found = attempts(name);
    return found != nullptr && found->current ? &*found->current : nullptr;
  }

  bool is_running(std::string_view name) const {
    const auto* container = current(name);
    return container != nullptr && container->state == ContainerState::running;
  }

  /// Failed before anything of it was made: kubelet then reports no containers, and kubectl shows
  /// the pod's reason. Seen: kubectl get takes a container's waiting reason over the pod's.
  bool is_refused() const {
    const auto was_made = [](const auto& entry) { return entry.second.current.has_value(); };
    const bool was_refused =
        pod_.status().phase() == "Failed" && before_["containerStatuses"].size() == 0;
    return (memory_.failed || was_refused) && !memory_.is_evicted && !seen_.sandbox &&
           std::none_of(seen_.containers.begin(), seen_.containers.end(), was_made);
  }

  void write_reason() {
    if (memory_.failed) {
      writer_.field("message", memory_.failed->message).field("reason", memory_.failed->reason);
    } else if (!before_["reason"].string().empty()) {
      writer_.field("message", before_["message"].string())
          .field("reason", before_["reason"].string());
    }
  }

  void write_addresses() {
    if (memory_.facts.pod_ip.empty()) {
      return;
    }
    writer_.field("podIP", memory_.facts.pod_ip);
    writer_.key("podIPs").begin_array();
    for (const auto& ip : memory_.facts.pod_ips) {
      writer_.begin_object().field("ip", ip).end_object();
    }
    writer_.end_array();
  }

  struct Verdict {
    bool is_true;
    std::string reason = {};
    std::string message = {};
  };

  static object::View condition_in(object::View status, std::string_view type) {
    for (const auto condition : status["conditions"].elements()) {
      if (condition["type"].string() == type) {
        return condition;
      }
    }
    return {};
  }

  void write_condition(std::string_view type, const Verdict& verdict) {
    const auto old = condition_in(before_, type);
    const std::string_view value = verdict.is_true ? "True" : "False";
    writer_.begin_object().field("type", type).field("status", value);
    writer_.key("lastProbeTime").null();
    const auto since = old["status"].string() == value
                           ? std::string(old["lastTransitionTime"].string())
                           : format_time(now_);
    writer_.field("lastTransitionTime", since.empty() ? format_time(now_) : since);
    if (!verdict.reason.empty()) {
      writer_.field("reason", verdict.reason);
    }
    if (!verdict.message.empty()) {
      writer_.field("message", verdict.message);
    }
    writer_.end_object();
  }

  Verdict initialized() const {
    if (outcome_ == Outcome::succeeded || is_initialized(pod_, seen_, memory_)) {
      return {true, outcome_ == Outcome::succeeded ? "PodCompleted" : ""};
    }
    std::string names;
    for (const auto container : pod_.spec().init_containers()) {
      const auto* found = current(container.name());
      const bool is_done =
          is_sidecar(container)
              ? is_running(container.name())
              : found != nullptr && found->state == ContainerState::exited && found->exit_code == 0;
      if (!is_done) {
        names += (names.empty() ? "" : " ") + std::string(container.name());
      }
    }
    if (names.empty()) {
      return {true};
    }
    return {false,
            "ContainersNotInitialized",
            fmt::format("containers with incomplete status: [{}]", names)};
  }

  Verdict containers_ready() const {
    if (phase_ == "Succeeded") {
      return {false, "PodCompleted"};
    }
    if (phase_ == "Failed") {
      return {false, "PodFailed"};
    }
    std::string names;
    const auto look = [&](views::ContainerView container) {
      const auto* memory = container_memory(container.name());
      if (!is_running(container.name()) || memory == nullptr || !memory->is_ready) {
        names += (names.empty() ? "" : " ") + std::string(container.name());
      }
    };
    for (const auto container : pod_.spec().init_containers()) {
      if (is_sidecar(container)) {
        look(container);
      }
    }
    for (const auto container : pod_.spec().containers()) {
      look(container);
    }
    if (names.empty()) {
      return {true};
    }
    return {
        false, "ContainersNotReady", fmt::format("containers with unready status: [{}]", names)};
  }

  Verdict ready(const Verdict& containers) const {
    if (!containers.is_true) {
      return containers;
    }
    for (const auto gate : pod_.spec().readiness_gates()) {
      const auto told = condition_in(pod_.status().view(), gate.condition_type());
      if (told["status"].string() != "True") {
        return {false,
                "ReadinessGatesNotReady",
                fmt::format("corresponding condition of pod readiness gate \"{}\" does not exist "
                            "or is not \"True\".",
                            gate.condition_type())};
      }
    }
    return {true};
  }

  /// Source: Kubernetes documentation, "Resize CPU and Memory Resources assigned to Containers".
  void write_resize_conditions() {
    if (phase_ == "Failed" || phase_ == "Succeeded") {
      return;
    }
    if (memory_.resize_pending) {
      write_condition("PodResizePending",
                      {true, memory_.resize_pending->reason, memory_.resize_pending->message});
    }
    bool is_resizing = false;
    std::string error;
    for (const auto& [name, memory] : memory_.containers) {
      if (is_running(name) && is_to_resize(container_named(name), memory)) {
        is_resizing = true;
        error = memory.resize_error.empty() ? error : memory.resize_error;
      }
    }
    if (is_resizing) {
      write_condition("PodResizeInProgress", {true, error.empty() ? "" : "Error", error});
    }
  }

  views::ContainerView container_named(std::string_view name) const {
    for (const auto* list : {"containers", "initContainers"}) {
      for (const auto container : pod_.spec().view()[list].elements()) {
        if (container["name"].string() == name) {
          return views::ContainerView(container);
        }
      }
    }
    return {};
  }

  /// What is granted, and what holds now.
  void write_amounts(views::ContainerView container, const ContainerMemory* memory) {
    const auto granted = container.resources().view();
    if (granted["requests"].size() > 0) {
      writer_.field("allocatedResources", granted["requests"]);
    }
    const bool is_told = is_running(container.name()) && memory != nullptr && memory->enacted;
    writer_.key("resources");
    if (is_told || granted.exists()) {
      writer_.view(is_told ? memory->enacted->root() : granted);
    } else {
      writer_.begin_object().end_object();
    }
  }

  void write_conditions() {
    const auto containers = containers_ready();
    const bool has_sandbox = seen_.sandbox && seen_.sandbox->is_ready;
    writer_.key("conditions").begin_array();
    write_condition("PodReadyToStartContainers", {has_sandbox});
    write_condition("Initialized", initialized());
    write_condition("Ready", ready(containers));
    write_condition("ContainersReady", containers);
    write_condition("PodScheduled", {true});
    write_resize_conditions();
    const bool was_evicted = (memory_.is_evicted || memory_.shutdown_grace) && memory_.failed;
    if (was_evicted) {
      // Source: Kubernetes documentation, "Pod disruption conditions".
      write_condition("DisruptionTarget", {true, "TerminationByKubelet", memory_.failed->message});
    }
    for (const auto condition : pod_.status().view()["conditions"].elements()) {
      const bool is_disruption = condition["type"].string() == "DisruptionTarget";
      // An eviction of an earlier process of ours is remembered here alone.
      if (is_disruption ? !was_evicted : !is_own_condition(condition)) {
        writer_.view(condition);
      }
    }
    writer_.end_array();
  }

  void write_terminated(const Container& container, std::string_view message) {
    writer_.key("terminated").begin_object();
    writer_.field("exitCode", container.exit_code);
    writer_.field("reason",
                  container.reason.empty() ? (container.exit_code == 0 ? "Completed" : "Error")
                                           : container.reason);
    if (const auto text = message.empty() ? std::string_view(container.message) : message;
        !text.empty()) {
      writer_.field("message", text);
    }
    if (container.started) {
      writer_.field("startedAt", format_time(*container.started));
    }
    if (container.finished) {
      writer_.field("finishedAt", format_time(*container.finished));
    }
    writer_.field("containerID", "containerd://" + container.id);
    writer_.end_object();
  }

  void write_waiting(std::string_view reason, std::string_view message) {
    writer_.key("waiting").begin_object().field("reason", reason);
    if (!message.empty()) {
      writer_.field("message", message);
    }
    writer_.end_object();
  }

  /// Why a container that has never run does not run yet.
  void write_not_started(const ContainerMemory* memory, Role role) {
    if (memory != nullptr && memory->waiting && phase_ != "Failed") {
      write_waiting(memory->waiting->reason, memory->waiting->message);
      return;
    }
    // Source: Kubernetes documentation, "Debug Init Containers"; a pod without them has nothing to
    // wait for but its containers.
    const bool has_init = !pod_.spec().init_containers().empty();
    if (phase_ == "Failed" && role != Role::init && !has_init) {
      write_unknown();
      return;
    }
    write_waiting(has_init ? "PodInitializing" : "ContainerCreating", "");
  }

  /// Of a pod that is over: nothing waits any more. Source: kubelet's words for it.
  void write_unknown() {
    writer_.key("terminated").begin_object().field("exitCode", 137);
    writer_.field("reason", "ContainerStatusUnknown");
    writer_.field("message", "The container could not be located when the pod was terminated");
    writer_.key("startedAt").null().key("finishedAt").null();
    writer_.end_object();
  }

  bool will_restart(views::ContainerView container, const Container& ended, Role role) const {
    if (outcome_ != Outcome::open || !pod_.metadata().deletion_timestamp().empty() ||
        memory_.failed || role == Role::ephemeral) {
      return false;
    }
    const bool is_init = role == Role::init;
    if (is_init && !is_sidecar(container)) {
      return ended.exit_code != 0 && pod_.spec().restart_policy() != "Never";
    }
    const auto policy = is_sidecar(container) && is_init ? std::string_view("Always")
                                                         : pod_.spec().restart_policy();
    return policy == "Always" || (policy == "OnFailure" && ended.exit_code != 0);
  }

  void write_state(views::ContainerView container,
                   const Attempts* found,
                   const ContainerMemory* memory,
                   Role role) {
    writer_.key("state").begin_object();
    const Container* now = found != nullptr && found->current ? &*found->current : nullptr;
    const bool is_lost = role == Role::ephemeral && now == nullptr && memory != nullptr &&
                         memory->restarts_told >= 0;
    const bool is_hooked = now != nullptr && memory != nullptr && memory->hook_id == now->id;
    if (is_lost) {
      write_unknown();
    } else if (now == nullptr || now->state == ContainerState::created ||
               (is_hooked && now->state == ContainerState::running)) {
      // Source: Kubernetes documentation, "Container Lifecycle Hooks": a container runs, for the
      // API, once its postStart hook has ended.
      write_not_started(memory, role);
    } else if (now->state == ContainerState::running) {
      writer_.key("running").begin_object();
      if (now->started) {
        writer_.field("startedAt", format_time(*now->started));
      }
      writer_.end_object();
    } else if ((memory == nullptr || !is_kept(*found, *memory)) &&
               will_restart(container, *now, role)) {
      write_restart_wait(container, *now, memory);
    } else {
      write_terminated(*now, message_of(memory, *now));
    }
    writer_.end_object();
  }

  void write_restart_wait(views::ContainerView container,
                          const Container& ended,
                          const ContainerMemory* memory) {
    if (memory != nullptr && memory->waiting) {
      write_waiting(memory->waiting->reason, memory->waiting->message);
      showed_waiting_ = true;
      return;
    }
    const auto finished = ended.finished.value_or(now_);
    const auto ran = finished - ended.started.value_or(finished);
    const auto pause = std::chrono::duration_cast<std::chrono::seconds>(
        memory == nullptr ? std::chrono::microseconds(0)
                          : memory->backoff.next(finished, ran) - finished);
    if (pause.count() == 0) {
      write_terminated(ended, message_of(memory, ended));  // restarts at once: show how it ended
      return;
    }
    showed_waiting_ = true;
    write_waiting("CrashLoopBackOff",
                  fmt::format("back-off {} restarting failed container={} pod={}_{}({})",
                              pause == kRestartBackoffMax ? "5m0s"
                              : pause.count() >= 60
                                  ? fmt::format("{}m{}s", pause.count() / 60, pause.count() % 60)
                                  : fmt::format("{}s", pause.count()),
                              container.name(),
                              pod_.metadata().name(),
                              pod_.metadata().namespace_(),
                              pod_.metadata().uid()));
  }

  static std::string_view message_of(const ContainerMemory* memory, const Container& ended) {
    if (memory == nullptr) {
      return {};
    }
    return memory->message_id == ended.id ? std::string_view(memory->termination_message)
                                          : std::string_view();
  }

  void write_last_state(const Attempts* found, const ContainerMemory* memory) {
    writer_.key("lastState").begin_object();
    if (found != nullptr && found->current && showed_waiting_) {
      write_terminated(*found->current, message_of(memory, *found->current));
    } else if (found != nullptr && found->previous &&
               found->previous->state == ContainerState::exited) {
      write_terminated(
          *found->previous,
          memory == nullptr ? std::string_view() : message_of(memory, *found->previous));
    }
    writer_.end_object();
  }

  object::View told_status(std::string_view name, Role role) const {
    for (const auto entry : before_[statuses_name(role)].elements()) {
      if (entry["name"].string() == name) {
        return entry;
      }
    }
    return {};
  }

  void write_container(views::ContainerView container, Role role) {
    const auto* found = attempts(container.name());
    const auto* memory = container_memory(container.name());
    const Container* now = found != nullptr && found->current ? &*found->current : nullptr;
    const bool is_regular_init = role == Role::init && !is_sidecar(container);
    const bool runs = is_running(container.name());
    showed_waiting_ = false;
    // What the runtime has forgotten of a pod that is over stays as it was told.
    const bool is_over = phase_ == "Failed" || phase_ == "Succeeded" || memory_.is_removing;
    const bool is_forgotten = is_over || role == Role::ephemeral;  // never made again
    if (const auto told = told_status(container.name(), role);
        is_forgotten && now == nullptr && told["state"]["terminated"]) {
      writer_.view(told);
      return;
    }
    writer_.begin_object().field("name", container.name());
    write_state(container, found, memory, role);
    write_last_state(found, memory);
    const bool init_done = is_regular_init && now != nullptr &&
                           now->state == ContainerState::exited && now->exit_code == 0;
    const bool is_ready = !is_regular_init && runs && memory != nullptr && memory->is_ready;
    // Source: kubelet's prober tells the two of init and app containers only.
    writer_.field("ready", role != Role::ephemeral && (init_done || is_ready));
    const int told_restarts = std::max(memory == nullptr ? 0 : memory->restarts_told, 0);
    writer_.field("restartCount",
                  now == nullptr ? told_restarts : static_cast<int>(restarts_of(*now)));
    writer_.field("image", container.image());
    writer_.field("imageID", now == nullptr ? std::string() : now->image_ref);
    if (now != nullptr) {
      writer_.field("containerID", "containerd://" + now->id);
    }
    if (role != Role::ephemeral) {
      write_amounts(container, memory);
      writer_.field("started", runs && memory != nullptr && memory->has_started);
    }
    writer_.end_object();
  }

  template <class List>
  void write_statuses(const List& containers, Role role) {
    if (containers.empty()) {
      return;
    }
    writer_.key(statuses_name(role)).begin_array();
    for (const auto container : containers) {
      write_container(views::ContainerView(container.view()), role);
    }
    writer_.end_array();
  }

  views::PodView pod_;
  object::View before_;
  const Observation& seen_;
  const PodMemory& memory_;
  TimePoint now_;
  std::string out_;
  Writer writer_;
  Outcome outcome_ = Outcome::open;
  std::string_view phase_;
  bool showed_waiting_ = false;
};

}  // namespace

std::string status_of(views::PodView pod,
                      object::View before,
                      const Observation& seen,
                      const PodMemory& memory,
                      TimePoint now) {
  return Reporter(pod, before, seen, memory, now).make();
}

}  // namespace tetrarch::agent

// SPDX-License-Identifier: Apache-2.0
#include "agent/worker.h"

#include <algorithm>
#include <filesystem>
#include <utility>

#include <fmt/format.h>

#include "agent/admission.h"
#include "agent/shutdown.h"
#include "agent/static_pods.h"
#include "agent/status.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

using runtime::ContainerState;

/// Nothing is missed for longer than this, whatever events get lost.
constexpr std::chrono::seconds kLookAgain{60};
/// How soon a resize that was not granted is asked for again.
constexpr std::chrono::seconds kGrantRetry{3};
/// How long ErrImagePull can be seen before it is called ImagePullBackOff.
constexpr std::chrono::seconds kPullErrorShown{2};

}  // namespace

views::ContainerView container_named(views::PodView pod, std::string_view name) {
  for (const auto container : pod.spec().init_containers()) {
    if (container.name() == name) {
      return container;
    }
  }
  for (const auto container : pod.spec().containers()) {
    if (container.name() == name) {
      return container;
    }
  }
  for (const auto container : pod.spec().ephemeral_containers()) {
    if (container.name() == name) {
      return views::ContainerView(container.view());
    }
  }
  return {};
}

namespace {

/// Where a container stands in the spec.
std::string_view list_of(views::PodView pod, std::string_view name) {
  for (const auto* list : {"initContainers", "ephemeralContainers"}) {
    for (const auto container : pod.spec().view()[list].elements()) {
      if (container["name"].string() == name) {
        return list;
      }
    }
  }
  return "containers";
}

}  // namespace

PodWorker::PodWorker(Workshop& shop, Stored pod) : shop_(shop), key_(pod.key), uid_(pod.uid()) {
  granted_ = told_grants(views::PodView(pod.root()));
  take(std::move(pod));
  memory_.facts = shop_.node_facts;
  memory_.is_static = is_static_pod(pod_.root());
  const auto start = parse_time(view().status().start_time());
  memory_.started = start.ok() ? *start : shop_.clock.now();
  adopt_status();
}

namespace {

void adopt_amounts(object::View status, ContainerMemory& memory) {
  const auto id = status["containerID"].string();
  if (status["resources"].exists() && !id.empty()) {
    memory.enacted = Document::from_canonical(std::string(status["resources"].raw()));
    memory.enacted_id = id.substr(id.find("://") + 3);
  }
}

}  // namespace

/// What an earlier process has told, for what the runtime does not show.
void PodWorker::adopt_status() {
  const auto status = view().status();
  memory_.is_admitted = !status.start_time().empty();
  memory_.is_evicted = status.phase() == "Failed" && status.reason() == "Evicted" &&
                       !status.container_statuses().empty();
  for (const auto ip : status.view()["podIPs"].elements()) {
    memory_.facts.pod_ips.emplace_back(ip["ip"].string());
  }
  memory_.facts.pod_ip = std::string(status.pod_ip());
  for (const char* list :
       {"initContainerStatuses", "containerStatuses", "ephemeralContainerStatuses"}) {
    for (const auto entry : status.view()[list].elements()) {
      // Without an id: an earlier process told the count of what the runtime had lost.
      if (!entry["containerID"].string().empty() || entry["restartCount"].integer() > 0) {
        auto& memory = memory_.containers[std::string(entry["name"].string())];
        memory.restarts_told = static_cast<int>(entry["restartCount"].integer());
        adopt_amounts(entry, memory);
      }
    }
  }
}

void PodWorker::evict(std::string message) {
  memory_.is_evicted = true;
  memory_.failed = Reason{"Evicted", std::move(message)};
  shop_.events.warning(subject(), memory_.failed->reason, memory_.failed->message);
  wake();
}

void PodWorker::end_for_shutdown(std::chrono::seconds grace) {
  memory_.shutdown_grace = grace;
  memory_.failed = Reason{std::string(kShutdownReason), std::string(kShutdownMessage)};
  wake();
}

bool PodWorker::is_active() const {
  const auto phase = view().status().phase();
  return !is_ending() && !memory_.is_finished && phase != "Failed" && phase != "Succeeded" &&
         outcome_of(view(), seen_, memory_) == Outcome::open;
}

bool PodWorker::is_ending() const {
  return memory_.is_gone || memory_.failed || !view().metadata().deletion_timestamp().empty();
}

/// One grace holds for the whole pod; a later, shorter one begins anew.
void PodWorker::note_ending() {
  if (!is_ending() && outcome_of(view(), seen_, memory_) == Outcome::open) {
    return;
  }
  const auto grace = grace_of(view(), memory_);
  if (!memory_.ending_since || grace < memory_.ending_grace) {
    memory_.ending_since = shop_.clock.now();
    memory_.ending_grace = grace;
  }
}

void PodWorker::tell_backoff(const Plan& next) {
  for (const auto& name : next.backing_off) {
    const auto& current = seen_.containers[name].current;
    auto& memory = memory_.containers[name];
    if (current && std::exchange(memory.backoff_id, current->id) != current->id) {
      shop_.events.warning(subject(name),
                           "BackOff",
                           fmt::format("Back-off restarting failed container {} in pod {}_{}({})",
                                       name,
                                       key_.name,
                                       key_.ns,
                                       uid_));
    }
  }
}

void PodWorker::update(Stored pod) {
  take(std::move(pod));
  if (is_given_up(pod_.root())) {
    last_status_document_.reset();  // its conditions count from now
    tell_again();
  }
  is_content_dirty_ = true;
  memory_.retry_at.reset();
  wake();
}

void PodWorker::set_gone() {
  memory_.is_gone = true;
  memory_.retry_at.reset();
  wake();
}

void PodWorker::wake() {
  woken_.raise();
}

void PodWorker::tell_again() {
  last_status_.clear();
  is_told_ = false;
  wake();
}

void PodWorker::expect_exit(const std::string& id) {
  expected_exits_.try_emplace(id, 0);
  wake();
}

/// Whether what was said to have ended is seen as ended, or was never ours.
bool PodWorker::is_seen_ended(const std::string& id, int looks) const {
  if (!has_container(id)) {
    return memory_.busy.empty() &&
           looks > 1;  // one look may have been under way when the word came
  }
  if (seen_.sandbox && seen_.sandbox->id == id) {
    return !seen_.sandbox->is_ready;
  }
  for (const auto& [name, attempts] : seen_.containers) {
    if (attempts.current && attempts.current->id == id) {
      // One that is only created has not ended: its start is not back yet.
      return attempts.current->state == ContainerState::exited ||
             attempts.current->state == ContainerState::unknown;
    }
  }
  return true;
}

void PodWorker::forget_seen_exits() {
  constexpr int kLooksMax = 12;
  for (auto at = expected_exits_.begin(); at != expected_exits_.end();) {
    ++at->second;
    const bool is_over = at->second > kLooksMax || is_seen_ended(at->first, at->second);
    at = is_over ? expected_exits_.erase(at) : std::next(at);
  }
}

void PodWorker::refresh_content() {
  is_content_dirty_ = true;
  memory_.retry_at.reset();
  for (auto& [name, memory] : memory_.containers) {
    if (memory.waiting && memory.waiting->reason == "CreateContainerConfigError") {
      memory.retry_at.reset();
    }
  }
  wake();
}

bool PodWorker::has_container(const std::string& id) const {
  if (seen_.sandbox && seen_.sandbox->id == id) {
    return true;
  }
  for (const auto& [name, attempts] : seen_.containers) {
    if (attempts.current && attempts.current->id == id) {
      return true;
    }
  }
  return false;
}

bool PodWorker::keeps_root_of(const std::string& id) const {
  for (const auto& [name, memory] : memory_.containers) {
    if (memory.kept_id == id) {
      return true;
    }
  }
  return false;
}

bool PodWorker::is_idle() const {
  return memory_.busy.empty() && (!seen_.sandbox || !seen_.sandbox->is_ready) &&
         outcome_of(view(), seen_, memory_) != Outcome::open;
}

EventSubject PodWorker::subject(std::string_view container) const {
  EventSubject out;
  out.ns = key_.ns;
  out.name = key_.name;
  out.uid = uid_;
  if (!container.empty()) {
    out.field_path = fmt::format("spec.{}{{{}}}", list_of(view(), container), container);
  }
  return out;
}

Task<void> PodWorker::run(std::shared_ptr<PodWorker> self, std::function<void()> finished) {
  while (!self->memory_.is_finished) {
    const auto done_before = self->actions_done_;
    const bool is_observed = co_await self->observe();
    if (!is_observed) {
      co_await self->woken_.wait_for(
          std::chrono::seconds(1));  // the runtime is away; it is being restarted
      continue;
    }
    self->forget_seen_exits();
    self->check_admission();
    self->check_deadline();
    self->note_ending();
    co_await self->settle_resize();
    if (self->actions_done_ != done_before) {
      continue;  // what we saw may be older than what was done: a container not started yet
    }
    self->report();
    const Plan next = plan(self->view(), self->seen_, self->memory_, self->shop_.clock.now());
    self->tell_backoff(next);
    self->begin_actions(next);
    if (self->memory_.is_finished) {
      break;
    }
    const auto pause = self->time_to_wait(next);
    co_await self->woken_.wait_for(pause);
    self->soften_pull_errors();
  }
  self->shop_.statuses.forget(self->uid_);
  self->shop_.tokens.forget(self->uid_);
  finished();
}

Task<bool> PodWorker::observe() {
  auto seen = co_await observe_sandbox();
  if (seen.ok()) {
    seen = co_await observe_containers();
  }
  if (!seen.ok()) {
    log::debug("agent", "pod {}/{}: cannot observe: {}", key_.ns, key_.name, seen.error().message);
    co_return false;
  }
  co_await read_termination_messages();
  if (!is_adopted_) {
    co_await read_kept_roots();
  }
  adopt_containers();
  co_return true;
}

void PodWorker::adopt_containers() {
  for (const auto container : view().spec().init_containers()) {
    note_state(container, seen_.containers[std::string(container.name())]);
  }
  for (const auto container : view().spec().containers()) {
    note_state(container, seen_.containers[std::string(container.name())]);
  }
  for_each_ephemeral(view(), [this](views::ContainerView container) {
    note_state(container, seen_.containers[std::string(container.name())]);
  });
  is_adopted_ = true;
}

/// Brings the memory of one container to its newest attempt.
void PodWorker::note_state(views::ContainerView container, const Attempts& attempts) {
  auto& memory = memory_.containers[std::string(container.name())];
  if (!attempts.current) {
    return;
  }
  const auto& current = *attempts.current;
  memory.restarts_told = std::max(memory.restarts_told, static_cast<int>(restarts_of(current)));
  if (!is_adopted_) {
    memory.backoff.adopt(static_cast<int>(restarts_of(current)));
  }
  const bool is_running = current.state == ContainerState::running;
  if (memory.enacted_id != current.id) {
    memory.enacted_id = current.id;
    memory.enacted = Document::from_canonical(std::string(container.resources().view().raw()));
  }
  if (memory.probed_id != current.id) {
    memory.probed_id.clear();
    memory.has_started = false;
    memory.is_ready = false;
    memory.kill.reset();
    memory.kill_grace.reset();
    memory.is_paused = current.is_paused;
    if (is_running && memory.hook_id != current.id) {
      memory.probed_id = current.id;
      memory.waiting.reset();
      memory.has_started = !container.has_startup_probe();
      memory.is_ready = memory.has_started && !container.has_readiness_probe();
      if (!is_adopted_) {
        adopt_readiness(container, current);
      }
      begin_probes(container, current);
    }
  }
  if (!is_running) {
    memory.is_ready = false;
    return;
  }
  const auto hash = current.annotations.find(runtime::kAnnotationSpecHash);
  if (hash != current.annotations.end() && hash->second != spec_hash(container) && !memory.kill) {
    memory.kill =
        Reason{"Changed",
               fmt::format("Container {} definition changed, will be restarted", container.name())};
  }
}

/// The verdicts of before hold until the probes say otherwise: a restart of the agent is no reason
/// to take a pod out of its services.
void PodWorker::adopt_readiness(views::ContainerView container, const runtime::Container& running) {
  auto& memory = memory_.containers[std::string(container.name())];
  for (const char* list : {"initContainerStatuses", "containerStatuses"}) {
    for (const auto entry : view().status().view()[list].elements()) {
      if (entry["containerID"].string() == "containerd://" + running.id) {
        memory.has_started = memory.has_started || entry["started"].boolean();
        memory.is_ready = memory.has_started && (memory.is_ready || entry["ready"].boolean());
      }
    }
  }
}

/// Only before anything of it ran: what an earlier agent took stays.
void PodWorker::check_admission() {
  if (memory_.failed || seen_.sandbox || std::exchange(memory_.is_admitted, true)) {
    return;
  }
  std::error_code ignored;
  // Source: Linux, AppArmor's module parameter is there when it is enabled.
  const bool has_apparmor =
      std::filesystem::exists("/sys/module/apparmor/parameters/enabled", ignored);
  memory_.failed = refusal_of(view(), has_apparmor);
  if (!memory_.failed) {
    memory_.failed = port_conflict(view(), shop_.objects.all("pods"));
  }
  if (!memory_.failed && shop_.is_shutting_down) {
    memory_.failed = Reason{std::string(kNotAdmittedReason), std::string(kNotAdmittedMessage)};
  }
  if (!memory_.failed && shop_.pressure != nullptr) {
    memory_.failed = refusal_under(*shop_.pressure, view());
  }
  if (memory_.failed) {
    shop_.events.warning(subject(), memory_.failed->reason, memory_.failed->message);
  }
}

void PodWorker::check_deadline() {
  const auto spec = view().spec();
  if (!spec.has_active_deadline_seconds() || memory_.failed ||
      outcome_of(view(), seen_, memory_) != Outcome::open) {
    return;
  }
  if (*memory_.started + std::chrono::seconds(spec.active_deadline_seconds()) <=
      shop_.clock.now()) {
    memory_.failed =
        Reason{"DeadlineExceeded", "Pod was active on the node longer than the specified deadline"};
    shop_.events.normal(subject(), "DeadlineExceeded", memory_.failed->message);
  }
}

void PodWorker::soften_pull_errors() {
  for (auto& [name, memory] : memory_.containers) {
    if (memory.waiting && memory.waiting->reason == "ErrImagePull" &&
        memory.waiting_since + kPullErrorShown <= shop_.clock.now()) {
      const auto image = container_named(view(), name).image();
      memory.waiting =
          Reason{"ImagePullBackOff", fmt::format("Back-off pulling image \"{}\"", image)};
      shop_.events.normal(subject(name), "BackOff", memory.waiting->message);
      woken_.raise();
    }
  }
}

void PodWorker::report() {
  if (memory_.is_gone) {
    return;
  }
  const auto before =
      last_status_document_ ? last_status_document_->root() : pod_.document->root()["status"];
  auto status = status_of(view(), before, seen_, memory_, shop_.clock.now());
  const bool is_known = is_told_ && status == pod_.document->root()["status"].raw();
  if (status == last_status_ || is_known) {
    return;
  }
  is_told_ = true;
  last_status_ = status;
  last_status_document_ = Document::from_canonical(status);
  shop_.statuses.submit(key_, uid_, std::move(status));
}

void PodWorker::begin_actions(const Plan& next) {
  for (const auto& action : next.actions) {
    memory_.busy.insert(action.key());
    shop_.tasks.spawn(execute(shared_from_this(), action));
  }
  const auto now = shop_.clock.now();
  const auto due = shop_.tokens.due(uid_);
  const bool is_due = (due && *due <= now) || (refresh_at_ && *refresh_at_ <= now);
  if (can_refresh() && (is_content_dirty_ || is_due)) {
    is_content_dirty_ = false;
    refresh_at_.reset();
    memory_.busy.insert("refresh");
    shop_.tasks.spawn(refresh_task(shared_from_this()));
  }
}

bool PodWorker::can_refresh() const {
  return memory_.is_prepared && !memory_.is_released && !memory_.busy.contains("release") &&
         !memory_.busy.contains("refresh") && view().metadata().deletion_timestamp().empty() &&
         !memory_.is_gone;
}

std::chrono::nanoseconds PodWorker::time_to_wait(const Plan& next) const {
  const auto now = shop_.clock.now();
  std::chrono::nanoseconds pause = kLookAgain;
  const auto until = [&](TimePoint time) {
    // Compared in microseconds: nanoseconds of a far date overflow.
    const std::chrono::microseconds left =
        std::clamp<std::chrono::microseconds>(time - now, std::chrono::milliseconds(1), kLookAgain);
    pause = std::min<std::chrono::nanoseconds>(pause, left);
  };
  if (next.wake) {
    until(*next.wake);
  }
  if (memory_.resize_pending) {
    until(now + kGrantRetry);
  }
  for (const auto& [id, looks] : expected_exits_) {
    until(now + std::chrono::milliseconds(10) * (1 << std::min(looks, 8)));
  }
  // Where none can begin, what is due would wake it again and again.
  if (can_refresh()) {
    for (const auto& due : {shop_.tokens.due(uid_), refresh_at_}) {
      until(due.value_or(now + kLookAgain));
    }
  }
  for (const auto& [name, memory] : memory_.containers) {
    if (memory.waiting && memory.waiting->reason == "ErrImagePull") {
      until(memory.waiting_since + kPullErrorShown);
    }
  }
  return pause;
}

Task<void> PodWorker::execute(std::shared_ptr<PodWorker> self, Action action) {
  switch (action.verb) {
    case Verb::prepare:
      co_await self->prepare();
      break;
    case Verb::run_sandbox:
      co_await self->run_sandbox(action);
      break;
    case Verb::start_container:
      co_await self->start_container(action);
      break;
    case Verb::keep_root:
      co_await self->keep_root(action);
      break;
    case Verb::stop_container:
      co_await self->stop_container(action);
      break;
    case Verb::pause_container:
      co_await self->pause_container(action, true);
      break;
    case Verb::resume_container:
      co_await self->pause_container(action, false);
      break;
    case Verb::resize_container:
      co_await self->resize_container(action);
      break;
    case Verb::stop_sandbox:
      co_await self->stop_sandbox(action);
      break;
    case Verb::release:
      co_await self->release();
      break;
    case Verb::remove:
      co_await self->remove();
      break;
  }
  self->memory_.busy.erase(action.key());
  ++self->actions_done_;
  self->wake();
}

Task<void> PodWorker::refresh_task(std::shared_ptr<PodWorker> self) {
  co_await self->refresh();
  self->memory_.busy.erase("refresh");
  ++self->actions_done_;
  self->wake();  // an end waits for it
}

Sources PodWorker::sources() const {
  Sources out;
  out.config_map = [&objects = shop_.objects](std::string_view ns, std::string_view name) {
    return objects.document("configmaps", ns, name);
  };
  out.secret = [&objects = shop_.objects](std::string_view ns, std::string_view name) {
    return objects.document("secrets", ns, name);
  };
  for (const auto& service : shop_.objects.all("services")) {
    if (service.key.ns == key_.ns ||
        (service.key.ns == "default" && service.key.name == "kubernetes")) {
      out.services.push_back(service.document);
    }
  }
  return out;
}

}  // namespace tetrarch::agent

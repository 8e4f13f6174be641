// SPDX-License-Identifier: Apache-2.0
#include "sim/pod_host.h"

#include <algorithm>
#include <charconv>

#include <fmt/format.h>

#include "agent/status.h"

namespace tetrarch::sim {
namespace {

using agent::Action;
using agent::Verb;
using agent::runtime::Container;
using agent::runtime::ContainerState;

/// How long its containers run before they end by themselves; absent: for ever.
constexpr const char* kRunsFor = "sim.tetrarch.dev/runs-for";
constexpr seconds kRetry{2};

views::PodView view_of(const Stored& pod) {
  return views::PodView(pod.root());
}

/// The control plane has taken it out of its services: it did not hear from this machine.
bool is_given_up(object::View pod) {
  for (const auto condition : pod["status"]["conditions"].elements()) {
    if (condition["type"].string() == "Ready") {
      return condition["status"].string() == "False" &&
             condition["reason"].string() == "NodeNotReady";
    }
  }
  return false;
}

bool is_to_end(const Stored& pod, const agent::PodMemory& memory) {
  return memory.is_gone || memory.failed || agent::is_final(pod.root()) ||
         !view_of(pod).metadata().deletion_timestamp().empty();
}

}  // namespace

PodHost::PodHost(Parts parts, std::string machine, std::string address, Chance chance)
    : parts_(parts),
      machine_(std::move(machine)),
      address_(std::move(address)),
      chance_(chance),
      things_(std::make_unique<async::TaskGroup>(parts.executor, "sim")) {}

void PodHost::begin_agent() {
  agent_ = std::make_unique<async::TaskGroup>(parts_.executor, "sim");
  agent_->spawn(write_statuses(life_));
  std::vector<std::string> all;
  for (const auto& [uid, worker] : workers_) {
    all.push_back(uid);
  }
  for (const auto& uid : all) {
    look_at(uid);
  }
}

Task<void> PodHost::end_agent() {
  ++life_;
  if (agent_) {
    co_await agent_->stop();
    agent_.reset();
  }
  telling_.clear();
  is_listing_ = false;
  for (auto& [uid, worker] : workers_) {
    worker.memory = {};
    worker.status = nullptr;
    worker.wake.reset();
    worker.is_adopted = false;
  }
}

Task<void> PodHost::power_off(bool loses_disk) {
  co_await things_->stop();
  things_ = std::make_unique<async::TaskGroup>(parts_.executor, "sim");
  for (auto& [uid, worker] : workers_) {
    for (auto& [name, attempts] : worker.seen.containers) {
      exit_container(worker, name, 137, EndCause::rebooted);
    }
    if (worker.seen.sandbox) {
      worker.seen.sandbox->is_ready = false;
    }
  }
  if (loses_disk) {
    workers_.clear();
  }
}

void PodHost::set_cidr(std::string_view cidr) {
  network_ = cidr.substr(0, cidr.rfind('.') + 1);
}

std::set<std::string> PodHost::running() const {
  std::set<std::string> out;
  for (const auto& [uid, worker] : workers_) {
    for (const auto& [name, attempts] : worker.seen.containers) {
      if (attempts.current && attempts.current->state == ContainerState::running) {
        out.insert(uid);
      }
    }
  }
  return out;
}

void PodHost::begin_relist() {
  is_listing_ = true;
  listed_.clear();
}

void PodHost::apply(const client::WatchEvent& event) {
  if (event.type == client::EventType::bookmark) {
    if (!std::exchange(is_listing_, false)) {
      return;
    }
    std::vector<std::string> gone;
    for (const auto& [uid, worker] : workers_) {
      if (!listed_.contains(uid)) {
        gone.push_back(uid);
      }
    }
    for (const auto& uid : gone) {
      workers_[uid].memory.is_gone = true;
      look_at(uid);
    }
    return;
  }
  const std::string uid(event.object.uid());
  if (event.type == client::EventType::deleted) {
    if (const auto at = workers_.find(uid); at != workers_.end()) {
      at->second.memory.is_gone = true;
      look_at(uid);
    }
    return;
  }
  listed_.insert(uid);
  take_pod(event.object);
}

void PodHost::take_pod(const Stored& pod) {
  const std::string uid(pod.uid());
  auto& worker = workers_[uid];
  const bool has_ended = worker.pod.document && agent::is_final(worker.pod.root());
  if (has_ended && !agent::is_final(pod.root())) {
    // The server has not heard of the end: it is told again.
    const std::string status(worker.pod.root()["status"].raw());
    worker.pod = Stored{pod.key, pod.revision, agent::with_status(pod.root(), status)};
    telling_[uid] = {pod.key, status};
    has_telling_.raise();
  } else if (!worker.pod.document || worker.pod.revision <= pod.revision) {
    worker.pod = pod;
  }
  if (is_given_up(worker.pod.root())) {
    worker.status = nullptr;  // told again
  }
  worker.memory.retry_at.reset();
  look_at(uid);
}

/// The agent's turn: what is known, what is to be done, what is to be told.
void PodHost::look_at(const std::string& uid) {
  const auto at = workers_.find(uid);
  if (!agent_ || at == workers_.end()) {
    return;
  }
  auto& worker = at->second;
  const auto now = parts_.clock.now();
  note_states(worker);
  const auto plan = agent::plan(view_of(worker.pod), worker.seen, worker.memory, now);
  for (const auto& action : plan.actions) {
    worker.memory.busy.insert(action.key());
    agent_->spawn(act(uid, action, life_));
  }
  if (plan.wake && (!worker.wake || *plan.wake < *worker.wake)) {
    worker.wake = plan.wake;
    agent_->spawn(look_later(uid, *plan.wake, life_));
  }
  tell(uid, worker);
  forget_done(uid);
}

void PodHost::forget_done(const std::string& uid) {
  const auto at = workers_.find(uid);
  if (at->second.memory.is_finished && at->second.memory.is_gone) {
    workers_.erase(at);
    telling_.erase(uid);
  }
}

void PodHost::note_states(Worker& worker) {
  auto& memory = worker.memory;
  const auto pod = view_of(worker.pod);
  if (!memory.started) {
    memory.started =
        parse_time(pod.status().view()["startTime"].string()).value_or(parts_.clock.now());
    memory.facts.host_ip = address_;
  }
  if (worker.seen.sandbox && worker.seen.sandbox->is_ready) {
    memory.is_prepared = true;
    memory.facts.pod_ips = worker.seen.sandbox->addresses;
    memory.facts.pod_ip = memory.facts.pod_ips.front();
  }
  for (const auto container : pod.spec().containers()) {
    note_state(worker, container);
  }
  const auto metadata = pod.metadata();
  if (!metadata.deletion_timestamp().empty() && !memory.ending_since) {
    memory.ending_since = parts_.clock.now();
    memory.ending_grace = agent::grace_of(pod, memory);
  }
  worker.is_adopted = true;
}

/// As agent/worker.cc does it, for containers without probes.
void PodHost::note_state(Worker& worker, views::ContainerView container) {
  auto& memory = worker.memory.containers[std::string(container.name())];
  for (const auto entry : worker.pod.root()["status"]["containerStatuses"].elements()) {
    if (!worker.is_adopted && entry["name"].string() == container.name() &&
        !entry["containerID"].string().empty()) {
      memory.restarts_told = static_cast<int>(entry["restartCount"].integer());
    }
  }
  const auto at = worker.seen.containers.find(container.name());
  if (at == worker.seen.containers.end() || !at->second.current) {
    return;
  }
  const auto& current = *at->second.current;
  const auto restarts = static_cast<int>(agent::restarts_of(current));
  memory.restarts_told = std::max(memory.restarts_told, restarts);
  if (!worker.is_adopted) {
    memory.backoff.adopt(restarts);
  }
  if (memory.enacted_id != current.id) {
    memory.enacted_id = current.id;
    memory.enacted = Document::from_canonical(std::string(container.resources().view().raw()));
  }
  memory.is_ready = current.state == ContainerState::running;
  memory.has_started = memory.is_ready;
}

void PodHost::tell(const std::string& uid, Worker& worker) {
  if (worker.memory.is_gone) {
    return;
  }
  const auto before = worker.status ? worker.status->root() : worker.pod.root()["status"];
  auto status =
      agent::status_of(view_of(worker.pod), before, worker.seen, worker.memory, parts_.clock.now());
  const bool is_known = status == worker.pod.root()["status"].raw();
  if (is_known || (worker.status && worker.status->bytes() == status)) {
    return;
  }
  auto document = Document::from_canonical(std::string(status));
  const auto phase = document->root()["phase"].string();
  if (phase == "Succeeded" || phase == "Failed") {
    worker.pod.document = agent::with_status(worker.pod.root(), status);
  }
  worker.status = std::move(document);
  telling_[uid] = {worker.pod.key, std::move(status)};
  has_telling_.raise();
}

Task<void> PodHost::look_later(std::string uid, TimePoint when, std::uint64_t life) {
  co_await async::sleep_for(
      std::max<std::chrono::nanoseconds>(when - parts_.clock.now(), milliseconds(1)));
  if (const auto at = workers_.find(uid); life == life_ && at != workers_.end()) {
    at->second.wake.reset();
    look_at(uid);
  }
}

milliseconds PodHost::duration_of(const Action& action) {
  switch (action.verb) {
    case Verb::run_sandbox:
      return chance_.between(milliseconds(50), milliseconds(300));
    case Verb::start_container:
      return chance_.between(milliseconds(50), milliseconds(chance_.one_in(10) ? 4000 : 400));
    case Verb::stop_container:
      return std::min<milliseconds>(action.grace,
                                    chance_.between(milliseconds(20), milliseconds(3000)));
    default:
      return chance_.between(milliseconds(1), milliseconds(50));
  }
}

Task<void> PodHost::act(std::string uid, Action action, std::uint64_t life) {
  co_await async::sleep_for(duration_of(action));
  if (life != life_) {
    co_return;
  }
  if (action.verb == Verb::remove) {
    co_await remove(uid, life);
    co_return;
  }
  const auto at = workers_.find(uid);
  if (at == workers_.end()) {
    co_return;
  }
  carry_out(at->second, action);
  at->second.memory.busy.erase(action.key());
  look_at(uid);
}

void PodHost::carry_out(Worker& worker, const Action& action) {
  switch (action.verb) {
    case Verb::prepare:
      worker.memory.is_prepared = true;
      break;
    case Verb::run_sandbox:
      run_sandbox(worker, action);
      break;
    case Verb::start_container:
      start_container(worker, action);
      break;
    case Verb::stop_container:
      stop_container(worker, action);
      break;
    case Verb::stop_sandbox:
      worker.seen.sandbox->is_ready = false;
      break;
    case Verb::release:
      worker.memory.is_released = true;
      break;
    default:
      break;
  }
}

/// Only once nothing of it runs is the pod taken out of the API.
Task<void> PodHost::remove(std::string uid, std::uint64_t life) {
  auto at = workers_.find(uid);
  if (at == workers_.end()) {
    co_return;
  }
  bool is_done = at->second.memory.is_gone;
  if (!is_done) {
    client::DeleteOptions options;
    options.grace_seconds = 0;
    options.expected_uid = uid;
    const auto key = at->second.pod.key;
    const auto removed = co_await parts_.client.remove(key, std::move(options));
    is_done = removed.ok() || removed.error().code == Code::not_found ||
              removed.error().code == Code::conflict || removed.error().code == Code::precondition;
    at = workers_.find(uid);
    if (life != life_ || at == workers_.end()) {
      co_return;
    }
  }
  auto& memory = at->second.memory;
  memory.busy.erase("remove");
  if (is_done) {
    at->second.seen = {};
    memory.is_finished = true;
  } else {
    memory.retry_at = parts_.clock.now() + kRetry;
  }
  look_at(uid);
}

std::string PodHost::free_address() const {
  std::set<std::string> used;
  for (const auto& [uid, worker] : workers_) {
    if (worker.seen.sandbox) {
      used.insert(worker.seen.sandbox->addresses.begin(), worker.seen.sandbox->addresses.end());
    }
  }
  for (std::uint64_t i = 0; i < 250; ++i) {
    auto address = fmt::format("{}{}", network_, 2 + (made_ + i) % 250);
    if (!used.contains(address)) {
      return address;
    }
  }
  return {};
}

void PodHost::run_sandbox(Worker& worker, const Action& action) {
  auto address = network_.empty() ? std::string() : free_address();
  if (address.empty()) {
    worker.memory.sandbox_failure = agent::Reason{"FailedCreatePodSandBox", "no address"};
    worker.memory.retry_at = parts_.clock.now() + kRetry;
    return;
  }
  worker.memory.sandbox_failure.reset();
  agent::runtime::Sandbox sandbox;
  sandbox.id = fmt::format("{}-s{}", machine_, ++made_);
  sandbox.attempt = action.attempt;
  sandbox.is_ready = true;
  sandbox.created = parts_.clock.now();
  sandbox.addresses = {std::move(address)};
  worker.seen.sandbox = std::move(sandbox);
}

void PodHost::start_container(Worker& worker, const Action& action) {
  if (is_to_end(worker.pod, worker.memory) || !worker.seen.sandbox) {
    return;
  }
  auto& attempts = worker.seen.containers[action.container];
  auto& memory = worker.memory.containers[action.container];
  Container container;
  container.id = fmt::format("{}-c{}", machine_, ++made_);
  container.sandbox_id = worker.seen.sandbox->id;
  container.name = action.container;
  container.attempt = action.attempt;
  container.state = ContainerState::running;
  container.annotations[agent::runtime::kAnnotationRestarts] =
      std::to_string(memory.restarts_told + 1);
  container.created = parts_.clock.now();
  container.started = container.created;
  container.image = "simulated";
  container.image_ref = "simulated";
  if (attempts.current) {
    memory.backoff.restarted(attempts.current->finished.value_or(container.created) -
                             attempts.current->started.value_or(container.created));
    attempts.previous = std::move(attempts.current);
  }
  memory.waiting.reset();
  parts_.history.note(
      fmt::format("{} starts {} {}", machine_, worker.pod.key.name, action.container));
  parts_.invariants.started(machine_, worker.pod, action.container);
  const auto runs_for = worker.pod.metadata()["annotations"][kRunsFor].string();
  if (int length = 0; !runs_for.empty()) {
    std::from_chars(runs_for.data(), runs_for.data() + runs_for.size(), length);
    things_->spawn(finish_later(
        std::string(worker.pod.uid()), action.container, container.id, seconds(length)));
  }
  attempts.current = std::move(container);
}

void PodHost::stop_container(Worker& worker, const Action& action) {
  const auto& attempts = worker.seen.containers[action.container];
  if (attempts.current && attempts.current->id == action.id) {
    exit_container(worker,
                   action.container,
                   chance_.one_in(4) ? 137 : 0,
                   is_to_end(worker.pod, worker.memory) ? EndCause::told : EndCause::unasked);
  }
}

void PodHost::exit_container(Worker& worker, const std::string& name, int code, EndCause cause) {
  auto& current = worker.seen.containers[name].current;
  if (!current || current->state != ContainerState::running) {
    return;
  }
  current->state = ContainerState::exited;
  current->exit_code = code;
  current->finished = parts_.clock.now();
  parts_.history.note(
      fmt::format("{} ends {} {} with {}", machine_, worker.pod.key.name, name, code));
  parts_.invariants.ended(worker.pod, name, cause);
}

Task<void> PodHost::finish_later(std::string uid,
                                 std::string container,
                                 std::string id,
                                 seconds after) {
  const auto* const here = things_.get();
  co_await async::sleep_for(after);
  const auto at = workers_.find(uid);
  if (here != things_.get() || at == workers_.end()) {
    co_return;
  }
  const auto& current = at->second.seen.containers[container].current;
  if (current && current->id == id && current->state == ContainerState::running) {
    exit_container(at->second, container, chance_.one_in(8) ? 1 : 0, EndCause::finished);
    look_at(uid);
  }
}

bool PodHost::crash_one() {
  return end_one(1, EndCause::finished);
}

bool PodHost::stop_one() {
  return end_one(0, EndCause::unasked);
}

bool PodHost::end_one(int code, EndCause cause) {
  const auto all = running();
  if (all.empty()) {
    return false;
  }
  const auto uid = *std::next(all.begin(), static_cast<std::ptrdiff_t>(chance_.below(all.size())));
  auto& worker = workers_[uid];
  for (auto& [name, attempts] : worker.seen.containers) {
    exit_container(worker, name, code, cause);
  }
  look_at(uid);
  return true;
}

}  // namespace tetrarch::sim

// SPDX-License-Identifier: Apache-2.0
// The rounds of UnitKeeper: look, decide, unload, load, reload once, stop, start.
#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/runtime/on_pool.h"
#include "agent/unit_keeper.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

using std::chrono::seconds;

constexpr seconds kRetryFirst{1};
constexpr seconds kRetryLast{60};
constexpr seconds kDeleteRetry{2};

UnitNote note_of(const UnitPod& unit) {
  UnitNote note;
  note.unit = unit.wish.name;
  note.uid = unit.uid();
  note.ns = unit.pod.key.ns;
  note.pod = unit.pod.key.name;
  note.hash = unit.facts.placed_hash;
  note.is_launched = unit.facts.is_launched;
  note.restarts = unit.facts.launched_restarts;
  return note;
}

/// Refused, and not deleted yet: nothing is to be done.
bool is_over(const UnitPod& unit) {
  return unit.is_finishing || (unit.refused && !unit.facts.is_placed && !unit.is_gone &&
                               !unit.pod.metadata()["deletionTimestamp"].exists());
}

}  // namespace

/// True where something was done: what follows from it is decided at once.
Task<bool> UnitKeeper::round() {
  const auto looked = co_await refresh();
  if (!looked.ok()) {
    log::debug("agent", "{}", looked.error().message);
    co_return false;
  }
  auto steps = decide();
  const auto placed = co_await load_and_unload(steps[UnitStep::unload], steps[UnitStep::load]);
  if (!placed.ok()) {
    log::warning("agent", "systemd has not reloaded: {}", placed.error().message);
  }
  for (const auto& unit : steps[UnitStep::stop]) {
    co_await stop(*unit);
  }
  for (const auto& unit : steps[UnitStep::kill]) {
    co_await kill(*unit);
  }
  for (const auto& unit : steps[UnitStep::start]) {
    co_await start(*unit);
  }
  steps.erase(UnitStep::rest);
  steps.erase(UnitStep::finish);
  co_return std::any_of(
      steps.begin(), steps.end(), [](const auto& entry) { return !entry.second.empty(); });
}

/// Of two Pods of one unit the second waits until the first has left.
void UnitKeeper::find_holders() {
  std::map<std::string, std::string> holders;  // unit -> uid of the Pod that has it
  for (const auto& [uid, unit] : units_) {
    if (unit->facts.is_placed) {
      holders[unit->wish.name] = uid;
    }
  }
  for (const auto& [uid, unit] : units_) {
    if (!unit->facts.is_placed && !unit->facts.is_ending) {
      const auto at = holders.emplace(unit->wish.name, uid).first;
      unit->facts.is_name_taken = at->second != uid;
    }
  }
}

std::map<UnitStep, UnitKeeper::Units> UnitKeeper::decide() {
  find_holders();
  std::map<UnitStep, Units> out;
  const auto now = with_.clock.now();
  for (const auto& [uid, unit] : units_) {
    if (!is_over(*unit)) {
      out[next_step(unit->facts, now).step].push_back(unit);
    }
  }
  return out;
}

/// What signals have told of, or everything.
Task<Status> UnitKeeper::refresh() {
  const auto names = std::exchange(changed_units_, {});
  const bool is_all = std::exchange(is_all_changed_, false);
  Units wanted;
  for (const auto& [uid, unit] : units_) {
    if (unit->facts.is_placed && (is_all || names.contains(unit->wish.name))) {
      wanted.push_back(unit);
    }
  }
  auto looked = co_await look_at(std::move(wanted));
  is_all_changed_ |= !looked.ok();
  co_return looked;
}

Task<Status> UnitKeeper::look_at(Units units) {
  if (units.empty()) {
    co_return ok();
  }
  std::map<std::string, Unit> by_name;
  std::vector<std::string> names;
  for (const auto& unit : units) {
    by_name[unit->wish.name] = unit;
    names.push_back(unit->wish.name);
  }
  const auto systemd = systemd_;
  if (!systemd) {
    co_return Error{Code::unavailable, "no systemd"};
  }
  CO_TRY(const auto states, co_await systemd->states(std::move(names)));
  for (const auto& state : states) {
    const auto at = by_name.find(state.name);
    if (at == by_name.end()) {
      continue;
    }
    if (state.name.ends_with(".service") && state.load != "not-found") {
      CO_TRY(at->second->main, co_await systemd->main_process(state.name));
    }
    note_state(*at->second, state);
  }
  co_return ok();
}

void UnitKeeper::note_state(UnitPod& unit, const systemd::UnitState& state) {
  auto& facts = unit.facts;
  const bool has_failed = state.active == "failed" && unit.seen.active != "failed";
  const bool is_first = unit.seen.active.empty();
  unit.seen = state;
  unit.is_told = false;
  facts.active = state.active;
  if (state.load == "not-found" && !facts.must_repair) {
    log::warning("agent", "systemd does not know unit {} any more", unit.wish.name);
    facts.must_repair = true;
    facts.is_launched = facts.is_launched && is_up(state.active);
  }
  if (has_failed && !is_first) {
    with_.events.warning(
        subject(unit), "UnitFailed", fmt::format("unit {} has failed ({})", state.name, state.sub));
  }
  if (is_stop_done(facts)) {
    note_stopped(unit);
  }
}

void UnitKeeper::note_stopped(UnitPod& unit) {
  unit.facts.stop_asked.reset();
  unit.facts.killed.reset();
  unit.facts.is_launched = false;
  unit.is_noted = false;
  with_.events.normal(subject(unit), "UnitStopped", fmt::format("stopped unit {}", unit.wish.name));
}

/// One reload for all of them.
Task<Status> UnitKeeper::load_and_unload(Units unloads, Units loads) {
  if (unloads.empty() && loads.empty()) {
    co_return ok();
  }
  for (const auto& unit : unloads) {
    const auto done = co_await unload(*unit);
    if (!done.ok()) {
      fail(*unit, {"UnitNotUnloaded", done.error().message});
    }
  }
  Units loaded;
  for (const auto& unit : loads) {
    const auto done = co_await load(*unit);
    if (done.ok()) {
      loaded.push_back(unit);
    } else {
      fail(*unit, {"UnitNotLoaded", done.error().message});
    }
  }
  if (unloads.empty() && loaded.empty()) {
    co_return ok();
  }
  const auto systemd = systemd_;
  if (!systemd) {
    co_return Error{Code::unavailable, "no systemd"};
  }
  auto reloaded = co_await systemd->reload();
  if (reloaded.ok()) {
    reloaded = co_await look_at(loaded);
  }
  for (const auto& unit : loaded) {
    if (!reloaded.ok()) {
      unit->facts.must_repair = true;
      fail(*unit, {"UnitNotLoaded", reloaded.error().message});
      continue;
    }
    if (unit->facts.must_repair) {  // a link that leads to nothing; a kind that has no files
      fail(*unit, {"UnitNotLoaded", "systemd does not find the unit after a reload"});
      continue;
    }
    unit->failure.reset();
    unit->failures = 0;
    with_.events.normal(
        subject(*unit), "UnitLoaded", fmt::format("loaded unit {}", unit->wish.name));
  }
  co_return reloaded;
}

Task<Status> UnitKeeper::unload(UnitPod& unit) {
  const auto systemd = systemd_;
  if (!systemd) {
    co_return Error{Code::unavailable, "no systemd"};
  }
  const std::string name = unit.wish.name;
  auto taken = co_await systemd->disable(name);
  if (taken.ok() && !unit.facts.is_foreign) {
    taken = co_await systemd->reset_failed(name);
  }
  // Where it was never linked, its name may be one that systemd does not even know how to refuse.
  if (!taken.ok() && !unit.facts.must_repair) {
    co_return taken;
  }
  auto work = [files = files_, name] { return files.remove(name); };
  CO_TRY_STATUS(co_await runtime::on_pool(with_.blocking, std::move(work)));
  unit.facts.is_placed = false;
  unit.facts.placed_hash.clear();
  unit.facts.active.clear();
  unit.seen = {};
  unit.is_told = false;
  with_.events.normal(subject(unit), "UnitUnloaded", fmt::format("unloaded unit {}", name));
  co_return ok();
}

/// Code::precondition: the machine has a unit of that name that is none of ours.
Task<Status> UnitKeeper::check_own(const UnitPod& unit) {
  const auto systemd = systemd_;
  if (!systemd) {
    co_return Error{Code::unavailable, "no systemd"};
  }
  const std::string name = unit.wish.name;
  CO_TRY(const auto found, co_await systemd->fragment(name));
  auto work = [found, name, ours = files_.file(name)] {
    return agent::check_own(found, name, ours);
  };
  co_return co_await runtime::on_pool(with_.blocking, std::move(work));
}

Task<Status> UnitKeeper::load(UnitPod& unit) {
  const auto systemd = systemd_;
  if (!systemd) {
    co_return Error{Code::unavailable, "no systemd"};
  }
  const std::string name = unit.wish.name;
  CO_TRY_STATUS(co_await check_own(unit));
  unit.facts.is_foreign = false;
  if (unit.facts.is_placed) {
    CO_TRY_STATUS(co_await systemd->disable(name));  // what its former text had installed
  }
  auto note = note_of(unit);
  note.hash = unit.wish.hash;
  auto work = [files = files_, note, text = unit.wish.text]() -> Status {
    return files.place(note, text);
  };
  CO_TRY_STATUS(co_await runtime::on_pool(with_.blocking, std::move(work)));
  unit.facts.is_placed = true;
  unit.facts.must_repair = true;  // until it is linked
  unit.facts.placed_hash = note.hash;
  const auto file = files_.file(name);
  CO_TRY_STATUS(co_await systemd->link(file));
  if (unit.wish.has_install) {
    CO_TRY_STATUS(co_await systemd->enable(name));
  }
  unit.facts.must_repair = false;
  co_return ok();
}

/// check_own() for what is to be stopped: what is none of ours is not stopped, now or later.
Task<Status> UnitKeeper::find_own(UnitPod& unit) {
  auto own = co_await check_own(unit);
  if (!own.ok() && own.error().code == Code::precondition) {
    unit.facts.is_foreign = true;
    unit.facts.is_launched = false;
    unit.facts.stop_asked.reset();
    unit.facts.killed.reset();
    unit.is_noted = false;
    with_.events.warning(subject(unit), "UnitNotStopped", own.error().message);
  }
  co_return own;
}

Task<void> UnitKeeper::stop(UnitPod& unit) {
  const auto systemd = systemd_;
  if (!systemd) {
    co_return;
  }
  auto asked = co_await find_own(unit);
  if (unit.facts.is_foreign) {
    co_return;
  }
  if (asked.ok()) {
    asked = co_await systemd->stop(unit.wish.name);
  }
  if (!asked.ok()) {
    fail(unit, {"UnitNotStopped", asked.error().message});
    co_return;
  }
  unit.facts.stop_asked = with_.clock.now();
  changed_units_.insert(unit.wish.name);
  changed_.raise();
}

/// With another stop: what another unit, a timer or a socket has started since has taken the first
/// one out of systemd's queue, and what is killed then is only started once more.
Task<void> UnitKeeper::kill(UnitPod& unit) {
  const auto systemd = systemd_;
  if (!systemd) {
    co_return;
  }
  unit.facts.killed = with_.clock.now();
  changed_units_.insert(unit.wish.name);
  const auto own = co_await find_own(unit);
  if (!own.ok()) {
    log::warning("agent", "unit {}: {}", unit.wish.name, own.error().message);
    co_return;
  }
  const auto asked = co_await systemd->stop(unit.wish.name);
  if (!asked.ok()) {
    log::warning("agent", "unit {}: {}", unit.wish.name, asked.error().message);
  }
  with_.events.warning(subject(unit),
                       "UnitKilled",
                       fmt::format("unit {} has not stopped within {} s: killing its processes",
                                   unit.wish.name,
                                   unit.facts.grace.count()));
  const auto killed = co_await systemd->kill(unit.wish.name);
  if (!killed.ok()) {
    log::warning("agent", "unit {}: {}", unit.wish.name, killed.error().message);
  }
  changed_units_.insert(unit.wish.name);
}

Task<void> UnitKeeper::start(UnitPod& unit) {
  const auto systemd = systemd_;
  if (!systemd) {
    co_return;
  }
  const std::string name = unit.wish.name;
  const auto restarts = unit.facts.restarts;
  const auto asked = co_await systemd->start(name);
  if (!asked.ok()) {
    fail(unit, {"UnitNotStarted", asked.error().message});
    co_return;
  }
  unit.facts.is_launched = true;
  unit.facts.launched_restarts = restarts;
  unit.failure.reset();
  unit.failures = 0;
  unit.facts.retry_at.reset();
  unit.is_told = false;
  unit.is_noted = false;
  with_.events.normal(subject(unit), "UnitStarted", fmt::format("started unit {}", name));
  changed_units_.insert(name);
}

/// It is tried again later, and later each time; others do not wait for it.
void UnitKeeper::fail(UnitPod& unit, Reason why) {
  const auto pause = std::min(kRetryFirst * (1 << std::min(unit.failures, 6)), kRetryLast);
  ++unit.failures;
  unit.facts.retry_at = with_.clock.now() + pause;
  with_.events.warning(subject(unit), why.reason, why.message);
  unit.failure = std::move(why);
  unit.is_told = false;
}

/// After the deed: one that is not noted is done again by the next process, and changes nothing.
Task<void> UnitKeeper::write_notes() {
  std::vector<UnitNote> notes;
  for (const auto& [uid, unit] : units_) {
    if (!std::exchange(unit->is_noted, true) && unit->facts.is_placed) {
      notes.push_back(note_of(*unit));
    }
  }
  if (notes.empty()) {
    co_return;
  }
  auto work = [files = files_, notes]() -> Status {
    for (const auto& note : notes) {
      TRY_STATUS(files.write(note));
    }
    return ok();
  };
  const auto written = co_await runtime::on_pool(with_.blocking, std::move(work));
  if (!written.ok()) {
    log::warning("agent", "{}", written.error().message);
  }
}

/// Needs no systemd: nothing of them is here.
void UnitKeeper::finish_ended() {
  for (const auto& [uid, unit] : units_) {
    if (!is_over(*unit) && next_step(unit->facts, with_.clock.now()).step == UnitStep::finish) {
      unit->is_finishing = true;
      with_.tasks.spawn(remove_from_api(unit));
    }
  }
}

Task<void> UnitKeeper::remove_from_api(Unit unit) {
  const std::string uid = unit->uid();
  while (!unit->is_gone) {
    client::DeleteOptions options;
    options.grace_seconds = 0;
    options.expected_uid = uid;
    const auto removed = co_await with_.client.remove(unit->pod.key, options);
    if (removed.ok() || removed.error().code == Code::not_found ||
        removed.error().code == Code::precondition || removed.error().code == Code::conflict) {
      break;
    }
    co_await async::sleep_for(kDeleteRetry);
  }
  with_.statuses.forget(uid);
  units_.erase(uid);
  changed_.raise();
  if (with_.on_finished) {
    with_.on_finished();
  }
}

}  // namespace tetrarch::agent

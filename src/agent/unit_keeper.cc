// SPDX-License-Identifier: Apache-2.0
#include "agent/unit_keeper.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "agent/runtime/on_pool.h"
#include "agent/shutdown.h"
#include "agent/status.h"
#include "base/log.h"

namespace tetrarch::agent {
namespace {

using std::chrono::milliseconds;
using std::chrono::seconds;

constexpr milliseconds kConnectFirst{250};
constexpr milliseconds kConnectLast{10'000};
/// Nothing is missed for longer than this, whatever signals get lost.
constexpr seconds kLookAgain{60};
/// Where something is open: the last look failed, or the server has not said which Pods there are.
constexpr seconds kSoon{1};
// Source: as workers of containers: one taken out of the API by force waits for nobody.
constexpr seconds kGoneGrace{2};
// Source: Kubernetes documentation, terminationGracePeriodSeconds.
constexpr seconds kUsualGrace{30};

seconds grace_of_pod(const UnitPod& unit) {
  const auto metadata = unit.pod.metadata();
  if (metadata["deletionGracePeriodSeconds"].exists()) {
    return seconds(metadata["deletionGracePeriodSeconds"].integer());
  }
  if (unit.is_gone) {
    return kGoneGrace;
  }
  const auto own = unit.pod.root()["spec"]["terminationGracePeriodSeconds"];
  return own.exists() ? seconds(own.integer()) : kUsualGrace;
}

bool is_deleting(const UnitPod& unit) {
  return unit.is_gone || unit.refused || unit.pod.metadata()["deletionTimestamp"].exists();
}

}  // namespace

UnitKeeper::UnitKeeper(Parts parts) : with_(std::move(parts)), files_(with_.directory) {
  state_.message = with_.connect ? "not connected yet" : "this node is told to use no systemd";
  was_tried_ = !with_.connect;
}

const UnitPod* UnitKeeper::find(const std::string& uid) const {
  const auto at = units_.find(uid);
  return at == units_.end() ? nullptr : at->second.get();
}

Room UnitKeeper::reserved() const {
  Room out;
  for (const auto& [uid, unit] : units_) {
    const auto asked = request_of(views::PodView(unit->pod.root()));
    out.cpu_milli += asked.cpu_milli;
    out.memory_bytes += asked.memory_bytes;
  }
  return out;
}

void UnitKeeper::take(const Stored& pod) {
  const std::string uid(pod.uid());
  auto& unit = units_[uid];
  if (!unit) {
    unit = std::make_shared<UnitPod>();
    const auto started = parse_time(pod.root()["status"]["startTime"].string());
    unit->started = started.ok() ? *started : with_.clock.now();
    unit->last_status = pod.root()["status"].raw();
    unit->pod = pod;
    if (is_final(pod.root())) {
      const auto status = pod.root()["status"];
      unit->refused =
          Reason{std::string(status["reason"].string()), std::string(status["message"].string())};
      unit->is_told = true;
    }
    if (const auto at = orphans_.find(uid); at != orphans_.end()) {
      adopt_note(at->second);
      orphans_.erase(at);
    }
  }
  const auto generation = unit->pod.metadata()["generation"].integer();
  unit->is_told = unit->is_told && generation == pod.metadata()["generation"].integer();
  unit->pod = pod;
  if (is_given_up(pod.root()) && !unit->refused) {
    unit->last_status.clear();  // its conditions count from now
    unit->is_told = false;
  }
  apply_wish(*unit);
  changed_.raise();
}

/// The Pod's wishes as facts. One that makes no sense changes nothing of what runs.
void UnitKeeper::apply_wish(UnitPod& unit) {
  auto& facts = unit.facts;
  const auto before = facts;
  if (!unit.is_gone) {
    auto wish = read_wish(unit.pod.root());
    if (wish.ok() && !unit.wish.name.empty() && wish->name != unit.wish.name) {
      wish = Error{Code::invalid, fmt::format("a Pod of {} stays one of it", unit.wish.name)};
    }
    if (wish.ok()) {
      unit.wish = *std::move(wish);
      facts.hash = unit.wish.hash;
      facts.is_wanted = unit.wish.is_wanted;
      facts.restarts = unit.wish.restarts;
    } else if (facts.is_placed) {
      with_.events.warning(subject(unit), "InvalidUnit", wish.error().message);
    } else if (!unit.refused) {
      refuse(unit, {"InvalidUnit", wish.error().message});
    }
  }
  facts.is_ending = is_deleting(unit) || leaving_;
  facts.grace = leaving_ ? std::min(*leaving_, grace_of_pod(unit)) : grace_of_pod(unit);
  if (facts.hash != before.hash || facts.is_wanted != before.is_wanted ||
      facts.restarts != before.restarts || facts.is_ending != before.is_ending) {
    facts.retry_at.reset();  // what has failed is not what is asked for now
  }
}

void UnitKeeper::lose(const Key& key, std::string_view present_uid) {
  for (const auto& [uid, unit] : units_) {
    if (unit->pod.key == key && uid != present_uid) {
      unit->is_gone = true;
      apply_wish(*unit);
      changed_.raise();
    }
  }
}

void UnitKeeper::end_all(seconds grace) {
  leaving_ = grace;
  for (const auto& [uid, unit] : units_) {
    if (!unit->is_gone && !unit->refused) {
      refuse(*unit, {std::string(kShutdownReason), std::string(kShutdownMessage)});
    }
    apply_wish(*unit);
  }
  changed_.raise();
}

bool UnitKeeper::is_empty() const {
  return std::all_of(units_.begin(), units_.end(), [this](const auto& entry) {
    return !entry.second->facts.is_placed && entry.second->is_told &&
           !with_.statuses.is_waiting(entry.first);
  });
}

EventSubject UnitKeeper::subject(const UnitPod& unit) const {
  EventSubject out;
  out.ns = unit.pod.key.ns;
  out.name = unit.pod.key.name;
  out.uid = unit.uid();
  return out;
}

/// For good: the Pod has failed, and whoever made it may make another.
void UnitKeeper::refuse(UnitPod& unit, Reason why) {
  with_.events.warning(subject(unit), why.reason, why.message);
  unit.refused = std::move(why);
  unit.facts.is_ending = true;
  unit.is_told = false;
}

/// A Pod that this machine cannot run is not kept waiting; one that ran here before is.
void UnitKeeper::check_refusals(UnitPod& unit) {
  const bool is_new = !unit.facts.is_placed && !unit.refused && !unit.is_gone &&
                      unit.pod.root()["status"]["startTime"].string().empty();
  if (!is_new) {
    return;
  }
  if (leaving_) {
    refuse(unit, {std::string(kNotAdmittedReason), std::string(kNotAdmittedMessage)});
  } else if (was_tried_ && !was_reached_ && !systemd_) {
    refuse(unit, {"NoSystemd", fmt::format("this node runs no systemd units: {}", state_.message)});
  }
}

Task<void> UnitKeeper::adopt() {
  auto work = [files = files_, bus = with_.bus]() -> Result<std::vector<UnitNote>> {
    TRY_STATUS(files.prepare(bus));
    return files.read();
  };
  const auto notes = co_await runtime::on_pool(with_.blocking, std::move(work));
  if (!notes.ok()) {
    log::error("agent", "{}", notes.error().message);
    co_return;
  }
  for (const auto& note : *notes) {
    if (units_.contains(note.uid)) {
      adopt_note(note);
    } else {
      orphans_[note.uid] = note;
    }
  }
}

/// What an earlier process has done for the Pod.
void UnitKeeper::adopt_note(const UnitNote& note) {
  auto& unit = *units_.at(note.uid);
  auto& facts = unit.facts;
  unit.wish.name = note.unit;
  facts.is_placed = true;
  facts.placed_hash = note.hash;
  facts.must_repair = !note.is_whole;
  facts.is_launched = note.is_launched;
  facts.launched_restarts = note.restarts;
  changed_units_.insert(note.unit);
  apply_wish(unit);
}

/// Units of Pods that were deleted while no agent ran, once the server has said so.
void UnitKeeper::take_orphans() {
  if (!with_.objects.is_synced()) {
    return;
  }
  for (const auto& [uid, note] : std::exchange(orphans_, {})) {
    if (units_.contains(uid)) {
      continue;
    }
    log::info("agent", "unit {} belongs to no pod any more; unloading it", note.unit);
    auto unit = std::make_shared<UnitPod>();
    unit->pod.key = Key{"pods", note.ns, note.pod};
    unit->pod.document = Document::from_canonical(
        fmt::format(R"({{"metadata":{{"uid":"{}","deletionGracePeriodSeconds":{}}}}})",
                    uid,
                    kUsualGrace.count()));
    unit->is_gone = true;
    unit->is_told = true;
    units_[uid] = unit;
    adopt_note(note);
  }
}

Task<void> UnitKeeper::connect() {
  auto changed = [this](std::string unit) {
    is_all_changed_ |= unit.empty();
    changed_units_.insert(std::move(unit));
    changed_.raise();
  };
  auto made = co_await with_.connect(std::move(changed));
  Result<std::string> version = Error{Code::unavailable, ""};
  if (made.ok()) {
    version = co_await (*made)->version();
  }
  was_tried_ = true;
  if (!version.ok()) {
    note_lost();
    state_.message = made.ok() ? version.error().message : made.error().message;
    co_return;
  }
  systemd_ = *std::move(made);
  systemd_->on_end([this] { note_lost(); });
  was_reached_ = true;
  is_all_changed_ = true;
  state_ = {true, fmt::format("systemd {} runs units", *version)};
  log::info("agent", "{}", state_.message);
  with_.on_systemd();
}

void UnitKeeper::note_lost() {
  const bool was_there = std::exchange(state_.is_there, false);
  systemd_.reset();
  state_.message = "the connection to systemd has ended";
  if (was_there) {
    log::warning("agent", "{}", state_.message);
  }
  with_.on_systemd();
  changed_.raise();
}

Task<void> UnitKeeper::run() {
  co_await adopt();
  milliseconds pause = kConnectFirst;
  while (true) {
    if (!systemd_ && with_.connect) {
      co_await connect();
    }
    take_orphans();
    bool has_more = false;
    if (systemd_) {
      pause = kConnectFirst;
      has_more = co_await round();
      co_await write_notes();
    }
    for (const auto& [uid, unit] : units_) {
      check_refusals(*unit);
    }
    report();
    finish_ended();
    if (!systemd_ && with_.connect) {
      co_await async::sleep_for(pause);
      pause = std::min(pause * 2, kConnectLast);
    } else if (!has_more) {
      co_await changed_.wait_for(time_to_wait());
    }
  }
}

std::chrono::nanoseconds UnitKeeper::time_to_wait() const {
  std::chrono::nanoseconds out = orphans_.empty() && !is_all_changed_ ? kLookAgain : kSoon;
  const auto now = with_.clock.now();
  for (const auto& [uid, unit] : units_) {
    if (const auto wake = next_step(unit->facts, now).wake) {
      out = std::min<std::chrono::nanoseconds>(out, *wake - now);
    }
  }
  return std::max<std::chrono::nanoseconds>(out, milliseconds(1));
}

void UnitKeeper::report() {
  for (const auto& [uid, unit] : units_) {
    // Of what runs and cannot be seen now nothing is said: it would be taken for stopped.
    const bool is_known = !unit->facts.is_placed || !unit->seen.load.empty() || unit->failure;
    if (!unit->is_told && !unit->is_gone && is_known) {
      report_one(*unit);
    }
  }
}

void UnitKeeper::report_one(UnitPod& unit) {
  unit.is_told = true;
  const auto before = Document::from_canonical(unit.last_status.empty() ? "{}" : unit.last_status);
  auto text = unit_status(unit, before->root(), with_.host_ip, with_.clock.now());
  if (text != unit.last_status) {
    unit.last_status = text;
    with_.statuses.submit(unit.pod.key, unit.uid(), std::move(text));
  }
}

}  // namespace tetrarch::agent

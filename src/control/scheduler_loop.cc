// SPDX-License-Identifier: Apache-2.0
#include "control/scheduler_loop.h"

#include <fmt/format.h>

#include "base/log.h"
#include "object/tree.h"
#include "object/writer.h"
#include "reconcile/edit.h"
#include "schema/views/core.h"

namespace tetrarch::control {
namespace {

constexpr std::string_view kRoom = "scheduler";
// Source: kube-apiserver, pod strategy (1.31): a pod with gates.
constexpr std::string_view kGated = "SchedulingGated";
constexpr std::string_view kGatedMessage =
    "Scheduling is blocked due to non-empty scheduling gates";
constexpr std::string_view kUnschedulable = "Unschedulable";
constexpr std::string_view kBudgets = "poddisruptionbudgets.policy";
/// How long at most between two looks at pods that wait.
constexpr std::chrono::seconds kIdle{30};

bool is_ours(const Stored& pod) {
  const views::PodSpecView spec(pod.root()["spec"]);
  return spec.scheduler_name().empty() || spec.scheduler_name() == "default-scheduler";
}

/// Ours to place, now or once its gates are lifted.
bool is_pending(const Stored& pod) {
  const views::PodView view(pod.root());
  return view.spec().node_name().empty() && view.metadata().deletion_timestamp().empty() &&
         view.status().phase() != "Failed" && view.status().phase() != "Succeeded" && is_ours(pod);
}

bool is_gated(const Stored& pod) {
  return !views::PodSpecView(pod.root()["spec"]).scheduling_gates().empty();
}

bool is_told_of_gates(const Stored& pod) {
  for (const auto condition : views::PodView(pod.root()).status().conditions()) {
    if (condition.type() == "PodScheduled") {
      return condition.reason() == kGated;
    }
  }
  return false;
}

/// Source: Kubernetes API reference, Binding v1.
client::Change binding_of(const Stored& pod, const NodeName& node) {
  std::string json;
  object::Writer writer(json);
  writer.begin_object().field("kind", "Binding").field("apiVersion", "v1");
  writer.key("metadata").begin_object().field("name", pod.key.name).field("namespace", pod.key.ns);
  writer.field("uid", pod.uid()).end_object();
  writer.key("target")
      .begin_object()
      .field("kind", "Node")
      .field("apiVersion", "v1")
      .field("name", node.text);
  writer.end_object().end_object();
  client::Change change;
  change.verb = client::Change::Verb::create;
  change.key = pod.key;
  change.document = Document::from_canonical(std::move(json));
  change.write.subresource = "binding";
  change.write.expected_uid = pod.uid();
  change.write.field_manager = "tetrarch-scheduler";
  return change;
}

std::string_view nominated_node(const Stored& pod) {
  return pod.root()["status"]["nominatedNodeName"].string();
}

client::Change status_change(const Stored& pod, DocumentPtr document) {
  client::Change change;
  change.verb = client::Change::Verb::update;
  change.key = pod.key;
  change.document = std::move(document);
  change.write.subresource = "status";
  change.write.expected = pod.revision;
  change.write.expected_uid = pod.uid();
  return change;
}

void set_nomination(object::TreeObject& status, const NodeName& node) {
  if (node.text.empty()) {
    status.erase("nominatedNodeName");
  } else {
    status["nominatedNodeName"] = node.text;
  }
}

/// The pod without a node that is held for it.
client::Change unnominated(const Stored& pod) {
  reconcile::Edit edit(pod);
  set_nomination(edit.status(), {});
  return status_change(pod, edit.document());
}

/// Why a pod waits.
struct Wait {
  std::string_view reason;
  std::string_view message;
  NodeName nominated = {};  ///< empty: no node is being emptied for it
};

/// The pod with its condition PodScheduled set to False.
client::Change waiting(const Stored& pod, const Wait& why, TimePoint now) {
  object::Tree tree = object::to_tree(pod.root());
  auto& object = tree.as_object();
  if (!object["status"].is_object()) {
    object["status"] = object::TreeObject();
  }
  set_nomination(object["status"].as_object(), why.nominated);
  auto& conditions = object["status"].as_object()["conditions"];
  object::TreeArray kept;
  if (conditions.is_array()) {
    for (const auto& condition : conditions.as_array()) {
      if (condition.at("type") != "PodScheduled") {
        kept.push_back(condition);
      }
    }
  }
  object::TreeObject condition;
  condition["type"] = "PodScheduled";
  condition["status"] = "False";
  condition["lastProbeTime"] = nullptr;
  condition["lastTransitionTime"] = format_time(now);
  condition["reason"] = boost::json::string_view(why.reason.data(), why.reason.size());
  condition["message"] = boost::json::string_view(why.message.data(), why.message.size());
  kept.push_back(std::move(condition));
  conditions = std::move(kept);
  return status_change(pod, object::to_document(tree));
}

}  // namespace

SchedulerLoop::SchedulerLoop(Parts parts)
    : parts_(parts),
      evictor_(parts.client, parts.events, parts.clock),
      placed_count_(parts.metrics.counter("scheduler_placements_total", "Pods bound to a node.")),
      refused_count_(
          parts.metrics.counter("scheduler_refusals_total", "Attempts that found no node.")),
      evicted_count_(parts.metrics.counter("scheduler_evictions_total",
                                           "Pods that were evicted for more important ones.")),
      waiting_(parts.metrics.gauge("scheduler_waiting_pods", "Pods that fit nowhere at present.")) {
  parts_.cache.listen([this](const reconcile::Observed& change) { observe(change); });
  parts_.cache.on_progress([this] { work_.raise(); });
}

void SchedulerLoop::run(async::TaskGroup& group) {
  group.spawn(loop(group));
}

void SchedulerLoop::observe(const reconcile::Observed& change) {
  const Key& key = change.any().key;
  if (key.resource == "pods") {
    observe_pod(change);
  } else if (key.resource == "nodes") {
    if (change.after != nullptr) {
      cluster_.upsert_node(*change.after);
    } else {
      cluster_.remove_node(key.name);
    }
  } else if (key.resource == kBudgets) {
    if (change.after != nullptr) {
      cluster_.upsert_budget(*change.after);
    } else {
      cluster_.remove_budget(key);
    }
  }
}

void SchedulerLoop::observe_pod(const reconcile::Observed& change) {
  if (change.before != nullptr &&
      (change.after == nullptr || change.after->uid() != change.before->uid())) {
    cluster_.remove_pod(change.before->uid());
    queue_.remove(change.before->uid());
    refused_.erase(std::string(change.before->uid()));
    in_flight_.erase(std::string(change.before->uid()));
    gated_.erase(change.before->key);
  }
  if (change.after == nullptr) {
    return;
  }
  const Stored& pod = *change.after;
  note_gates(pod);
  if (!is_pending(pod) || is_gated(pod)) {
    queue_.remove(pod.uid());
    in_flight_.erase(std::string(pod.uid()));
    cluster_.upsert_pod(pod);
    return;
  }
  if (const auto flying = in_flight_.find(std::string(pod.uid())); flying != in_flight_.end()) {
    flying->second = pod;
  } else {
    cluster_.nominate(pod);
    queue_.upsert(pod);
  }
}

void SchedulerLoop::note_gates(const Stored& pod) {
  if (is_pending(pod) && is_gated(pod) && !is_told_of_gates(pod)) {
    gated_.insert_or_assign(pod.key, pod);
  } else {
    gated_.erase(pod.key);
  }
}

/// Whoever ran before us was stopped in the middle: what it had not heard of is done again.
void SchedulerLoop::take_back() {
  for (const auto& [uid, pod] : std::exchange(in_flight_, {})) {
    cluster_.forget(uid);
    cluster_.nominate(pod);
    queue_.upsert(pod);
  }
  for (const auto& [uid, preemptor] : std::exchange(leaving_, {})) {
    cluster_.spare(uid);
    queue_.nudge(preemptor);
  }
  refused_.clear();
  commits_ = 0;
}

Task<void> SchedulerLoop::loop(async::TaskGroup& group) {
  take_back();
  while (!parts_.cache.is_synced()) {
    co_await work_.wait();
  }
  while (true) {
    const auto next = queue_.wake(cluster_.room_version(), parts_.clock.now());
    waiting_.set(static_cast<std::int64_t>(queue_.asleep()));
    if (commits_ < kCommitsMax && (queue_.ready() > 0 || !gated_.empty())) {
      co_await schedule_batch(group);
      continue;
    }
    std::chrono::nanoseconds patience = kIdle;
    if (next) {
      patience = std::min<std::chrono::nanoseconds>(patience, *next - parts_.clock.now());
    }
    co_await work_.wait_for(
        std::max<std::chrono::nanoseconds>(patience, std::chrono::milliseconds(1)));
  }
}

Task<void> SchedulerLoop::schedule_batch(async::TaskGroup& group) {
  Turn turn;
  for (const auto& [key, pod] : std::exchange(gated_, {})) {
    turn.statuses.push_back(waiting(pod, {kGated, kGatedMessage}, parts_.clock.now()));
  }
  for (std::size_t i = 0; i < kBatchMax; ++i) {
    auto pod = queue_.pop();
    if (!pod) {
      break;
    }
    schedule(*std::move(pod), turn);
  }
  if (turn.statuses.empty() && turn.evictions.empty()) {
    ++commits_;
    group.spawn(commit_aside(std::move(turn.placements)));
    co_return;
  }
  co_await commit(std::move(turn.placements));
  // Nominations before evictions: whoever comes after us must know for whom room was made.
  co_await report(std::move(turn.statuses));
  co_await evict(std::move(turn.evictions));
}

void SchedulerLoop::schedule(Stored pod, Turn& turn) {
  auto decision = cluster_.place(pod);
  if (decision.is_placed()) {
    place(std::move(pod), std::move(decision.node), turn);
    return;
  }
  if (decision.awaits_room()) {
    await_room(pod, decision.held, turn);
    return;
  }
  const auto room = cluster_.make_room(pod);
  displace(room.displaced, turn);
  if (room.is_free) {
    place(std::move(pod), room.node, turn);
    return;
  }
  auto message = decision.explanation.text();
  if (!room.text.empty()) {
    message += fmt::format(" preemption: {}", room.text);
  }
  refuse(pod, std::move(message), room.node, turn);
  plan_evictions(pod, room, turn);
}

void SchedulerLoop::place(Stored pod, NodeName node, Turn& turn) {
  in_flight_.insert_or_assign(std::string(pod.uid()), pod);
  turn.placements.push_back({std::move(pod), std::move(node)});
}

Task<void> SchedulerLoop::commit_aside(std::vector<Placement> placements) {
  co_await commit(std::move(placements));
  --commits_;
  work_.raise();
}

Task<void> SchedulerLoop::commit(std::vector<Placement> placements) {
  if (placements.empty()) {
    co_return;
  }
  std::vector<client::Change> bindings;
  bindings.reserve(placements.size());
  for (const Placement& placement : placements) {
    bindings.push_back(binding_of(placement.pod, placement.node));
  }
  const auto answers = co_await parts_.client.apply(std::move(bindings));
  for (std::size_t i = 0; i < placements.size(); ++i) {
    settle(placements[i], answers[i]);
  }
}

void SchedulerLoop::settle(const Placement& placement, const Result<Stored>& answer) {
  const Stored& pod = placement.pod;
  const auto flown = in_flight_.extract(std::string(pod.uid()));
  if (answer.ok()) {
    placed_count_.add();
    refused_.erase(std::string(pod.uid()));
    parts_.events.record(reconcile::note_about(
        pod,
        reconcile::Note::Type::normal,
        "Scheduled",
        fmt::format(
            "Successfully assigned {}/{} to {}", pod.key.ns, pod.key.name, placement.node.text)));
    return;
  }
  cluster_.forget(pod.uid());
  if (flown.empty()) {
    return;  // bound by somebody else, or gone
  }
  cluster_.nominate(flown.mapped());
  // Tried again as it is now. One that was bound or deleted leaves the queue when the watch tells.
  queue_.retry_later(flown.mapped(), parts_.clock.now());
  const Code code = answer.error().code;
  if (code != Code::not_found && code != Code::conflict && code != Code::precondition) {
    log::warning(kRoom,
                 "binding {}/{} to {}: {}",
                 pod.key.ns,
                 pod.key.name,
                 placement.node.text,
                 answer.error().message);
  }
}

void SchedulerLoop::refuse(const Stored& pod,
                           std::string message,
                           const NodeName& nominated,
                           Turn& turn) {
  refused_count_.add();
  if (nominated.text.empty()) {
    queue_.put_aside(pod, cluster_.room_version(), parts_.clock.now());
  } else {
    queue_.await_room(pod, cluster_.room_version(), parts_.clock.now());
  }
  tell(pod, std::move(message), nominated, turn);
}

/// Nothing new for the user, unless nobody has told it in our time.
void SchedulerLoop::await_room(const Stored& pod, const NodeName& held, Turn& turn) {
  queue_.await_room(pod, cluster_.room_version(), parts_.clock.now());
  const auto told = refused_.find(std::string(pod.uid()));
  if (told != refused_.end()) {
    tell(pod, told->second, held, turn);
    return;
  }
  auto message = cluster_.explain(pod).text() +
                 " preemption: not eligible due to a terminating pod on the nominated node.";
  tell(pod, std::move(message), held, turn);
}

void SchedulerLoop::tell(const Stored& pod,
                         std::string message,
                         const NodeName& nominated,
                         Turn& turn) {
  auto& told = refused_[std::string(pod.uid())];
  const bool is_news = told != message;
  if (!is_news && nominated_node(pod) == nominated.text) {
    return;
  }
  if (is_news) {
    parts_.events.record(
        reconcile::note_about(pod, reconcile::Note::Type::warning, "FailedScheduling", message));
  }
  turn.statuses.push_back(waiting(pod, {kUnschedulable, message, nominated}, parts_.clock.now()));
  told = std::move(message);
}

void SchedulerLoop::plan_evictions(const Stored& pod, const schedule::Room& room, Turn& turn) {
  for (const auto& uid : room.victims) {
    const auto* victim = parts_.cache.mirror().by_uid(uid);
    if (victim == nullptr) {
      cluster_.spare(uid);
      queue_.nudge(pod.uid());
      continue;
    }
    leaving_.emplace(uid, pod.uid());
    turn.evictions.push_back({*victim, std::string(pod.uid()), room.node});
  }
}

/// A more important pod takes what was held for these.
void SchedulerLoop::displace(const std::vector<std::string>& uids, Turn& turn) {
  for (const auto& uid : uids) {
    queue_.nudge(uid);
    const auto* pod = parts_.cache.mirror().by_uid(uid);
    if (pod != nullptr && !nominated_node(*pod).empty()) {
      turn.statuses.push_back(unnominated(*pod));
    }
  }
}

Task<void> SchedulerLoop::report(std::vector<client::Change> statuses) {
  if (statuses.empty()) {
    co_return;
  }
  std::vector<std::string> uids;
  for (const auto& change : statuses) {
    uids.push_back(change.write.expected_uid);
  }
  const auto answers = co_await parts_.client.apply(std::move(statuses));
  for (std::size_t i = 0; i < answers.size(); ++i) {
    if (!answers[i].ok()) {
      refused_.erase(uids[i]);  // told again at the next attempt
    }
  }
}

Task<void> SchedulerLoop::evict(std::vector<Eviction> evictions) {
  // A pod that was deleted while its nomination was written needs no room.
  std::erase_if(evictions, [this](const Eviction& each) {
    const bool is_moot = !cluster_.is_nominated(each.preemptor_uid);
    if (is_moot) {
      stay(std::string(each.victim.uid()));
    }
    return is_moot;
  });
  const auto count = evictions.size();
  const auto kept = co_await evictor_.evict(std::move(evictions));
  for (const auto& uid : kept) {
    stay(uid);
  }
  leaving_.clear();
  evicted_count_.add(count - kept.size());
}

/// Whoever was to have its room looks for some once more.
void SchedulerLoop::stay(const std::string& victim_uid) {
  cluster_.spare(victim_uid);
  if (const auto leaving = leaving_.extract(victim_uid); !leaving.empty()) {
    queue_.nudge(leaving.mapped());
  }
}

}  // namespace tetrarch::control

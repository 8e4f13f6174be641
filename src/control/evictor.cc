// SPDX-License-Identifier: Apache-2.0
#include "control/evictor.h"

#include <utility>

#include <fmt/format.h>

#include "base/log.h"
#include "object/writer.h"
#include "reconcile/condition.h"
#include "reconcile/edit.h"

namespace tetrarch::control {
namespace {

constexpr std::string_view kRoom = "scheduler";

// Source: kube-scheduler, preemption (1.35), and the Kubernetes documentation, "Pod disruption
// conditions".
const reconcile::Condition kDisruption{
    .type = "DisruptionTarget",
    .status = "True",
    .reason = "PreemptionByScheduler",
    .message = "default-scheduler: preempting to accommodate a higher priority pod"};

client::Change telling(const Stored& pod, TimePoint now) {
  reconcile::Edit edit(pod);
  reconcile::set_condition(
      reconcile::Edit::array_in(edit.status(), "conditions"), kDisruption, now);
  client::Change change;
  change.verb = client::Change::Verb::update;
  change.key = pod.key;
  change.document = edit.document();
  change.write.subresource = "status";
  change.write.expected = pod.revision;
  change.write.expected_uid = pod.uid();
  return change;
}

/// The same, whatever else has changed.
std::string condition_patch(TimePoint now) {
  std::string json;
  object::Writer writer(json);
  writer.begin_object();
  writer.key("status").begin_object().key("conditions").begin_array().begin_object();
  writer.field("type", kDisruption.type).field("status", kDisruption.status);
  writer.field("reason", kDisruption.reason).field("message", kDisruption.message);
  writer.field("lastTransitionTime", format_time(now));
  writer.end_object().end_array().end_object().end_object();
  return json;
}

client::Change removing(const Stored& pod) {
  client::Change change;
  change.verb = client::Change::Verb::remove;
  change.key = pod.key;
  change.remove.expected_uid = pod.uid();
  return change;
}

bool is_stale(const Error& error) {
  return error.code == Code::conflict || error.code == Code::precondition;
}

void log_refusal(const Stored& victim, const Error& error) {
  log::warning(kRoom, "evicting {}/{}: {}", victim.key.ns, victim.key.name, error.message);
}

}  // namespace

Task<Result<Stored>> Evictor::tell_alone(Stored victim) {
  client::WriteOptions options;
  options.subresource = "status";
  options.expected_uid = victim.uid();
  auto body = condition_patch(clock_.now());
  auto answer = co_await client_.patch(
      victim.key, client::PatchType::strategic, std::move(body), std::move(options));
  co_return answer;
}

Task<std::vector<Eviction>> Evictor::tell(std::vector<Eviction> evictions,
                                          std::vector<std::string>* kept) {
  std::vector<client::Change> changes;
  changes.reserve(evictions.size());
  for (const Eviction& each : evictions) {
    changes.push_back(telling(each.victim, clock_.now()));
  }
  auto answers = co_await client_.apply(std::move(changes));
  std::vector<Eviction> told;
  for (std::size_t i = 0; i < evictions.size(); ++i) {
    if (!answers[i].ok() && is_stale(answers[i].error())) {
      auto again = co_await tell_alone(evictions[i].victim);
      answers[i] = std::move(again);
    }
    if (answers[i].ok()) {
      told.push_back(std::move(evictions[i]));
    } else if (answers[i].error().code != Code::not_found) {
      log_refusal(evictions[i].victim, answers[i].error());
      kept->emplace_back(evictions[i].victim.uid());
    }
  }
  co_return told;
}

Task<std::vector<std::string>> Evictor::evict(std::vector<Eviction> evictions) {
  std::vector<std::string> kept;
  if (evictions.empty()) {
    co_return kept;
  }
  const auto told = co_await tell(std::move(evictions), &kept);
  std::vector<client::Change> changes;
  changes.reserve(told.size());
  for (const Eviction& each : told) {
    changes.push_back(removing(each.victim));
  }
  const auto answers = co_await client_.apply(std::move(changes));
  for (std::size_t i = 0; i < told.size(); ++i) {
    const auto& [victim, preemptor, node] = told[i];
    if (answers[i].ok()) {
      events_.record(reconcile::note_about(
          victim,
          reconcile::Note::Type::normal,
          "Preempted",
          fmt::format("Preempted by pod {} on node {}", preemptor, node.text)));
    } else if (answers[i].error().code != Code::not_found && !is_stale(answers[i].error())) {
      log_refusal(victim, answers[i].error());
      kept.emplace_back(victim.uid());
    }
  }
  co_return kept;
}

}  // namespace tetrarch::control

// SPDX-License-Identifier: Apache-2.0
#include "control/event_recorder.h"

#include <algorithm>
#include <utility>

#include <fmt/format.h>

#include "async/timer.h"
#include "base/log.h"
#include "object/writer.h"

namespace tetrarch::control {

namespace {

using reconcile::Note;
using std::chrono::minutes;
using std::chrono::seconds;

// Written at 640 a second: those of ten thousand units started at once within a minute.
constexpr std::size_t kQueueMost = 65'536;
constexpr std::size_t kRememberedMost = 16'384;
// Source: client-go tools/record events_cache.go (defaults): 10 similar events in 10 minutes are
// joined; a source may say 25 things about an object at once and one more every 5 minutes.
constexpr int kSimilarMost = 10;
constexpr minutes kSimilarWindow{10};
constexpr double kBurst = 25;
constexpr seconds kRefill{300};
constexpr std::string_view kJoined = "(combined from similar events): ";

std::string_view type_name(Note::Type type) {
  return type == Note::Type::normal ? "Normal" : "Warning";
}

std::string object_of(const Note& note) {
  return fmt::format("{}/{}/{}/{}", note.about.resource, note.about.ns, note.about.name, note.uid);
}

std::string reason_of(const Note& note) {
  return fmt::format("{}|{}|{}", object_of(note), type_name(note.type), note.reason);
}

/// Events about objects without a namespace live in "default".
std::string namespace_of(const Note& note) {
  return note.about.ns.empty() ? "default" : note.about.ns;
}

void write_involved(object::Writer& out, const Note& note) {
  out.key("involvedObject").begin_object();
  out.field("kind", note.kind);
  if (!note.about.ns.empty()) {
    out.field("namespace", note.about.ns);
  }
  out.field("name", note.about.name);
  if (!note.uid.empty()) {
    out.field("uid", note.uid);
  }
  out.field("apiVersion", note.api_version).end_object();
}

DocumentPtr event_document(const Note& note,
                           const Key& key,
                           std::string_view component,
                           TimePoint now) {
  std::string json;
  object::Writer out(json);
  out.begin_object().field("kind", "Event").field("apiVersion", "v1");
  out.key("metadata")
      .begin_object()
      .field("name", key.name)
      .field("namespace", key.ns)
      .end_object();
  write_involved(out, note);
  out.field("reason", note.reason).field("message", note.message);
  out.key("source").begin_object().field("component", component).end_object();
  out.field("firstTimestamp", format_time(now)).field("lastTimestamp", format_time(now));
  out.field("count", 1).field("type", type_name(note.type));
  out.field("reportingComponent", component).field("reportingInstance", "").end_object();
  return Document::from_canonical(std::move(json));
}

/// Whether a note of that identity waits to be written.
bool is_among(const auto& fresh, std::string_view identity) {
  return std::any_of(
      fresh.begin(), fresh.end(), [&](const auto& each) { return each.identity == identity; });
}

/// Where most are new all go: whoever looks through so many does not do so again soon.
template <class Value, class IsOld>
void trim(std::map<std::string, Value>& known, const IsOld& is_old) {
  if (known.size() <= kRememberedMost) {
    return;
  }
  std::erase_if(known, [&](const auto& each) { return is_old(each.second); });
  if (known.size() > kRememberedMost / 2) {
    known.clear();
  }
}

}  // namespace

EventRecorder::EventRecorder(client::Client& client,
                             const Clock& clock,
                             Random& random,
                             Metrics& metrics,
                             std::string component)
    : client_(client),
      clock_(clock),
      names_(random),
      component_(std::move(component)),
      dropped_(metrics.counter("tetrarch_events_dropped_total", "Events that were not written.")),
      queue_(kQueueMost) {}

void EventRecorder::record(Note note) {
  if (!queue_.try_push({std::move(note), clock_.now()})) {
    dropped_.add();
  }
}

Task<void> EventRecorder::run() {
  while (true) {
    auto notes = co_await queue_.pop_some(pace_.batch);
    if (notes.empty()) {
      co_return;
    }
    const bool are_many = notes.size() > 1;
    co_await write(std::move(notes));
    if (are_many) {
      co_await async::sleep_for(pace_.pause);
    }
  }
}

Task<void> EventRecorder::write(std::vector<Said> notes) {
  std::vector<Fresh> fresh;
  for (auto& said : notes) {
    co_await write(std::move(said), fresh);
  }
  co_await create(fresh);
}

Task<void> EventRecorder::write(Said said, std::vector<Fresh>& fresh) {
  auto& note = said.note;
  const auto now = said.at;
  forget_old(now);
  std::string identity = fmt::format("{}|{}", reason_of(note), note.message);
  if (is_among(fresh, identity)) {
    co_await create(fresh);
  }
  if (!written_.contains(identity)) {
    join_similar(note, now);
    if (note.message.starts_with(kJoined)) {
      identity = reason_of(note);
    }
  }
  if (!may_speak(note, now)) {
    dropped_.add();
    co_return;
  }
  if (is_among(fresh, identity)) {  // joined with another one of this batch
    co_await create(fresh);
  }
  const bool is_repeated = co_await repeat(identity, said);
  if (!is_repeated) {
    fresh.push_back(fresh_from(std::move(said), std::move(identity)));
  }
}

bool EventRecorder::may_speak(const Note& note, TimePoint now) {
  auto [at, is_new] = objects_.try_emplace(object_of(note));
  auto& talk = at->second;
  if (is_new) {
    talk.tokens = kBurst;
    talk.refilled = now;
  }
  const std::chrono::duration<double> passed = now - talk.refilled;
  talk.tokens = std::min(kBurst, talk.tokens + passed / kRefill);
  talk.refilled = now;
  if (talk.tokens < 1) {
    return false;
  }
  talk.tokens -= 1;
  return true;
}

void EventRecorder::join_similar(Note& note, TimePoint now) {
  auto [at, is_new] = reasons_.try_emplace(reason_of(note));
  auto& talk = at->second;
  if (is_new || now - talk.since > kSimilarWindow) {
    talk = Talk{};
    talk.since = now;
  }
  if (++talk.texts > kSimilarMost) {
    note.message.insert(0, kJoined);
  }
}

Task<bool> EventRecorder::repeat(std::string identity, Said said) {
  const auto found = written_.find(identity);
  if (found == written_.end()) {
    co_return false;
  }
  Written written = found->second;
  written.count += 1;
  written.last = said.at;
  std::string body;
  object::Writer(body)
      .begin_object()
      .field("count", written.count)
      .field("lastTimestamp", format_time(written.last))
      .field("message", said.note.message)
      .end_object();
  client::WriteOptions options;
  const auto patched = co_await client_.patch(written.key, client::PatchType::merge, body, options);
  if (patched) {
    written_[identity] = written;
  } else {
    written_.erase(identity);
  }
  co_return patched.ok();
}

EventRecorder::Fresh EventRecorder::fresh_from(Said said, std::string identity) {
  const auto& note = said.note;
  Key key{"events", namespace_of(note), names_.next(note.about.name, said.at)};
  return {std::move(said), std::move(identity), std::move(key)};
}

/// All of them in one commit; none are left.
Task<void> EventRecorder::create(std::vector<Fresh>& fresh) {
  const auto batch = std::exchange(fresh, {});
  if (batch.empty()) {
    co_return;
  }
  std::vector<client::Change> changes;
  for (const auto& each : batch) {
    client::Change change;
    change.verb = client::Change::Verb::create;
    change.key = each.key;
    change.document = event_document(each.said.note, each.key, component_, each.said.at);
    changes.push_back(std::move(change));
  }
  const auto created = co_await client_.apply(std::move(changes));
  for (std::size_t i = 0; i < batch.size(); ++i) {
    const auto& [said, identity, key] = batch[i];
    const auto& note = said.note;
    if (created[i]) {
      written_[identity] = Written{.key = key, .count = 1, .last = said.at};
      continue;
    }
    // A namespace that is ending takes none.
    log::debug("control",
               "event {} about {}: {}",
               note.reason,
               note.about.name,
               created[i].error().message);
    dropped_.add();
  }
}

/// Keeps memory bounded; what is forgotten only begins a new Event object.
void EventRecorder::forget_old(TimePoint now) {
  trim(written_, [&](const Written& each) { return now - each.last > kSimilarWindow; });
  trim(reasons_, [&](const Talk& each) { return now - each.since > kSimilarWindow; });
  if (objects_.size() > kRememberedMost) {
    objects_.clear();
    reasons_.clear();
  }
}

}  // namespace tetrarch::control

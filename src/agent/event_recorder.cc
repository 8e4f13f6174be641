// SPDX-License-Identifier: Apache-2.0
#include "agent/event_recorder.h"

#include <fmt/format.h>

#include "base/log.h"
#include "base/utf8.h"
#include "object/writer.h"

namespace tetrarch::agent {
namespace {

constexpr std::size_t kWaitingMax = 500;
constexpr std::size_t kKnownMax = 2000;
constexpr std::chrono::hours kForgetAfter{1};

}  // namespace

EventRecorder::EventRecorder(client::Client& client,
                             std::string node_name,
                             const Clock& clock,
                             Random& random)
    : client_(client), node_name_(std::move(node_name)), clock_(clock), names_(random) {}

void EventRecorder::normal(const EventSubject& subject,
                           std::string_view reason,
                           std::string message) {
  add({subject, "Normal", std::string(reason), std::move(message), clock_.now()});
}

void EventRecorder::warning(const EventSubject& subject,
                            std::string_view reason,
                            std::string message) {
  add({subject, "Warning", std::string(reason), std::move(message), clock_.now()});
}

void EventRecorder::add(Waiting event) {
  if (waiting_.size() >= kWaitingMax) {
    waiting_.pop_front();
  }
  constexpr std::size_t kMessageMax = 1024;  // Source: Kubernetes API validation of Event.message
  // Often what a program has printed, which may be anything; the server refuses what is no UTF-8.
  const auto text = to_utf8(event.message);
  event.message = utf8_head(text, kMessageMax);
  waiting_.push_back(std::move(event));
  has_waiting_.raise();
}

Task<void> EventRecorder::send() {
  while (true) {
    while (waiting_.empty()) {
      co_await has_waiting_.wait();
    }
    Waiting event = std::move(waiting_.front());
    waiting_.pop_front();
    co_await send_one(std::move(event));
  }
}

std::string EventRecorder::document(const Waiting& event, const Known& known) const {
  std::string out;
  object::Writer writer(out);
  const auto& subject = event.subject;
  const std::string ns = subject.ns.empty() ? "default" : subject.ns;
  writer.begin_object().field("kind", "Event").field("apiVersion", "v1");
  writer.key("metadata")
      .begin_object()
      .field("name", known.name)
      .field("namespace", ns)
      .end_object();
  writer.key("involvedObject").begin_object().field("kind", subject.kind).field("apiVersion", "v1");
  if (!subject.ns.empty()) {
    writer.field("namespace", subject.ns);
  }
  writer.field("name", subject.name).field("uid", subject.uid);
  if (!subject.field_path.empty()) {
    writer.field("fieldPath", subject.field_path);
  }
  writer.end_object();
  writer.field("reason", event.reason).field("message", event.message).field("type", event.type);
  writer.key("source")
      .begin_object()
      .field("component", "kubelet")
      .field("host", node_name_)
      .end_object();
  writer.field("firstTimestamp", known.first).field("lastTimestamp", format_time(known.last));
  writer.field("count", known.count);
  writer.field("reportingComponent", "kubelet").field("reportingInstance", node_name_);
  writer.end_object();
  return out;
}

Task<void> EventRecorder::send_one(Waiting event) {
  const auto now = event.at;
  if (known_.size() > kKnownMax) {
    known_.clear();
  }
  const auto& subject = event.subject;
  const auto id = fmt::format("{}\n{}\n{}\n{}\n{}",
                              subject.uid,
                              subject.field_path,
                              event.type,
                              event.reason,
                              event.message);
  Known& known = known_[id];
  const bool is_repeat = known.count > 0 && now - known.last < kForgetAfter;
  if (!is_repeat) {
    known = Known{names_.next(subject.name, now), 0, format_time(now), now};
  }
  ++known.count;
  known.last = now;
  const std::string ns = subject.ns.empty() ? "default" : subject.ns;
  if (is_repeat) {
    const auto patch =
        fmt::format(R"({{"count":{},"lastTimestamp":"{}"}})", known.count, format_time(now));
    Key key{"events", ns, known.name};
    client::WriteOptions options;
    const auto patched = co_await client_.patch(key, client::PatchType::merge, patch, options);
    if (patched.ok() || patched.error().code != Code::not_found) {
      co_return;
    }
  }
  auto fresh = Document::from_canonical(document(event, known));
  client::WriteOptions options;
  const auto created = co_await client_.create("events", ns, fresh, options);
  if (!created.ok()) {
    log::debug("agent", "event {} not recorded: {}", event.reason, created.error().message);
  }
}

}  // namespace tetrarch::agent

// SPDX-License-Identifier: Apache-2.0
// Reader: watch. A store subscription, narrowed by selectors and shown in the caller's version.
#include <utility>

#include "async/timer.h"
#include "registry/reader.h"
#include "registry/versions.h"

namespace tetrarch::registry {

using client::EventType;
using client::WatchEvent;

namespace {

constexpr std::size_t kBatch = 512;
// Far enough, and no overflow in what counts from it.
constexpr SteadyPoint kNever{std::chrono::hours(24 * 365 * 100)};

/// kind, apiVersion and metadata only; ends the initial events where asked.
DocumentPtr bookmark_document(const schema::Kind& kind, bool ends_initial) {
  std::string json;
  object::Writer out(json);
  out.begin_object().field("kind", kind.kind).field("apiVersion", kind.api_version());
  out.key("metadata").begin_object();
  if (ends_initial) {
    // Source: Kubernetes API concepts, "Streaming lists".
    out.key("annotations").begin_object().field("k8s.io/initial-events-end", "true").end_object();
  }
  out.end_object().end_object();
  return Document::from_canonical(std::move(json));
}

struct WatchPlan {
  const schema::Kind* asked;
  const schema::Kind* stored;
  Selection selection;
  const Clock& clock;
  bool wants_bookmarks = false;
  std::chrono::seconds bookmark_interval{60};
};

class FilteredWatch final : public client::Watch {
 public:
  FilteredWatch(WatchPlan plan,
                std::unique_ptr<store::Subscription> changes,
                std::vector<WatchEvent> initial)
      : plan_(std::move(plan)), initial_(std::move(initial)), changes_(std::move(changes)) {
    put_off_bookmark();
    changes_->on_ready([ready = ready_] { ready->raise(); });
  }

  ~FilteredWatch() override { changes_.reset(); }

  Task<Result<std::vector<WatchEvent>>> next() override {
    if (!initial_.empty()) {
      co_return std::exchange(initial_, {});
    }
    while (true) {
      auto polled = changes_->poll(kBatch);
      if (!polled.ok()) {
        co_return Error{Code::expired,
                        "too old resource version: the watch fell behind; list again"};
      }
      std::vector<WatchEvent> out;
      for (auto& event : *polled) {
        CO_TRY_STATUS(take(std::move(event), out));
      }
      if (!out.empty()) {
        put_off_bookmark();
        co_return out;
      }
      // What does not match puts off no bookmark: others may be busy all the time.
      bool is_due = plan_.clock.steady() >= due_;
      if (polled->empty() && !is_due) {
        is_due = !co_await ready_->wait_for(due_ - plan_.clock.steady());
      }
      if (is_due) {
        put_off_bookmark();
        out.push_back(bookmark());
        co_return out;
      }
    }
  }

 private:
  void put_off_bookmark() {
    due_ = plan_.wants_bookmarks ? plan_.clock.steady() + plan_.bookmark_interval : kNever;
  }

  WatchEvent bookmark() const {
    return {EventType::bookmark,
            Stored{Key{plan_.asked->resource, "", ""},
                   changes_->position(),
                   bookmark_document(*plan_.asked, false)}};
  }

  /// What the change means to somebody who sees only what the selectors match.
  Status take(store::Event event, std::vector<WatchEvent>& out) const {
    using Type = store::Event::Type;
    const bool is_all = plan_.selection.is_everything();
    const bool matched = event.previous != nullptr && event.type != Type::added &&
                         (is_all || plan_.selection.matches(event.previous->root()));
    const bool is_gone = event.type == Type::deleted;
    const bool matches = !is_gone && (is_all || plan_.selection.matches(event.object.root()));
    if (is_gone && (matched || is_all ||
                    (event.previous == nullptr && plan_.selection.matches(event.object.root())))) {
      return show(EventType::deleted, std::move(event.object), out);
    }
    if (matched && !matches && !is_gone) {
      event.object.document = event.previous;
      return show(EventType::deleted, std::move(event.object), out);
    }
    if (matches) {
      return show(matched ? EventType::modified : EventType::added, std::move(event.object), out);
    }
    return ok();
  }

  Status show(EventType type, Stored object, std::vector<WatchEvent>& out) const {
    if (plan_.asked != plan_.stored) {
      TRY(object.document, converted(*plan_.stored, *plan_.asked, object.document));
    }
    out.push_back({type, std::move(object)});
    return ok();
  }

  WatchPlan plan_;
  std::vector<WatchEvent> initial_;
  // Shared with the store's callback, which may still run while the watch goes.
  std::shared_ptr<async::Event> ready_ = std::make_shared<async::Event>();
  std::unique_ptr<store::Subscription> changes_;
  SteadyPoint due_ = kNever;  // the next bookmark
};

}  // namespace

Result<std::unique_ptr<client::Watch>> Reader::watch(const Call& call,
                                                     const WatchOptions& options) const {
  const auto& kind = *call.kind;
  TRY(auto selection, this->selection(call, options.select));
  TRY(const auto asked, parse_version(options.at.resource_version));
  const auto snapshot = here_.store.snapshot();
  if (asked > snapshot.revision().number) {
    return version_too_large(asked, snapshot.revision().number);
  }
  if (options.sends_initial_events && options.at.match != "NotOlderThan") {
    FieldErrors faults;
    faults.push_back(
        forbidden_field("resourceVersionMatch",
                        "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan"));
    return invalid("ListOptions.meta.k8s.io", "", std::move(faults));
  }
  const bool tells_initial = options.sends_initial_events.value_or(asked == 0);
  const bool starts_now = asked == 0 || tells_initial;
  store::WatchFilter filter{kind.resource,
                            kind.is_namespaced ? (call.ns.empty() ? selection.ns() : call.ns) : "",
                            kind.resource == "pods" ? selection.node() : std::string(),
                            selection.name()};
  auto changes = here_.store.watch(filter, starts_now ? snapshot.revision() : Revision{asked});
  if (!changes.ok()) {
    return changes.error().code == Code::expired
               ? Error{Code::expired,
                       "too old resource version: " + std::to_string(asked) + " (" +
                           std::to_string(here_.store.compacted().number) + ")"}
               : changes.error();
  }
  std::vector<WatchEvent> initial;
  if (tells_initial) {
    Status shown_all = ok();
    snapshot.scan(kind.resource, filter.ns, {}, [&](const Stored& stored) {
      const bool is_named = filter.name.empty() || filter.name == stored.key.name;
      if (is_named && (selection.is_everything() || selection.matches(stored.root()))) {
        auto visible = shown(kind, stored);
        if (!visible.ok()) {
          shown_all = visible.error();
          return false;
        }
        initial.push_back({EventType::added, *std::move(visible)});
      }
      return true;
    });
    TRY_STATUS(std::move(shown_all));
    if (options.sends_initial_events.value_or(false)) {
      initial.push_back(
          {EventType::bookmark,
           Stored{Key{kind.resource, "", ""}, snapshot.revision(), bookmark_document(kind, true)}});
    }
  }
  WatchPlan plan{&kind,
                 &planner_.storage(kind),
                 std::move(selection),
                 here_.clock,
                 options.wants_bookmarks,
                 here_.options.bookmark_interval};
  return std::unique_ptr<client::Watch>(
      std::make_unique<FilteredWatch>(std::move(plan), *std::move(changes), std::move(initial)));
}

}  // namespace tetrarch::registry

// SPDX-License-Identifier: Apache-2.0
// containerd's event stream, cut down to what happened to whose main process.
#include <atomic>

#include "agent/runtime/containers_impl.h"
#include "async/bounded_queue.h"

namespace tetrarch::agent::runtime {
namespace {

/// Events that wait for the agent; when it is slower, one `lost` event takes their place and it
/// lists.
constexpr std::size_t kQueueMax = 8192;

std::optional<Event> translate(const native_events::Envelope& envelope) {
  struct Row {
    std::string_view topic;
    EventKind kind;
  };

  // Source: containerd 1.6.20, runtime/events.go.
  constexpr Row kRows[] = {{"/tasks/start", EventKind::started},
                           {"/tasks/exit", EventKind::exited},
                           {"/tasks/delete", EventKind::deleted},
                           {"/tasks/oom", EventKind::oom},
                           {"/tasks/paused", EventKind::paused},
                           {"/tasks/resumed", EventKind::resumed}};
  for (const Row& row : kRows) {
    if (row.topic != envelope.topic()) {
      continue;
    }
    native_events::TaskExit payload;  // the other payloads begin the same way
    if (row.kind == EventKind::exited) {
      if (!payload.ParseFromString(envelope.event().value()) ||
          payload.id() != payload.container_id()) {
        return std::nullopt;  // the end of an exec
      }
      return Event{row.kind, payload.container_id()};
    }
    native_events::TaskSubject subject;
    if (!subject.ParseFromString(envelope.event().value())) {
      return std::nullopt;
    }
    return Event{row.kind, subject.container_id()};
  }
  return std::nullopt;
}

/// Kept by `calls` until gRPC has called OnDone.
struct Reactor final : Calls::Pending, grpc::ClientReadReactor<native_events::Envelope> {
  explicit Reactor(Calls& owner) : calls(owner) {}

  Calls& calls;
  native_events::SubscribeRequest request;
  native_events::Envelope envelope;
  async::BoundedQueue<Event> queue{kQueueMax};
  std::atomic<bool> has_lost = false;

  void OnReadDone(bool is_ok) override {
    if (!is_ok) {
      return;
    }
    if (auto event = translate(envelope); event && !queue.try_push(std::move(*event))) {
      has_lost = true;
    }
    StartRead(&envelope);
  }

  void OnDone(const grpc::Status& /*status*/) override {
    queue.close();
    calls.finish(this);
  }
};

class Subscription final : public EventStream {
 public:
  Subscription(std::shared_ptr<Services> services, std::shared_ptr<Reactor> reactor)
      : services_(std::move(services)), reactor_(std::move(reactor)) {}

  ~Subscription() override { reactor_->context.TryCancel(); }

  Task<Result<Event>> next() override {
    if (reactor_->has_lost.exchange(false)) {
      co_return Event{EventKind::lost, ""};
    }
    auto event = co_await reactor_->queue.pop();
    if (!event) {
      co_return Error{Code::unavailable, "containerd's event stream ended"};
    }
    co_return std::move(*event);
  }

 private:
  std::shared_ptr<Services> services_;  // the channel that the stream is read from
  std::shared_ptr<Reactor> reactor_;    // shared with the services' calls until OnDone
};

}  // namespace

Task<Result<std::unique_ptr<EventStream>>> Containers::events() {
  auto reactor = std::make_shared<Reactor>(services_->calls);
  reactor->context.AddMetadata("containerd-namespace", kContainerdNamespace);
  reactor->request.add_filters(std::string("namespace==") + kContainerdNamespace +
                               ",topic~=\"^/tasks/\"");
  if (!services_->calls.add(reactor)) {
    co_return Error{Code::cancelled, "the connection is being closed"};
  }
  services_->events->async()->Subscribe(&reactor->context, &reactor->request, reactor.get());
  reactor->StartRead(&reactor->envelope);
  reactor->StartCall();
  co_return std::unique_ptr<EventStream>(
      std::make_unique<Subscription>(services_, std::move(reactor)));
}

}  // namespace tetrarch::agent::runtime

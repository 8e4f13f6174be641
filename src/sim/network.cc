// SPDX-License-Identifier: Apache-2.0
#include "sim/network.h"

#include "async/timer.h"

namespace tetrarch::sim {
namespace {

// Ours: an agent's and a user's patience with one request.
constexpr seconds kPatience{10};
// Source: docs/adr/0041-beats.md: a connection without an answer for that long is given up.
constexpr seconds kSilence{8};
constexpr milliseconds kResendFirst{200};
constexpr int kResendsMax = 6;

Error refused() {
  return {Code::unavailable, "connection refused"};
}

Error lost() {
  return {Code::unavailable, "no answer"};
}

}  // namespace

milliseconds Network::delay_of(const Link& link) {
  auto delay = chance_.between(link.delay_min, link.delay_max);
  auto resend = kResendFirst;
  for (int i = 0; i < kResendsMax && chance_.per_mille(link.loss_per_mille); ++i) {
    delay += resend;
    resend *= 2;
  }
  return delay;
}

std::optional<milliseconds> Network::up(const std::string& place) {
  const auto& at = link(place);
  return at.is_cut_up ? std::nullopt : std::optional(delay_of(at));
}

std::optional<milliseconds> Network::down(const std::string& place) {
  const auto& at = link(place);
  return at.is_cut_down ? std::nullopt : std::optional(delay_of(at));
}

bool Network::repeats(const std::string& place) {
  const auto& at = link(place);
  return at.repeat_per_mille > 0 && chance_.per_mille(at.repeat_per_mille);
}

template <class T>
Task<Result<T>> RemoteClient::ask(Serve<T> what) {
  const auto until = network_.clock().now() + kPatience;
  const auto out = network_.up(place_);
  if (!out || *out > kPatience) {
    co_await async::sleep_for(kPatience);
    co_return lost();
  }
  co_await async::sleep_for(*out);
  auto& server = network_.server();
  if (!server.is_listening()) {
    co_return refused();
  }
  const auto number = server.number();
  const auto call = std::make_shared<Call<T>>();
  server.submit<T>(identity_, what, call);
  if (network_.repeats(place_)) {
    server.submit<T>(identity_, what, std::make_shared<Call<T>>());
  }
  co_await call->answered.wait_for(
      std::max<std::chrono::nanoseconds>(until - network_.clock().now(), milliseconds(1)));
  const auto back = network_.down(place_);
  if (!call->answer || !back) {
    co_await async::sleep_for(
        std::max<std::chrono::nanoseconds>(until - network_.clock().now(), milliseconds(1)));
    co_return lost();
  }
  co_await async::sleep_for(*back);
  if (server.number() != number) {
    co_return lost();
  }
  co_return *std::move(call->answer);
}

/// `is_of_object`: the answer is the object that was written, not what a subresource says.
Task<Result<Stored>> RemoteClient::write(Serve<Stored> what, bool is_of_object) {
  auto answer = co_await ask<Stored>(std::move(what));
  if (answer.ok() && is_of_object) {
    ledger_.acknowledge(answer->key, answer->revision);
  }
  co_return answer;
}

Task<Result<Stored>> RemoteClient::get(Key key) {
  Serve<Stored> what = [key = std::move(key)](client::Client& client) { return client.get(key); };
  return ask<Stored>(std::move(what));
}

Task<Result<client::ListPage>> RemoteClient::list(client::ListQuery query) {
  Serve<client::ListPage> what = [query = std::move(query)](client::Client& client) {
    return client.list(query);
  };
  return ask<client::ListPage>(std::move(what));
}

Task<Result<Stored>> RemoteClient::create(std::string resource,
                                          std::string ns,
                                          DocumentPtr document,
                                          client::WriteOptions options) {
  const bool is_of_object = options.subresource.empty();
  Serve<Stored> what = [resource, ns, document, options](client::Client& client) {
    return client.create(resource, ns, document, options);
  };
  return write(std::move(what), is_of_object);
}

Task<Result<Stored>> RemoteClient::update(Key key,
                                          DocumentPtr document,
                                          client::WriteOptions options) {
  Serve<Stored> what = [key, document, options](client::Client& client) {
    return client.update(key, document, options);
  };
  return write(std::move(what), true);
}

Task<Result<Stored>> RemoteClient::patch(Key key,
                                         client::PatchType type,
                                         std::string body,
                                         client::WriteOptions options) {
  Serve<Stored> what = [key, type, body, options](client::Client& client) {
    return client.patch(key, type, body, options);
  };
  return write(std::move(what), true);
}

Task<Result<Stored>> RemoteClient::remove(Key key, client::DeleteOptions options) {
  Serve<Stored> what = [key, options](client::Client& client) {
    return client.remove(key, options);
  };
  return write(std::move(what), true);
}

namespace {

using Answers = std::vector<Result<Stored>>;

Task<Result<Answers>> apply_all(client::Client& client, std::vector<client::Change> changes) {
  auto answers = co_await client.apply(std::move(changes));
  co_return answers;
}

}  // namespace

/// One request of ours, where a real client sends as many as there are changes.
Task<std::vector<Result<Stored>>> RemoteClient::apply(std::vector<client::Change> changes) {
  const auto count = changes.size();
  Serve<Answers> what = [changes = std::move(changes)](client::Client& client) {
    return apply_all(client, changes);
  };
  auto answered = co_await ask<Answers>(std::move(what));
  if (!answered.ok()) {
    co_return Answers(count, Result<Stored>(answered.error()));
  }
  for (const auto& answer : *answered) {
    if (answer.ok()) {
      ledger_.acknowledge(answer->key, answer->revision);
    }
  }
  co_return *std::move(answered);
}

namespace {

class RemoteWatch final : public client::Watch {
 public:
  RemoteWatch(Network& network, std::string place, std::shared_ptr<Pipe> pipe)
      : network_(network), place_(std::move(place)), pipe_(std::move(pipe)) {}

  ~RemoteWatch() override {
    pipe_->is_abandoned = true;
    pipe_->abandoned.raise();
  }

  RemoteWatch(const RemoteWatch&) = delete;
  RemoteWatch& operator=(const RemoteWatch&) = delete;

  Task<Result<std::vector<client::WatchEvent>>> next() override {
    auto heard = network_.clock().now();
    while (true) {
      if (network_.link(place_).is_cut()) {
        if (network_.clock().now() - heard >= kSilence) {
          co_return lost();
        }
        co_await async::sleep_for(seconds(1));
        continue;
      }
      heard = network_.clock().now();
      if (!pipe_->batches.empty()) {
        auto batch = std::move(pipe_->batches.front());
        pipe_->batches.pop_front();
        const auto delay = network_.down(place_);
        co_await async::sleep_for(delay.value_or(milliseconds(1)));
        co_return batch;
      }
      if (pipe_->end) {
        co_return *pipe_->end;
      }
      co_await pipe_->filled.wait_for(kSilence);
    }
  }

 private:
  Network& network_;
  const std::string place_;
  const std::shared_ptr<Pipe> pipe_;
};

using Opening = std::function<Task<Result<std::unique_ptr<client::Watch>>>(client::Client&)>;

/// A machine makes no service rules and no routes of what its feed brings: of 1,000 machines most
/// of the time would go into handing those around.
bool is_for_pods(const client::WatchEvent& event) {
  const auto& resource = event.object.key.resource;
  return event.type == client::EventType::bookmark || resource == "pods" || resource == "nodes";
}

constexpr milliseconds kFeedPace{100};

Task<Result<std::shared_ptr<Pipe>>> open_pipe(Opening what,
                                              client::Client& client,
                                              Server& server,
                                              bool is_feed) {
  auto watch = co_await what(client);
  if (!watch.ok()) {
    co_return std::move(watch).error();
  }
  auto pipe = std::make_shared<Pipe>();
  if (is_feed) {
    pipe->pace = kFeedPace;
    pipe->wants = is_for_pods;
  }
  server.follow(*std::move(watch), pipe);
  co_return pipe;
}

}  // namespace

Task<Result<std::unique_ptr<client::Watch>>> RemoteClient::open(Opening what, bool is_feed) {
  Serve<std::shared_ptr<Pipe>> opening =
      [what = std::move(what), is_feed, &server = network_.server()](client::Client& client) {
        return open_pipe(what, client, server, is_feed);
      };
  auto pipe = co_await ask<std::shared_ptr<Pipe>>(std::move(opening));
  if (!pipe.ok()) {
    co_return std::move(pipe).error();
  }
  std::unique_ptr<client::Watch> watch =
      std::make_unique<RemoteWatch>(network_, place_, *std::move(pipe));
  co_return watch;
}

Task<Result<std::unique_ptr<client::Watch>>> RemoteClient::watch(client::WatchQuery query) {
  Opening what = [query = std::move(query)](client::Client& client) { return client.watch(query); };
  return open(std::move(what), false);
}

Task<Result<std::unique_ptr<client::Watch>>> RemoteClient::feed(NodeName node) {
  Opening what = [node = std::move(node)](client::Client& client) { return client.feed(node); };
  return open(std::move(what), true);
}

}  // namespace tetrarch::sim

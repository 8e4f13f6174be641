// SPDX-License-Identifier: Apache-2.0
#include "reach/dialer.h"

#include <algorithm>

#include "async/together.h"
#include "base/encoding.h"
#include "base/log.h"

namespace tetrarch::reach {

Dialer::Dialer(async::IoPool& pool,
               net::Client& client,
               NodeName node,
               Handler handler,
               Options options,
               Random& random,
               const Clock& clock)
    : client_(client),
      node_(std::move(node)),
      handler_(std::move(handler)),
      options_(options),
      random_(random),
      clock_(clock),
      strand_(pool.strand()),
      group_(strand_, "reach") {}

Dialer::~Dialer() = default;

void Dialer::run() {
  group_.spawn(keep_dialling(*this));
}

Task<void> Dialer::keep_dialling(Dialer& self) {
  auto backoff = self.options_.backoff_min;
  bool is_known_lost = false;  // one line in the log per loss, not per attempt
  while (true) {
    const auto begun = self.clock_.steady();
    const auto ended = co_await self.dial_once();
    const bool was_up = self.phase_.exchange(Phase::none) == Phase::connected;
    self.use(nullptr);
    if (!ended.ok() && (was_up || !is_known_lost)) {
      log::warning("reach",
                   "the connection to {} is lost: {}",
                   self.client_.url().authority(),
                   ended.error().message);
    }
    is_known_lost = true;
    if (was_up && self.clock_.steady() - begun > self.options_.backoff_max) {
      backoff = self.options_.backoff_min;
    }
    // Between half of the back-off and all of it: agents that lost one server together come back
    // apart.
    const auto half = backoff.count() / 2;
    const auto jitter =
        static_cast<std::int64_t>(self.random_.next() % static_cast<std::uint64_t>(half + 1));
    self.phase_ = Phase::pausing;
    (void)co_await self.hurried_.wait_for(std::chrono::nanoseconds(half + jitter));
    backoff = std::min(backoff * 2, self.options_.backoff_max);
  }
}

Task<Dialer::Connected> Dialer::upgrade() {
  net::ClientRequest request;
  request.target = "/tetrarch/v1/nodes/" + percent_encode(node_.text) + "/reach";
  co_return co_await client_.upgrade(std::move(request), "tetrarch-reach");
}

Task<void> Dialer::upgrade_into(std::optional<Connected>& connected) {
  connected = co_await upgrade();
}

Task<void> Dialer::wait_for_answer(bool& has_come) {
  co_await answered_.wait();
  has_come = true;
}

/// One that began while the network was away hangs until TCP tries again, seconds after it is back.
Task<Dialer::Connected> Dialer::connect() {
  std::optional<Connected> connected;
  bool begins_anew = false;
  dialled_ = clock_.steady();
  phase_ = Phase::dialling;
  co_await async::first_of(upgrade_into(connected), wait_for_answer(begins_anew));
  // What was cut off may still have come to its end, by an error.
  if (!connected || (begins_anew && !connected->ok())) {
    connected = co_await upgrade();
  }
  co_return *std::move(connected);
}

Task<Status> Dialer::dial_once() {
  CO_TRY(auto connection, co_await connect());
  MuxOptions options = options_.mux;
  options.is_dialer = true;
  auto on_open = [this](std::string asked, std::unique_ptr<OpenedStream> stream) {
    group_.spawn(answer(handler_, std::move(asked), std::move(stream)));
  };
  const auto mux =
      std::make_shared<Mux>(std::move(connection), options, std::move(on_open), clock_);
  use(mux);
  phase_ = Phase::connected;
  has_answered_ = false;
  co_return co_await mux->run();
}

void Dialer::use(std::shared_ptr<Mux> mux) {
  const std::lock_guard lock(mutex_);
  mux_ = std::move(mux);
  takes_streams_ = mux_ != nullptr;
}

Result<std::unique_ptr<net::Stream>> Dialer::open(std::string request) {
  std::shared_ptr<Mux> mux;
  {
    const std::lock_guard lock(mutex_);
    mux = takes_streams_ ? mux_ : nullptr;
  }
  if (!mux) {
    return Error{Code::unavailable, "there is no connection for streams to the server"};
  }
  return mux->open(std::move(request));
}

void Dialer::hurry() {
  if (phase_ == Phase::pausing) {
    hurried_.raise();
  }
}

void Dialer::note_answer() {
  const auto phase = phase_.load();
  const bool hangs =
      phase == Phase::dialling && clock_.steady() - dialled_.load() >= options_.patience;
  if ((hangs || phase == Phase::pausing) && !has_answered_.exchange(true)) {
    (hangs ? answered_ : hurried_).raise();
  }
}

void Dialer::note_refusal() {
  const std::lock_guard lock(mutex_);
  takes_streams_ = false;
}

Task<void> Dialer::answer(Handler handler,
                          std::string request,
                          std::unique_ptr<OpenedStream> stream) {
  co_await handler(std::move(request), std::move(stream));
}

}  // namespace tetrarch::reach

// SPDX-License-Identifier: Apache-2.0
#include "net/http2_connection.h"

#include <algorithm>
#include <array>

#include "async/together.h"
#include "base/log.h"
#include "net/access_note.h"
#include "net/http2_exchange.h"
#include "net/peer_address.h"

namespace tetrarch::net {
namespace {

constexpr std::size_t kReadSize = 16 * 1024;
/// After so many large writes in a row others on this thread have their turn.
constexpr int kRoundsMax = 4;
/// How much of what a peer still sends is dropped, so that it gets to see why we end.
constexpr std::size_t kLingerBytesMax = 16 * 1024 * 1024;
constexpr std::chrono::nanoseconds kTickMin = std::chrono::milliseconds(10);
constexpr std::chrono::nanoseconds kTickMax = std::chrono::seconds(5);

Http2Limits limits_of(const ServerOptions& options) {
  Http2Limits limits;
  limits.header_bytes = options.header_bytes_max;
  limits.headers = options.headers_max;
  limits.body_bytes = options.body_bytes_max;
  limits.upload_bytes = options.upload_bytes_max;
  limits.streams = options.streams_max;
  return limits;
}

/// How often limits are looked at: a quarter of the shortest.
std::chrono::nanoseconds tick_of(const ServerOptions& options) {
  const auto shortest =
      std::min({options.header_limit, options.body_limit, options.write_limit, options.idle_limit});
  return std::clamp(shortest / 4, kTickMin, kTickMax);
}

}  // namespace

struct Http2Connection::Closer {
  Http2Connection& connection;

  ~Closer() { connection.lose(); }
};

/// A handler's end, however it came.
struct Http2Connection::Released {
  Http2Connection& connection;
  Http2Stream& stream;

  ~Released() {
    if (!stream.is_ended) {
      const auto why = connection.core_->is_draining ? Http2Session::Reason::cancelled
                                                     : Http2Session::Reason::failed;
      connection.session_.reset(stream, why);
    }
    stream.notice = nullptr;
    connection.session_.release(stream);
    --connection.handlers_;
    connection.idle_since_ = connection.core_->clock.steady();
    connection.pump();
    if (connection.is_lost_ || connection.core_->is_draining) {
      connection.wake_.raise();
      connection.released_.raise();
    }
  }
};

Http2Connection::Http2Connection(std::shared_ptr<ServerCore> core,
                                 std::unique_ptr<Transport> transport,
                                 Peer peer,
                                 std::string_view refusal)
    : core_(std::move(core)),
      strand_(transport->socket().get_executor()),
      transport_(std::move(transport)),
      peer_(std::move(peer)),
      refusal_(refusal),
      bodies_(core_->bodies, address_bytes(transport_->socket())),
      session_(limits_of(core_->options), *this),
      opened_(core_->clock.steady()),
      idle_since_(opened_) {}

Task<void> Http2Connection::run(std::shared_ptr<Http2Connection> self) {
  {
    const Closer closer{*self};
    self->transport_->disarm();
    self->pump();
    auto both_ways = async::first_of(self->read(), self->write());
    co_await async::first_of(std::move(both_ways), self->tend());
    co_await self->say_goodbye();
  }
  while (self->handlers_ > 0) {
    co_await self->released_.wait();
  }
}

Task<void> Http2Connection::read() {
  std::array<char, kReadSize> buffer;
  while (true) {
    const auto got = co_await transport_->read(buffer.data(), buffer.size());
    if (!got.ok() || *got == 0) {
      has_ended_ = true;
      co_return;
    }
    const auto fed = session_.feed({buffer.data(), *got}, core_->clock.steady());
    pump();
    if (!fed.ok()) {
      log::info("net",
                "{}: the HTTP/2 connection of {} is ended: {}",
                core_->options.name,
                peer_.address,
                fed.error().message);
      co_return;
    }
    if (session_.is_over()) {
      co_return;
    }
  }
}

Task<void> Http2Connection::write() {
  while (true) {
    while (!is_blocked_) {
      co_await blocked_.wait();
    }
    transport_->arm(write_limit());
    const auto flushed = co_await transport_->flush();
    transport_->disarm();
    if (!flushed.ok()) {
      fail(flushed.error());
      co_return;
    }
    is_blocked_ = false;
    pump();
  }
}

Task<void> Http2Connection::tend() {
  const auto tick = tick_of(core_->options);
  while (look(core_->clock.steady())) {
    co_await wake_.wait_for(tick);
  }
}

/// Closing while bytes arrive would reset the connection and destroy the GOAWAY on its way.
Task<void> Http2Connection::say_goodbye() {
  pump();
  if (has_failed_ || is_blocked_ || has_ended_) {
    co_return;
  }
  transport_->arm(core_->options.linger_limit);
  const auto shut = co_await transport_->shut_write();
  if (!shut.ok()) {
    co_return;
  }
  std::array<char, kReadSize> dropped;
  std::size_t total = 0;
  while (total < kLingerBytesMax) {
    const auto got = co_await transport_->read(dropped.data(), dropped.size());
    if (!got.ok() || *got == 0) {
      co_return;
    }
    total += *got;
  }
}

void Http2Connection::pump() {
  if (is_lost_ || is_blocked_ || has_failed_) {
    return;
  }
  for (int round = 0; round < kRoundsMax; ++round) {
    const auto taken = session_.send();
    if (!taken.ok()) {
      fail(taken.error());
      return;
    }
    const auto sent = transport_->flush_now();
    if (!sent.ok()) {
      fail(sent.error());
      return;
    }
    if (!*sent) {
      break;
    }
    if (!session_.wants_to_send()) {
      return;
    }
  }
  is_blocked_ = true;
  blocked_.raise();
}

void Http2Connection::fail(const Error& why) {
  log::debug("net", "{}: {}: {}", core_->options.name, peer_.address, why.message);
  has_failed_ = true;
  wake_.raise();
}

void Http2Connection::lose() {
  is_lost_ = true;
  transport_->close();
  session_.lose_all();
}

bool Http2Connection::has_room() const {
  return transport_->pending() < Transport::kWriteSize;
}

Status Http2Connection::put(std::string_view bytes) {
  return transport_->append(bytes);
}

UploadHandler* Http2Connection::taker_of(const Request& head) {
  return net::taker_of(core_->options.uploads, head);
}

bool Http2Connection::hold(std::uint64_t bytes) {
  return bodies_.set(bytes);
}

void Http2Connection::take_request(const std::shared_ptr<Http2Stream>& stream) {
  if (!refusal_.empty()) {
    stream->refusal = 503;
    stream->refusal_message = refusal_;
    session_.shut();
  }
  if (stream->refusal != 0) {
    answer_refusal(*stream);
    return;
  }
  ++handlers_;
  core_->group.spawn_on(strand_, serve(shared_from_this(), stream));
}

void Http2Connection::answer_refusal(Http2Stream& stream) {
  auto page = core_->handler.error_body(stream.refusal, stream.refusal_message);
  Headers headers;
  headers.add("Date", std::string(date_.at(core_->clock.now())));
  headers.add("Content-Type", std::move(page.content_type));
  headers.add("Content-Length", std::to_string(page.body.size()));
  if (stream.refusal == 503) {
    headers.add("Retry-After", "1");
  }
  stream.own_body = std::move(page.body);
  if (session_.begin_answer(stream, stream.refusal, headers, true).ok()) {
    session_.push(stream, {stream.own_body}, true, core_->clock.steady());
  }
  session_.release(stream);
  idle_since_ = core_->clock.steady();
  if (core_->options.on_access) {
    core_->options.on_access({"", "", "", &peer_, stream.refusal, 0, stream.own_body.size(), {}});
  }
}

Task<void> Http2Connection::serve(std::shared_ptr<Http2Connection> self,
                                  std::shared_ptr<Http2Stream> stream) {
  const Released released{*self, *stream};
  const auto& core = *self->core_;
  Http2Exchange exchange(*self, *stream, stream->request.method == "HEAD");
  stream->request.peer = self->peer_;
  const AccessNote note(core.options, core.clock, stream->request);
  if (stream->taker != nullptr) {
    co_await stream->taker->handle(std::move(stream->request), exchange, exchange);
  } else {
    co_await core.handler.handle(std::move(stream->request), exchange);
  }
  co_await exchange.complete();
  note.answered(self->peer_, exchange.status(), exchange.body_bytes());
}

void Http2Connection::drain() {
  if (is_lost_) {
    return;
  }
  session_.shut();
  for (const auto& [id, stream] : session_.streams()) {
    if (stream->is_streaming && !stream->is_gone) {
      stream->note_gone();
    }
  }
  pump();
  wake_.raise();
}

std::chrono::nanoseconds Http2Connection::write_limit() const {
  const auto& streams = session_.streams();
  const bool is_all_streaming = std::all_of(
      streams.begin(), streams.end(), [](const auto& at) { return at.second->is_streaming; });
  const auto& options = core_->options;
  return !streams.empty() && is_all_streaming ? options.stream_write_limit : options.write_limit;
}

/// False: the connection has to end.
bool Http2Connection::look(SteadyPoint now) {
  const auto& options = core_->options;
  if (has_failed_ || session_.is_over()) {
    return false;
  }
  if (!session_.has_greeted()) {
    return now - opened_ <= options.header_limit;
  }
  if (session_.streams().empty()) {
    if (now - idle_since_ <= options.idle_limit) {
      return true;
    }
    session_.shut();
    return false;
  }
  std::vector<std::shared_ptr<Http2Stream>> late;  // ending one changes the map
  for (const auto& [id, stream] : session_.streams()) {
    if (is_late(*stream, now)) {
      late.push_back(stream);
    }
  }
  const bool goes_on = std::all_of(
      late.begin(), late.end(), [this](const auto& stream) { return end_late(*stream); });
  pump();
  return goes_on;
}

bool Http2Connection::is_late(Http2Stream& stream, SteadyPoint now) const {
  const auto& options = core_->options;
  if (stream.is_closed) {
    return false;
  }
  if (!stream.is_handed_over) {
    return now - stream.since > (stream.has_header ? options.body_limit : options.header_limit);
  }
  if (stream.is_ended) {
    return now - stream.since > options.linger_limit;  // the request is still not whole
  }
  if (stream.left == 0) {
    return false;
  }
  if (stream.left + Transport::kWriteSize <= stream.left_then) {
    stream.left_then = stream.left;
    stream.since = now;
  }
  return now - stream.since >
         (stream.is_streaming ? options.stream_write_limit : options.write_limit);
}

/// False: the connection has to end.
bool Http2Connection::end_late(Http2Stream& stream) {
  if (!stream.is_handed_over && !stream.has_header) {
    return false;  // nothing else can come before the rest of it
  }
  if (!stream.is_handed_over) {
    session_.refuse(stream, 408);
    return true;
  }
  if (stream.is_ended) {
    session_.reset(stream, Http2Session::Reason::answered);
    return true;
  }
  log::info("net",
            "{}: an answer to {} is cut: the client takes too long to read it",
            core_->options.name,
            peer_.address);
  session_.reset(stream, Http2Session::Reason::cancelled);
  return true;
}

}  // namespace tetrarch::net
